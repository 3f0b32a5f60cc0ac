package provider

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// signed is a signed message of an exchange as a peer may send it, over and over.
type signed struct {
	kind pec.Kind
	mail mail
	to   func(*world) *member
}

// copied reads the first message of a kind that one provider has for the other.
func (w *world) copied(kind pec.Kind) signed {
	w.Helper()
	s := signed{kind: kind, to: func(w *world) *member { return w.alfa }}
	from := w.beta
	s.mail.from = signerOf(betaHost)
	switch kind {
	case pec.Transport:
		from, s.to = w.alfa, func(w *world) *member { return w.beta }
		s.mail.from, s.mail.to = marioAlfa, []pec.Address{luigiBeta}
	case pec.TakenInCharge:
		s.mail.to = []pec.Address{serviceOf(alfaHost)}
	case pec.Delivered:
		s.mail.to = []pec.Address{marioAlfa}
	}
	st := from.store()
	for _, id := range found(w, st.MessageIDs) {
		m, err := st.Message(w.ctx, id)
		if err != nil {
			w.Fatal(err)
		}
		if m.Kind != string(kind) || m.Unit == "" {
			continue
		}
		octets, err := st.Open(w.ctx, id, nil)
		if err != nil {
			w.Fatal(err)
		}
		defer octets.Close()
		text, err := io.ReadAll(octets.Reader())
		if err != nil {
			w.Fatal(err)
		}
		s.mail.octets = string(text)
		return s
	}
	w.Fatalf("%s has no %s", from.name, kind)
	return s
}

// post sends a message to its destination past the proxies on so many connections at a time. It returns how many were
// answered with 250; who was not would try again.
func (w *world) post(s signed, times int) (taken int) {
	w.Helper()
	errs := make([]error, times)
	var sending sync.WaitGroup
	for i := range errs {
		sending.Go(func() { errs[i] = w.postOne(s) })
	}
	sending.Wait()
	for _, err := range errs {
		if err == nil {
			taken++
		} else if !strings.HasPrefix(err.Error(), "451 ") {
			w.Errorf("%s is answered %v", s.kind, err)
		}
	}
	return taken
}

func (w *world) postOne(s signed) error {
	conn, err := net.Dial("tcp", s.to(w).address("smtp"))
	if err == nil {
		_, err = s.mail.over(conn, "")
	}
	return err
}

// orders are all the orders of some things.
func orders[T any](things []T) (all [][]T) {
	if len(things) == 0 {
		return [][]T{nil}
	}
	for i, first := range things {
		for _, rest := range orders(slices.Delete(slices.Clone(things), i, i+1)) {
			all = append(all, append([]T{first}, rest...))
		}
	}
	return all
}

// attacks.md 14, 15: after an exchange a peer sends each of its messages again, once, thrice and three at a time, in all
// orders, at once and days later. Nothing changes but the record, which notes each.
// norms.md 71
func TestOnceSentAgainAfterwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t).start()
	id := w.accepted(single)
	w.concluded(single, id)
	three := []signed{w.copied(pec.Transport), w.copied(pec.TakenInCharge), w.copied(pec.Delivered)}
	for _, later := range []time.Duration{0, 25 * time.Hour, 5 * 24 * time.Hour} {
		w.clock.Advance(later)
		before, posts := w.factCounts(), map[string]int{}
		for _, order := range orders(three) {
			for _, times := range []int{1, 3} {
				for _, s := range order {
					posts[s.to(w).name] += w.post(s, times)
				}
			}
		}
		w.drain()
		for _, m := range w.members() {
			before[m.name+" arrived-again"] += posts[m.name]
		}
		if after := w.factCounts(); !maps.Equal(after, before) || posts["alfa"] == 0 || posts["beta"] == 0 {
			t.Errorf("%s later, after %v messages, the facts are %v, want %v", later, posts, after, before)
		}
		w.wantOnce(single, id)
	}
}

// factCounts counts the facts by member and kind.
func (w *world) factCounts() map[string]int {
	w.Helper()
	counts := map[string]int{}
	for _, m := range w.members() {
		for _, f := range w.factsOf(m.store()) {
			counts[m.name+" "+f]++
		}
	}
	return counts
}

// hold makes the proxy keep back each answer to a message until release.
func (p *proxy) hold() (release func()) {
	held := make(chan struct{})
	p.reached = func(ctx context.Context, m moment) error {
		if m.commands != "message" || !m.answered {
			return nil
		}
		select {
		case <-held:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return sync.OnceFunc(func() { close(held) })
}

// attacks.md 15, 18: Beta has taken the message in charge and delivered it, and Alfa has not heard so: its 250 is on the way,
// and so are both receipts. Now envelope and receipts come by other ways, in all orders with that 250, in every other order
// three of each. Then what was on the way arrives.
// norms.md 71, 72
func TestOnceInAllOrders(t *testing.T) {
	t.Parallel()
	const reply = "the 250"
	for i, order := range orders([]string{reply, string(pec.Transport), string(pec.TakenInCharge), string(pec.Delivered)}) {
		times := 1 + i%2*2
		t.Run(fmt.Sprintf("%s, %d each", strings.Join(order, ", "), times), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.toAlfa.gate = newGate()
			release := w.toBeta.hold()
			w.start()
			id := w.accepted(single)
			w.await("the message is delivered and Alfa does not know", func() bool { return w.alfa.owes() == "relay" && w.beta.owes() == "relay relay" })
			for _, event := range order {
				if event == reply {
					release()
					w.await("Alfa hears its 250", func() bool { return !strings.Contains(w.alfa.owes(), "relay") })
				} else {
					w.post(w.copied(pec.Kind(event)), times)
				}
			}
			w.toAlfa.gate.open()
			w.concluded(single, id)
		})
	}
}

// attacks.md 15, 18: three envelopes come to Beta by other ways, at the same time, before Alfa's own relay gets through, and Alfa
// may hear of it before it has relayed anything.
func TestOnceBeforeTheRelay(t *testing.T) {
	t.Parallel()
	for _, heard := range [][]pec.Kind{nil, {pec.TakenInCharge}, {pec.Delivered}, {pec.TakenInCharge, pec.Delivered}, {pec.Delivered, pec.TakenInCharge}} {
		t.Run(fmt.Sprint(heard), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.toBeta.gate, w.toAlfa.gate = newGate(), newGate()
			w.start()
			id := w.accepted(single)
			if w.post(w.copied(pec.Transport), 3) == 0 {
				t.Error("Beta does not take the envelope")
			}
			w.await("the message is delivered", func() bool { return w.beta.owes() == "relay relay" })
			for _, kind := range heard {
				w.post(w.copied(kind), 1)
			}
			w.toBeta.gate.open()
			w.toAlfa.gate.open()
			w.concluded(single, id)
		})
	}
}

// The client's 250 is lost after everything else has happened: its repeat is the same submission.
func TestOnceLastThingLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	drained := make(chan struct{})
	w.submission.reached = func(ctx context.Context, m moment) error {
		if m != (moment{1, 7, "message", true}) {
			return nil
		}
		select {
		case <-drained:
		case <-ctx.Done():
		}
		return errBroken
	}
	w.start()
	first := make(chan error, 1)
	go func() {
		_, err := w.submit(single)
		first <- err
	}()
	w.await("the receipts are heard", func() bool { return w.alfa.owes() == "" && len(found(w, w.alfa.store().HeardReceipts)) == 2 })
	w.drain()
	close(drained)
	if err := <-first; err == nil {
		t.Error("the client has its 250")
	}
	w.concluded(single, w.accepted(single))
}

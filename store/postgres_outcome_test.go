package store

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// Unknown outcomes (design.md 3): whatever becomes of the connection, a commit returns what is so, and does nothing twice.

// harm is a fault that befalls one message of a commit.
type harm struct {
	from   postgrestest.Side
	n      int
	action postgrestest.Action
	done   chan struct{} // closed when it has befallen

	mu    sync.Mutex
	first map[int]byte // the kind of the first message, by connection
}

func newHarm(from postgrestest.Side, n int, action postgrestest.Action) *harm {
	return &harm{from: from, n: n, action: action, done: make(chan struct{}), first: map[int]byte{}}
}

// commit is the Fault that befalls a batch, which does not begin with a simple query as other transactions do.
func (h *harm) commit(m postgrestest.Message) postgrestest.Action {
	return h.meet(m, func(first byte) bool { return first != 'Q' })
}

// transaction is the Fault that befalls other transactions.
func (h *harm) transaction(m postgrestest.Message) postgrestest.Action {
	return h.meet(m, func(first byte) bool { return first == 'Q' })
}

func (h *harm) meet(m postgrestest.Message, mine func(first byte) bool) postgrestest.Action {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.From == postgrestest.FromClient && m.N == 1 {
		h.first[m.Conn] = m.Kind
	}
	if m.From != h.from || m.N != h.n || h.befell() || !mine(h.first[m.Conn]) {
		return postgrestest.Pass
	}
	close(h.done)
	return h.action
}

func (h *harm) befell() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// cutFact is a fact whose connection is cut at its messages.
type cutFact struct {
	prepare func(w *world) func(Instant) error
	rows    map[string]int
	actions []postgrestest.Action // each befalls each message; none: they take turns
	steps   [2]int                // from one message that is cut to the next, the client's and the server's
	least   int                   // messages of a side
}

// cutFacts are different batches. To the server it is all the same which of its messages is lost.
func cutFacts() map[string]cutFact {
	cut := map[string]cutFact{
		"append":   {prepareAppend, map[string]int{"content": 2, "message": 1, "reference": 1, "entry": 1, "once": 1}, nil, [2]int{2, 8}, 30},
		"postpone": {preparePostpone, map[string]int{"once": 1}, everyCut(), [2]int{1, 2}, 10},
	}
	for _, f := range facts() {
		f.rows["once"] = 1
		if !f.plain {
			f.rows["fact"], f.rows["event"] = 1, 1
		}
		switch f.name {
		case "accept":
			cut[f.name] = cutFact{f.prepare, f.rows, nil, [2]int{1, 10}, 60}
		case "deposit with receipt":
			cut[f.name] = cutFact{f.prepare, f.rows, nil, [2]int{4, 10}, 40}
		}
	}
	return cut
}

func everyCut() []postgrestest.Action {
	return []postgrestest.Action{postgrestest.CutBefore, postgrestest.CutWithin, postgrestest.CutAfter}
}

func prepareAppend(w *world) func(Instant) error {
	inbox := w.inbox(w.mario)
	return func(Instant) error { w.append(w.mario, inbox, "appended"); return nil }
}

// TestCutCommits cuts the connection at the messages of a commit, the client's and the server's, before, within and after them.
// attacks.md 40.
func TestCutCommits(t *testing.T) {
	t.Parallel()
	for name, f := range cutFacts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPgWorld(t)
			s := w.session()
			w.inbox(w.mario) // and is remembered: only the commit is cut
			w.inbox(w.luigi)
			w.cutAll(s, f, postgrestest.FromClient)
			w.cutAll(s, f, postgrestest.FromServer)
			w.consistent(w.mario)
			w.consistent(w.luigi)
			w.everythingReads(t)
			if n := w.count("fact"); n > 0 {
				w.numbered(int64(n))
			}
		})
	}
}

// cutAll cuts at the messages of a side. One that is not met was another connection's business, or behind the last one.
func (w *pgWorld) cutAll(s session, f cutFact, from postgrestest.Side) {
	w.Helper()
	last := 0
	for n, missed := 1, 0; missed < 3; n += f.steps[from] {
		if missed++; w.cutAt(s, f, from, n) {
			last, missed = n, 0
		}
	}
	if last < f.least {
		w.Errorf("side %d was cut up to message %d only", from, last)
	}
}

// cutAt commits the fact and cuts its connection at the n-th message of a side. false: there is no such message.
func (w *pgWorld) cutAt(s session, f cutFact, from postgrestest.Side, n int) (befell bool) {
	w.Helper()
	actions := f.actions
	if actions == nil {
		actions = everyCut()[n%3:][:1]
	}
	for _, action := range actions {
		commit := f.prepare(w.world)
		before := s.rows()
		h := newHarm(from, n, action)
		w.proxy.Arm(h.commit)
		err := commit(w.instant())
		w.proxy.Disarm()
		if got := added(before, s.rows()); err != nil || !maps.Equal(got, f.rows) {
			w.Errorf("cut %d at message %d of side %d: %v, added %v, want %v", action, n, from, err, got, f.rows)
		}
		befell = befell || h.befell()
	}
	return befell
}

// TestSwallowedCommits: a message is lost, and the connection stays up until somebody ends it.
func TestSwallowedCommits(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	s := w.session()
	for _, from := range []postgrestest.Side{postgrestest.FromClient, postgrestest.FromServer} {
		for _, n := range []int{8, 25, 50} { // a lease's renewal has fewer messages
			commit := prepareAccept(w.world)
			before := s.rows()
			h := newHarm(from, n, postgrestest.Swallow)
			w.proxy.Arm(h.commit)
			at := w.instant()
			done := later(func() error { return commit(at) })
			<-h.done
			select {
			case err := <-done:
				t.Fatalf("side %d, message %d: it returned %v before anybody knew", from, n, err)
			case <-time.After(10 * time.Millisecond):
			}
			w.proxy.Disarm()
			if err := <-done; err != nil {
				t.Errorf("side %d, message %d: %v", from, n, err)
			}
			if got := added(before, s.rows()); got["fact"] != 1 || got["once"] != 1 || got["entry"] != 1 || got["task"] != 3 {
				t.Errorf("side %d, message %d: added %v", from, n, got)
			}
		}
	}
}

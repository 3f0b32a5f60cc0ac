package provider

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

// wire is a connection between two of those who talk.
type wire struct {
	name     string
	of       func(*world) *proxy
	flights  int // of a conversation that brings one message to one recipient
	last     string
	messages int // in the exchange of one recipient
	crowd    int // in that of three
}

func wires() []wire {
	return []wire{
		{"client to Alfa", func(w *world) *proxy { return w.submission }, 8, "QUIT", 1, 1},
		{"Alfa to Beta", func(w *world) *proxy { return w.toBeta }, 7, "message", 1, 1},
		{"Beta to Alfa", func(w *world) *proxy { return w.toAlfa }, 7, "message", 2, 3},
	}
}

// lost says how a flight is lost: itself, or the answer to it.
func lost(answered bool) string {
	if answered {
		return "failed after taking effect"
	}
	return "failed"
}

// cutAt makes a proxy cut both sides at the first moment that is meant. It may be told of moments by several goroutines.
func (w *world) cutAt(p *proxy, meant func(moment) bool) {
	p.reached = func(_ context.Context, m moment) error {
		if !meant(m) || !w.broken.CompareAndSwap(false, true) {
			return nil
		}
		w.stir()
		return errBroken
	}
}

// design.md 3: the lost 250, of the client, between providers, and of each receipt; and the message that is lost itself. Client
// and providers try again until they are answered.
// norms.md 71
func TestOnceLostMessages(t *testing.T) {
	t.Parallel()
	for _, by := range wires() {
		for n := range by.messages {
			for _, answered := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/message %d/%s", by.name, n+1, lost(answered)), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t).inOrder()
					w.cutAt(by.of(w), func(m moment) bool {
						return m.commands == "message" && m.answered == answered && m.conversation == n+1
					})
					w.start()
					id := w.accepted(single)
					w.proceed()
					w.wantCut()
					w.concluded(single, id)
				})
			}
		}
	}
}

// A wire is cut at each flight of a conversation in turn, each time before the flight is handed on and then after it was
// answered: greeting, STARTTLS, TLS itself, every command, the message.
func TestOnceEachFlightLostInTurn(t *testing.T) {
	t.Parallel()
	for _, by := range wires() {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := by.of(w)
			var next atomic.Int64 // twice the flight, and one more for its answer
			next.Store(2)
			p.reached = func(_ context.Context, m moment) error {
				at := int64(2 * m.flight)
				if m.answered {
					at++
				}
				if m.flight > by.flights || !next.CompareAndSwap(at, at+1) {
					return nil
				}
				w.breaks()
				return errBroken
			}
			w.start()
			w.concluded(single, w.accepted(single))
			if n := next.Load() - 2; n != int64(2*by.flights) {
				t.Errorf("it was cut %d times, want %d", n, 2*by.flights)
			}
			for _, m := range p.moments() {
				if m.flight == by.flights && m.commands != by.last {
					t.Errorf("%v is the last to be cut, want %s", m, by.last)
				}
			}
		})
	}
}

// The same for each message of an exchange with recipients at both providers, where things happen at the same time.
func TestOnceLostMessagesAmongOthers(t *testing.T) {
	t.Parallel()
	for _, by := range wires() {
		for n := range by.crowd {
			for _, answered := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/message %d of %d/%s", by.name, n+1, by.crowd, lost(answered)), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					p := by.of(w)
					w.cutAt(p, func(m moment) bool {
						return m.commands == "message" && m.answered == answered && p.reachedBefore(m) >= n
					})
					w.start()
					id := w.accepted(mixed)
					w.drain()
					w.wantCut()
					w.concluded(mixed, id)
				})
			}
		}
	}
}

// reachedBefore counts the moments like m, in other conversations or earlier in its own, that were reached before any other.
func (p *proxy) reachedBefore(m moment) (n int) {
	for _, x := range p.moments() {
		if x == m {
			break
		}
		if x.commands == m.commands && x.answered == m.answered {
			n++
		}
	}
	return n
}

func (w *world) wantCut() {
	w.Helper()
	if !w.broken.Load() {
		w.Error("the moment never came")
	}
}

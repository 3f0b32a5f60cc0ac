package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func mustEnter(t *testing.T, g *Gate, key string, weight int) (leave func()) {
	t.Helper()
	leave, err := g.Enter(t.Context(), key, weight)
	if err != nil {
		t.Fatal(err)
	}
	return leave
}

// model follows a gate from outside: who is inside, who waits, and how often others were let in before the first of each line.
type model struct {
	*Gate
	inside  []*entrant
	waiting []*entrant
	passed  map[*entrant]map[string]int // of the first of its line: entries of other keys since it became that
}

// settle moves what the gate let in, and checks that nobody was let in twice before another key's first.
func (m *model) settle(t *rapid.T) {
	firsts := m.firsts()
	var came []*entrant
	m.waiting = slices.DeleteFunc(m.waiting, func(e *entrant) bool {
		if e.isInside() {
			came = append(came, e)
		}
		return e.isInside()
	})
	m.inside = append(m.inside, came...)
	for _, first := range firsts {
		if first.isInside() {
			continue
		}
		for _, e := range came {
			if m.passed[first] == nil {
				m.passed[first] = map[string]int{}
			}
			if m.passed[first][e.key]++; e.key != first.key && m.passed[first][e.key] > 1 {
				t.Fatalf("%s was served twice while %s waited", e.key, first.key)
			}
		}
	}
}

// firsts are the first of each line.
func (m *model) firsts() []*entrant {
	seen := map[string]bool{}
	var firsts []*entrant
	for _, e := range m.waiting {
		if !seen[e.key] {
			firsts = append(firsts, e)
		}
		seen[e.key] = true
	}
	return firsts
}

func (m *model) weight() (sum int) {
	for _, e := range m.inside {
		sum += e.weight
	}
	return sum
}

// check: never above capacity; nobody waits in vain; each line in order and bounded; nothing is remembered of who is gone.
func (m *model) check(t *rapid.T) {
	capacity := m.config.Capacity
	if m.weight() > capacity || m.Gate.inside != m.weight() {
		t.Fatalf("%d are inside, the gate counts %d of %d", m.weight(), m.Gate.inside, capacity)
	}
	if len(m.turns) > 0 && m.weight()+m.turns[0].waiting[0].weight <= capacity {
		t.Fatal("the next one fits and is not let in")
	}
	if m.weight() == 0 && len(m.waiting) > 0 {
		t.Fatal("nobody is inside and some wait")
	}
	waiting := 0
	for _, l := range m.lines {
		if len(l.waiting) > m.config.MaxWaiting || len(l.waiting) == 0 {
			t.Fatalf("%d wait in a line", len(l.waiting))
		}
		waiting += len(l.waiting)
	}
	if waiting != len(m.waiting) || len(m.turns) != len(m.lines) {
		t.Fatalf("%d wait, the gate has %d in %d lines and %d turns", len(m.waiting), waiting, len(m.lines), len(m.turns))
	}
}

// attacks.md 39: a gate is never above its capacity, and every line's first is served within one round of the keys.
func TestGateProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			Gate: NewGate(GateConfig{
				Capacity: rapid.IntRange(1, 9).Draw(t, "capacity"), MaxWaiting: rapid.IntRange(1, 5).Draw(t, "waiting"),
			}),
			passed: map[*entrant]map[string]int{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				e, err := m.ask(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key"), rapid.IntRange(0, 12).Draw(t, "weight"))
				if err == nil {
					m.waiting = append(m.waiting, e)
				}
				m.settle(t)
			},
			"leave": func(t *rapid.T) {
				if len(m.inside) == 0 {
					return
				}
				i := rapid.IntRange(0, len(m.inside)-1).Draw(t, "who")
				e := m.inside[i]
				m.inside = slices.Delete(m.inside, i, i+1)
				m.release(e)
				m.settle(t)
			},
			"give up": func(t *rapid.T) {
				if len(m.waiting) == 0 {
					return
				}
				i := rapid.IntRange(0, len(m.waiting)-1).Draw(t, "who")
				e := m.waiting[i]
				m.waiting = slices.Delete(m.waiting, i, i+1)
				m.withdraw(e)
				m.settle(t)
			},
			"": m.check,
		})
	})
}

// attacks.md 39: a holder's burst of 1,000 messages delays another's message by no more than what is inside and one of his.
func TestBurstDelaysOthersByOneRound(t *testing.T) {
	t.Parallel()
	g := NewGate(GateConfig{Capacity: 8, MaxWaiting: 1000})
	var burst []*entrant
	for range 1000 {
		e, err := g.ask("mario", 2)
		if err != nil {
			t.Fatal(err)
		}
		burst = append(burst, e)
	}
	anna, err := g.ask("anna", 2)
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	for i := 0; !anna.isInside(); i++ {
		g.release(burst[i])
		served++
	}
	if served != 2 {
		t.Errorf("anna waited for %d of his messages", served)
	}
}

// What weighs more than all there is comes in alone, and is not overtaken by what is light.
func TestHeavyIsNotStarved(t *testing.T) {
	t.Parallel()
	g := NewGate(GateConfig{Capacity: 4, MaxWaiting: 10})
	leave := mustEnter(t, g, "light", 1)
	heavy, err := g.ask("heavy", 500)
	if err != nil {
		t.Fatal(err)
	}
	late, err := g.ask("light", 1)
	if err != nil {
		t.Fatal(err)
	}
	if heavy.isInside() || late.isInside() {
		t.Error("somebody overtook")
	}
	leave()
	leave() // does nothing more
	if !heavy.isInside() || late.isInside() {
		t.Error("it is not the heavy one's turn")
	}
	g.release(heavy)
	if !late.isInside() {
		t.Error("the last one waits in vain")
	}
}

func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{Capacity: 1, MaxWaiting: 1, Patience: 10 * time.Second})
		defer mustEnter(t, g, "a", 1)()
		start, gaveUp := time.Now(), make(chan error)
		go func() {
			_, err := g.Enter(t.Context(), "a", 1)
			gaveUp <- err
		}()
		synctest.Wait()
		if _, err := g.Enter(t.Context(), "a", 1); !errors.Is(err, ErrBusy) || time.Since(start) > 0 {
			t.Errorf("one too many: %v after %s", err, time.Since(start))
		}
		if err := <-gaveUp; !errors.Is(err, ErrBusy) || time.Since(start) != 10*time.Second {
			t.Errorf("the wait ended with %v after %s", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := g.Enter(ctx, "b", 1); !errors.Is(err, context.Canceled) {
			t.Errorf("the context ended: %v", err)
		}
		if len(g.lines)+len(g.turns) > 0 {
			t.Errorf("who gave up is remembered: %v", g.lines)
		}
	})
}

// Many at once: what is inside is counted by themselves.
func TestGateIsConcurrent(t *testing.T) {
	t.Parallel()
	g := NewGate(GateConfig{Capacity: 5, MaxWaiting: 1000})
	var inside, done atomic.Int32
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			weight := i%3 + 1
			ctx, cancel := context.WithCancel(t.Context())
			if i%7 == 0 {
				go cancel() // some give up, at any moment
			}
			defer cancel()
			leave, err := g.Enter(ctx, fmt.Sprint(i%4), weight)
			if err != nil {
				return
			}
			if n := inside.Add(int32(weight)); n > 5 {
				t.Errorf("%d are inside", n)
			}
			done.Add(1)
			inside.Add(-int32(weight))
			leave()
		})
	}
	wg.Wait()
	if g.inside != 0 || len(g.turns)+len(g.lines) > 0 || done.Load() < 170 {
		t.Errorf("%d are left inside, %d lines, %d came in", g.inside, len(g.lines), done.Load())
	}
}

package provider

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ceralacca/ceralacca/store"
)

// way is how the commit of a fact is broken.
type way struct {
	name  string
	place store.Place
	stop  bool // it is not: the process is told to stop at this place
}

var (
	octetsFail = way{"failed before its rows", store.AfterOctets, false}
	rowsFail   = way{"failed", store.AfterRows, false}
	afterwards = way{"failed after taking effect", store.AfterCommit, false}
	stopped    = way{"stopped", store.AfterRows, true}
)

// step is a fact of an exchange.
type step struct {
	name   string
	octets bool // it has octets of its own
}

// steps makes an exchange without faults and lists the facts of each provider.
func steps(t *testing.T, x exchange, ordered bool) map[string][]step {
	w := newWorld(t)
	octets := map[string]map[int64]bool{}
	for _, m := range w.members() {
		synced := map[int64]bool{}
		octets[m.name] = synced
		if m.database != "" {
			continue // nothing of a fact is sent before its rows
		}
		m.fault = func(st *store.Store, place store.Place) error {
			if n, err := st.Facts(w.ctx); err == nil && place == store.AfterOctets {
				synced[n] = true
			}
			return nil
		}
	}
	if ordered {
		w.inOrder()
	}
	w.start()
	id := w.accepted(x)
	if ordered {
		w.proceed()
	}
	w.drain()
	all := map[string][]step{}
	for _, m := range w.members() {
		for i, name := range w.factsOf(m.store()) {
			all[m.name] = append(all[m.name], step{name, octets[m.name][int64(i)]})
		}
	}
	w.concluded(x, id)
	return all
}

// crash breaks the commit of a member's n-th fact, in its first life. It returns where the number of facts that are durable
// then will be.
func (m *member) crash(n int, how way) *atomic.Int64 {
	durable := &atomic.Int64{}
	durable.Store(-1)
	due := int64(n)
	m.lingers = how.place != store.AfterCommit
	if how.place != store.AfterCommit {
		due--
	}
	m.fault = func(st *store.Store, place store.Place) error {
		if m.lives > 1 || m.ends.Load() || place != how.place {
			return nil
		}
		facts, err := st.Facts(m.world.ctx)
		if err != nil || facts < due {
			return err
		}
		durable.CompareAndSwap(-1, facts)
		if how.stop {
			m.leave()
			return nil
		}
		return errBroken
	}
	return durable
}

// attacks.md 25, design.md 3: the exchange of one recipient with a crash of each provider at each of its facts. The facts
// come one at a time, so that each row breaks the step that its name says.
func TestOnceCrashAtEachStep(t *testing.T) {
	t.Parallel()
	all := steps(t, single, true)
	for name, want := range map[string]string{
		"alfa": "accepted, relayed posta-certificata, heard presa-in-carico, heard avvenuta-consegna",
		"beta": "taken-in-charge, delivered, relayed presa-in-carico, relayed avvenuta-consegna",
	} {
		if got := strings.Join(namesOf(all[name]), ", "); got != want {
			t.Fatalf("%s has the facts %q, want %q", name, got, want)
		}
	}
	for name, facts := range all {
		for i, s := range facts {
			for _, how := range []way{octetsFail, rowsFail, afterwards, stopped} {
				if how == octetsFail && !s.octets {
					continue
				}
				t.Run(fmt.Sprintf("%s %d %s/%s", name, i+1, s.name, how.name), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t).inOrder()
					m := w.named(name)
					durable := m.crash(i+1, how)
					w.start()
					id := w.accepted(single)
					w.proceed()
					w.concluded(single, id)
					m.wantCrashed(durable.Load(), how, true)
					m.wantFound(facts[:i], s, how)
				})
			}
		}
	}
}

func namesOf(steps []step) (names []string) {
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// wantFound sees that the next life began with the facts before the step, and the step if it took effect.
func (m *member) wantFound(before []step, at step, how way) {
	m.world.Helper()
	want := namesOf(before)
	if how == afterwards || how == stopped {
		want = append(want, at.name)
	}
	found := m.found
	if how == stopped { // what was under way may have been done as well
		found = found[:min(len(found), len(want))]
	}
	if !slices.Equal(found, want) {
		m.world.Errorf("the next life begins with %q, want %q", m.found, want)
	}
}

// The same with recipients at both providers, where things happen at the same time: a row says how many facts were durable
// before, not what comes next.
func TestOnceCrashAmongOthers(t *testing.T) {
	t.Parallel()
	for name, facts := range steps(t, mixed, false) {
		for i := range facts {
			for _, how := range []way{rowsFail, afterwards} {
				t.Run(fmt.Sprintf("%s %d of %d/%s", name, i+1, len(facts), how.name), func(t *testing.T) {
					t.Parallel()
					crashAmongOthers(t, name, i+1, how)
				})
			}
		}
	}
}

// crashAmongOthers makes worlds until the crash comes: facts may come together in one commit.
func crashAmongOthers(t *testing.T, name string, fact int, how way) {
	for try := range 50 {
		came := false
		t.Run(fmt.Sprintf("try %d", try+1), func(t *testing.T) {
			w := newWorld(t)
			m := w.named(name)
			durable := m.crash(fact, how)
			w.start()
			w.concluded(mixed, w.accepted(mixed))
			if came = durable.Load() >= 0; came {
				m.wantCrashed(durable.Load(), how, m.database == "")
			}
		})
		if came {
			return
		}
	}
	t.Error("it never came alone")
}

// wantCrashed sees that the crash came, once, and that the next life began with what was durable then and, if its commit was
// alone, nothing else.
func (m *member) wantCrashed(durable int64, how way, alone bool) {
	m.world.Helper()
	switch n := int64(len(m.found)); {
	case durable < 0 || m.lives != 2:
		m.world.Errorf("%s has lived %d times, %d facts were durable at its crash", m.name, m.lives, durable)
	case how.stop && n <= durable || !how.stop && (n < durable || alone && n > durable):
		m.world.Errorf("%s begins anew with %d facts, %d were durable", m.name, n, durable)
	}
}

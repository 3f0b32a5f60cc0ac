package cluster

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestHistory lets everything go wrong at random for HISTORY_SECONDS (25 of them in `make test`), under load: processes are killed
// and frozen, their connections to the database cut, hung and refused, the database is stopped. In the end every promise has
// been kept. SEED makes the same troubles again, though not at the same moments.
func TestHistory(t *testing.T) {
	t.Parallel()
	seed, seconds := fromEnvironment(t, "SEED", rand.Uint64()), fromEnvironment(t, "HISTORY_SECONDS", 25)
	t.Logf("SEED=%d HISTORY_SECONDS=%d", seed, seconds)
	c := newCluster(t)
	l := c.newLoad(seed, append(c.alfa.Mailboxes[:3:3], c.beta.Mailboxes[:2]...)...)
	var watchers []*watcher
	var ends []func()
	for i, box := range []account{c.alfa.Mailboxes[0], c.alfa.Mailboxes[1], c.beta.Mailboxes[0]} {
		w, end := c.watch(seed+uint64(i), box)
		watchers, ends = append(watchers, w), append(ends, end)
	}
	end := l.begin()
	h := &history{cluster: c, random: rand.New(rand.NewPCG(seed, 0)), troubles: map[*node]trouble{}, had: map[string]int{}}
	h.run(time.Duration(seconds) * time.Second)
	end()
	accepted, deferred := 0, 0
	for _, s := range l.senders {
		accepted, deferred = accepted+len(s.accepted), deferred+s.deferred
	}
	t.Logf("%d letters were accepted, %d replies were temporary refusals; troubles: %v", accepted, deferred, h.had)
	l.drain()
	for i, w := range watchers {
		ends[i]()
		w.compare()
	}
	c.stop()
}

func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// history makes troubles, one a process at a time, and ends each some time later.
type history struct {
	*cluster
	random   *rand.Rand
	troubles map[*node]trouble
	had      map[string]int
}

// trouble is what a process suffers, now and then for longer than its lease.
type trouble struct {
	until time.Time
	end   func()
}

func (h *history) run(length time.Duration) {
	h.t.Helper()
	for end := time.Now().Add(length); time.Now().Before(end) && !h.t.Failed(); {
		h.endSome(time.Now())
		if n := h.nodes[h.random.IntN(len(h.nodes))]; h.troubles[n].end == nil {
			h.trouble(n)
		}
		switch h.random.IntN(16) {
		case 0:
			h.note("the database", "stopped")
			h.server.Stop(h.t)
			wait(h.upTo(3 * time.Second))
			h.server.Restart(h.t)
			h.note("the database", "started")
		case 1, 2, 3:
			h.note("sessions", "ended")
			h.server.Query(h.t, fmt.Sprintf(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name = 'ceralacca' AND pid %% %d = 0`, 1+h.random.IntN(4)))
		}
		wait(h.upTo(time.Second))
	}
	h.endSome(time.Now().Add(time.Hour))
}

func (h *history) note(who, what string) {
	h.had[what]++
	h.t.Logf("%s %s: %s", time.Now().UTC().Format("15:04:05.000"), who, what)
}

func (h *history) upTo(d time.Duration) time.Duration {
	return time.Duration(h.random.Int64N(int64(d)))
}

// endSome ends the troubles whose time is over. Nobody but the test ends a process.
func (h *history) endSome(now time.Time) {
	h.t.Helper()
	for _, n := range h.nodes {
		if t := h.troubles[n]; t.end != nil && t.until.Before(now) {
			t.end()
			delete(h.troubles, n)
			h.note(n.name, "well again")
		}
		if h.troubles[n].end == nil {
			h.restart(n)
		}
	}
}

func (h *history) trouble(n *node) {
	h.t.Helper()
	what, most := "", 4*time.Second
	if h.random.IntN(4) == 0 {
		most = lease + 5*time.Second
	}
	var end func()
	switch h.random.IntN(6) {
	case 0, 1:
		what, end = "killed", func() { h.start(n) }
		n.kill()
	case 2:
		what, end = "frozen", func() { n.signal(h.t, "CONT") }
		n.signal(h.t, "STOP")
	case 3:
		what, end = "hung", func() { n.proxy.Hang(false) }
		n.proxy.Hang(true)
	case 4:
		what, end = "refused", func() { n.proxy.Refuse(false) }
		n.proxy.Refuse(true)
	case 5:
		what, end = "cut", func() {}
		n.proxy.Cut()
	}
	h.note(n.name, what)
	h.troubles[n] = trouble{time.Now().Add(h.upTo(most)), end}
}

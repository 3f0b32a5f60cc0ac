package admission

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// clock is the machine's, as a test moves it.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 9, 19, 10, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time       { return c.at }
func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// attacks.md 39: an attacker with any number of addresses does not make it grow.
func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRecent[int](100, time.Hour, c.now())
	for i := range 10_000 {
		r.put(c.now(), uint64(i), i)
		if len(r.young)+len(r.old) > 200 {
			t.Fatalf("%d keys are kept", len(r.young)+len(r.old))
		}
	}
	for i := 9_901; i < 10_000; i++ {
		if v, ok := r.get(c.now(), uint64(i)); !ok || v != i {
			t.Errorf("%d of the newest is forgotten", i)
		}
	}
	if _, ok := r.get(c.now(), 0); ok {
		t.Error("the oldest is kept")
	}
}

func TestRecentForgets(t *testing.T) {
	t.Parallel()
	for _, cs := range []struct {
		pass time.Duration
		kept bool
	}{{59 * time.Minute, true}, {90 * time.Minute, true}, {2 * time.Hour, false}, {200 * time.Hour, false}} {
		c := newClock()
		r := newRecent[int](100, time.Hour, c.now())
		r.put(c.now(), 1, 1)
		c.pass(cs.pass)
		if _, ok := r.get(c.now(), 1); ok != cs.kept {
			t.Errorf("after %s it is kept: %v", cs.pass, ok)
		}
	}
	c := newClock()
	r := newRecent[int](100, time.Hour, c.now())
	for range 10 { // what is put again stays
		r.put(c.now(), 1, 1)
		c.pass(50 * time.Minute)
	}
	if _, ok := r.get(c.now(), 1); !ok {
		t.Error("what was put lately is forgotten")
	}
}

func TestNoticesAreBounded(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := newClock()
	n := newNotices(slog.New(slog.NewTextHandler(&log, nil)), c.now)
	for range 1000 {
		n.warn("it happens")
	}
	if lines := strings.Count(log.String(), "\n"); lines != noticesAtOnce {
		t.Errorf("%d lines at once", lines)
	}
	c.pass(noticeEvery)
	n.warn("again")
	n.warn("and again")
	if got := log.String(); !strings.Contains(got, fmt.Sprintf("again left_out_before=%d", 1000-noticesAtOnce)) || strings.Contains(got, "and again") {
		t.Errorf("it says %s", got)
	}
}

// attacks.md 10: an hour's worth at once, and then as much as comes back.
// norms.md 160
func TestBudget(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := NewBudget(BudgetConfig{PerHour: 600, Now: c.now})
	spend := func(key string, n int, want bool) {
		t.Helper()
		if b.Spend(key, n) != want {
			t.Errorf("%d of %s: not %v", n, key, want)
		}
	}
	spend("mario", 502, true)
	spend("mario", 98, true)
	spend("mario", 1, false)
	spend("anna", 600, true)
	spend("carla", 601, false)
	spend("carla", 600, true)
	c.pass(time.Minute)
	spend("mario", 11, false)
	spend("mario", 10, true)
	b.Refund("mario", 5)
	spend("mario", 5, true)
	spend("mario", 1, false)
	b.Refund("luigi", 5) // there is no credit
	spend("luigi", 601, false)
	c.pass(59 * time.Minute)
	spend("mario", 590, true)
	c.pass(time.Hour)
	spend("mario", 600, true)
}

func TestNoBudgetIsNoLimit(t *testing.T) {
	t.Parallel()
	b := NewBudget(BudgetConfig{})
	b.Refund("mario", 1)
	if b != nil || !b.Spend("mario", 1<<40) {
		t.Error("there is a limit")
	}
}

func TestNetworkOf(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:25": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"[2001:db8:1:2:3::4]:5": "2001:db8:1:2::/64", "2001:db8::1": "2001:db8::/64", "[fe80::1%eth0]:5": "fe80::/64",
		"pipe": "pipe", "": "", "@": "@",
	} {
		if got := NetworkOf(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

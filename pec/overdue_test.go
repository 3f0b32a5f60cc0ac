package pec

import (
	"testing"
	"time"
)

// Each case of RFC 6109 3.1.6 and norms.md 35-39, with the hours after the acceptance at which things were heard; -1 is never.
func TestOverdue(t *testing.T) {
	t.Parallel()
	accepted := time.Date(2026, 9, 19, 13, 41, 19, 0, time.UTC)
	hours := func(h float64) time.Time { return accepted.Add(time.Duration(h * float64(time.Hour))) }
	heard := func(h, now float64) time.Time {
		if h < 0 || h > now {
			return time.Time{}
		}
		return hours(h)
	}
	for name, c := range map[string]struct{ taken, outcome, first, final float64 }{
		"silence (35, 36)":                               {-1, -1, 12, 22},
		"taken in charge, no outcome (37)":               {1, -1, -1, 22},
		"taken in charge a moment before 12 hours":       {11.9, -1, -1, 22},
		"taken in charge at 12 hours":                    {12, -1, 12, 22},
		"taken in charge after the first notice":         {13, -1, 12, 22},
		"delivered late without taking in charge (38)":   {-1, 13, 12, -1},
		"delivered in time":                              {-1, 1, -1, -1},
		"taken in charge and delivered":                  {1, 2, -1, -1},
		"taken in charge, delivered after 12 hours":      {1, 15, -1, -1},
		"a non-delivery or virus after 21 hours (39)":    {-1, 21, 12, -1},
		"delivered after the final notice, counted late": {-1, 23, 12, 22},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issued := map[string]float64{"first": -1, "final": -1}
			var p Progress
			for now := 0.0; now <= 30; now += 0.05 {
				p = Progress{Accepted: accepted, Taken: heard(c.taken, now), Outcome: heard(c.outcome, now), First: p.First, Final: p.Final}
				first, final := p.Overdue(hours(now))
				if first {
					p.First, issued["first"] = true, now
				}
				if final {
					p.Final, issued["final"] = true, now
				}
				if next := p.NextOverdue(hours(now)); !next.IsZero() && !next.After(hours(now)) {
					t.Fatalf("at %v the next look is at %v", hours(now), next)
				}
			}
			for notice, want := range map[string]float64{"first": c.first, "final": c.final} {
				if got := issued[notice]; got < want-0.1 || got > want+0.1 {
					t.Errorf("the %s notice after %.2f hours, want %.2f", notice, got, want)
				}
			}
		})
	}
}

// After an outage both are owed at once; a receipt that came after its time does not undo the first.
func TestOverdueAfterAnOutage(t *testing.T) {
	t.Parallel()
	accepted := time.Date(2026, 9, 19, 13, 41, 19, 0, time.UTC)
	now := accepted.Add(25 * time.Hour)
	for _, c := range []struct {
		p            Progress
		first, final bool
	}{
		{Progress{Accepted: accepted}, true, true},
		{Progress{Accepted: accepted, Taken: accepted.Add(13 * time.Hour)}, true, true},
		{Progress{Accepted: accepted, Outcome: accepted.Add(13 * time.Hour)}, true, false},
		{Progress{Accepted: accepted, Taken: accepted.Add(time.Hour)}, false, true},
		{Progress{Accepted: accepted, First: true}, false, true},
		{Progress{Accepted: accepted, First: true, Final: true}, false, false},
	} {
		if first, final := c.p.Overdue(now); first != c.first || final != c.final {
			t.Errorf("%+v: %t, %t, want %t, %t", c.p, first, final, c.first, c.final)
		}
		if next := c.p.NextOverdue(now); !next.IsZero() {
			t.Errorf("%+v: a look at %v", c.p, next)
		}
	}
}

// NextOverdue misses no moment: a notice that is owed later was announced.
func TestNextOverdueIsWhenOneComes(t *testing.T) {
	t.Parallel()
	p := Progress{Accepted: time.Date(2026, 9, 19, 13, 41, 19, 0, time.UTC)}
	now := p.Accepted
	var owed []time.Duration
	for next := p.NextOverdue(now); !next.IsZero(); next = p.NextOverdue(now) {
		first, final := p.Overdue(next)
		p.First, p.Final = p.First || first, p.Final || final
		now = next
		owed = append(owed, next.Sub(p.Accepted))
	}
	if len(owed) != 2 || owed[0] != FirstOverdue || owed[1] != FinalOverdue || !p.First || !p.Final {
		t.Errorf("looks after %v, %+v", owed, p)
	}
}

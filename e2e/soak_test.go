//go:build soak

package e2e

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	soakRounds = 1000
	soakReady  = 2 * time.Second // design.md 8, P10
)

// TestSoak kills the sandbox a thousand times under load, or SOAK_ROUNDS times. Now and then the mailboxes are compared with
// what the clients were told, and `ceralacca check` is run, ever more rarely, for it looks at everything each time. The
// time to be ready again is a goal: run it on a machine that has nothing else to do.
func TestSoak(t *testing.T) {
	seed, rounds := killSeed(t), roundsOfSoak(t)
	t.Logf("SEED=%d SOAK_ROUNDS=%d", seed, rounds)
	s := startSandbox(t, 3)
	l := newLoad(t, s, seed)
	var ready []time.Duration
	compareEvery, checkAt := max(50, rounds/20), 50
	for len(ready) < rounds && !t.Failed() {
		more := min(compareEvery, rounds-len(ready))
		ready = append(ready, l.killOften(t, killing{rounds: more, shortest: 100 * time.Millisecond, longest: 600 * time.Millisecond})...)
		begin := time.Now()
		l.compare(t)
		if len(ready) >= checkAt && len(ready) < rounds { // it ends with a check in any case
			checkAt *= 2
			s.check(t)
		}
		t.Logf("%d rounds, %d messages, compared and checked in %v; the last %d were %s", len(ready), l.messages, time.Since(begin).Round(time.Second), more, readyTimes(ready[len(ready)-more:]))
	}
	s.checkNothingHeld(t)
	if l.messages < rounds {
		t.Errorf("only %d messages were accepted: this was no load", l.messages)
	}
	t.Log(readyTimes(ready))
	if slices.Max(ready) >= soakReady {
		t.Errorf("it was not always ready again within %v", soakReady)
	}
}

// roundsOfSoak is the number in the environment, or the thousand.
func roundsOfSoak(t *testing.T) int {
	text := os.Getenv("SOAK_ROUNDS")
	if text == "" {
		return soakRounds
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("SOAK_ROUNDS=%s is no number of rounds", text)
	}
	return n
}

// readyTimes says how long it took to be ready again.
func readyTimes(all []time.Duration) string {
	all = slices.Clone(all)
	slices.Sort(all)
	late := 0
	for _, d := range all {
		if d >= soakReady {
			late++
		}
	}
	round := func(d time.Duration) string { return d.Round(time.Millisecond).String() }
	return "ready again: p50 " + round(all[len(all)/2]) + ", p99 " + round(all[len(all)*99/100]) + ", max " + round(all[len(all)-1]) +
		", " + strconv.Itoa(late) + " of " + strconv.Itoa(len(all)) + " above " + soakReady.String()
}

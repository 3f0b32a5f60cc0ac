package revocation

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// running runs Run while body lasts, in a bubble of synctest: its clock is fake, time.Sleep there waits for nothing real.
func running(t *testing.T, before func(w *world), body func(w *world, k *Keeper)) {
	watch() // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		before(w)
		k := w.keeper(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		synctest.Wait()
		body(w, k)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// until sleeps up to an instant of the law's clock.
func (w *world) until(at time.Time) {
	time.Sleep(at.Sub(w.now()))
	synctest.Wait()
}

// norms.md 50: an hour apart, and around a nextUpdate.
func TestRunHourly(t *testing.T) {
	serve := func(w *world) { w.serve(root().crl(1, 1+1.5/24, nil)) } // until half past ten
	running(t, serve, func(w *world, k *Keeper) {
		if w.asked() != 1 || w.state(k) != Good {
			t.Errorf("at the start asked %d times, %s", w.asked(), w.state(k))
		}
		for i, minute := range []int{60, 80, 91, 151, 211} {
			w.until(day(1).Add(time.Duration(minute)*time.Minute - time.Second))
			if w.asked() != i+1 {
				t.Errorf("asked %d times before minute %d", w.asked(), minute)
			}
			w.until(day(1).Add(time.Duration(minute)*time.Minute + time.Second))
			if w.asked() != i+2 {
				t.Errorf("asked %d times at minute %d", w.asked(), minute)
			}
			if minute == 80 {
				w.serve(root().crl(1+1.5/24, 5, nil))
			}
		}
		asked := w.asked()
		k.Again()
		synctest.Wait()
		if w.asked() != asked+1 {
			t.Errorf("asked %d times after Again", w.asked()-asked)
		}
		w.jump(30 * time.Minute)
		synctest.Wait()
		if w.asked() != asked+1 {
			t.Error("a short jump made it ask")
		}
		w.jump(time.Hour)
		synctest.Wait()
		if w.asked() != asked+2 {
			t.Error("a jump of an hour did not make it ask")
		}
	})
}

// norms.md 50: what cannot be renewed counts for two days, then it is Unknown. One alarm for each change, not for each try.
func TestRunWithoutNetwork(t *testing.T) {
	serve := func(w *world) { w.serve(root().crl(1, 2, nil)) }
	running(t, serve, func(w *world, k *Keeper) {
		w.until(day(1.5))
		w.serve(nil)
		for _, c := range []struct {
			day   float64
			state State
			stale string
		}{
			{1.55, Good, ""},
			{1.7, Good, "CN=Root: overdue: the CRL of CN=Root of 2026-03-03T09:00:00Z was last had at 2026-03-03T21:00:00Z"},
			{2.9, Good, "CN=Root: overdue: "},
			{3.1, Unknown, "CN=Root: missing: the CRL of CN=Root of 2026-03-03T09:00:00Z: it counts until 2026-03-05T09:00:00Z only"},
			{9, Unknown, "CN=Root: missing: "},
		} {
			w.until(day(c.day))
			stale := strings.Join(lacking(k), "\n")
			if w.state(k) != c.state || (stale == "") != (c.stale == "") || !strings.HasPrefix(stale, c.stale) {
				t.Errorf("day %g: %s, stale %q", c.day, w.state(k), stale)
			}
		}
		w.serve(root().crl(9, 10, nil))
		w.until(day(9.1))
		if w.state(k) != Good || len(lacking(k)) != 0 {
			t.Errorf("%s, stale %q", w.state(k), lacking(k))
		}
		for _, alarm := range []string{
			`level=WARN msg="evidence of revocation is overdue`, `level=ERROR msg="revocation is not known"`, `level=INFO msg="evidence of revocation is had again"`,
		} {
			if w.logged(alarm) != 1 {
				t.Errorf("%d of %s in %s", w.logged(alarm), alarm, &w.log)
			}
		}
		if w.logged("level=") != 3 || w.logged("no route to ocsp.example") != 2 {
			t.Errorf("logged %s", &w.log)
		}
	})
}

// norms.md 50: an authority's far nextUpdate does not make what is not renewed count for ever.
func TestRunWithFarNextUpdate(t *testing.T) {
	serve := func(w *world) { w.serve(root().crl(1, 99, nil)) }
	running(t, serve, func(w *world, k *Keeper) {
		w.until(day(30))
		w.serve(nil)
		w.until(day(39.9))
		if w.state(k) != Good || w.logged("level=WARN") != 1 {
			t.Errorf("after ten days: %s, logged %s", w.state(k), &w.log)
		}
		if again := w.keeper(t); w.state(again) != Good {
			t.Errorf("after a restart: %s", w.state(again))
		}
		w.until(day(40.1))
		if w.state(k) != Unknown || w.logged("level=ERROR") != 1 {
			t.Errorf("after more than ten days: %s, logged %s", w.state(k), &w.log)
		}
	})
}

// attacks.md 19: tries go on in growing intervals.
func TestRunRetries(t *testing.T) {
	running(t, func(*world) {}, func(w *world, k *Keeper) {
		start := w.now()
		for _, minute := range []int{1, 3, 7, 15, 31, 63, 123, 183} {
			w.until(start.Add(time.Duration(minute)*time.Minute - time.Second))
			before := w.asked()
			w.until(start.Add(time.Duration(minute)*time.Minute + time.Second))
			if w.asked() != before+2 { // the list and the responder
				t.Errorf("asked %d times at minute %d", w.asked()-before, minute)
			}
		}
		if w.logged("level=ERROR") != 1 || w.logged("level=") != 1 {
			t.Errorf("logged %s", &w.log)
		}
	})
}

// Responders whose nextUpdate is minutes away are not asked more often than each ten minutes.
func TestRunIsNoBurden(t *testing.T) {
	serve := func(w *world) { w.serve(root().crl(1, 1+5./(24*60), nil)) }
	running(t, serve, func(w *world, k *Keeper) {
		w.until(day(1).Add(59 * time.Minute))
		if w.asked() != 2 {
			t.Errorf("asked %d times in an hour", w.asked())
		}
	})
}

// Certificates that come to be watched are looked for when somebody says so.
func TestRunWatchesAnew(t *testing.T) {
	nobody := func(w *world) { w.watched = nil; w.serve(root().crl(0, 10, nil)) }
	running(t, nobody, func(w *world, k *Keeper) {
		if w.asked() != 0 || len(lacking(k)) != 0 {
			t.Errorf("asked %d times, stale %q", w.asked(), lacking(k))
		}
		w.mu.Lock()
		w.watched = [][]*x509.Certificate{watch()}
		w.mu.Unlock()
		k.Again()
		synctest.Wait()
		if w.state(k) != Good {
			t.Error(w.state(k))
		}
	})
}

// attacks.md 19: a clock that was ahead and is put right does not stop the refreshes, and one that is set back by a little causes no storm of them.
func TestRunWithClockSetBack(t *testing.T) {
	serve := func(w *world) { w.serve(root().crl(1, 9, nil)) }
	running(t, serve, func(w *world, _ *Keeper) {
		w.jump(90 * 24 * time.Hour)
		synctest.Wait()
		w.jump(-90 * 24 * time.Hour)
		synctest.Wait()
		before := w.asked()
		w.until(w.now().Add(5*time.Hour + time.Second))
		if w.asked() != before+5 {
			t.Errorf("in five hours after the clock was put right asked %d times", w.asked()-before)
		}
		for range 10 {
			w.until(w.now().Add(10 * time.Minute))
			w.jump(-time.Second)
			synctest.Wait()
		}
		if w.asked() > before+7 {
			t.Errorf("in 100 minutes with a clock that loses time asked %d times", w.asked()-before-5)
		}
	})
}

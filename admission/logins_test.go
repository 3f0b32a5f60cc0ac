package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	home   = "192.0.2.7"    // mario's usual network
	office = "198.51.100.1" // somebody else's
)

// desk is a Logins at which "giusta" opens every account. Its time is the bubble's.
type desk struct {
	*Logins
	t *testing.T
}

func inBubble(t *testing.T, test func(*testing.T, *desk)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, &desk{NewLogins(LoginsConfig{}), t}) })
}

// try makes one attempt and says how long it took.
func (d *desk) try(network, account, password string) (ok bool, took time.Duration) {
	d.t.Helper()
	start := time.Now()
	ok, err := d.Attempt(d.t.Context(), network, account, func(context.Context) (bool, error) { return password == "giusta", nil })
	if err != nil {
		d.t.Fatal(err)
	}
	return ok, time.Since(start)
}

func (d *desk) fail(n int, network, account string) {
	d.t.Helper()
	for range n {
		if ok, _ := d.try(network, account, "sbagliata"); ok {
			d.t.Fatal("a wrong password is right")
		}
	}
}

// burst fails at many accounts at once; what is too much is refused.
func (d *desk) burst(n int, network string) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, _ = d.Attempt(d.t.Context(), network, fmt.Sprint("account", i), func(context.Context) (bool, error) { return false, nil })
		})
	}
	wg.Wait()
}

// want is an attempt with the right password that has to take so long.
func (d *desk) want(network, account string, took time.Duration) {
	d.t.Helper()
	if ok, d1 := d.try(network, account, "giusta"); !ok || d1 != took {
		d.t.Errorf("%s from %s gets in: %v, after %s, want %s", account, network, ok, d1, took)
	}
}

// attacks.md 9: guesses at one account are slowed step by step, and never refused.
func TestGuessesAreSlowed(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for i, want := range []time.Duration{0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 10, 10, 10} {
			// From another network each time: it is the account that counts.
			if _, took := d.try(fmt.Sprintf("203.0.113.%d", i), "mario", "sbagliata"); took != want*time.Second {
				t.Errorf("guess %d took %s, want %ds", i, took, want)
			}
		}
		d.want(office, "mario", 10*time.Second)
		time.Sleep(time.Hour)
		d.want("203.0.113.200", "mario", 0)
	})
}

// attacks.md 9: who guesses at mario's account from many networks does not keep mario waiting where he usually is.
func TestHolderAtHomeDoesNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.want(home, "mario", 0)
		time.Sleep(29 * 24 * time.Hour)
		for i := range 300 {
			go func() {
				_, _ = d.Attempt(t.Context(), fmt.Sprintf("203.0.113.%d", i), "mario", func(context.Context) (bool, error) { return false, nil })
			}()
		}
		synctest.Wait()
		d.want(home, "mario", 0)
		time.Sleep(20 * time.Second)
		d.want(home, "mario", 0)
		d.want(office, "anna", 0)
		// Where nobody knows him he waits, and gets in.
		d.want(office, "mario", 10*time.Second)
		d.want(office, "mario", 0)
	})
}

// attacks.md 9: behind the same address as an attacker mario is slowed by ten seconds at most, and gets in, even while the
// attacker's attempts fill their room.
func TestHolderBehindTheSameAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.want(home, "mario", 0)
		d.burst(50, home)
		var busy atomic.Int32
		for i := range 100 {
			go func() {
				_, err := d.Attempt(t.Context(), home, fmt.Sprint("account", i), func(context.Context) (bool, error) { return false, nil })
				if errors.Is(err, ErrBusy) {
					busy.Add(1)
				}
			}()
		}
		synctest.Wait()
		if busy.Load() != 100-maxSlowed {
			t.Errorf("%d attempts are refused at once", busy.Load())
		}
		d.want(home, "mario", 10*time.Second)
	})
}

// Guesses at mario's own account behind his own address slow him, and do not lock him out.
func TestHolderUnderAttackFromHisNeighbour(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.want(home, "mario", 0)
		d.fail(50, home, "mario")
		d.want(home, "mario", 10*time.Second)
		d.want(office, "mario", 0) // it is not held against him elsewhere
	})
}

// attacks.md 9: spraying, one password at many accounts from one network, is slowed by the network.
func TestSprayingIsSlowed(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		start := time.Now()
		for i := range 100 {
			d.fail(1, office, fmt.Sprint("account", i))
		}
		if took := time.Since(start); took < 5*time.Minute {
			t.Errorf("a hundred accounts took %s", took)
		}
		d.burst(20, office)
		d.want("203.0.113.1", "account1", 0)
		d.want(office, "mario", 10*time.Second)
	})
}

// A good account does not buy guesses.
func TestSuccessDoesNotForgive(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for i := range 25 {
			d.fail(1, office, "mario")
			if ok, _ := d.try(office, "attacker", "giusta"); !ok {
				t.Fatal(i)
			}
		}
		if _, took := d.try(office, "mario", "sbagliata"); took != 10*time.Second {
			t.Errorf("the next guess took %s", took)
		}
	})
}

// attacks.md 9: what an attempt costs does not depend on whether the account exists, nor on the password.
func TestWaitTellsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.fail(8, office, "nobody")
		d.fail(8, home, "mario")
		_, unknown := d.try("203.0.113.1", "nobody", "sbagliata")
		_, known := d.try("203.0.113.2", "mario", "sbagliata")
		ok, right := d.try("203.0.113.3", "mario", "giusta")
		if unknown != known || unknown < time.Second || !ok || right < known {
			t.Errorf("unknown %s, known %s, right %s", unknown, known, right)
		}
	})
}

// attacks.md 9, 39: a flood of attempts from one network does not queue for the cores before everyone else's.
func TestVerificationsAreSharedByNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		d.want(home, "mario", 0)
		const each = 20 * time.Millisecond
		slow := func(context.Context) (bool, error) {
			time.Sleep(each)
			return true, nil
		}
		var wg sync.WaitGroup
		for i := range maxVerifying {
			wg.Go(func() {
				if _, err := d.Attempt(t.Context(), office, fmt.Sprint("account", i), slow); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		for _, who := range []struct{ network, account string }{{"203.0.113.1", "anna"}, {home, "mario"}} {
			if _, err := d.Attempt(t.Context(), who.network, who.account, slow); err != nil {
				t.Error(err)
			}
		}
		// Anna waits for what is being verified and one more; mario for nothing.
		if took := time.Since(start); took > 4*each {
			t.Errorf("others waited: %s", took)
		}
		wg.Wait()
		for range maxVerifying + d.strangers.config.Capacity {
			wg.Go(func() { _, _ = d.Attempt(t.Context(), "203.0.113.9", "x", slow) })
		}
		synctest.Wait()
		if _, err := d.Attempt(t.Context(), "203.0.113.9", "x", slow); !errors.Is(err, ErrBusy) {
			t.Errorf("one more attempt: %v", err)
		}
		wg.Wait()
	})
}

// An error is no failure, and a client that leaves is not waited for.
func TestAttemptEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		down := errors.New("the store is down")
		for range 50 {
			if _, err := d.Attempt(t.Context(), office, "mario", func(context.Context) (bool, error) { return false, down }); !errors.Is(err, down) {
				t.Fatal(err)
			}
		}
		d.want(office, "mario", 0)
		d.burst(50, office)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := d.Attempt(ctx, office, "anna", func(context.Context) (bool, error) {
			t.Error("it is judged")
			return false, nil
		})
		if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second || len(d.slowed) != 0 {
			t.Errorf("%v after %s, %d in rooms", err, time.Since(start), len(d.slowed))
		}
	})
}

// Operators hear of it, at a bounded rate, and of no password.
func TestOperatorsHear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &desk{NewLogins(LoginsConfig{Log: slog.New(slog.NewTextHandler(&log, nil)), MaxDelay: time.Millisecond}), t}
		for i := range 200 {
			d.fail(7, fmt.Sprintf("203.0.113.%d", i), fmt.Sprint("account", i))
		}
		got := log.String()
		if lines := strings.Count(got, "\n"); lines < noticesAtOnce || lines > 2*noticesAtOnce {
			t.Errorf("%d lines", lines)
		}
		if !strings.Contains(got, `level=WARN msg="log-ins are slowed: too many failed for one account" account=account0 network=203.0.113.0`) {
			t.Error(got)
		}
	})
}

// attacks.md 9: attempts made at once are slowed as those made in a row are: no more are judged before the first delay than are
// free.
func TestAttemptsAtOnceAreSlowedToo(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		var judged, busy atomic.Int32
		for range 60 {
			go func() {
				_, err := d.Attempt(t.Context(), office, "mario", func(context.Context) (bool, error) {
					time.Sleep(10 * time.Millisecond)
					judged.Add(1)
					return false, nil
				})
				if errors.Is(err, ErrBusy) {
					busy.Add(1)
				}
			}()
		}
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if n := int(judged.Load()); n < freeAccount || n > freeAccount+runtime.GOMAXPROCS(0) {
			t.Errorf("%d attempts are judged before the first delay is over", n)
		}
		if n := judged.Load() + busy.Load(); n != 60-maxSlowed {
			t.Errorf("%d attempts are judged or refused, and not %d slowed", n, maxSlowed)
		}
	})
}

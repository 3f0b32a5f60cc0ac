package directory

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is what a keeper sees: a server, a disk, a clock, a log.
type world struct {
	mu       sync.Mutex
	file     []byte // what the server gives
	down     error
	fetched  int
	disk     []byte
	diskFull error
	offset   time.Duration // of the law's clock before the machine's
	jumped   chan struct{}
	log      bytes.Buffer
}

func (w *world) config() KeeperConfig {
	w.jumped = make(chan struct{})
	return KeeperConfig{
		Signer: agid().certificate,
		Fetch: func(context.Context) ([]byte, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.fetched++
			return w.file, w.down
		},
		Load: func() ([]byte, error) {
			if w.disk == nil {
				return nil, fs.ErrNotExist
			}
			return w.disk, nil
		},
		Save: func(p7m []byte) error {
			if w.diskFull == nil {
				w.disk = p7m
			}
			return w.diskFull
		},
		Now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return time.Now().Add(w.offset)
		},
		Jumped: func() <-chan struct{} {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.jumped
		},
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
}

func (w *world) serve(file []byte, down error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.file, w.down = file, down
}

func (w *world) fetches() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fetched
}

func (w *world) jump(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += by
	close(w.jumped)
	w.jumped = make(chan struct{})
}

// newWorld stands at epoch plus an hour.
func newWorld() *world { return &world{offset: time.Until(epoch.Add(time.Hour))} }

func newKeeper(t *testing.T, c KeeperConfig) *Keeper {
	t.Helper()
	k, err := NewKeeper(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustRefresh(t *testing.T, k *Keeper) {
	t.Helper()
	if err := k.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func certified(k *Keeper, domain string) bool {
	_, ok := k.Current().Domain(domain)
	return ok
}

// norms.md 129
func TestKeeperStart(t *testing.T) {
	w := newWorld()
	k := newKeeper(t, w.config())
	if k.Current() == nil || certified(k, "pec0.example") {
		t.Fatal("a keeper without a copy is not empty")
	}
	w.serve(agid().sign(t, epoch, alfa()), nil)
	mustRefresh(t, k)
	if !certified(newKeeper(t, w.config()), "pec0.example") {
		t.Error("the saved copy is not in force after a restart")
	}
	w.disk = impostor().sign(t, epoch, alfa())
	if k := newKeeper(t, w.config()); certified(k, "pec0.example") || !strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("a copy that does not verify is in force, or nothing was logged: %s", &w.log)
	}
	broken := w.config()
	broken.Load = func() ([]byte, error) { return nil, errors.New("disk broken") }
	if _, err := NewKeeper(broken); err == nil {
		t.Error("a disk that cannot be read is no error")
	}
	if _, err := NewKeeper(KeeperConfig{}); err == nil {
		t.Error("an empty configuration is no error")
	}
}

// attacks.md 19: an older file is refused though its signature is good; also after a restart.
func TestDirectoryRollback(t *testing.T) {
	w := newWorld()
	k := newKeeper(t, w.config())
	older, newer := agid().sign(t, epoch, alfa()), agid().sign(t, epoch.Add(time.Minute), beta())
	w.serve(newer, nil)
	mustRefresh(t, k)
	mustRefresh(t, k) // the same again is no rollback
	w.serve(older, nil)
	for _, k := range []*Keeper{k, newKeeper(t, w.config())} {
		if err := k.Refresh(t.Context()); !errors.Is(err, ErrRollback) {
			t.Errorf("got %v", err)
		}
		if !certified(k, "pec2.example") || certified(k, "pec0.example") || !bytes.Equal(w.disk, newer) {
			t.Error("the older directory is in force or on disk")
		}
	}
}

// A signing time far ahead would make every later directory a rollback.
func TestDirectoryFromTheFuture(t *testing.T) {
	w := newWorld()
	k := newKeeper(t, w.config())
	w.serve(agid().sign(t, epoch.Add(2*time.Hour), alfa()), nil)
	if err := k.Refresh(t.Context()); err == nil || certified(k, "pec0.example") {
		t.Errorf("got %v", err)
	}
	w.jump(time.Hour)
	mustRefresh(t, k)
}

// attacks.md 19: an entry that a newer file leaves out is gone at once, and the operators are told.
// norms.md 123
func TestDirectoryRemoval(t *testing.T) {
	w := newWorld()
	k := newKeeper(t, w.config())
	w.serve(agid().sign(t, epoch, alfa(), beta()), nil)
	mustRefresh(t, k)
	before := k.Current()
	w.serve(agid().sign(t, epoch.Add(time.Minute), beta()), nil)
	mustRefresh(t, k)
	if certified(k, "pec0.example") || !certified(k, "pec2.example") {
		t.Error("the removed entry is in force")
	}
	if _, ok := before.Domain("pec0.example"); !ok {
		t.Error("the snapshot that a message took has changed (norms.md 123)")
	}
	if !strings.Contains(w.log.String(), "level=WARN msg=\"entries left the directory\" removed=\"[providerName=Alfa PEC S.p.A.,o=postacert]\"") {
		t.Errorf("logged: %s", &w.log)
	}
}

// norms.md 122: whatever fails, the last good copy stays in force, in memory and on disk.
func TestRefreshFailures(t *testing.T) {
	good := agid().sign(t, epoch, alfa())
	for name, fail := range map[string]func(w *world){
		"unreachable":   func(w *world) { w.serve(nil, errors.New("no route")) },
		"bad signature": func(w *world) { w.serve(impostor().sign(t, epoch.Add(time.Minute), beta()), nil) },
		"empty":         func(w *world) { w.serve(nil, nil) },
		"oversize":      func(w *world) { w.serve(make([]byte, MaxSize+1), nil) },
		"cannot be saved": func(w *world) {
			w.serve(agid().sign(t, epoch.Add(time.Minute), beta()), nil)
			w.diskFull = errors.New("full")
		},
		"nothing left":     func(w *world) { w.serve(mustSign(t, "dn: o=postacert\n"), nil) },
		"everything moved": func(w *world) { w.serve(mustSign(t, "<html>moved</html>"), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.disk = good
			k := newKeeper(t, w.config())
			before := k.Current()
			fail(w)
			if err := k.Refresh(t.Context()); err == nil {
				t.Error("no error")
			}
			if k.Current() != before || !certified(k, "pec0.example") || !bytes.Equal(w.disk, good) {
				t.Error("the last good copy is gone")
			}
		})
	}
}

func mustSign(t *testing.T, ldif string) []byte {
	t.Helper()
	signed, err := agid().signer.SignAttached([]byte(ldif), epoch.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// running runs Run while body lasts, in a bubble of synctest: its clock is fake, time.Sleep there waits for nothing real.
func running(t *testing.T, w *world, body func(k *Keeper)) {
	agid() // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		w.offset = time.Until(epoch.Add(time.Hour))
		k := newKeeper(t, w.config())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		synctest.Wait()
		body(k)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// norms.md 121
func TestRunDaily(t *testing.T) {
	w := newWorld()
	w.serve(agid().sign(t, epoch, alfa()), nil)
	running(t, w, func(k *Keeper) {
		if w.fetches() != 1 || !certified(k, "pec0.example") {
			t.Errorf("%d fetches at start", w.fetches())
		}
		time.Sleep(24*time.Hour - time.Second)
		synctest.Wait()
		if w.fetches() != 1 {
			t.Errorf("%d fetches before a day is over", w.fetches())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w.fetches() != 2 {
			t.Errorf("%d fetches after a day", w.fetches())
		}
		w.serve(agid().sign(t, epoch.Add(30*time.Hour), beta()), nil)
		w.jump(25 * time.Hour)
		synctest.Wait()
		if w.fetches() != 3 || !certified(k, "pec2.example") {
			t.Errorf("%d fetches after a jump of the law's clock", w.fetches())
		}
		w.jump(time.Hour)
		synctest.Wait()
		if w.fetches() != 3 {
			t.Error("a short jump made it fetch")
		}
	})
}

// Whoever follows the directory is told when another one is in force, and finds it there; not when a refresh failed.
func TestChangedIsTold(t *testing.T) {
	w := newWorld()
	w.serve(agid().sign(t, epoch, alfa()), nil)
	c, told := w.config(), 0
	var k *Keeper
	c.Changed = func() {
		told++
		if !certified(k, "pec0.example") {
			t.Error("it is told before it is so")
		}
	}
	k = newKeeper(t, c)
	if err := k.Refresh(t.Context()); err != nil || told != 1 {
		t.Errorf("told %d times, %v", told, err)
	}
	w.serve(nil, errors.New("no route"))
	if err := k.Refresh(t.Context()); err == nil || told != 1 {
		t.Errorf("after a failure told %d times, %v", told, err)
	}
}

// attacks.md 19: a clock that was ahead and is put right does not stop the refreshes.
func TestRunWithClockSetBack(t *testing.T) {
	w := newWorld()
	w.serve(agid().sign(t, epoch, alfa()), nil)
	running(t, w, func(*Keeper) {
		w.jump(400 * 24 * time.Hour)
		synctest.Wait()
		w.jump(-400 * 24 * time.Hour)
		synctest.Wait()
		before := w.fetches()
		time.Sleep(48*time.Hour + time.Minute)
		synctest.Wait()
		if w.fetches() != before+2 {
			t.Errorf("%d fetches in two days after the clock was put right", w.fetches()-before)
		}
	})
}

// attacks.md 19: for days on end the last good copy serves, tries go on in growing intervals, the age is in the log.
// norms.md 122
func TestDirectoryUnreachableForDays(t *testing.T) {
	w := newWorld()
	w.disk = agid().sign(t, epoch, alfa())
	w.serve(nil, errors.New("no route"))
	running(t, w, func(k *Keeper) {
		start := time.Now()
		for _, due := range []int{0, 1, 3, 7, 15, 31, 63, 123, 183} { // minutes: pauses 1, 2, 4 .. 60, 60
			before := w.fetches()
			time.Sleep(time.Until(start.Add(time.Duration(due)*time.Minute - time.Second)))
			synctest.Wait()
			if due > 0 && w.fetches() != before {
				t.Errorf("fetched before minute %d", due)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if due > 0 && w.fetches() != before+1 {
				t.Errorf("%d fetches at minute %d, wanted one", w.fetches()-before, due)
			}
		}
		time.Sleep(5 * 24 * time.Hour)
		synctest.Wait()
		if !certified(k, "pec0.example") {
			t.Error("the last good copy is gone")
		}
		fetches := w.fetches()
		w.serve(agid().sign(t, epoch.Add(48*time.Hour), beta()), nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if !certified(k, "pec2.example") {
			t.Error("the directory did not come back")
		}
		if warnings := strings.Count(w.log.String(), "the last good copy stays"); warnings != fetches {
			t.Errorf("%d warnings for %d failures", warnings, fetches)
		}
	})
	if !strings.Contains(w.log.String(), "age=1h1m0s") {
		t.Errorf("no age in the log: %.500s", &w.log)
	}
}

func TestRunWithoutAny(t *testing.T) {
	w := newWorld()
	w.serve(nil, errors.New("no route"))
	running(t, w, func(*Keeper) {})
	if got := w.log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "no directory in force") {
		t.Errorf("logged: %s", got)
	}
}

// Readers and refreshes at once, for the race detector.
func TestKeeperConcurrently(t *testing.T) {
	w := newWorld()
	w.serve(agid().sign(t, epoch, alfa()), nil)
	k := newKeeper(t, w.config())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				if err := k.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				if !certified(k, "pec0.example") {
					t.Error("not in force after a refresh")
				}
			}
		})
	}
	all.Wait()
}

package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	cuts     = 30
	together = 2 // cuts that are looked at at the same time
)

// TestPowerCut cuts the power at random moments of the recorded run. From each disk that may be left the program must start,
// stop, find nothing wrong, and have every message whose 250 a client may have read (design.md 8, P10). And it shows that
// this is seen to fail when one kind of sync is left out.
// norms.md 24
func TestPowerCut(t *testing.T) {
	r, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	seed := cutSeed(t)
	t.Logf("SEED=%d", seed)
	t.Run("as it is", func(t *testing.T) { r.cutOften(t, seed) })
	for what, ignored := range r.kindsOfSync() {
		t.Run("without the syncs of "+what, func(t *testing.T) {
			if err := r.cutAtEnd(t, ignored, 0.5, seed); err == nil {
				t.Error("nothing is missing")
			} else {
				t.Log(clip(err.Error()))
			}
		})
	}
	t.Run("without any sync of the second half", func(t *testing.T) {
		half := r.answers[len(r.answers)/2].reply.at
		err := r.cutAtEnd(t, func(_ *file, at time.Time) bool { return at.After(half) }, 0, seed)
		if err == nil || !strings.Contains(err.Error(), "messages are missing") {
			t.Fatalf("it is not seen that messages are missing: %v", err)
		}
		t.Log(clip(err.Error()))
	})
}

// cutSeed is the one in the environment, or a new one.
func cutSeed(t *testing.T) uint64 {
	text := os.Getenv("SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// cutOften cuts while there is load, and while what came of it is done until the clean stop.
func (r *recording) cutOften(t *testing.T, seed uint64) {
	h := r.history(t, nil)
	first, last := r.answers[0].reply.begun, h.changes[len(h.changes)-1].begun
	var running sync.WaitGroup
	var lost atomic.Int64
	for worker := range together {
		running.Go(func() {
			for i := worker; i < cuts; i += together {
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				at := first + 1 + place(random.Int64N(int64(last-first)))
				// One probability for a whole cut: so some lose nearly everything and others nearly nothing.
				d := h.cut(at, random.Float64(), random)
				lost.Add(int64(d.lost))
				promised, err := r.survives(d, h.names[h.root], at, fmt.Sprintf("cut-%02d", i))
				if err != nil {
					t.Errorf("cut %d, before line %d of the trace, %d changes lost: %v", i, at+1, d.lost, err)
				}
				t.Logf("cut %d, before line %d of the trace: %d changes lost, %d messages promised", i, at+1, d.lost, promised)
			}
		})
	}
	running.Wait()
	if lost.Load() == 0 {
		t.Error("no cut has lost anything")
	}
}

// cutAtEnd cuts when the last 250 has been written.
func (r *recording) cutAtEnd(t *testing.T, ignored unsynced, kept float64, seed uint64) error {
	t.Helper()
	h := r.history(t, ignored)
	at := r.answers[len(r.answers)-1].reply.begun + 1
	d := h.cut(at, kept, rand.New(rand.NewPCG(seed, cuts)))
	_, err := r.survives(d, h.names[h.root], at, filepath.Base(t.Name()))
	return err
}

// survives starts from a disk and looks for everything that was promised before that moment.
func (r *recording) survives(d *disk, root *file, at place, name string) (promised int, err error) {
	config, err := r.image(d, root, name)
	if err != nil {
		return 0, err
	}
	if err := startAndStop(r.program, config); err != nil {
		return 0, err
	}
	out, err := exec.Command(r.program, "check", "-c", config).CombinedOutput()
	if err != nil || !checked.Match(out) {
		return 0, fmt.Errorf("check: %v\n%s", err, clip(string(out)))
	}
	there, err := accepted(filepath.Join(filepath.Dir(config), "data", "store.db"))
	if err != nil {
		return 0, err
	}
	var missing []string
	for _, a := range r.answers {
		if a.reply.begun < at {
			promised++
			if !there[a.pecID] {
				missing = append(missing, a.pecID)
			}
		}
	}
	if missing != nil {
		err = fmt.Errorf("%d of %d messages are missing: %q", len(missing), promised, missing)
	}
	return promised, err
}

// accepted are the PEC ids of the messages that were submitted and are in the database.
func accepted(database string) (map[string]bool, error) {
	out, err := exec.Command("sqlite3", database, "SELECT pec_id FROM envelope WHERE mailbox IS NOT NULL").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("sqlite3: %w\n%s", err, out)
	}
	there := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		there[strings.TrimSpace(line)] = true
	}
	return there, nil
}

// checked is how `ceralacca check` ends when there is nothing wrong; it must have looked at something.
var checked = regexp.MustCompile(`(?m)^[1-9]\d* facts, .* checked: 0 violations$`)

// addresses are those that the recorded run listened on.
var addresses = regexp.MustCompile(`(?m)^((?:smtp|submissions?|imaps) = "127\.0\.0\.1:)\d+"$`)

// image makes the provider's directory with the disk as its data, beside the recorded one, and returns its configuration.
func (r *recording) image(d *disk, root *file, name string) (config string, err error) {
	dir := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(r.provider, "*.*"))
	if err != nil {
		return "", err
	}
	for _, f := range files {
		octets, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		octets = addresses.ReplaceAll(octets, []byte(`${1}0"`))
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), octets, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "ceralacca.toml"), d.save(root, filepath.Join(dir, "data"))
}

// startAndStop runs the provider until it says that it runs, and stops it.
func startAndStop(program, config string) error {
	p, err := serve(filepath.Join(filepath.Dir(config), "log"), program, "serve", "-c", config)
	if err != nil {
		return err
	}
	if err := p.whenRunning(); err != nil {
		return err
	}
	return p.stop()
}

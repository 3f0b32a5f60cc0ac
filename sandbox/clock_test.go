package sandbox

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/provider"
)

// read is the clock's answer.
func (r *running) read(t *testing.T) clockState {
	t.Helper()
	code, body := r.ask(http.MethodGet, "/clock", "", nil)
	var c clockState
	if err := json.Unmarshal([]byte(body), &c); err != nil || code != http.StatusOK {
		t.Fatalf("%d %s: %v", code, body, err)
	}
	return c
}

// design.md 9: the clock moves forward only, by the answer everything then due was tried, and the offset survives a restart.
func TestClockMoves(t *testing.T) {
	dir := newDir(t)
	r := start(t, options(t, dir))
	before := r.read(t)
	if before.Offset != "0s" || time.Since(before.Now).Abs() > time.Minute {
		t.Errorf("the clock says %+v", before)
	}
	r.settled("12h5m")
	if c := r.read(t); c.Offset != "12h5m0s" || c.Now.Sub(before.Now) < 12*time.Hour+5*time.Minute {
		t.Errorf("moved, the clock says %+v", c)
	}
	r.stop()
	again := start(t, options(t, dir))
	if c := again.read(t); c.Offset != "12h5m0s" {
		t.Errorf("after the restart the clock says %+v", c)
	}
}

// attacks.md 32: without its offset the clock is behind what was certified; then nothing starts.
func TestClockBehindTheDataIsRefused(t *testing.T) {
	dir := newDir(t)
	r := start(t, options(t, dir))
	r.settled("12h")
	from, to := "mario.rossi@pec.alfa.test", "anna.bianchi@pec.alfa.test"
	if err := r.send(from, []string{to}, letter("1", from, to)); err != nil {
		t.Fatal(err)
	}
	r.settled("1s")
	r.stop()
	if err := os.Remove(r.path(clockName)); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), options(t, dir)); err == nil || !strings.Contains(err.Error(), "but the clock says") {
		t.Errorf("%v, %v", s, err)
	}
}

func clockRefusesNonsense(t *testing.T, r *running) {
	before := r.read(t).Offset
	for body, want := range map[string]string{
		"":                              "must be JSON",
		"{}":                            "no duration",
		`{"advance": 12}`:               "must be JSON",
		`{"advance": "domani"}`:         "no duration",
		`{"advance": "-1h"}`:            "forward",
		`{"advance": "0s"}`:             "forward",
		`{"advance": "2562047h"}`:       "too far",
		`{"advance": "99999999999h"}`:   "no duration",
		strings.Repeat(" ", 2000) + "x": "must be JSON",
	} {
		if code, text := r.post("/clock", body); code != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%.40q: %d %s, want %q", body, code, text, want)
		}
	}
	// A page in a browser may not move it.
	if code, _ := r.ask(http.MethodPost, "/clock", `{"advance": "1h"}`, http.Header{"Sec-Fetch-Site": {"cross-site"}}); code != http.StatusForbidden {
		t.Errorf("from another site: %d", code)
	}
	if c := r.read(t); c.Offset != before {
		t.Errorf("the clock says %+v", c)
	}
}

// Two jumps at a time both count, in the clock and in the file.
func jumpsAtATime(t *testing.T, r *running) {
	before := r.clock.Offset()
	var jumping sync.WaitGroup
	for range 4 {
		jumping.Go(func() {
			if err := r.jump(time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	jumping.Wait()
	kept, err := provider.ReadOffset(r.path(clockName))
	if want := before + 4*time.Hour; err != nil || kept != want || r.clock.Offset() != want {
		t.Errorf("the file says %s (%v), the clock %s, want %s", kept, err, r.clock.Offset(), want)
	}
}

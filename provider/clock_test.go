package provider

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A jump wakes all who wait, those who come after it wait for the next one, and no jump is lost among others.
func TestAdvanceWakesAll(t *testing.T) {
	c := NewClock(time.Minute)
	before := c.Jumped()
	var waiting, jumping sync.WaitGroup
	for range 8 {
		waiting.Go(func() { <-before })
		jumping.Go(func() { c.Advance(time.Hour) })
	}
	waiting.Wait()
	jumping.Wait()
	if got := c.Offset(); got != 8*time.Hour+time.Minute {
		t.Errorf("the offset is %s", got)
	}
	after := c.Jumped()
	select {
	case <-after:
		t.Error("it has jumped already")
	default:
	}
	c.Advance(time.Hour)
	<-after
}

func TestClockIsAhead(t *testing.T) {
	c := NewClock(0)
	c.Advance(24 * time.Hour)
	if ahead := time.Until(c.Now()); ahead < 24*time.Hour-time.Minute || ahead > 24*time.Hour {
		t.Errorf("it is ahead by %s", ahead)
	}
	if strings.Contains(c.Now().String(), "m=") {
		t.Error("it carries a monotonic reading, which knows no jumps")
	}
}

// The offset that is kept is the offset that comes back.
func TestOffsetFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	if d, err := ReadOffset(path); d != 0 || err != nil {
		t.Errorf("without a file: %s, %v", d, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "offset"))
		if err := WriteOffset(path, want); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadOffset(path); got != want || err != nil {
			t.Errorf("%s comes back as %s, %v", want, got, err)
		}
	})
}

// A damaged offset is never taken for none: the data may be ahead of the clock.
func TestOffsetFileDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	for _, text := range []string{"", "\n", "12", "-5m", "domani", "5m\n6m\n", "5m\x00"} {
		write(t, path, text)
		want := path + ` holds no offset such as "12h5m": put it back, for the data may be ahead of the clock`
		if _, err := ReadOffset(path); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOffset(path); err == nil || !strings.HasPrefix(err.Error(), "reading the clock's offset: ") {
		t.Errorf("a directory: %v", err)
	}
	if err := WriteOffset(path, 0); err == nil {
		t.Error("a directory is written")
	}
}

func TestClockOfConfig(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want time.Duration
	}{
		"production": {minimal(t), 0},
		"sandbox":    {"sandbox = true\nclock_file = \"clock\"\n" + minimal(t), 36 * time.Hour},
		"new one":    {"sandbox = true\nclock_file = \"nuovo/clock\"\n" + minimal(t), 0},
	} {
		path := place(t, c.text)
		if err := WriteOffset(filepath.Join(filepath.Dir(path), "clock"), 36*time.Hour); err != nil {
			t.Fatal(err)
		}
		clock, err := load(t, path).Clock()
		if err != nil || clock.Offset() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestAcceptedAs(t *testing.T) {
	for said, want := range map[string]string{
		"250 2.0.0 accepted as <opec1.20261102.1@pec.alfa.test>": "opec1.20261102.1@pec.alfa.test",
		"250 2.0.0 Ok: queued as B6C199B2775":                    "",
		"250":                                                    "",
	} {
		if got := acceptedAs(said); got != want {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	for _, c := range []struct {
		line   string
		octets int64
		ok     bool
	}{
		{"* 1 FETCH (BODY[] {100000000}", 100000000, true},
		{"* 1 FETCH (FLAGS (\\Seen) BODY[] {0}", 0, true},
		{`* 1 FETCH (BODY[] "")`, 0, false},
		{"* 1 FETCH (BODY[] {many}", 0, false},
		{"* 1 FETCH (BODY[] {-1}", 0, false},
		{"a1 OK done", 0, false},
	} {
		if octets, ok := literal(c.line); ok != c.ok || ok && octets != c.octets {
			t.Errorf("%q: got %d, %v", c.line, octets, ok)
		}
	}
}

func TestCountSyncs(t *testing.T) {
	const begun = "20078 fdatasync(5 <unfinished ...>\n"
	for _, c := range []struct {
		log  string
		want int
		err  string
	}{
		{"", 0, ""},
		{begun + "20082 fsync(8) = 0 (DELAYED)\n20078 <... fdatasync resumed>)          = 0 (DELAYED)\n" + begun, 2, ""},
		{"20082 fsync(8) = 0\n", 0, "where a sync was to be delayed"},
		{"20082 fsync(8) = -1 EIO (Input/output error) (DELAYED)\n", 0, "where a sync was to be delayed"},
	} {
		name := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(name, []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := countSyncs(name)
		if got != c.want || !fits(err, c.err) || (err == nil) != (c.err == "") {
			t.Errorf("%q: got %d and %v, want %d and %q", c.log, got, err, c.want, c.err)
		}
	}
}

func TestParseFacts(t *testing.T) {
	if n, err := parseFacts("1234 facts, 500 messages, 100 recipients, 400 entries checked: 0 violations\n"); n != 1234 || err != nil {
		t.Errorf("got %d and %v", n, err)
	}
	if _, err := parseFacts("nothing\n"); !fits(err, `check said "nothing\n"`) || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 7 7 7 0 -1 4194304 100 200 0 0 11 12 130 20 20 0 1 0 5000 1000000 200"
	s, err := parseStat("42 (odd) name)" + rest)
	if want := (stat{42, 7, "odd) name", 1500 * time.Millisecond}); err != nil || s != want {
		t.Errorf("got %+v and %v, want %+v", s, err, want)
	}
	for _, line := range []string{"", "42", "42 (name) S 7 7", "(name)" + rest, "42 name)" + rest, "42 (name) S x 7 7 0 -1 4194304 100 200 0 0 11 12 130 20"} {
		if _, err := parseStat(line); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func TestParseTracer(t *testing.T) {
	for text, want := range map[string]int{"Name:\tpostgres\nTracerPid:\t4711\nUid:\t0\n": 4711, "Name:\tpostgres\nTracerPid:\t0\n": 0} {
		if pid, err := parseTracer(text); pid != want || err != nil {
			t.Errorf("%q: got %d and %v", text, pid, err)
		}
	}
	if _, err := parseTracer("Name:\tpostgres\n"); err == nil {
		t.Error("a status without a tracer was read")
	}
}

func TestParseStatus(t *testing.T) {
	r, err := parseStatus("Name:\tceralacca\nVmHWM:\t   64928 kB\nVmRSS:\t   47568 kB\nRssAnon:\t   30264 kB\nRssFile:\t   17304 kB\n")
	if want := (resident{47568 << 10, 30264 << 10, 64928 << 10}); err != nil || r != want {
		t.Errorf("got %+v and %v, want %+v", r, err, want)
	}
	if _, err := parseStatus("Name:\tkthreadd\n"); err == nil {
		t.Error("a process without memory was read")
	}
}

// TestFamilyCPU: the CPU of a child that has ended is still counted.
func TestFamilyCPU(t *testing.T) {
	before, err := familyCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	busy := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
	if err := busy.Run(); err != nil {
		t.Fatal(err)
	}
	after, err := familyCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const ticks = 20 * time.Millisecond // user and system are each cut to a tick of the kernel
	if used := busy.ProcessState.UserTime() + busy.ProcessState.SystemTime(); used <= ticks || after-before < used-ticks {
		t.Errorf("%v more, when the child alone used %v", after-before, used)
	}
}

package bench

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRun measures the real program with so few exchanges that the figures mean nothing: it asserts that they are there.
func TestRun(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ceralacca")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/ceralacca/ceralacca").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	dir := t.TempDir()
	r, err := Run(t.Context(), Options{Program: program, Exchanges: 10, Limit: 20 * time.Second, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for name, rounds := range map[string][]Round{"kept": r.Kept, "fresh": r.Fresh} {
		n := 0
		for _, x := range rounds {
			n += x.Exchanges
			if x.CPU <= 0 || x.Sign <= 0 || x.Verify <= 0 || x.Seconds <= 0 {
				t.Errorf("%s connections: a round without figures: %+v", name, x)
			}
		}
		if n != 10 {
			t.Errorf("%s connections: %d exchanges, not 10", name, n)
		}
	}
	if l := r.Latency; l.Exchanges != 10 || l.P50 <= 0 || l.P99 < l.P50 || l.FdatasyncP50 <= 0 || l.FdatasyncP99 < l.FdatasyncP50 {
		t.Errorf("latency: %+v", l)
	}
	if f := r.Floor; f.Signatures <= 0 || f.Verifications <= f.Signatures || f.SHA256 <= 0 {
		t.Errorf("floor: %+v", f)
	}
	if r.IdleCPU < 0 || r.IdleCPU > float64(r.Machine.Cores) || len(r.Measures) != 4 {
		t.Errorf("report: %+v", r)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Limit: time.Second}, {Exchanges: 1}} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// script makes a program out of shell commands.
func script(t *testing.T, commands string) string {
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+commands+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChildThatFails(t *testing.T) {
	for _, c := range []struct{ program, want string }{
		{filepath.Join(t.TempDir(), "absent"), "starting the sandbox"},
		{script(t, "echo the port is taken >&2; exit 3"), "the last that it said: the port is taken"},
		{script(t, "mkdir $3; echo '{}' > $3/sandbox.json; exec sleep 60"), "it has 0 providers"},
	} {
		_, err := startChild(t.Context(), c.program, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q in it", err, c.want)
		}
	}
}

func TestChildEndsWithTheContext(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := startChild(ctx, script(t, "echo $$ > "+dir+"/making; mv "+dir+"/making "+dir+"/pid; exec sleep 60"), dir)
		failed <- err
	}()
	for _, err := os.Stat(dir + "/pid"); err != nil; _, err = os.Stat(dir + "/pid") {
		if err := pause(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	text, err := os.ReadFile(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(syscall.Signal(0))
	}
	if !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("the child is still there: %v", err)
	}
}

func TestTailIsBounded(t *testing.T) {
	x := &tail{}
	for range 1000 {
		if _, err := x.Write([]byte("many words\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.Write([]byte("the end\n")); err != nil {
		t.Fatal(err)
	}
	if got := x.String(); len(got) > tailLength || !strings.HasSuffix(got, "\nthe end") {
		t.Errorf("%d octets that end in %q", len(got), got[len(got)-20:])
	}
}

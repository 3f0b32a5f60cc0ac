package cluster

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// run runs a command to its end and returns what it said and its exit status.
func run(t testing.TB, name string, args ...string) (said string, status int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("%s could not be run: %v", name, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// eventually looks again and again until done says yes or the limit is over.
func eventually(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	if !within(limit, done) {
		t.Fatalf("not within %v: %s", limit, what)
	}
}

// within tells whether done said yes before the limit was over.
func within(limit time.Duration, done func() bool) bool {
	deadline := time.After(limit)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// daemon is the program running in the background, its log in a file.
type daemon struct {
	cmd     *exec.Cmd
	logFile string
	ended   chan struct{} // closed when the process is gone
}

// startDaemon runs the program; what it says is added to logFile. It does not outlive the test.
func startDaemon(t testing.TB, logFile string, args ...string) *daemon {
	t.Helper()
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d := &daemon{cmd: exec.Command("ceralacca", args...), logFile: logFile, ended: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.cmd.Wait() // ProcessState tells how it ended
		close(d.ended)
	}()
	t.Cleanup(d.kill)
	return d
}

func (d *daemon) log() string {
	text, err := os.ReadFile(d.logFile)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (d *daemon) running() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// kill ends the process without any warning.
func (d *daemon) kill() {
	d.cmd.Process.Kill() // it may be gone already
	<-d.ended
}

// signal sends STOP, CONT or TERM.
func (d *daemon) signal(t testing.TB, name string) {
	t.Helper()
	if said, status := run(t, "kill", "-"+name, strconv.Itoa(d.cmd.Process.Pid)); status != 0 {
		t.Fatalf("%s to %q: %s", name, d.cmd.Args[1:], said)
	}
}

// stop asks the process to end: it must do so with status 0.
func (d *daemon) stop(t testing.TB) {
	t.Helper()
	if !d.running() {
		t.Fatalf("%q has ended by itself: %v\n%s", d.cmd.Args[1:], d.cmd.ProcessState, clip(d.log()))
	}
	d.signal(t, "TERM")
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		t.Fatalf("%q did not stop within 30 s of SIGTERM", d.cmd.Args[1:])
	}
	if status := d.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("%q stopped with status %d\n%s", d.cmd.Args[1:], status, clip(d.log()))
	}
}

// answers tells whether somebody takes connections there.
func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// clip keeps the end of a text that may be long.
func clip(s string) string {
	if len(s) > 4000 {
		_, s, _ = strings.Cut(s[len(s)-4000:], "\n")
		return "[...]\n" + s
	}
	return s
}

package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// result is how a command ended.
type result struct {
	stdout, stderr string
	status         int
}

// run runs a command to its end, whatever its exit status.
func run(t testing.TB, stdin, name string, args ...string) result {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s could not be run: %v", name, err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// tool runs a command that must succeed, and returns its output.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	r := run(t, "", name, args...)
	if r.status != 0 {
		t.Fatalf("%s %q: exit status %d\n%s%s", name, args, r.status, clip(r.stdout), clip(r.stderr))
	}
	return r.stdout
}

// clip keeps the end of a text that may be long.
func clip(s string) string {
	if len(s) > 4000 {
		return "[...]" + s[len(s)-4000:]
	}
	return s
}

// eventually looks again and again until done says yes or the limit is over.
func eventually(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.After(limit)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// daemon is the program running in the background, its log in a file.
type daemon struct {
	cmd     *exec.Cmd
	logFile string
	ended   chan struct{} // closed when the process is gone
}

// startDaemon runs the program in the background; its standard output and error are added to logFile. Whoever starts it
// ends it.
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
	return d
}

// end ends the process with its test, and shows its log if that failed.
func (d *daemon) end(t testing.TB) {
	d.kill()
	if t.Failed() {
		t.Logf("the end of the log of %q:\n%s", d.cmd.Args[1:], clip(d.log()))
	}
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

// stop asks the process to end: it must do so within 15 s, with status 0.
func (d *daemon) stop(t testing.TB) {
	t.Helper()
	if !d.running() {
		t.Errorf("%q has ended by itself: %v", d.cmd.Args, d.cmd.ProcessState)
		return
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.ended:
	case <-time.After(15 * time.Second):
		d.kill()
		t.Fatalf("%q did not stop within 15 s of SIGTERM", d.cmd.Args)
	}
	if status := d.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("%q stopped with status %d", d.cmd.Args, status)
	}
}

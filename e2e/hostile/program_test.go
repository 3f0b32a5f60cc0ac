package hostile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run runs a command to its end and gives its output and its exit status.
func run(t testing.TB, name string, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	return finish(t, cmd, &out)
}

// talk is run with a standard input: what to say once the program has written what it waits for. It stays open until the
// program ends by itself; one that does not is killed.
func talk(t testing.TB, after, say, name string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := &answering{after: after, say: func() error {
		_, err := io.WriteString(stdin, say)
		return err
	}}
	cmd.Stdout, cmd.Stderr = out, out
	return finish(t, cmd, &out.written)
}

// answering says something once when a text has been written to it.
type answering struct {
	written bytes.Buffer
	after   string
	say     func() error
}

func (a *answering) Write(p []byte) (int, error) {
	a.written.Write(p)
	if a.say != nil && strings.Contains(a.written.String(), a.after) {
		say := a.say
		a.say = nil
		return len(p), say()
	}
	return len(p), nil
}

func finish(t testing.TB, cmd *exec.Cmd, out *bytes.Buffer) (string, int) {
	t.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s could not be run: %v", cmd.Path, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// tool runs a command that must succeed.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, status := run(t, name, args...)
	if status != 0 {
		t.Fatalf("%s: exit status %d\n%s", name, status, clip(out))
	}
	return out
}

// clip keeps the end of a text that may be long.
func clip(s string) string {
	if len(s) > 2000 {
		return "[...]" + s[len(s)-2000:]
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
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when the process is gone
}

// startDaemon runs the program in the background until the test is over.
func startDaemon(t testing.TB, log string, args ...string) *daemon {
	t.Helper()
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d := &daemon{cmd: exec.Command("ceralacca", args...), log: log, ended: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = file, file
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.cmd.Wait() // ProcessState tells how it ended
		close(d.ended)
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill() // it may be gone already
		<-d.ended
		if t.Failed() {
			t.Logf("the end of the log of %q:\n%s", args, clip(string(readFile(t, log))))
		}
	})
	return d
}

func (d *daemon) running() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// stop asks the process to end: it must do so within 20 s, with status 0, and no panic may be in its log.
func (d *daemon) stop(t testing.TB) {
	t.Helper()
	if !d.running() {
		t.Errorf("the program has ended by itself: %v", d.cmd.ProcessState)
		return
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		t.Error("the program did not stop within 20 s of SIGTERM")
		return
	}
	if status := d.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("the program stopped with status %d", status)
	}
	if log := string(readFile(t, d.log)); strings.Contains(log, "panic") {
		t.Errorf("something panicked:\n%s", clip(log))
	}
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory that the process has had resident, in MB.
func (d *daemon) peak(t testing.TB) int {
	t.Helper()
	status := readFile(t, "/proc/"+strconv.Itoa(d.cmd.Process.Pid)+"/status")
	found := peakLine.FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmHWM in %q", status)
	}
	kilobytes, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes / 1000
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	octets, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func writeFile(t testing.TB, name string, octets []byte) {
	t.Helper()
	if err := os.WriteFile(name, octets, 0o600); err != nil {
		t.Fatal(err)
	}
}

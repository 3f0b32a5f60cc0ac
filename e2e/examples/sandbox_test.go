package examples

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon is the program running in the background.
type daemon struct {
	cmd   *exec.Cmd
	log   bytes.Buffer  // complete when the process is gone
	ended chan struct{} // closed then
}

// start runs the program until the test is over.
func start(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command("ceralacca", args...), ended: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
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
			t.Logf("the log of %q:\n%s", args, d.log.String())
		}
	})
	return d
}

// stop asks the process to end, which it must do cleanly.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the program did not stop within 20 s of SIGTERM")
	}
	if status := d.cmd.ProcessState.ExitCode(); status != 0 {
		t.Fatalf("the program stopped with status %d", status)
	}
}

// await looks again and again until done says yes. It gives up when the process has ended, or after 30 s.
func (d *daemon) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-d.ended:
			t.Fatalf("the program ended: %v", d.cmd.ProcessState)
		case <-deadline:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// contract is sandbox.json, of which the tests need little (design.md 9).
type contract map[string]any

func (c contract) alfa() map[string]any { return c["providers"].([]any)[0].(map[string]any) }

func startSandbox(t *testing.T, dir string) (*daemon, contract) {
	t.Helper()
	d := start(t, "sandbox", "--dir", dir, "--base-port", "0", "--mailboxes", "4")
	var c contract
	d.await(t, "sandbox.json is there", func() bool {
		octets, err := os.ReadFile(filepath.Join(dir, "sandbox.json"))
		if errors.Is(err, os.ErrNotExist) {
			return false
		}
		if err == nil {
			err = json.Unmarshal(octets, &c)
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	return d, c
}

// startAlfa runs Alfa without the rest of the sandbox: it accepts what is for Beta, and then there is silence.
func startAlfa(t *testing.T, dir string, c contract) *daemon {
	t.Helper()
	d := start(t, "serve", "-c", filepath.Join(dir, c.alfa()["config_file"].(string)))
	for _, service := range []string{"submissions", "imaps"} {
		d.await(t, service+" answers", func() bool {
			conn, err := net.Dial("tcp", c.alfa()[service].(string))
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	return d
}

// writeContract writes a sandbox.json whose first mailbox is another one of Alfa's, and returns its name. The examples
// run at the same time, each with a mailbox of its own.
func writeContract(t *testing.T, dir string, c contract, mailbox int) string {
	t.Helper()
	octets, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var own contract
	if err := json.Unmarshal(octets, &own); err != nil {
		t.Fatal(err)
	}
	all := own.alfa()["mailboxes"].([]any)
	own.alfa()["mailboxes"] = all[mailbox : mailbox+1]
	if octets, err = json.Marshal(own); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".json")
	if err := os.WriteFile(name, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

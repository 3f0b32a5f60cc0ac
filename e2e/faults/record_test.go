package faults

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// recording is one run of the sandbox under strace, from an empty directory to a clean stop.
type recording struct {
	dir      string // the sandbox's
	provider string // the directory of the provider that is looked at: its configuration, keys and data
	program  string
	trace    string
	begun    time.Time  // the load
	answers  []answered // in the order of their replies
}

type account struct{ Address, Password string }

// contract is what is needed of sandbox.json (design.md 9).
type contract struct {
	PID       int
	CAFile    string `json:"ca_file"`
	Providers []struct {
		ConfigFile  string `json:"config_file"`
		DataDir     string `json:"data_dir"`
		Submissions string
		Mailboxes   []account
	}
}

// recorded records once for all tests.
var recorded = sync.OnceValues(func() (*recording, error) {
	dir, err := work()
	if err != nil {
		return nil, err
	}
	r := &recording{dir: filepath.Join(dir, "sandbox"), provider: filepath.Join(dir, "sandbox", "alfa"), program: filepath.Join(dir, "ceralacca"), trace: filepath.Join(dir, "trace")}
	if err := r.run(); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return r, r.findReplies()
})

// data is the data directory that is looked at.
func (r *recording) data() string { return filepath.Join(r.provider, "data") }

// run runs the sandbox under the load.
func (r *recording) run() error {
	return runSandbox(r.dir, r.load, "strace", straceArgs(r.trace, r.program, "sandbox", "--dir", r.dir, "--base-port", "0")...)
}

// runSandbox runs a sandbox until it has been used. It has a minute; a strace that is asked to end asks its child.
func runSandbox(dir string, use func(contract) error, name string, args ...string) error {
	log, err := os.Create(dir + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	limit := time.AfterFunc(time.Minute, func() { cmd.Process.Signal(syscall.SIGTERM) })
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ready := filepath.Join(dir, "sandbox.json")
	if err := whenTrue(ended, func() bool { _, err := os.Stat(ready); return err == nil }); err != nil {
		return fmt.Errorf("starting: %w\n%s", err, clip(content(log)))
	}
	var sandbox contract
	octets, err := os.ReadFile(ready)
	if err == nil {
		err = json.Unmarshal(octets, &sandbox)
	}
	if err == nil {
		err = use(sandbox)
	}
	if err == nil {
		err = signal(sandbox.PID, syscall.SIGTERM)
	}
	if err != nil {
		cmd.Process.Signal(syscall.SIGTERM)
	}
	err = errors.Join(err, <-ended)
	if !limit.Stop() {
		err = errors.Join(err, errors.New("it was not over within a minute"))
	}
	return err
}

func signal(pid int, s os.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(s)
}

// whenTrue looks again and again; it fails if the process ends before.
func whenTrue(ended chan error, is func() bool) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !is() {
		select {
		case <-look.C:
		case err := <-ended:
			ended <- err
			if is() { // it came true, and then the process ended, between two looks
				return nil
			}
			return fmt.Errorf("the process has ended: %v", err)
		}
	}
	return nil
}

// content is what a process has written to its log.
func content(log *os.File) string {
	octets, err := os.ReadFile(log.Name())
	if err != nil {
		return err.Error()
	}
	return string(octets)
}

// load lets all clients submit to the provider that is looked at.
func (r *recording) load(s contract) error {
	conf, err := trust(filepath.Join(r.dir, s.CAFile))
	if err != nil {
		return err
	}
	var to []string
	for _, p := range s.Providers {
		for _, m := range p.Mailboxes {
			to = append(to, m.Address)
		}
	}
	p := s.Providers[0]
	r.begun = time.Now()
	if filepath.Join(r.dir, p.DataDir) != r.data() {
		return fmt.Errorf("the data of the first provider are in %s", p.DataDir)
	}
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards answers and errs
		errs    []error
	)
	for i := range clients {
		running.Go(func() {
			answers, err := session(p.Submissions, conf, p.Mailboxes[i%len(p.Mailboxes)], to)
			mu.Lock()
			defer mu.Unlock()
			r.answers, errs = append(r.answers, answers...), append(errs, err)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// trust trusts the sandbox's authority alone.
func trust(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	conf := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	conf.RootCAs.AppendCertsFromPEM(pem)
	return conf, err
}

func session(addr string, conf *tls.Config, from account, to []string) ([]answered, error) {
	c, err := dial(addr, conf, from, to)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.submitAll()
}

// findReplies finds the server's write of each 250. It is within TLS: but between the first of the last octets sent and
// the 250 read the server has nothing else to say on that connection.
func (r *recording) findReplies() error {
	writes := map[string][]call{} // by socket
	err := readTrace(r.trace, func(c call) error {
		if strings.Contains(c.name, "write") {
			if _, what := descriptor(c.args[0]); strings.HasPrefix(what, "TCP:[") {
				c.args = nil // what is in it is of no use
				writes[what] = append(writes[what], c)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, a := range r.answers {
		var found []call
		for _, w := range writes[a.socket] {
			// A time in the trace is cut to the microsecond.
			if !w.at.Before(a.sent.Truncate(time.Microsecond)) && !w.at.After(a.read) {
				found = append(found, w)
			}
		}
		if len(found) != 1 {
			return fmt.Errorf("%s: %d writes to %s while the 250 was awaited, not one", a.pecID, len(found), a.socket)
		}
		r.answers[i].reply = found[0]
	}
	slices.SortFunc(r.answers, func(a, b answered) int { return cmp.Compare(a.reply.begun, b.reply.begun) })
	return nil
}

// history reads the trace as if those syncs had not been made.
func (r *recording) history(t *testing.T, ignored unsynced) *history {
	t.Helper()
	h := newHistory(r.data(), ignored)
	if err := readTrace(r.trace, h.add); err != nil {
		t.Fatal(err)
	}
	return h
}

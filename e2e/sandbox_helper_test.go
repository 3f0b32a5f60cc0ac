package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// sandbox is a directory and the process that runs in it.
type sandbox struct {
	contract
	*daemon
	owner     testing.TB // the test that it lives for; a subtest may start it again
	dir       string
	database  string // where its data are kept; "": in dir
	mailboxes int
	stopped   bool // the test has stopped it
}

// startSandbox runs a sandbox until the test is over; then its invariants are checked and it must stop cleanly.
// The engine is the one that CERALACCA_ENGINE names.
func startSandbox(t testing.TB, mailboxes int) *sandbox {
	t.Helper()
	return startSandboxOn(t, postgrestest.Database(t), mailboxes)
}

// startEmbedded is startSandbox for a test that knows the embedded engine's files.
func startEmbedded(t testing.TB, mailboxes int) *sandbox {
	t.Helper()
	return startSandboxOn(t, "", mailboxes)
}

func startSandboxOn(t testing.TB, database string, mailboxes int) *sandbox {
	t.Helper()
	s := &sandbox{owner: t, dir: filepath.Join(t.TempDir(), "sandbox"), database: database, mailboxes: mailboxes}
	t.Cleanup(func() {
		defer s.end(t)
		if !s.stopped && s.ControlURL != "" {
			s.settle(t)
			s.check(t)
			s.stop(t)
		}
	})
	s.start(t)
	return s
}

// start starts the sandbox, and returns when it answers.
func (s *sandbox) start(t testing.TB) {
	t.Helper()
	s.daemon, s.stopped = s.launch(), false
	eventually(t, 20*time.Second, "sandbox.json is there", func() bool {
		if !s.running() {
			t.Fatalf("the sandbox ended: %s", clip(s.log()))
		}
		c, err := readContract(s.dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		s.contract = c
		return err == nil && c.PID == s.cmd.Process.Pid // one that was killed leaves its file
	})
}

// launch starts the process and does not wait for anything.
func (s *sandbox) launch() *daemon {
	return startDaemon(s.owner, s.dir+".log", s.command("--dir", s.dir, "--base-port", "0", "--mailboxes", strconv.Itoa(s.mailboxes))...)
}

// command is the subcommand that runs a sandbox on the engine of this one.
func (s *sandbox) command(args ...string) []string {
	if s.database != "" {
		args = append([]string{"--database", s.database}, args...)
	}
	return append([]string{"sandbox"}, args...)
}

// stop stops the sandbox cleanly. What is to be checked of its data has to be checked before, or on its files.
func (s *sandbox) stop(t testing.TB) {
	t.Helper()
	s.daemon.stop(t)
	s.stopped = true
}

func (s *sandbox) alfa() provider { return s.Providers[0] }
func (s *sandbox) beta() provider { return s.Providers[1] }

// path is a path of the contract.
func (s *sandbox) path(name string) string { return filepath.Join(s.dir, name) }

// tls trusts the sandbox's authority alone.
func (s *sandbox) tls(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(s.path(s.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("ca.pem holds no certificate")
	}
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// clock is the answer of /clock.
type clock struct {
	Now        time.Time
	Offset     string
	Unfinished []string
}

// advance moves the law's clock. The answer comes when all that was due then has been tried once.
func (s *sandbox) advance(t testing.TB, duration string) clock {
	t.Helper()
	resp, err := http.Post(s.ControlURL+"/clock", "application/json", strings.NewReader(`{"advance": "`+duration+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	return readClock(t, resp)
}

func (s *sandbox) clock(t testing.TB) clock {
	t.Helper()
	resp, err := http.Get(s.ControlURL + "/clock")
	if err != nil {
		t.Fatal(err)
	}
	return readClock(t, resp)
}

func readClock(t testing.TB, resp *http.Response) clock {
	t.Helper()
	defer resp.Body.Close()
	octets, err := io.ReadAll(resp.Body)
	var c clock
	if err == nil {
		err = json.Unmarshal(octets, &c)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/clock: %s %v: %s", resp.Status, err, octets)
	}
	return c
}

// settle waits until everything that was begun is done.
func (s *sandbox) settle(t testing.TB) {
	t.Helper()
	if c := s.advance(t, "1s"); len(c.Unfinished) > 0 {
		t.Errorf("not done within a minute: %q", c.Unfinished)
	}
}

// checked is how `ceralacca check` ends when there is nothing wrong; it must have looked at something.
var checked = regexp.MustCompile(`(?m)^[1-9]\d* facts, .* checked: 0 violations$`)

// check runs `ceralacca check` on both providers.
func (s *sandbox) check(t testing.TB) {
	t.Helper()
	for _, p := range s.Providers {
		r := run(t, "", "ceralacca", "check", "-c", s.path(p.ConfigFile))
		if r.status != 0 || !checked.MatchString(r.stdout) {
			t.Errorf("%s: check ends with status %d\n%s%s", p.Name, r.status, clip(r.stdout), clip(r.stderr))
		}
	}
}

// admin runs a subcommand on a provider's data; it must succeed.
func (s *sandbox) admin(t testing.TB, p provider, stdin string, command ...string) string {
	t.Helper()
	r := s.tryAdmin(t, p, stdin, command...)
	if r.status != 0 {
		t.Fatalf("%q: exit status %d\n%s%s", command, r.status, r.stdout, r.stderr)
	}
	return r.stdout
}

func (s *sandbox) tryAdmin(t testing.TB, p provider, stdin string, command ...string) result {
	t.Helper()
	return run(t, stdin, "ceralacca", append(command, "-c", s.path(p.ConfigFile))...)
}

package hostile

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// provider is one of a sandbox's providers (design.md 9).
type provider struct {
	Domain         string    `json:"domain"`
	ConfigFile     string    `json:"config_file"`
	ServiceMailbox account   `json:"service_mailbox"`
	SMTP           string    `json:"smtp"`
	Submission     string    `json:"submission"`
	Submissions    string    `json:"submissions"`
	IMAPS          string    `json:"imaps"`
	Mailboxes      []account `json:"mailboxes"`
}

// account is a mailbox; its provider's IMAP port is filled in after reading.
type account struct {
	Address  string `json:"address"`
	Password string `json:"password"`
	imaps    string
}

// sandbox is a directory and the process that runs in it.
type sandbox struct {
	*daemon
	dir  string
	file struct {
		PID        int        `json:"pid"`
		CAFile     string     `json:"ca_file"`
		ControlURL string     `json:"control_url"`
		Providers  []provider `json:"providers"`
	}
	sent int // plain letters, for their Message-IDs
}

func (s *sandbox) alfa() provider { return s.file.Providers[0] }
func (s *sandbox) beta() provider { return s.file.Providers[1] }

func (s *sandbox) path(name string) string { return filepath.Join(s.dir, name) }

// startSandbox runs a sandbox until the test is over; then it must still serve, be sound, and stop cleanly.
func startSandbox(t testing.TB, mailboxes string) *sandbox {
	t.Helper()
	s := launchSandbox(t, mailboxes)
	t.Cleanup(func() {
		if s.running() && !t.Failed() {
			s.wantService(t)
			s.check(t, s.alfa().ConfigFile, s.beta().ConfigFile)
		}
		s.stop(t)
	})
	return s
}

func launchSandbox(t testing.TB, mailboxes string) *sandbox {
	t.Helper()
	s := &sandbox{dir: filepath.Join(t.TempDir(), "sandbox")}
	s.daemon = startDaemon(t, s.dir+".log", "sandbox", "--dir", s.dir, "--base-port", "0", "--mailboxes", mailboxes)
	eventually(t, 30*time.Second, "sandbox.json is there", func() bool {
		if !s.running() {
			t.Fatalf("the sandbox ended: %s", clip(string(readFile(t, s.log))))
		}
		octets, err := os.ReadFile(s.path("sandbox.json"))
		if err == nil {
			err = json.Unmarshal(octets, &s.file)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return err == nil
	})
	for i := range s.file.Providers {
		p := &s.file.Providers[i]
		p.ServiceMailbox.imaps = p.IMAPS
		for j := range p.Mailboxes {
			p.Mailboxes[j].imaps = p.IMAPS
		}
	}
	return s
}

// startAlfa runs Alfa alone, its configuration changed, until the test is over; then it must still serve, be sound and
// stop cleanly. Beta and the outside are away: what is for them waits, or goes where the configuration says.
func startAlfa(t testing.TB, change func(config string) string) *sandbox {
	t.Helper()
	s := launchSandbox(t, "2")
	s.stop(t)
	const alone = "alfa/alone.toml"
	writeFile(t, s.path(alone), []byte(change(string(readFile(t, s.path(s.alfa().ConfigFile))))))
	s.daemon = startDaemon(t, s.dir+".alone.log", "serve", "-c", s.path(alone))
	for _, port := range []string{s.alfa().Submissions, s.alfa().IMAPS} {
		eventually(t, 20*time.Second, port+" answers", func() bool {
			conn, err := net.Dial("tcp", port)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	t.Cleanup(func() {
		if s.running() && !t.Failed() {
			from := s.alfa().Mailboxes[0]
			s.submit(t, from, s.plainLetter(from, s.beta().Mailboxes[0]))
		}
		s.stop(t)
		s.check(t, alone)
	})
	return s
}

// plainLetter is a short letter with a Message-ID of its own.
func (s *sandbox) plainLetter(from, to account) letter {
	s.sent++
	return letter{from: from.Address, to: []string{to.Address}, subject: "Prova", id: "<prova." + itoa(s.sent) + "@client.test>", body: "Ciao.\r\n"}
}

// wantService sends a plain letter from Alfa to Beta, which must be delivered.
func (s *sandbox) wantService(t testing.TB) {
	t.Helper()
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	id := s.submit(t, from, s.plainLetter(from, to))
	s.settle(t)
	only(t, s.inbox(t, from), "avvenuta-consegna", id)
	only(t, s.inbox(t, to), "posta-certificata", id)
}

// settle waits until everything that was begun is done.
func (s *sandbox) settle(t testing.TB) {
	t.Helper()
	resp, err := http.Post(s.file.ControlURL+"/clock", "application/json", strings.NewReader(`{"advance": "1s"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var clock struct{ Unfinished []string }
	if err := json.NewDecoder(resp.Body).Decode(&clock); err != nil || resp.StatusCode != http.StatusOK || len(clock.Unfinished) > 0 {
		t.Fatalf("/clock: %s, %v, unfinished %q", resp.Status, err, clock.Unfinished)
	}
}

// sound is how `ceralacca check` ends when there is nothing wrong; it must have looked at something.
var sound = regexp.MustCompile(`(?m)^[1-9]\d* facts, .* checked: 0 violations$`)

func (s *sandbox) check(t testing.TB, configs ...string) {
	t.Helper()
	for _, c := range configs {
		out, status := run(t, "ceralacca", "check", "-c", s.path(c))
		if status != 0 || !sound.MatchString(out) {
			t.Errorf("check of %s ends with status %d\n%s", c, status, clip(out))
		}
	}
}

// admin runs a subcommand on a provider's data.
func (s *sandbox) admin(t testing.TB, p provider, command ...string) string {
	t.Helper()
	return tool(t, "ceralacca", append(command, "-c", s.path(p.ConfigFile))...)
}

// tls trusts the sandbox's authority alone.
func (s *sandbox) tls(t testing.TB) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(readFile(t, s.path(s.file.CAFile))) {
		t.Fatal("ca.pem holds no certificate")
	}
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

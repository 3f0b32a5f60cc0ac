package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestContract is sandbox.json and what it promises (design.md 9).
func TestContract(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 4)
	t.Run("file", s.contractFile)
	t.Run("providers", s.contractProviders)
	t.Run("certificates", s.contractCertificates)
	t.Run("directory", s.contractDirectory)
	t.Run("outside", func(t *testing.T) { s.login(t, s.Outside.Mailbox).folder("INBOX") })
	s.submit(t, s.alfa(), s.alfa().Mailboxes[0], plainLetter(s.alfa().Mailboxes[0].Address, s.beta().Mailboxes[0].Address))
	s.settle(t)
	s.check(t)
	s.stop(t)
	if _, err := os.Stat(s.path("sandbox.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sandbox.json is there after a clean stop: %v", err)
	}
}

func (s *sandbox) contractFile(t *testing.T) {
	info, err := os.Stat(s.path("sandbox.json"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("sandbox.json has the mode %v (%v)", info.Mode(), err)
	}
	if s.Version != 1 || s.PID != s.cmd.Process.Pid {
		t.Errorf("version %d, pid %d", s.Version, s.PID)
	}
	// No field is empty: what is not built has none. Strictness is readContract's.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(readFile(t, s.path("sandbox.json")), &fields); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if text := string(value); strings.Contains(text, `""`) || strings.Contains(text, "null") || strings.Contains(text, "[]") {
			t.Errorf("%s has an empty field: %s", name, value)
		}
	}
	for _, name := range []string{s.CAFile, s.Authority.DirectorySignerFile, s.Authority.ClientCertificateFile, s.Authority.ClientKeyFile} {
		readFile(t, s.path(name))
	}
}

func (s *sandbox) contractProviders(t *testing.T) {
	if len(s.Providers) != 2 || s.alfa().Name != "Alfa PEC S.p.A." || s.beta().Name != "Beta PEC S.p.A." {
		t.Fatalf("the providers are %+v", s.Providers)
	}
	for _, p := range s.Providers {
		if len(p.Mailboxes) != s.mailboxes || len(p.Domains) != 2 || !slices.Contains(p.Domains, p.Domain) {
			t.Errorf("%s: %d mailboxes, domains %q", p.Name, len(p.Mailboxes), p.Domains)
		}
		if info, err := os.Stat(s.path(p.DataDir)); err != nil || !info.IsDir() {
			t.Errorf("%s: data_dir: %v", p.Name, err)
		}
		readFile(t, s.path(p.ConfigFile))
		for _, a := range append(p.Mailboxes, p.ServiceMailbox) {
			s.login(t, a).do("LOGOUT")
		}
	}
}

// contractCertificates: the signing certificate is for the signing address; TLS is good for every name that is promised.
func (s *sandbox) contractCertificates(t *testing.T) {
	for _, p := range s.Providers {
		signing, err := x509.ParseCertificate(readPEM(t, s.path(p.SigningCertificateFiles[0])))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(signing.EmailAddresses, []string{p.signingAddress()}) {
			t.Errorf("%s: the signing certificate is for %q", p.Name, signing.EmailAddresses)
		}
		for _, name := range []string{"localhost", "127.0.0.1", "::1", "mx." + p.Domain} {
			conf := s.tls(t)
			conf.ServerName = name
			conn, err := tls.Dial("tcp", p.IMAPS, conf)
			if err != nil {
				t.Errorf("%s: the TLS certificate is not good for %s: %v", p.Name, name, err)
				continue
			}
			conn.Close()
		}
	}
}

// contractDirectory: the signed directory comes by HTTPS to whoever shows a certificate (RFC 6109 4.5, 5.6).
func (s *sandbox) contractDirectory(t *testing.T) {
	file, signer := filepath.Join(t.TempDir(), "igpec.ldif.p7m"), filepath.Join(t.TempDir(), "signer.pem")
	tool(t, "curl", "--silent", "--show-error", "--fail", "--cacert", s.path(s.CAFile), "--cert", s.path(s.Authority.ClientCertificateFile),
		"--key", s.path(s.Authority.ClientKeyFile), "--output", file, s.Authority.LDIFURL)
	ldif := tool(t, "openssl", "cms", "-verify", "-inform", "DER", "-in", file, "-CAfile", s.path(s.CAFile), "-purpose", "any", "-signer", signer)
	if !bytes.Equal(readPEM(t, signer), readPEM(t, s.path(s.Authority.DirectorySignerFile))) {
		t.Error("the directory is signed by another certificate")
	}
	for _, p := range s.Providers {
		for _, want := range append([]string{"mailReceipt: " + p.ServiceMailbox.Address}, p.Domains...) {
			if !strings.Contains(ldif, want) {
				t.Errorf("the directory does not say %q", want)
			}
		}
	}
	if r := run(t, "", "curl", "--silent", "--fail", "--cacert", s.path(s.CAFile), s.Authority.LDIFURL); r.status == 0 {
		t.Error("the directory comes to whoever shows no certificate")
	}
}

// TestRestart: stopped, killed and started again, the sandbox has everything, and its clock only grows.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 2)
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	if c := s.advance(t, "12h5m"); len(c.Unfinished) > 0 || c.Offset != "12h5m0s" || time.Until(c.Now).Round(time.Minute) != 12*time.Hour+5*time.Minute {
		t.Errorf("the clock after the jump: %+v", c)
	}
	before := s.everything(t)
	for name, end := range map[string]func(){"stop": func() { s.stop(t) }, "kill": func() { s.kill() }} {
		end()
		s.start(t)
		if after := s.everything(t); !slices.EqualFunc(before, after, sameMessage) {
			t.Errorf("after a %s there are %d messages, %d before, or they differ", name, len(after), len(before))
		}
		if c := s.clock(t); c.Offset != "12h5m0s" {
			t.Errorf("after a %s the clock's offset is %s", name, c.Offset)
		}
		s.check(t)
	}
	for _, body := range []string{`{"advance": "-1h"}`, `{"advance": "0s"}`, `{"advance": "domani"}`, `{}`, `no`} {
		resp, err := http.Post(s.ControlURL+"/clock", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s is answered with %s", body, resp.Status)
		}
	}
	if c := s.advance(t, "1m"); c.Offset != "12h6m0s" {
		t.Errorf("the clock's offset is %s after one more minute", c.Offset)
	}
}

func (s *sandbox) everything(t testing.TB) (all []message) {
	t.Helper()
	for _, a := range s.accounts() {
		all = append(all, s.inbox(t, a)...)
	}
	return all
}

func sameMessage(a, b message) bool { return a.uid == b.uid && bytes.Equal(a.octets, b.octets) }

// TestControlPage: the page shows ports, accounts and the last messages, and what users write in them does no harm.
func TestControlPage(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 2)
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	l := plainLetter(from.Address, to.Address)
	l.subject = "<script>alert(1)</script>"
	l.to = append(l.to, "nessuno@"+s.beta().Domain, s.Outside.Mailbox.Address)
	id := s.submit(t, s.alfa(), from, l)
	s.settle(t)
	resp, err := http.Get(s.ControlURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	octets, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v", resp.Status, err)
	}
	page := string(octets)
	for _, want := range []string{id, "&lt;script&gt;", "nessuno@" + s.beta().Domain, "delivered", "failed", s.alfa().Submissions, s.beta().IMAPS, to.Address, to.Password} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(page, "<script>") {
		t.Error("the page shows a subject as markup")
	}
}

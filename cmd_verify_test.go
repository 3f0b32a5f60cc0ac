package main

import (
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/authority"
	"github.com/ceralacca/ceralacca/revocation"
)

// TestVerifyAsksOnce: with --network a certificate's authority is asked once, whatever it answers, and what it told serves for all that
// the same provider signed.
func TestVerifyAsksOnce(t *testing.T) {
	now := time.Now()
	ca, err := authority.NewCA("Test", now.AddDate(-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var list []byte
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if list == nil {
			http.Error(w, "closed", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(list)
	}))
	defer server.Close()
	path := func(name string) []*x509.Certificate {
		octets, _, err := ca.IssueProvider(authority.ProviderRequest{
			Provider: name, Address: "posta-certificata@pec.alfa.test", At: now.AddDate(0, -1, 0), CRLs: []string{server.URL + "/" + name},
		})
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(octets)
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return []*x509.Certificate{leaf, ca.Certificate()}
	}
	good, revoked := path("good"), path("revoked")
	n := &asking{
		ctx: t.Context(), log: slog.New(slog.DiscardHandler), known: &revocation.Evidence{}, asked: map[string]error{},
		fetcher: revocation.NewFetcher(revocation.NewClient(func(netip.Addr) bool { return true })),
	}
	for range 3 {
		if s := n.path(path("closed"), now); s.State != revocation.Unknown {
			t.Errorf("of a server that is closed: %+v", s)
		}
	}
	closed := asked.Load()
	list, err = ca.CRL([]x509.RevocationListEntry{{SerialNumber: revoked[0].SerialNumber, RevocationTime: now.Add(-time.Hour)}}, 1, now.Add(-time.Minute), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{now, now.Add(-2 * time.Hour)} {
		if s := n.path(good, at); s.State != revocation.Good {
			t.Errorf("at %v: %+v", at, s)
		}
	}
	if s := n.path(revoked, now); s.State != revocation.Revoked {
		t.Errorf("%+v", s)
	}
	if got := asked.Load() - closed; got != 1 {
		t.Errorf("the list was fetched %d times", got)
	}
	if s := n.path(revoked, now.Add(-2*time.Hour)); s.State != revocation.Good || s.Later == nil {
		t.Errorf("before it was revoked: %+v", s)
	}
}

// TestPagesReplaceNoEvidence: a page goes where nothing is, or nothing but a page.
func TestPagesReplaceNoEvidence(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.html")
	for n, before := range []string{"", "<!DOCTYPE html>old", "From: x@y.test\r\n\r\n", "<!DOC"} {
		if err := os.WriteFile(name, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		err := replacePage(name, []byte("<!DOCTYPE html>new"))
		after, readErr := os.ReadFile(name)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if replaced := n < 2; replaced != (err == nil) || replaced != (string(after) == "<!DOCTYPE html>new") {
			t.Errorf("over %q: %v, %q", before, err, after)
		}
	}
}

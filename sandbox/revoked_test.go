package sandbox

import (
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// A provider signs with a certificate that the authority has revoked; the other one has heard of it, and gives the message to its
// recipient in an anomaly envelope that says so (RFC 6109 2.2.2; norms.md 49; attacks.md 11). So it is in a directory of an earlier
// version, which has no such certificate yet.
func TestRevokedProvider(t *testing.T) {
	t.Parallel()
	o := embedded(t)
	for _, name := range []string{"alfa", "beta"} {
		if err := os.Remove(filepath.Join(o.Dir, name, "revoked.pem")); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, o)
	r.fault(1, revoked)
	if err := r.sendAt(1, luigi, []string{mario}, letter("1", luigi, mario)); err != nil {
		t.Fatal(err)
	}
	r.settled("1s")
	r.wantTold("the sender", 1, luigi, mario, accepted)
	r.wantTold("the recipient", 0, mario, mario, anomaly)
	if text := r.last(0, mario); !strings.Contains(text, "il certificato del gestore che ha firmato il messaggio risulta revocato") {
		t.Errorf("the envelope does not say why:\n%s", text)
	}
	if n := must(r.running[0].Store.EventCounts(t.Context()))[pec.EventAnomaly]; n != 1 {
		t.Errorf("%d anomalies are counted", n)
	}
	r.stop()
	r.wantSound()
}

// last is the newest message of a mailbox, its soft line breaks joined.
func (r *running) last(provider int, address string) string {
	r.t.Helper()
	st := r.running[provider].Store
	box := must(st.Mailbox(r.t.Context(), pec.Address(address)))
	entries := must(st.Entries(r.t.Context(), must(st.InboxID(r.t.Context(), box.ID)), 0))
	return strings.ReplaceAll(octetsOf(r.t, st, entries[len(entries)-1].Message), "=\r\n", "")
}

func octetsOf(t testing.TB, st *store.Store, id store.ID) string {
	t.Helper()
	o := must(st.Open(t.Context(), id, nil))
	defer o.Close()
	octets := make([]byte, o.Size())
	must(o.ReadAt(octets, 0))
	return string(octets)
}

// The list is the authority's, of the law's present, and has the certificates that are to be refused alone. The certificates name it.
func TestRevocationList(t *testing.T) {
	t.Parallel()
	r := start(t, embedded(t))
	var before *x509.RevocationList
	for range 2 {
		code, text := r.ask(http.MethodGet, crlPath, "", nil)
		list, err := x509.ParseRevocationList([]byte(text))
		if code != http.StatusOK || err != nil {
			t.Fatalf("%d, %v", code, err)
		}
		if err := list.CheckSignatureFrom(r.material.ca.Certificate()); err != nil {
			t.Error(err)
		}
		if now := r.clock.Now(); now.Before(list.ThisUpdate) || now.Sub(list.ThisUpdate) > time.Minute || list.NextUpdate.Sub(now) < time.Hour {
			t.Errorf("at %s the list is from %s to %s", now, list.ThisUpdate, list.NextUpdate)
		}
		if before != nil && list.Number.Cmp(before.Number) <= 0 {
			t.Errorf("its number is %s after %s", list.Number, before.Number)
		}
		before = list
		r.settled("720h")
	}
	for _, pp := range r.plan.providers {
		for name, want := range map[string]bool{pp.signingCert: false, pp.expiredCert: false, pp.unlistedCert: false, pp.revokedCert: true} {
			cert := must(readCertificate(r.path(name)))
			if got := slices.ContainsFunc(before.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(cert.SerialNumber) == 0 }); got != want {
				t.Errorf("%s is revoked: %t", name, got)
			}
			if urls := cert.CRLDistributionPoints; len(urls) != 1 || !strings.HasPrefix(urls[0], "http://127.0.0.1:") || !strings.HasSuffix(urls[0], crlPath) {
				t.Errorf("%s names the lists %q", name, urls)
			}
		}
	}
}

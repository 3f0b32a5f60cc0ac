package incoming

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/store"
	"github.com/ceralacca/ceralacca/verify"
)

// knows has the point know so much of every certificate.
func (w *world) knows(s revocation.Status) {
	w.Revocation = func([]*x509.Certificate, time.Time) revocation.Status { return s }
}

// What a provider signed with a certificate that was revoked, or is said to be in other hands, goes to its recipients in an anomaly
// envelope; it is neither refused nor taken in charge.
// norms.md 49, attacks.md 11
func TestRevoked(t *testing.T) {
	for name, s := range map[string]revocation.Status{
		"revoked":             {State: revocation.Revoked, At: epoch.Add(-time.Hour), Reason: "superseded"},
		"revoked in a minute": {State: revocation.Good, Later: &revocation.Status{State: revocation.Revoked, At: epoch.Add(time.Minute), Reason: revocation.KeyCompromise}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.knows(s)
			w.wantOutcome(name, "the certificate was revoked", pec.EventAnomaly, reasonRevoked, beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario)), "m1@pec.beta.test", luigi, mario)
		})
	}
}

// While nothing is known, a provider is believed, and that is recorded; or its server is asked to come again, by choice.
// norms.md 50
func TestRevocationNotKnown(t *testing.T) {
	w := newWorld(t)
	w.knows(revocation.Status{State: revocation.Unknown, Why: "there is no CRL"})
	octets := beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario))
	w.WaitForRevocation = true
	if err := w.receive(octets, luigi, mario); !errors.Is(err, ErrUnrevoked) {
		t.Errorf("it is %v, want %v", err, ErrUnrevoked)
	}
	if s := w.state("m1@pec.beta.test"); s != (state{}) {
		t.Errorf("it left %+v", s)
	}
	w.WaitForRevocation = false
	if err := w.receive(octets, luigi, mario); err != nil {
		t.Fatal(err)
	}
	if e := w.record().Events[0]; e.Kind != pec.EventTakenInCharge || !strings.HasSuffix(e.Checks, "revocation not known") {
		t.Errorf("the record says %+v", e)
	}
}

// What has more parts than are looked at, and so cannot be judged, is kept for the operators: a provider may have signed it.
// attacks.md 20
func TestMorePartsThanAreLookedAt(t *testing.T) {
	w := newWorld(t)
	c := beta().envelope("m1@pec.beta.test", luigi, mario)
	c.Original = edit(c.Original, "\r\n\r\n", "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")
	octets := beta().forge(c, func(s string) string {
		return strings.Replace(s, letterBody, strings.Repeat("--b\r\n\r\nx\r\n", 11000)+"--b--\r\n", 1)
	})
	if err := w.receive(octets, luigi, mario); err != nil {
		t.Fatal(err)
	}
	if held := w.ok(w.Store.HeldMessages(t.Context(), 100)).([]store.Held); len(held) != 1 || !strings.Contains(held[0].Reason, string(verify.Form)) {
		t.Errorf("held %+v", held)
	}
}

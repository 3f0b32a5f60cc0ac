package issuance

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ceralacca/ceralacca/dialect"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// speaking is a unit that writes as an engine does.
func speaking(e *dialect.Engine, key crypto.Signer) *Unit {
	u := unitWith(key)
	u.Dialect = e
	k := &u.Keys[0]
	k.Private, k.Chain = key, []*x509.Certificate{k.Signer.Certificate()}
	return u
}

func TestDialectsVerifyAndReadBack(t *testing.T) {
	for _, e := range dialect.Engines() {
		for _, kind := range kinds {
			key := &watched{Signer: rsaKey()}
			unit, c := speaking(e, key), composition(kind)
			newUnits(t, unit)
			issued, err := unit.Issue(c, bodyOf(c))
			if err != nil {
				t.Errorf("%s, %s: %v", e.Name, kind, err)
				continue
			}
			if n := key.uses.Load(); n != 1 {
				t.Errorf("%s, %s: the key was used %d times, want once", e.Name, kind, n)
			}
			wantForeign(t, e, c, issued)
		}
	}
}

// wantForeign reads what was issued as a peer does.
func wantForeign(t *testing.T, e *dialect.Engine, c pec.Composition, issued *Issued) {
	t.Helper()
	split, scan := smime.NewSplitter(), pec.NewScanner(pec.KeepForParse)
	if _, err := io.MultiWriter(split, scan).Write(issued.octets(c)); err != nil {
		t.Fatal(err)
	}
	signed, err := split.Finish()
	if err == nil {
		_, err = signed.Verify()
	}
	if err != nil {
		t.Errorf("%s, %s: %v", e.Name, c.Data.Kind, err)
		return
	}
	if digest, _ := signed.Digest(crypto.SHA256); !bytes.Equal(digest, issued.Signed[:]) {
		t.Errorf("%s, %s: Signed is not the SHA-256 of the signed octets", e.Name, c.Data.Kind)
	}
	st := scan.Finish()
	m, err := pec.ParseMessage(st)
	if err == nil {
		err = m.Consistent(signingAddress)
	}
	if err != nil || m.Data.ID != c.Data.ID || m.Header.Get("Message-ID") != issued.MessageID.Bracketed() {
		t.Errorf("%s, %s: %v, Message-ID %s, issued as %s", e.Name, c.Data.Kind, err, m.Header.Get("Message-ID"), issued.MessageID)
	}
	if !bytes.Equal(must(issued.Structure.MarshalBinary()), must(st.MarshalBinary())) {
		t.Errorf("%s, %s: the structure that was noted is not that of the octets", e.Name, c.Data.Kind)
	}
}

// field-notes.md 6: a receipt's own identifier may have another form than the envelope's.
func TestDialectsDrawTheirIdentifiers(t *testing.T) {
	for name, want := range map[string]struct{ envelope, domain string }{
		"opec": {"opec1.20260919120000.", "@pec.alfa.test"}, "jpec": {"jpec1.20260919120000.", ".1.1@pec.alfa.test"},
		"legalmail": {"", ".posta-certificata@pec.alfa.test"}, "cedacri": {"20260919120000-", "@comune.alfa.test"},
	} {
		unit, c := speaking(must(dialect.Named(name)), rsaKey()), composition(pec.Acceptance)
		id := string(unit.NewID(noon))
		if !strings.HasPrefix(id, want.envelope) || !strings.HasSuffix(id, want.domain) || unit.NewID(noon) == pec.ID(id) {
			t.Errorf("%s: identifier %s", name, id)
		}
		first, second := must(unit.Issue(c, nil)), must(unit.Issue(c, nil))
		if first.MessageID == c.MessageID || first.MessageID == second.MessageID || !strings.HasPrefix(string(first.MessageID), want.envelope) {
			t.Errorf("%s: receipts' identifiers %s, %s", name, first.MessageID, second.MessageID)
		}
	}
}

// attacks.md 33: the rules of our own way hold in a dialect.
func TestDialectRefusesBeforeTheKey(t *testing.T) {
	key := &watched{Signer: rsaKey()}
	unit := speaking(must(dialect.Named("opec")), key)
	c := composition(pec.Acceptance)
	c.Data.Recipients = nil
	if issued, err := unit.Issue(c, nil); err == nil || issued != nil {
		t.Error("issued without recipients")
	}
	half := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errBroken))
	if issued, err := unit.Issue(composition(pec.Transport), half); issued != nil || !errors.Is(err, errBroken) {
		t.Errorf("issued %v, %v", issued, err)
	}
	if n := key.uses.Load(); n != 0 {
		t.Errorf("the key was used %d times", n)
	}
	key.spoil = func(s []byte, err error) ([]byte, error) { s[0] ^= 1; return s, err }
	if issued, err := unit.Issue(composition(pec.Acceptance), nil); err == nil || issued != nil {
		t.Error("a bad signature was issued")
	}
}

func TestDialectNeedsItsKeys(t *testing.T) {
	e := must(dialect.Named("opec"))
	for name, c := range map[string]struct {
		unit *Unit
		want string
	}{
		"no key":   {func() *Unit { u := unitWith(rsaKey()); u.Dialect = e; return u }(), "private key"},
		"no chain": {func() *Unit { u := speaking(e, rsaKey()); u.Keys[0].Chain = nil; return u }(), "chain"},
		"another certificate": {func() *Unit {
			u := speaking(e, rsaKey())
			u.Keys[0].Chain = speaking(e, curveKey()).Keys[0].Chain
			return u
		}(), "chain"},
		"a curve": {speaking(e, curveKey()), "must be RSA"},
	} {
		if _, err := NewUnits(c.unit); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

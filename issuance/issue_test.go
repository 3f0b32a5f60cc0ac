package issuance

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

func bodyOf(c pec.Composition) io.Reader {
	if c.Original == nil {
		return nil
	}
	return strings.NewReader(body)
}

func (i *Issued) octets(c pec.Composition) []byte {
	if c.Original == nil {
		return append(bytes.Clone(i.Before), i.After...)
	}
	return bytes.Join([][]byte{i.Before, []byte(body), i.After}, nil)
}

// norms.md 111
func TestIssuedVerifiesAndReadsBack(t *testing.T) {
	for _, kind := range kinds {
		key := &watched{Signer: rsaKey()}
		unit, c := unitWith(key), composition(kind)
		issued, err := unit.Issue(c, bodyOf(c))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if n := key.uses.Load(); n != 1 {
			t.Errorf("%s: the key was used %d times, want once", kind, n)
		}
		octets := issued.octets(c)
		split, scan := smime.NewSplitter(), pec.NewScanner(pec.KeepForParse)
		split.Write(octets)
		scan.Write(octets)
		signed, err := split.Finish()
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		signature, err := signed.Verify()
		if err != nil || !signature.Certificate.Equal(unit.Keys[0].Signer.Certificate()) {
			t.Errorf("%s: the signature: %v", kind, err)
		}
		if digest, _ := signed.Digest(crypto.SHA256); !bytes.Equal(digest, issued.Signed[:]) {
			t.Errorf("%s: Signed is not the digest of the signed octets", kind)
		}
		wantReadsBack(t, c, issued, scan.Finish())
	}
}

// wantReadsBack compares an issued message as a peer reads it with what it was composed of.
func wantReadsBack(t *testing.T, c pec.Composition, issued *Issued, st *pec.Structure) {
	t.Helper()
	kind := c.Data.Kind
	m, err := pec.ParseMessage(st)
	if err == nil {
		err = m.Consistent(signingAddress)
	}
	if err != nil {
		t.Errorf("%s: %v", kind, err)
		return
	}
	want := c.Data
	want.Issuer = "Alfa PEC S.p.A."
	if !m.Data.Equal(want.Clean()) {
		t.Errorf("%s: the data read back are %+v, want %+v", kind, m.Data, want.Clean())
	}
	if issued.Kind != kind || issued.MessageID != c.MessageID || issued.Unit != string(signingAddress) {
		t.Errorf("%s: issued as %s <%s> by %s", kind, issued.Kind, issued.MessageID, issued.Unit)
	}
	if id := m.Header.Get("Message-ID"); id != c.MessageID.Bracketed() {
		t.Errorf("%s: its Message-ID is %s", kind, id)
	}
	if (m.Original != nil) != (c.Original != nil) {
		t.Errorf("%s: an original is enclosed: %t", kind, m.Original != nil)
	}
	noted, scanned := must(issued.Structure.MarshalBinary()), must(st.MarshalBinary())
	if !bytes.Equal(noted, scanned) {
		t.Errorf("%s: the structure that was noted is not that of the octets", kind)
	}
}

// What is enclosed is the original's octets, and the stored message is made of them.
func TestStoredMessageIsARecipe(t *testing.T) {
	c := composition(pec.Transport)
	issued, err := unitWith(rsaKey()).Issue(c, bodyOf(c))
	if err != nil {
		t.Fatal(err)
	}
	span := store.Span{Content: store.NewID(), Offset: 7, Length: int64(len(body))}
	m := issued.Message("entry", c.Data.ID, span)
	if m.Recipe.Size() != int64(len(issued.octets(c))) || len(m.Recipe) != 3 || m.Recipe[1].Span != span {
		t.Errorf("recipe %v of %d octets", m.Recipe, m.Recipe.Size())
	}
	if m.Kind != string(pec.Transport) || m.PEC != c.Data.ID || m.Unit != string(signingAddress) || !bytes.Equal(m.Signed, issued.Signed[:]) {
		t.Errorf("stored as %+v", m)
	}
	if g := issued.Generated(); g.Kind != pec.Transport || g.MessageID != c.MessageID || g.SHA256 != issued.Signed {
		t.Errorf("recorded as %+v", g)
	}
}

// attacks.md 33: the key signs nothing that the rules of pec do not let be issued.
func TestRefusedNeverReachesTheKey(t *testing.T) {
	change := func(kind pec.Kind, do func(*pec.Composition)) pec.Composition {
		c := composition(kind)
		do(&c)
		return c
	}
	for name, c := range map[string]pec.Composition{
		"unknown kind":                 change(pec.Acceptance, func(c *pec.Composition) { c.Data.Kind = "saluto" }),
		"no recipients":                change(pec.Acceptance, func(c *pec.Composition) { c.Data.Recipients = nil }),
		"a sender that ends its line":  change(pec.Acceptance, func(c *pec.Composition) { c.Data.Sender = "a@b.test\r\nBcc: x@y.test" }),
		"an addressee that is none":    change(pec.Acceptance, func(c *pec.Composition) { c.To = "mario" }),
		"an acceptance that encloses":  change(pec.Acceptance, func(c *pec.Composition) { c.Original = []byte(original) }),
		"an envelope without original": change(pec.Transport, func(c *pec.Composition) { c.Original = nil }),
		"another identifier inside":    change(pec.Transport, func(c *pec.Composition) { c.Data.ID, c.MessageID = "cl1.9@x.test", "cl1.9@x.test" }),
		"another Message-ID outside":   change(pec.Transport, func(c *pec.Composition) { c.MessageID = "cl1.9@x.test" }),
		"a boundary to be guessed":     change(pec.Transport, func(c *pec.Composition) { c.Boundary = "x" }),
		"a delivery to nobody":         change(pec.Delivered, func(c *pec.Composition) { c.Data.DeliveredTo = "" }),
		"a delivery to another":        change(pec.Delivered, func(c *pec.Composition) { c.Data.DeliveredTo = "eva@pec.beta.test" }),
		"a charge of nobody":           change(pec.TakenInCharge, func(c *pec.Composition) { c.Data.TakenFor = nil }),
		"a failure without reason":     change(pec.NonDelivery, func(c *pec.Composition) { c.Data.Reason = pec.ReasonNone }),
		"a failure without text":       change(pec.NonDelivery, func(c *pec.Composition) { c.Data.Detail = "" }),
		"no instant":                   change(pec.Acceptance, func(c *pec.Composition) { c.Data.At = noon.AddDate(20000, 0, 0) }),
	} {
		key := &watched{Signer: rsaKey()}
		issued, err := unitWith(key).Issue(c, bodyOf(c))
		if err == nil || issued != nil {
			t.Errorf("%s: issued", name)
		}
		if n := key.uses.Load(); n != 0 {
			t.Errorf("%s: the key was used %d times", name, n)
		}
	}
}

var errBroken = errors.New("the token was pulled out")

// A key that cannot sign, or signs badly, is an error and no message.
func TestBadSignatureIsNeverIssued(t *testing.T) {
	for name, spoil := range map[string]func([]byte, error) ([]byte, error){
		"fails":           func([]byte, error) ([]byte, error) { return nil, errBroken },
		"flips a bit":     func(s []byte, err error) ([]byte, error) { s[len(s)-1] ^= 1; return s, err },
		"signs nothing":   func(s []byte, err error) ([]byte, error) { return make([]byte, len(s)), err },
		"returns nothing": func(_ []byte, err error) ([]byte, error) { return nil, err },
	} {
		for _, kind := range []pec.Kind{pec.Acceptance, pec.Transport} {
			c := composition(kind)
			issued, err := unitWith(&watched{Signer: rsaKey(), spoil: spoil}).Issue(c, bodyOf(c))
			if err == nil || issued != nil {
				t.Errorf("a key that %s: %s issued", name, kind)
			}
			if name == "fails" && !errors.Is(err, errBroken) {
				t.Errorf("a key that fails: the error is %v", err)
			}
		}
	}
}

func TestUnreadableOriginalIsNeverSigned(t *testing.T) {
	key := &watched{Signer: rsaKey()}
	issued, err := unitWith(key).Issue(composition(pec.Transport), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errBroken)))
	if issued != nil || !errors.Is(err, errBroken) || key.uses.Load() != 0 {
		t.Errorf("issued %v, %v after %d uses of the key", issued, err, key.uses.Load())
	}
}

// attacks.md 33: no boundary can be foreseen or comes twice.
func TestBoundariesAreFresh(t *testing.T) {
	unit, c := unitWith(rsaKey()), composition(pec.Acceptance)
	seen := map[string]bool{}
	for range 4 {
		issued, err := unit.Issue(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(issued.Before), `boundary="`)
		boundary, _, found := strings.Cut(after, `"`)
		if !found || seen[boundary] {
			t.Errorf("boundary %q", boundary)
		}
		seen[boundary] = true
	}
}

package dialect

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// The fixed values of all examples.
const (
	signer   = pec.Address("posta-certificata@pec.alfa.test")
	mario    = pec.Address("Mario.Rossi@pec.alfa.test")
	studio   = pec.Address("studio@pec.beta.test")
	comune   = pec.Address("Protocollo@comune.beta.test")
	outsider = pec.Address("anna@posta.test")

	envelopeID = pec.ID("cl1.20260919154119.00112233445566778899@pec.alfa.test")
	receiptID  = pec.ID("cl1.20260919154119.ffeeddccbbaa99887766@pec.alfa.test")
	clientID   = pec.ClientID("<client-id@host.alfa.test>")
	boundary   = "0123456789ABCDEF0123456789ABCDEF"
)

func instant() time.Time { return time.Date(2026, 9, 19, 13, 41, 19, 0, time.UTC) }

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

const sampleHeader = `Received: from client (localhost [127.0.0.1])
	by mx.pec.alfa.test; Sat, 19 Sep 2026 15:41:18 +0200
From: Mario Rossi <Mario.Rossi@pec.alfa.test>
To: "Studio, legale" <studio@pec.beta.test>,
 Protocollo@comune.beta.test
Cc: anna@posta.test
Subject: =?UTF-8?Q?Perch=C3=A9_no=3F?= =?UTF-8?Q?_Costa_10_=E2=82=AC?=
Message-ID: <client-id@host.alfa.test>
X-TipoRicevuta: completa
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

`

const sampleBody = "Buongiorno,\r\n.\r\n--in allegato nulla\r\n"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// rewritten is the header of postacert.eml.
func rewritten(header string) []byte {
	return pec.Rewrite(must(pec.ParseHeader(crlf(header))), nil, envelopeID)
}

// sample is a message of one kind and form.
type sample struct {
	name string
	kind pec.Kind
	with func(*pec.Composition)
}

var samples = []sample{
	{"transport", pec.Transport, func(c *pec.Composition) { c.MessageID, c.Data.ReceiptType = envelopeID, pec.Complete }},
	{"anomaly", pec.Anomaly, func(c *pec.Composition) { c.Original, c.Data.Detail = crlf(sampleHeader), "firma non attendibile" }},
	{"acceptance", pec.Acceptance, nil},
	{"non-acceptance", pec.NonAcceptance, failed(pec.ReasonOther)},
	{"non-acceptance for a virus", pec.NonAcceptance, failed(pec.ReasonVirus)},
	{"taken in charge", pec.TakenInCharge, func(c *pec.Composition) { c.Data.TakenFor = []pec.Address{studio, comune} }},
	{"delivered, complete", pec.Delivered, delivered(pec.Complete)},
	{"delivered, brief", pec.Delivered, delivered(pec.Brief)},
	{"delivered, concise", pec.Delivered, concise(pec.Concise)},
	{"delivered, complete without the original", pec.Delivered, concise(pec.Complete)},
	{"non-delivery", pec.NonDelivery, failed(pec.ReasonNoRecipient)},
	{"overdue, first", pec.Overdue, overdue(false)},
	{"overdue, final", pec.Overdue, overdue(true)},
	{"virus detected", pec.VirusDetected, failed(pec.ReasonVirus)},
}

func failed(r pec.Reason) func(*pec.Composition) {
	return func(c *pec.Composition) {
		c.Data.Reason, c.Data.Detail = r, pec.DetailOf("5.1.1", c.Data.Issuer, "indirizzo non valido")
		if c.Data.Kind != pec.NonAcceptance {
			c.Data.DeliveredTo = studio
		}
	}
}

func delivered(form pec.ReceiptType) func(*pec.Composition) {
	return func(c *pec.Composition) { c.Data.ReceiptType, c.Data.DeliveredTo = form, studio }
}

func concise(form pec.ReceiptType) func(*pec.Composition) {
	return func(c *pec.Composition) { delivered(form)(c); c.Original = nil }
}

func overdue(final bool) func(*pec.Composition) {
	return func(c *pec.Composition) {
		failed(pec.ReasonOther)(c)
		c.Data.Detail = pec.OverdueDetail(c.Data.Issuer, final)
	}
}

func named(name string) sample {
	for _, s := range samples {
		if s.name == name {
			return s
		}
	}
	panic("no sample " + name)
}

func (s sample) composition() pec.Composition {
	c := pec.Composition{
		SigningAddress: signer, MessageID: receiptID, Boundary: boundary, To: mario,
		Data: pec.CertData{
			Kind: s.kind, Reason: pec.ReasonNone, Sender: mario, ReplyTo: string(mario),
			Recipients: []pec.Recipient{{Address: studio, Type: pec.Certified}, {Address: comune, Type: pec.Certified}, {Address: outsider, Type: pec.External}},
			Subject:    "Perché no? Costa 10 €", Issuer: "Alfa PEC S.p.A.", At: instant(), ID: envelopeID, ClientID: clientID,
		},
	}
	if s.kind == pec.Transport || s.kind == pec.Delivered {
		c.Original = rewritten(sampleHeader)
	}
	if s.with != nil {
		s.with(&c)
	}
	return c
}

// authority is a root with one intermediate and a provider's certificate.
type authority struct {
	root, intermediate, leaf *x509.Certificate
	rootKey, intermediateKey *ecdsa.PrivateKey
	key                      *rsa.PrivateKey
}

var testAuthority = sync.OnceValue(func() *authority {
	curve := func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }
	a := &authority{rootKey: curve(), intermediateKey: curve(), key: must(rsa.GenerateKey(rand.Reader, 2048))}
	a.root = issue(authorityTemplate("Test Root"), nil, a.rootKey.Public(), a.rootKey)
	a.intermediate = issue(authorityTemplate("Test CA 1"), a.root, a.intermediateKey.Public(), a.rootKey)
	a.leaf = issue(leafTemplate(), a.intermediate, a.key.Public(), a.intermediateKey)
	return a
})

func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name},
		NotBefore: instant().AddDate(-5, 0, 0), NotAfter: instant().AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func leafTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(0x8123456789), Subject: pkix.Name{Country: []string{"IT"}, Organization: []string{"Alfa PEC S.p.A."}, CommonName: "Alfa"},
		NotBefore: instant().AddDate(-1, 0, 0), NotAfter: instant().AddDate(10, 0, 0), EmailAddresses: []string{string(signer)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
}

func issue(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	if parent == nil {
		parent = template
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, public, key))))
}

func (a *authority) chain() []*x509.Certificate {
	return []*x509.Certificate{a.leaf, a.intermediate, a.root}
}

// pathAt leads from a signer's certificate to the test authority's root.
func pathAt(signature *smime.Signature, at time.Time) error {
	_, err := signature.Path(smime.NewAnchors(testAuthority().root), smime.PathPolicy{At: at})
	return err
}

// draft composes and checks.
func draft(t testing.TB, e *Engine, c pec.Composition) *Draft {
	t.Helper()
	d, err := e.Compose(c)
	if err != nil {
		t.Fatalf("%s, %s: %v", e.Name, c.Data.Kind, err)
	}
	if err := d.Check(); err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	return d
}

// seal signs what is in the draft now, also what a test has changed in it.
func seal(t testing.TB, e *Engine, d *Draft, body string) []byte {
	t.Helper()
	return sealWith(t, e, d, body, testAuthority().chain())
}

func sealWith(t testing.TB, e *Engine, d *Draft, body string, chain []*x509.Certificate) []byte {
	t.Helper()
	h := d.Hash.New()
	h.Write(d.Before)
	if d.HasOriginal {
		h.Write([]byte(body))
		h.Write(d.After)
	}
	p7s, err := e.Sign(testAuthority().key, chain, h.Sum(nil), d.Data.At)
	if err != nil {
		t.Fatal(err)
	}
	return assembled(d, p7s, body)
}

func assembled(d *Draft, p7s []byte, body string) []byte {
	before, after := d.Assemble(p7s)
	if !d.HasOriginal {
		body = ""
	}
	return bytes.Join([][]byte{before, []byte(body), after}, nil)
}

// written is a whole signed message.
func written(t testing.TB, engine, name string) []byte {
	t.Helper()
	e := must(Named(engine))
	return seal(t, e, draft(t, e, named(name).composition()), sampleBody)
}

func scan(message []byte) *pec.Structure {
	s := pec.NewScanner(pec.KeepForParse)
	_, _ = s.Write(message)
	return s.Finish()
}

func read(message []byte) (*pec.Message, error) { return pec.ParseMessage(scan(message)) }

// consistent reads a message that is right.
func consistent(t testing.TB, message []byte) *pec.Message {
	t.Helper()
	m, err := read(message)
	if err == nil {
		err = m.Consistent(signer)
	}
	if err != nil && !(errors.Is(err, pec.ErrNoCertData) && m.Transport == string(pec.Anomaly)) {
		t.Fatalf("%v in\n%s", err, message)
	}
	return m
}

func split(message []byte) (*smime.Multipart, error) {
	s := smime.NewSplitter()
	_, _ = s.Write(message)
	return s.Finish()
}

// verified verifies a signature that is right, with its chain.
func verified(t testing.TB, message []byte) *smime.Signature {
	t.Helper()
	parts, err := split(message)
	if err != nil {
		t.Fatalf("%v in\n%s", err, message)
	}
	signature, err := parts.Verify()
	if err != nil {
		t.Fatal(err)
	}
	if err := pathAt(signature, instant()); err != nil {
		t.Error(err)
	}
	return signature
}

// mutant signs a draft that the test has changed.
func mutant(t testing.TB, engine, name string, change func(*Draft)) []byte {
	t.Helper()
	e := must(Named(engine))
	d := draft(t, e, named(name).composition())
	change(d)
	return seal(t, e, d, sampleBody)
}

// swap replaces what must be there.
func swap(t testing.TB, octets []byte, before, after string) []byte {
	t.Helper()
	if !bytes.Contains(octets, []byte(before)) {
		t.Fatalf("there is no %q in\n%s", before, octets)
	}
	return bytes.Replace(octets, []byte(before), []byte(after), 1)
}

// writing is an engine that writes other certification data than it should.
func writing(t testing.TB, engine string, change func(xml string) string) *Engine {
	t.Helper()
	e := must(Named(engine))
	usual := e.tree.data
	e.tree.data = func(octets []byte) (string, string) {
		changed := change(string(octets))
		if changed == string(octets) {
			t.Errorf("nothing was changed in %s", octets)
		}
		return usual([]byte(changed))
	}
	return e
}

// writtenBy is a message that the engine's own check might refuse.
func writtenBy(t testing.TB, e *Engine, name string) []byte {
	t.Helper()
	return seal(t, e, must(e.Compose(named(name).composition())), sampleBody)
}

// replacing is writtenBy with one replacement in the certification data.
func replacing(t testing.TB, engine, name, before, after string) []byte {
	t.Helper()
	return writtenBy(t, writing(t, engine, func(xml string) string { return strings.Replace(xml, before, after, 1) }), name)
}

// data are those of a message that is right.
func data(t testing.TB, message []byte) pec.CertData {
	t.Helper()
	verified(t, message)
	return consistent(t, message).Data
}

package verify

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// Alfa and Beta are providers under AgID's anchor; nobody's authority is under none.
const (
	mario = pec.Address("mario@pec.alfa.test")
	luigi = pec.Address("luigi@pec.beta.test")
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// signedAt is when everything here is signed.
var signedAt = time.Date(2024, 3, 5, 10, 0, 0, 0, time.UTC)

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(name string, above *authority) *authority {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: signedAt.AddDate(-10, 0, 0), NotAfter: signedAt.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{key: key}
	if above == nil {
		above = &authority{template, key}
	}
	a.cert = must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, above.cert, key.Public(), above.key))))
	return a
}

// house is a provider: its entry and what it signs with.
type house struct {
	entry  *directory.Entry
	signer *smime.Signer
	from   pec.Address
}

func newHouse(name string, ca *authority, change func(*x509.Certificate)) *house {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	h := &house{from: pec.Address("posta-certificata@pec." + name + ".test")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{Organization: []string{name}}, EmailAddresses: []string{string(h.from)},
		NotBefore: signedAt.AddDate(-1, 0, 0), NotAfter: signedAt.AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
	if change != nil {
		change(template)
	}
	cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key))))
	chain := []*x509.Certificate{cert}
	if ca != agid() && ca != nobody() {
		chain = append(chain, ca.cert)
	}
	h.signer = must(smime.NewSigner(key, chain))
	h.entry = &directory.Entry{
		Provider: name, Certificates: []*x509.Certificate{cert}, ServiceMailbox: "ricevute@pec." + name + ".test", Domains: []string{"pec." + name + ".test"},
	}
	return h
}

var (
	agid    = sync.OnceValue(func() *authority { return newAuthority("AgID", nil) })
	below   = sync.OnceValue(func() *authority { return newAuthority("below AgID", agid()) })
	nobody  = sync.OnceValue(func() *authority { return newAuthority("nobody", nil) })
	alfa    = sync.OnceValue(func() *house { return newHouse("alfa", agid(), nil) })
	beta    = sync.OnceValue(func() *house { return newHouse("beta", agid(), nil) })
	gamma   = sync.OnceValue(func() *house { return newHouse("gamma", agid(), nil) })
	distant = sync.OnceValue(func() *house { return newHouse("alfa", below(), nil) })
	foreign = sync.OnceValue(func() *house { return newHouse("alfa", nobody(), nil) })
	old     = sync.OnceValue(func() *house {
		return newHouse("alfa", agid(), func(c *x509.Certificate) { c.NotAfter = signedAt.AddDate(0, 0, -1) })
	})
	young = sync.OnceValue(func() *house {
		return newHouse("alfa", agid(), func(c *x509.Certificate) { c.NotBefore = signedAt.AddDate(0, 0, 1) })
	})
	server = sync.OnceValue(func() *house {
		return newHouse("alfa", agid(), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	})
)

func published(houses ...*house) *directory.Directory {
	var entries []*directory.Entry
	for _, h := range houses {
		entries = append(entries, h.entry)
	}
	return must(directory.Parse(must(directory.Marshal(entries, ""))))
}

const (
	id   = pec.ID("m1@pec.alfa.test")
	body = "Ciao!\r\n"
)

func original(from, to pec.Address) []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: Prova\r\nMessage-ID: <%s>\r\nX-Riferimento-Message-ID: <1@client.test>\r\n\r\n", from, to, id)
}

// composition is a right message of a kind about what mario sent to luigi.
func composition(kind pec.Kind) pec.Composition {
	c := pec.Composition{
		MessageID: "r1@pec.alfa.test", To: mario, SigningAddress: alfa().from, Boundary: strings.Repeat("0f", 16),
		Data: pec.CertData{
			Kind: kind, Sender: mario, Recipients: []pec.Recipient{{Address: luigi, Type: pec.Certified}}, Subject: "Prova", Issuer: "Alfa",
			At: signedAt, ID: id, ClientID: "<1@client.test>",
		},
	}
	d := &c.Data
	switch kind {
	case pec.Transport:
		c.MessageID, c.To, c.Original, d.ReceiptType = id, "", original(mario, luigi), pec.Complete
	case pec.TakenInCharge:
		d.TakenFor = []pec.Address{luigi}
	case pec.Delivered:
		d.DeliveredTo, d.ReceiptType, c.Original = luigi, pec.Complete, original(mario, luigi)
	case pec.NonDelivery:
		d.DeliveredTo, d.Reason, d.Detail = luigi, pec.ReasonNoRecipient, "5.1.1 - Beta - no"
	}
	return c
}

// signsAt signs a composition at another instant than it certifies.
func (h *house) signsAt(c pec.Composition, at time.Time) []byte { return h.seal(c, nil, at) }

// signs signs what change makes of the signed octets of a composition, in the house's own name.
func (h *house) signs(c pec.Composition, change func(signed string) string) []byte {
	return h.seal(c, change, c.Data.At)
}

func (h *house) seal(c pec.Composition, change func(signed string) string, at time.Time) []byte {
	c.SigningAddress = h.from
	d := must(pec.Compose(c))
	inner := ""
	if d.HasOriginal {
		inner = body
	}
	signed := string(d.Before) + inner + string(d.After)
	if change != nil {
		signed = change(signed)
	}
	d.Before, d.After, d.HasOriginal = []byte(signed), nil, false
	before, _ := d.Assemble(must(h.signer.SignDetached(sha256.Sum256([]byte(signed)), at)))
	return before
}

// edit replaces a text once, which must be there.
func edit(octets []byte, old, new string) []byte {
	if !bytes.Contains(octets, []byte(old)) {
		panic(old + " is not there")
	}
	return bytes.Replace(octets, []byte(old), []byte(new), 1)
}

// trusting is what most tests trust in: the anchor, and Alfa's and Beta's directory of the day.
func trusting() Trust {
	return Trust{Anchors: smime.NewAnchors(agid().cert), Directory: ofTheDay(true, alfa(), beta())}
}

func ofTheDay(then bool, houses ...*house) func(time.Time) (*directory.Directory, bool) {
	dir := published(houses...)
	return func(time.Time) (*directory.Directory, bool) { return dir, then }
}

func judged(t *testing.T, trust Trust, octets []byte) *Result {
	t.Helper()
	r := NewReader(nil)
	_, _ = r.Write(octets)
	result, err := trust.Verify(r.Finish(), bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	result.CheckKept()
	return result
}

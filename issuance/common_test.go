package issuance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// noon is the instant of all examples; certificates are valid for years around it unless a test says otherwise.
var noon = time.Date(2026, 9, 19, 10, 0, 0, 0, time.UTC)

const signingAddress = pec.Address("posta-certificata@pec.alfa.test")

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// keys are made once: making them is what costs.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	curveKey = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

// certificate is self-signed for a key.
func certificate(key crypto.Signer, from, until time.Time) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{Organization: []string{"Alfa PEC S.p.A."}},
		NotBefore: from, NotAfter: until, EmailAddresses: []string{string(signingAddress)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

// keyOf is a signing key in use from an instant; its certificate is valid from an hour before until the end.
func keyOf(key crypto.Signer, from, until time.Time) Key {
	cert := certificate(behind(key), from.Add(-time.Hour), until)
	return Key{Signer: must(smime.NewSigner(key, []*x509.Certificate{cert})), From: from}
}

// behind is the key that a test double stands for.
func behind(key crypto.Signer) crypto.Signer {
	if w, ok := key.(*watched); ok {
		return w.Signer
	}
	return key
}

// watched counts the uses of a key, and may spoil them.
type watched struct {
	crypto.Signer
	uses  atomic.Int32
	spoil func(signature []byte, err error) ([]byte, error)
}

func (w *watched) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	w.uses.Add(1)
	signature, err := w.Signer.Sign(random, digest, opts)
	if w.spoil != nil {
		return w.spoil(signature, err)
	}
	return signature, err
}

// unitWith is a unit whose one key is in use around noon.
func unitWith(key crypto.Signer) *Unit {
	return &Unit{
		Name: "Alfa PEC S.p.A.", Entry: "providername=alfa", Address: signingAddress, Service: "ricevute@pec.alfa.test",
		Domains: []string{"pec.alfa.test", "comune.alfa.test"}, Node: "1",
		Keys: []Key{keyOf(key, noon.AddDate(-1, 0, 0), noon.AddDate(5, 0, 0))},
	}
}

const (
	original = "Received: from client\r\n\tby mx; Sat, 19 Sep 2026 12:00:00 +0200\r\nFrom: mario@pec.alfa.test\r\nTo: luigi@pec.beta.test\r\n" +
		"Subject: x\r\nMessage-ID: <cl1.1@pec.alfa.test>\r\nX-Riferimento-Message-ID: <1@client.test>\r\n\r\n"
	body = "Buongiorno,\r\n.\r\n--not a boundary\r\n"
)

// composition is a right one of each kind; those that may enclose the original do.
func composition(kind pec.Kind) pec.Composition {
	c := pec.Composition{
		MessageID: "cl1.2@pec.alfa.test", To: "mario@pec.alfa.test",
		Data: pec.CertData{
			Kind: kind, Sender: "mario@pec.alfa.test", Subject: "Perché no? <&>", At: noon, ID: "cl1.1@pec.alfa.test", ClientID: "<1@client.test>",
			Recipients: []pec.Recipient{{Address: "luigi@pec.beta.test", Type: pec.Certified}, {Address: "carla@posta.test", Type: pec.External}},
		},
	}
	d := &c.Data
	switch kind {
	case pec.Transport:
		c.MessageID, c.Original, d.ReceiptType = d.ID, []byte(original), pec.Complete
	case pec.Delivered:
		c.Original, d.ReceiptType, d.DeliveredTo = []byte(original), pec.Complete, "luigi@pec.beta.test"
	case pec.TakenInCharge:
		d.TakenFor = []pec.Address{"luigi@pec.beta.test"}
	case pec.NonAcceptance:
		d.Reason, d.Detail = pec.ReasonOther, "5.7.1 - Alfa - no"
	case pec.NonDelivery:
		d.Reason, d.Detail, d.DeliveredTo = pec.ReasonNoRecipient, "5.1.1 - Alfa - no", "luigi@pec.beta.test"
	case pec.Overdue:
		d.Reason, d.Detail, d.DeliveredTo = pec.ReasonOther, pec.OverdueDetail("Alfa", false), "luigi@pec.beta.test"
	}
	return c
}

// kinds are those that this provider issues.
var kinds = []pec.Kind{pec.Transport, pec.Acceptance, pec.NonAcceptance, pec.TakenInCharge, pec.Delivered, pec.NonDelivery, pec.Overdue}

func newUnits(t *testing.T, units ...*Unit) Units {
	t.Helper()
	us, err := NewUnits(units...)
	if err != nil {
		t.Fatal(err)
	}
	return us
}

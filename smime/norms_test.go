package smime

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
)

// norms.md 120: an intermediate that was issued anew under the same key identifier serves beside the old one or instead of
// it, also with constraints on names of directories, as long as they are not critical.
func TestReissuedIntermediate(t *testing.T) {
	a, s := testAuthority(), p256()
	reissued := func(change func(*x509.Certificate)) []byte {
		template := *a.intermediate
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(3), signingInstant.AddDate(0, -1, 0), signingInstant.AddDate(1, 0, 0)
		change(&template)
		c := issue(&template, a.root, a.intermediateKey.Public(), a.rootKey)
		if !bytes.Equal(c.SubjectKeyId, a.intermediate.SubjectKeyId) {
			t.Fatal("another key identifier")
		}
		return c.Raw
	}
	anew := reissued(func(*x509.Certificate) {})
	expired := reissued(func(c *x509.Certificate) { c.NotAfter = signingInstant.AddDate(0, 0, -1) })
	constrained := func(critical bool) []byte {
		name := must(asn1.Marshal(pkix.Name{Country: []string{"IT"}}.ToRDNSequence()))
		permitted := plainElement(0x30, plainElement(0xa0, plainElement(0x30, plainElement(0xa4, name)))) // RFC 5280 4.2.1.10
		return reissued(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: critical, Value: permitted}}
		})
	}
	for _, test := range []struct {
		name string
		bag  [][]byte
		ok   bool
	}{
		{"issued anew", [][]byte{anew}, true},
		{"beside the old one", [][]byte{a.intermediate.Raw, anew}, true},
		{"beside an expired one", [][]byte{expired, anew}, true},
		{"expired, and not issued anew", [][]byte{expired}, false},
		{"with constraints", [][]byte{constrained(false)}, true},
		{"with critical constraints", [][]byte{constrained(true)}, false},
	} {
		signer := *s
		signer.bag = bytes.Join(slices.Insert(test.bag, 0, s.certificate.Raw), nil)
		signature, err := verifyDER(must(signer.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant)))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if _, err := a.path(signature); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

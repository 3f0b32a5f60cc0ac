package directory

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
)

// profiled is a certificate that agid issues after spoil has changed the right template.
func profiled(t *testing.T, public crypto.PublicKey, spoil func(c *x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:   big.NewInt(7),
		Subject:        pkix.Name{Country: []string{"IT"}, Organization: []string{"Alfa PEC S.p.A."}, CommonName: "Posta Certificata"},
		EmailAddresses: []string{"posta-certificata@pec.alfa.example"},
		NotBefore:      epoch,
		NotAfter:       epoch.AddDate(3, 0, 0),
		KeyUsage:       x509.KeyUsageDigitalSignature,
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
		SubjectKeyId:   []byte{1, 2, 3},
	}
	issuer := *agid().certificate
	issuer.SubjectKeyId = []byte{4, 5, 6}
	if spoil != nil {
		spoil(template)
	}
	if len(template.AuthorityKeyId) > 0 { // asked to have none
		issuer.SubjectKeyId, template.AuthorityKeyId = nil, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &issuer, public, agid().key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// norms.md 113-117, RFC 6109 5.5
func TestCheckProfile(t *testing.T) {
	strong := agid().key.Public()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	critical := func(oid ...int) pkix.Extension {
		return pkix.Extension{Id: oid, Critical: true, Value: []byte{asn1.TagNull, 0}}
	}
	tests := []struct {
		name, want string
		public     crypto.PublicKey
		spoil      func(c *x509.Certificate)
	}{
		{"right", "", strong, nil},
		{"name in CN", "", strong, func(c *x509.Certificate) { c.Subject.Organization, c.Subject.CommonName = nil, "ALFA pec S.p.A." }},
		{"other name", "neither CN nor O", strong, func(c *x509.Certificate) { c.Subject.Organization = []string{"Beta"} }},
		{"other address", "has no address Posta-Certificata@", strong, func(c *x509.Certificate) { c.EmailAddresses = []string{"x@alfa.example"} }},
		{"no address", "has no address Posta-Certificata@", strong, func(c *x509.Certificate) { c.EmailAddresses = nil }},
		{"address in the subject", "carries an e-mail address", strong, func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@alfa.example"}}
		}},
		{"authority", "basic constraints", strong, func(c *x509.Certificate) { c.BasicConstraintsValid = true }},
		{"no key usage", "key usage extension is missing", strong, func(c *x509.Certificate) { c.KeyUsage = 0 }},
		{"other key usage", "lacks digitalSignature", strong, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }},
		{"key usage not critical", "extension 2.5.29.15: critical is false", strong, func(c *x509.Certificate) {
			c.KeyUsage = 0
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}}}
		}},
		{"no authority key", "authority key identifier", strong, func(c *x509.Certificate) { c.AuthorityKeyId = []byte{0} }},
		{"no subject key", "subject key identifier", strong, func(c *x509.Certificate) { c.SubjectKeyId = nil }},
		{"other purpose", "lacks emailProtection", strong, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
		{"critical extra", "extension 1.3.6.1.4.1.99999.1: critical is true", strong, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{critical(1, 3, 6, 1, 4, 1, 99999, 1)}
		}},
		{"small key", "1024 bits", small.Public(), nil},
		{"curve", "must be RSA", curve.Public(), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := CheckProfile(profiled(t, test.public, test.spoil), "Alfa PEC S.p.A.", "Posta-Certificata@pec.alfa.example")
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, wanted something about %q", err, test.want)
			}
			if test.want != "" && err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("one fault is told in several sentences: %v", err)
			}
		})
	}
	rfc := &x509.Certificate{SignatureAlgorithm: x509.SHA1WithRSA, PublicKey: strong}
	if err := CheckProfile(rfc, "a", "b"); err == nil || !strings.Contains(err.Error(), "signed with SHA1-RSA") {
		t.Errorf("signed with SHA-1: %v", err)
	}
}

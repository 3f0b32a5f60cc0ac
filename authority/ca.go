package authority

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

const (
	rootBits  = 3072
	rootYears = 20
)

// CA is a certification authority with one self-signed root, which issues directly. Safe for concurrent use.
type CA struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// NewCA makes an authority: RSA-3072, self-signed, valid for 20 years from at.
func NewCA(name string, at time.Time) (*CA, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("new authority: %w", err)
	}
	key, err := rsa.GenerateKey(rand.Reader, rootBits)
	if err != nil {
		return nil, fmt.Errorf("new authority: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{Country: []string{"IT"}, Organization: []string{name}, CommonName: name},
		NotBefore:             at,
		NotAfter:              at.AddDate(rootYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SignatureAlgorithm:    x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("new authority: sign the root: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("new authority: %w", err)
	}
	return &CA{certificate: certificate, key: key}, nil
}

// LoadCA takes an authority up again from what CertificatePEM and KeyPEM gave.
func LoadCA(certPEM, keyPEM []byte) (*CA, error) {
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("load authority: certificate or key is not PEM")
	}
	certificate, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load authority: read certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load authority: read key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	switch {
	case !ok:
		return nil, fmt.Errorf("load authority: the key is %T, must be RSA", parsed)
	case !key.PublicKey.Equal(certificate.PublicKey):
		return nil, errors.New("load authority: the key is not that of the certificate")
	case !certificate.IsCA:
		return nil, errors.New("load authority: the certificate is not an authority's")
	}
	return &CA{certificate: certificate, key: key}, nil
}

// Certificate is the root's certificate.
func (ca *CA) Certificate() *x509.Certificate { return ca.certificate }

// CertificatePEM is the root's certificate.
func (ca *CA) CertificatePEM() []byte { return encodeCertificate(ca.certificate.Raw) }

// KeyPEM is the root's private key in PKCS #8. Whoever has it can issue everything.
func (ca *CA) KeyPEM() ([]byte, error) { return encodeKey(ca.key) }

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ceralacca/ceralacca/directory"
)

const (
	providerBits = 2048
	leafYears    = 10
	maxName      = 64 // characters of an O or CN (RFC 5280 appendix A, ub-organization-name)
)

// ProviderRequest asks for the certificate with which a provider signs envelopes and receipts, or the authority its directory.
type ProviderRequest struct {
	// Provider is providerName in the directory; it becomes O (RFC 6109 5.5.1).
	Provider string
	// Address is the signing address, posta-certificata@...; the only subject alternative name.
	Address string
	// PublicKey is RSA of at least 2048 bits, for a key that stays where it was made (HSM); nil: an RSA-2048 key is made here.
	PublicKey crypto.PublicKey
	// At is the first instant of validity.
	At time.Time
	// Until is the last one; zero: 10 years after At. Never beyond the authority's own.
	Until time.Time
	// CRLs and OCSP are where the certificate's revocation is told: CRL distribution points (RFC 5280 4.2.1.13) and responders (RFC 5280 4.2.2.1). The
	// profile asks for neither.
	CRLs, OCSP []string
}

// IssueProvider issues a signing certificate with the profile of RFC 6109 5.5 (norms.md 113-116): C=IT, O=provider, CN=Posta Certificata; key usage
// digitalSignature, critical; extended key usage, key identifiers and alternative name, not critical; no basic constraints. keyPEM is nil when the
// request brought its key.
func (ca *CA) IssueProvider(p ProviderRequest) (certPEM, keyPEM []byte, err error) {
	if err := checkName(p.Provider); err != nil {
		return nil, nil, fmt.Errorf("issue provider certificate: %w", err)
	}
	public := p.PublicKey
	if public == nil {
		key, err := rsa.GenerateKey(rand.Reader, providerBits)
		if err != nil {
			return nil, nil, fmt.Errorf("issue provider certificate: %w", err)
		}
		if keyPEM, err = encodeKey(key); err != nil {
			return nil, nil, err
		}
		public = key.Public()
	}
	certificate, err := ca.issue(public, &x509.Certificate{
		Subject:               pkix.Name{Country: []string{"IT"}, Organization: []string{p.Provider}, CommonName: "Posta Certificata"},
		EmailAddresses:        []string{p.Address},
		NotBefore:             p.At,
		NotAfter:              p.Until,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
		CRLDistributionPoints: p.CRLs,
		OCSPServer:            p.OCSP,
	})
	if err == nil {
		err = directory.CheckProfile(certificate, p.Provider, p.Address)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("issue certificate of provider %q: %w", p.Provider, err)
	}
	return encodeCertificate(certificate.Raw), keyPEM, nil
}

// IssueServer issues a TLS server certificate for host names and addresses with a new P-256 key, valid for 10 years from at.
func (ca *CA) IssueServer(names []string, ips []net.IP, at time.Time) (certPEM, keyPEM []byte, err error) {
	if len(names) == 0 {
		return nil, nil, errors.New("issue server certificate: no name")
	}
	return ca.issueTLS(&x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		DNSNames:    names,
		IPAddresses: ips,
		NotBefore:   at,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// IssueClient issues the TLS client certificate with which a provider fetches the directory (RFC 6109 5.6), with a new P-256 key, valid for 10 years
// from at.
func (ca *CA) IssueClient(name string, at time.Time) (certPEM, keyPEM []byte, err error) {
	return ca.issueTLS(&x509.Certificate{
		Subject:     pkix.Name{Country: []string{"IT"}, Organization: []string{name}, CommonName: name},
		NotBefore:   at,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (ca *CA) issueTLS(template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	if err := checkName(template.Subject.CommonName); err != nil {
		return nil, nil, fmt.Errorf("issue TLS certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("issue TLS certificate: %w", err)
	}
	certificate, err := ca.issue(key.Public(), template)
	if err != nil {
		return nil, nil, fmt.Errorf("issue TLS certificate for %q: %w", template.Subject.CommonName, err)
	}
	if keyPEM, err = encodeKey(key); err != nil {
		return nil, nil, err
	}
	return encodeCertificate(certificate.Raw), keyPEM, nil
}

// issue completes what all certificates have alike and signs.
func (ca *CA) issue(public crypto.PublicKey, template *x509.Certificate) (*x509.Certificate, error) {
	if template.NotAfter.IsZero() {
		template.NotAfter = template.NotBefore.AddDate(leafYears, 0, 0)
	}
	if template.NotAfter.After(ca.certificate.NotAfter) {
		template.NotAfter = ca.certificate.NotAfter
	}
	if template.NotBefore.Truncate(time.Second).Before(ca.certificate.NotBefore) || !template.NotAfter.After(template.NotBefore) {
		return nil, fmt.Errorf("its validity from %s to %s is empty or begins before the authority's", template.NotBefore, template.NotAfter)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	keyID := sha256.Sum256(spki)
	template.SubjectKeyId = keyID[:20] // RFC 7093 2, method 4
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.SignatureAlgorithm = x509.SHA256WithRSA
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, public, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// checkName keeps a subject within RFC 5280 and readable.
func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName {
		return fmt.Errorf("name %q has %d characters, between 1 and %d are allowed", name, n, maxName)
	}
	for _, r := range name {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return fmt.Errorf("name %q is not printable UTF-8", name)
		}
	}
	return nil
}

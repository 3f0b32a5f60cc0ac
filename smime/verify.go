package smime

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Signature is what a verified signature says. Whether its certificate is to
// be trusted is still open.
type Signature struct {
	Certificate  *x509.Certificate   // the signer's
	Certificates []*x509.Certificate // the enclosed ones that can be used, the signer's among them
	SigningTime  time.Time           // as the signer claims, UTC; zero if absent
	Hash         crypto.Hash         // digest algorithm of the signature
	Weak         bool                // SHA-1 or RSA below 2048 bits (norms.md 52)
}

// Verify checks a detached signature over the content whose digest under
// [SignedData.Hash] is given (norms.md 49): first the signed attributes, then
// the signature over their octets.
//
// The error wraps ErrDigest, ErrSignature, ErrAttributes, ErrAlgorithm,
// ErrNoCertificate or ErrMalformed. A signature that encloses a content is
// refused: it would be open which of the two contents was meant
// (attacks.md 12).
func (sd *SignedData) Verify(digest []byte) (*Signature, error) {
	if sd.content != nil {
		return nil, malformed("the signature encloses a content of its own")
	}
	return sd.verify(digest)
}

// VerifyAttached checks a signature over the enclosed content. It fails with
// ErrMalformed if there is none, else as Verify does.
func (sd *SignedData) VerifyAttached() (*Signature, error) {
	if sd.content == nil {
		return nil, malformed("the signature encloses no content")
	}
	h := sd.hash.New()
	h.Write(sd.content)
	return sd.verify(h.Sum(nil))
}

func (sd *SignedData) verify(digest []byte) (*Signature, error) {
	signer, err := sd.findSigner()
	if err != nil {
		return nil, err
	}
	attributes, err := readAttributes(sd.signedAttributes)
	if err != nil {
		return nil, err
	}
	at, err := attributes.check(sd, signer, digest)
	if err != nil {
		return nil, err
	}
	if err := sd.checkSignature(signer); err != nil {
		return nil, err
	}
	return &Signature{
		Certificate:  signer,
		Certificates: sd.certificates,
		SigningTime:  at,
		Hash:         sd.hash,
		Weak:         sd.hash == crypto.SHA1 || isShortRSA(signer),
	}, nil
}

// findSigner returns the one certificate that the SignerInfo names. Copies of
// it are no harm, another one of the same name is (attacks.md 11).
func (sd *SignedData) findSigner() (*x509.Certificate, error) {
	var found *x509.Certificate
	for _, c := range sd.certificates {
		if !sd.signer.names(c) || c.Equal(found) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: two different ones are enclosed", ErrNoCertificate)
		}
		found = c
	}
	if found == nil && sd.unusable != nil {
		return nil, fmt.Errorf("%w: an enclosed one cannot be used: %w", ErrNoCertificate, sd.unusable)
	}
	if found == nil {
		return nil, fmt.Errorf("%w: none of %d enclosed ones", ErrNoCertificate, len(sd.certificates))
	}
	return found, nil
}

// Chain returns the paths from the signer to one of the roots, valid at the
// given instant for e-mail protection, over the enclosed certificates
// (norms.md 49, 120). Revocation is not looked at.
func (s *Signature) Chain(roots *x509.CertPool, at time.Time) ([][]*x509.Certificate, error) {
	if roots == nil || at.IsZero() {
		return nil, errors.New("smime: chain: needs roots and an instant") // x509 would take the system's
	}
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if usage := s.Certificate.KeyUsage; usage != 0 && usage&signs == 0 {
		return nil, errors.New("smime: chain: key usage of the certificate excludes signatures")
	}
	bag := x509.NewCertPool()
	for _, c := range s.Certificates {
		bag.AddCert(c)
	}
	chains, err := s.Certificate.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: bag,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	})
	if err != nil {
		return nil, fmt.Errorf("smime: chain: %w", err)
	}
	return chains, nil
}

// Email returns the rfc822Name of the certificate's subject alternative name
// (norms.md 114). It is empty if there is none, or more than one: then the
// certificate does not say for which address it stands.
func Email(cert *x509.Certificate) string {
	if len(cert.EmailAddresses) != 1 {
		return ""
	}
	return cert.EmailAddresses[0]
}

// checkSignature verifies the octets of the attributes as they came, with the
// tag of a SET in place of [0] (RFC 5652 5.4).
func (sd *SignedData) checkSignature(signer *x509.Certificate) error {
	h := sd.hash.New()
	h.Write([]byte{0x31})
	h.Write(sd.signedAttributes[1:])
	switch key := signer.PublicKey.(type) {
	case *rsa.PublicKey:
		return sd.checkRSA(key, h.Sum(nil))
	case *ecdsa.PublicKey:
		return sd.checkECDSA(key, h.Sum(nil))
	default:
		return fmt.Errorf("%w: key of type %v", ErrAlgorithm, signer.PublicKeyAlgorithm)
	}
}

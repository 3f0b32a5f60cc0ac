package smime

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
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

// Verify checks a detached signature of one signer over the content whose
// digest under [SignedData.Hash] is given (norms.md 49): first the signed
// attributes, then the signature over their octets.
//
// The error wraps ErrSigners (several), ErrDigest, ErrSignature, ErrAttributes,
// ErrAlgorithm, ErrNoCertificate or ErrMalformed. A signature that encloses a
// content is refused: it would be open which of the two contents was meant
// (attacks.md 12).
func (sd *SignedData) Verify(digest []byte) (*Signature, error) {
	if err := sd.checkDetached(); err != nil {
		return nil, err
	}
	return sd.verifyOnly(digest)
}

// VerifyAttached checks a signature of one signer over the enclosed content.
// It fails with ErrMalformed if there is none, else as Verify does.
func (sd *SignedData) VerifyAttached() (*Signature, error) {
	if sd.content == nil {
		return nil, malformed("the signature encloses no content")
	}
	h := sd.Hash().New()
	h.Write(sd.content)
	return sd.verifyOnly(h.Sum(nil))
}

// VerifyAll checks a detached signature of any number of signers and returns
// their signatures in the order in which they stand. Every one must verify: a
// bad signature beside a good one fails the whole, whichever comes first
// (attacks.md 12). Who the signers are, and whether two of them are the same,
// is for the caller to judge.
//
// digest is asked once for each of [SignedData.Hashes] and returns the digest
// of the content; its error is returned as it is. Other errors are those of
// Verify, except ErrSigners.
func (sd *SignedData) VerifyAll(digest func(crypto.Hash) ([]byte, error)) ([]*Signature, error) {
	if err := sd.checkDetached(); err != nil {
		return nil, err
	}
	digests := map[crypto.Hash][]byte{}
	for _, hash := range sd.Hashes() {
		var err error
		if digests[hash], err = digest(hash); err != nil {
			return nil, err
		}
	}
	var signatures []*Signature
	for i := range sd.signers {
		signature, err := sd.verify(&sd.signers[i], digests[sd.signers[i].hash])
		if err != nil {
			return nil, fmt.Errorf("signer %d of %d: %w", i+1, len(sd.signers), err)
		}
		signatures = append(signatures, signature)
	}
	return signatures, nil
}

func (sd *SignedData) checkDetached() error {
	if sd.content != nil {
		return malformed("the signature encloses a content of its own")
	}
	return nil
}

func (sd *SignedData) verifyOnly(digest []byte) (*Signature, error) {
	if err := sd.checkOneSigner(); err != nil {
		return nil, err
	}
	return sd.verify(&sd.signers[0], digest)
}

func (sd *SignedData) checkOneSigner() error {
	if n := len(sd.signers); n != 1 {
		return fmt.Errorf("%w: there are %d", ErrSigners, n)
	}
	return nil
}

func (sd *SignedData) verify(info *signerInfo, digest []byte) (*Signature, error) {
	signer, err := sd.findSigner(&info.signer)
	if err != nil {
		return nil, err
	}
	attributes, err := readAttributes(info.signedAttributes)
	if err != nil {
		return nil, err
	}
	at, err := attributes.check(info, signer, digest)
	if err != nil {
		return nil, err
	}
	if err := info.checkSignature(signer); err != nil {
		return nil, err
	}
	return &Signature{
		Certificate:  signer,
		Certificates: sd.certificates,
		SigningTime:  at,
		Hash:         info.hash,
		Weak:         info.hash == crypto.SHA1 || isShortRSA(signer),
	}, nil
}

// findSigner returns the one certificate that the SignerInfo names. Copies of
// it are no harm, another one of the same name is (attacks.md 11).
func (sd *SignedData) findSigner(id *signerID) (*x509.Certificate, error) {
	var found *x509.Certificate
	for _, c := range sd.certificates {
		if !id.names(c) || c.Equal(found) {
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
func (info *signerInfo) checkSignature(signer *x509.Certificate) error {
	if err := checkKey(signer.PublicKey); err != nil {
		return err
	}
	h := info.hash.New()
	h.Write([]byte{0x31})
	h.Write(info.signedAttributes[1:])
	switch key := signer.PublicKey.(type) {
	case *rsa.PublicKey:
		return info.checkRSA(key, h.Sum(nil))
	case *ecdsa.PublicKey:
		return info.checkECDSA(key, h.Sum(nil))
	default:
		return unknownKey(key)
	}
}

package smime

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const minRSABits = 2048

// Signer makes CMS signatures with one key. It does not change after it was
// made and is safe for concurrent use if its key is.
type Signer struct {
	key                crypto.Signer
	certificate        *x509.Certificate
	signatureAlgorithm oid
	signatureParams    string
	bag                []byte // certificates, one after the other
	signingCertificate []byte // attribute, encoded
}

// NewSigner returns a signer for the key. The chain begins with the key's
// certificate; each that follows has issued the one before. A self-signed root
// at its end stays out of the signatures (norms.md 112).
//
// It refuses a key that is not the first certificate's, RSA below 2048 bits
// and curves other than P-256 and P-384 (norms.md 113).
func NewSigner(key crypto.Signer, chain []*x509.Certificate) (*Signer, error) {
	if len(chain) == 0 {
		return nil, errors.New("smime: new signer: no certificate")
	}
	s := &Signer{key: key, certificate: chain[0]}
	if err := s.chooseAlgorithm(); err != nil {
		return nil, fmt.Errorf("smime: new signer: %w", err)
	}
	if err := s.enclose(chain); err != nil {
		return nil, fmt.Errorf("smime: new signer: %w", err)
	}
	var err error
	if s.signingCertificate, err = signingCertificateV2(s.certificate); err != nil {
		return nil, fmt.Errorf("smime: new signer: %w", err)
	}
	return s, nil
}

// Certificate returns the signer's own certificate.
func (s *Signer) Certificate() *x509.Certificate { return s.certificate }

// SignDetached returns a DER SignedData without content over the content whose
// SHA-256 is digest. The instant becomes the signingTime, in whole seconds.
func (s *Signer) SignDetached(digest [sha256.Size]byte, at time.Time) ([]byte, error) {
	return s.sign(nil, digest, at)
}

// SignAttached returns a DER SignedData that contains the content: a .p7m file.
func (s *Signer) SignAttached(content []byte, at time.Time) ([]byte, error) {
	if content == nil {
		content = []byte{} // nil means detached
	}
	return s.sign(content, sha256.Sum256(content), at)
}

func (s *Signer) sign(content []byte, digest [sha256.Size]byte, at time.Time) ([]byte, error) {
	attributes, err := s.attributes(digest[:], at)
	if err != nil {
		return nil, fmt.Errorf("smime: signed attributes: %w", err)
	}
	info, err := s.signerInfo(attributes)
	if err != nil {
		return nil, fmt.Errorf("smime: sign: %w", err)
	}
	return s.signedData(content, info)
}

// chooseAlgorithm checks the key against the certificate. RSA is named
// rsaEncryption, as nearly all providers do (quirks.md E5).
func (s *Signer) chooseAlgorithm() error {
	public, ok := s.key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(s.certificate.PublicKey) {
		return errors.New("the key is not that of the first certificate")
	}
	switch key := s.key.Public().(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return fmt.Errorf("%w: RSA key of %d bits", ErrAlgorithm, key.N.BitLen())
		}
		s.signatureAlgorithm, s.signatureParams = oidRSA, derNull
		return nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return fmt.Errorf("%w: curve %s", ErrAlgorithm, key.Curve.Params().Name)
		}
		s.signatureAlgorithm = oidECDSAWithSHA256
		return nil
	default:
		return fmt.Errorf("%w: %T", ErrAlgorithm, key)
	}
}

func (s *Signer) enclose(chain []*x509.Certificate) error {
	for i, c := range chain {
		if i > 0 {
			if err := chain[i-1].CheckSignatureFrom(c); err != nil {
				return fmt.Errorf("certificate %d of the chain was not issued by the next: %w", i, err)
			}
			if bytes.Equal(c.RawIssuer, c.RawSubject) {
				continue
			}
		}
		s.bag = append(s.bag, c.Raw...)
	}
	return nil
}

// attributes returns the signed attributes in the order of a DER SET.
func (s *Signer) attributes(digest []byte, at time.Time) ([][]byte, error) {
	contentType, err1 := attribute(oidContentType, func(b *cryptobyte.Builder) { addOID(b, oidData) })
	messageDigest, err2 := attribute(oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) })
	signingTime, err3 := attribute(oidSigningTime, func(b *cryptobyte.Builder) { addTime(b, at.UTC()) })
	attributes := [][]byte{contentType, messageDigest, signingTime, s.signingCertificate}
	slices.SortFunc(attributes, bytes.Compare)
	return attributes, errors.Join(err1, err2, err3)
}

func attribute(id oid, value cryptobyte.BuilderContinuation) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, id)
		b.AddASN1(asn1.SET, value)
	})
	return b.Bytes()
}

// addTime adds a Time as RFC 5652 11.3 wants it.
func addTime(b *cryptobyte.Builder, at time.Time) {
	if at.Year() < 2050 {
		b.AddASN1UTCTime(at)
	} else {
		b.AddASN1GeneralizedTime(at)
	}
}

// signingCertificateV2 returns the attribute that ties a signature to this very
// certificate, not only to its issuer and serial number (RFC 5035 3).
func signingCertificateV2(c *x509.Certificate) ([]byte, error) {
	hash := sha256.Sum256(c.Raw)
	issuerSerial := func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tag4, func(b *cryptobyte.Builder) { b.AddBytes(c.RawIssuer) })
		})
		b.AddASN1BigInt(c.SerialNumber)
	}
	certID := func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(hash[:])
		b.AddASN1(asn1.SEQUENCE, issuerSerial)
	}
	return attribute(oidSigningCertificateV2, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1(asn1.SEQUENCE, certID) })
		})
	})
}

// signerInfo signs the attributes and returns the SignerInfo. What is signed
// bears the tag of a SET, what is sent the tag [0] (RFC 5652 5.4).
func (s *Signer) signerInfo(attributes [][]byte) ([]byte, error) {
	set := bytes.Join(attributes, nil)
	var signed cryptobyte.Builder
	signed.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(set) })
	digest := sha256.Sum256(signed.BytesOrPanic())
	signature, err := s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(s.certificate.RawIssuer)
			b.AddASN1BigInt(s.certificate.SerialNumber)
		})
		addAlgorithm(b, oidSHA256, "")
		b.AddASN1(tag0, func(b *cryptobyte.Builder) { b.AddBytes(set) })
		addAlgorithm(b, s.signatureAlgorithm, s.signatureParams)
		b.AddASN1OctetString(signature)
	})
	return b.Bytes()
}

// signedData wraps SignerInfos into a ContentInfo; without content it is
// detached.
func (s *Signer) signedData(content []byte, infos ...[]byte) ([]byte, error) {
	signedData := func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, oidSHA256, "") })
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, oidData)
			if content != nil {
				b.AddASN1(tag0, func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
			}
		})
		b.AddASN1(tag0, func(b *cryptobyte.Builder) { b.AddBytes(s.bag) })
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(infos, nil)) })
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(content)+len(s.bag)+2048))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, oidSignedData)
		b.AddASN1(tag0, func(b *cryptobyte.Builder) { b.AddASN1(asn1.SEQUENCE, signedData) })
	})
	return b.Bytes()
}

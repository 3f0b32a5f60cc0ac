package smime

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// attributes are signed attributes by type; the value is the contents of the
// SET OF AttributeValue.
type attributes map[oid]cryptobyte.String

// readAttributes reads the [0] element of a SignerInfo. A type that stands
// twice is an error, known or not: two readers could pick different ones.
func readAttributes(element cryptobyte.String) (attributes, error) {
	found := attributes{}
	err := eachAttribute(element, tag0, func(id oid, values cryptobyte.String) error {
		if _, twice := found[id]; twice {
			return fmt.Errorf("%w: type %x stands twice", ErrAttributes, string(id))
		}
		found[id] = values
		return nil
	})
	return found, err
}

func eachAttribute(element cryptobyte.String, tag asn1.Tag, take func(id oid, values cryptobyte.String) error) error {
	var set cryptobyte.String
	if !element.ReadASN1(&set, tag) {
		return malformed("attributes")
	}
	for !set.Empty() {
		var fields, values cryptobyte.String
		if !set.ReadASN1(&fields, asn1.SEQUENCE) {
			return malformed("attribute")
		}
		id, ok := readOID(&fields)
		if !ok || !fields.ReadASN1(&values, asn1.SET) || !fields.Empty() {
			return malformed("attribute")
		}
		if err := take(id, values); err != nil {
			return err
		}
	}
	return nil
}

// check compares the attributes with the signature they stand in and returns
// the signingTime. Unknown ones are ignored (quirks.md E7).
func (a attributes) check(info *signerInfo, signer *x509.Certificate, digest []byte) (time.Time, error) {
	if err := a.checkContentType(); err != nil {
		return time.Time{}, err
	}
	if err := a.checkMessageDigest(digest); err != nil {
		return time.Time{}, err
	}
	if err := a.checkAlgorithmProtection(info); err != nil {
		return time.Time{}, err
	}
	if err := a.checkSigningCertificate(oidSigningCertificateV2, oidSHA256, signer); err != nil {
		return time.Time{}, err
	}
	if err := a.checkSigningCertificate(oidSigningCertificate, oidSHA1, signer); err != nil {
		return time.Time{}, err
	}
	return a.signingTime()
}

func (a attributes) checkContentType() error {
	value := a[oidContentType]
	id, ok := readOID(&value)
	if !ok || !value.Empty() || id != oidData {
		return fmt.Errorf("%w: the content-type is missing or not data", ErrAttributes)
	}
	return nil
}

func (a attributes) checkMessageDigest(digest []byte) error {
	value := a[oidMessageDigest]
	var signed cryptobyte.String
	if !value.ReadASN1(&signed, asn1.OCTET_STRING) || !value.Empty() {
		return fmt.Errorf("%w: the message-digest is missing or malformed", ErrAttributes)
	}
	if !bytes.Equal(signed, digest) {
		return fmt.Errorf("%w: its digest is %x, not %x", ErrDigest, digest, []byte(signed))
	}
	return nil
}

// signingTime returns the zero time if the signer did not say when.
func (a attributes) signingTime() (time.Time, error) {
	value, there := a[oidSigningTime]
	if !there {
		return time.Time{}, nil
	}
	var at time.Time
	ok := value.PeekASN1Tag(asn1.UTCTime) && value.ReadASN1UTCTime(&at) ||
		value.PeekASN1Tag(asn1.GeneralizedTime) && value.ReadASN1GeneralizedTime(&at)
	if !ok || !value.Empty() {
		return time.Time{}, fmt.Errorf("%w: the signing-time is malformed", ErrAttributes)
	}
	return at.UTC(), nil
}

// checkAlgorithmProtection refuses a signature whose algorithms were replaced
// after it was made (RFC 6211 2).
func (a attributes) checkAlgorithmProtection(info *signerInfo) error {
	value, there := a[oidAlgorithmProtection]
	if !there {
		return nil
	}
	var fields cryptobyte.String
	if !value.ReadASN1(&fields, asn1.SEQUENCE) || !value.Empty() {
		return fmt.Errorf("%w: the algorithm protection is malformed", ErrAttributes)
	}
	digest, ok1 := readAlgorithm(&fields, asn1.SEQUENCE)
	signature, ok2 := readAlgorithm(&fields, tag1)
	if !ok1 || !ok2 || !fields.Empty() || digest != info.digestAlgorithm || signature != info.signatureAlgorithm {
		return fmt.Errorf("%w: the algorithms are not those that were signed", ErrAttributes)
	}
	return nil
}

// checkSigningCertificate refuses a signature whose certificate was replaced
// by another with the same key or name. The first identifier counts; further
// ones would limit the path and are ignored (RFC 5035 3 and 5). Version 1
// differs only in that its hash is SHA-1.
func (a attributes) checkSigningCertificate(id, defaultDigest oid, signer *x509.Certificate) error {
	value, there := a[id]
	if !there {
		return nil
	}
	var fields, certIDs, certID cryptobyte.String
	if !value.ReadASN1(&fields, asn1.SEQUENCE) || !value.Empty() ||
		!fields.ReadASN1(&certIDs, asn1.SEQUENCE) ||
		!fields.SkipOptionalASN1(asn1.SEQUENCE) || !fields.Empty() ||
		!certIDs.ReadASN1(&certID, asn1.SEQUENCE) {
		return fmt.Errorf("%w: the signing-certificate is malformed", ErrAttributes)
	}
	if !certIDMatches(certID, defaultDigest, signer) {
		return fmt.Errorf("%w: the signing-certificate is another", ErrAttributes)
	}
	return nil
}

func certIDMatches(s cryptobyte.String, defaultDigest oid, c *x509.Certificate) bool {
	digest := algorithm{id: defaultDigest}
	if s.PeekASN1Tag(asn1.SEQUENCE) {
		var ok bool
		if digest, ok = readAlgorithm(&s, asn1.SEQUENCE); !ok {
			return false
		}
	}
	hash, err := digest.digest()
	if err != nil {
		return false
	}
	var certHash cryptobyte.String
	if !s.ReadASN1(&certHash, asn1.OCTET_STRING) {
		return false
	}
	h := hash.New()
	h.Write(c.Raw)
	return bytes.Equal(certHash, h.Sum(nil)) && (s.Empty() || issuerSerialMatches(s, c))
}

func issuerSerialMatches(s cryptobyte.String, c *x509.Certificate) bool {
	var fields, names, issuer cryptobyte.String
	var serial big.Int
	return s.ReadASN1(&fields, asn1.SEQUENCE) && s.Empty() &&
		fields.ReadASN1(&names, asn1.SEQUENCE) &&
		names.ReadASN1(&issuer, tag4) && names.Empty() && bytes.Equal(issuer, c.RawIssuer) &&
		fields.ReadASN1Integer(&serial) && fields.Empty() && serial.Cmp(c.SerialNumber) == 0
}

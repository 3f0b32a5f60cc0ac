package smime

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Bounds on the work that a foreign signature can cause. Real ones have two
// certificates and one signer (field-notes.md 10).
const (
	maxCertificates = 64
	maxSigners      = 16
)

// SignedData is a signature that was read but not yet verified. It is
// immutable.
type SignedData struct {
	content      []byte // nil if detached
	certificates []*x509.Certificate
	unusable     error // why a certificate of the bag was left out
	signers      []signerInfo
}

// signerInfo is what one signer says: a SignerInfo (RFC 5652 5.3).
type signerInfo struct {
	signer             signerID
	hash               crypto.Hash
	digestAlgorithm    algorithm
	signatureAlgorithm algorithm
	signedAttributes   []byte // the whole element, with its tag [0]
	signature          []byte
}

// signerID names the signer's certificate: either by issuer and serial number
// or by key identifier.
type signerID struct {
	issuer []byte
	serial big.Int
	keyID  []byte
}

func (id *signerID) names(c *x509.Certificate) bool {
	if id.issuer == nil {
		return bytes.Equal(id.keyID, c.SubjectKeyId)
	}
	return bytes.Equal(id.issuer, c.RawIssuer) && id.serial.Cmp(c.SerialNumber) == 0
}

// Parse reads a SignedData with content type data and 1 to 16 signers, in DER
// or in BER with indefinite lengths (norms.md 51). It keeps no reference to
// blob.
//
// The error wraps ErrMalformed, ErrSigners (none, or more than 16),
// ErrAlgorithm (digest algorithm other than SHA-1, SHA-256, SHA-384, SHA-512)
// or ErrAttributes (none signed).
func Parse(blob []byte) (*SignedData, error) {
	der, err := toDER(blob)
	if err != nil {
		return nil, err
	}
	fields, err := openContentInfo(der)
	if err != nil {
		return nil, err
	}
	sd := &SignedData{}
	digests, infos, err := sd.readEnvelope(fields)
	if err != nil {
		return nil, err
	}
	if err := sd.readSignerInfos(infos); err != nil {
		return nil, err
	}
	for i := range sd.signers {
		if err := sd.signers[i].chooseHash(digests); err != nil {
			return nil, err
		}
	}
	return sd, nil
}

// Hash returns the algorithm under which the content is to be hashed for
// Verify: that of the first signer, who should be the only one.
func (sd *SignedData) Hash() crypto.Hash { return sd.signers[0].hash }

// Hashes returns the algorithms under which the content is to be hashed for
// VerifyAll, each once, in the order of the signers.
func (sd *SignedData) Hashes() []crypto.Hash {
	var hashes []crypto.Hash
	for _, info := range sd.signers {
		if !slices.Contains(hashes, info.hash) {
			hashes = append(hashes, info.hash)
		}
	}
	return hashes
}

// Content returns the enclosed content, nil if the signature is detached. It
// is not to be trusted before VerifyAttached has accepted it, and not to be
// changed.
func (sd *SignedData) Content() []byte { return sd.content }

// openContentInfo returns the fields of the SignedData in a ContentInfo.
func openContentInfo(der cryptobyte.String) (cryptobyte.String, error) {
	var info, content, fields cryptobyte.String
	if !der.ReadASN1(&info, asn1.SEQUENCE) || !der.Empty() {
		return nil, malformed("not a ContentInfo")
	}
	id, ok := readOID(&info)
	if !ok || id != oidSignedData {
		return nil, malformed("not a SignedData")
	}
	if !info.ReadASN1(&content, tag0) || !info.Empty() ||
		!content.ReadASN1(&fields, asn1.SEQUENCE) || !content.Empty() {
		return nil, malformed("ContentInfo")
	}
	return fields, nil
}

// readEnvelope reads all that is not the signer's, and returns the sets of
// digest algorithms and of SignerInfos.
func (sd *SignedData) readEnvelope(s cryptobyte.String) (digests, infos cryptobyte.String, err error) {
	var version int
	var content, bag cryptobyte.String
	var hasBag bool
	if !s.ReadASN1Integer(&version) || version < 1 || version > 5 ||
		!s.ReadASN1(&digests, asn1.SET) ||
		!s.ReadASN1(&content, asn1.SEQUENCE) ||
		!s.ReadOptionalASN1(&bag, &hasBag, tag0) ||
		!s.SkipOptionalASN1(tag1) || // CRLs: fetched, never taken from the signer
		!s.ReadASN1(&infos, asn1.SET) || !s.Empty() {
		return nil, nil, malformed("SignedData")
	}
	if err := sd.readContent(content); err != nil {
		return nil, nil, err
	}
	return digests, infos, sd.readCertificates(bag)
}

func (sd *SignedData) readContent(s cryptobyte.String) error {
	id, ok := readOID(&s)
	if !ok || id != oidData {
		return malformed("the content type is not data")
	}
	if s.Empty() {
		return nil
	}
	var explicit, content cryptobyte.String
	if !s.ReadASN1(&explicit, tag0) || !s.Empty() ||
		!explicit.ReadASN1(&content, asn1.OCTET_STRING) || !explicit.Empty() {
		return malformed("content")
	}
	sd.content = content
	return nil
}

// readCertificates keeps what can be used: certificates of other kinds
// (RFC 5652 10.2.2) and of other times do no harm, and the signer's is looked for
// later.
func (sd *SignedData) readCertificates(bag cryptobyte.String) error {
	for count := 0; !bag.Empty(); count++ {
		var element cryptobyte.String
		var tag asn1.Tag
		if !bag.ReadAnyASN1Element(&element, &tag) {
			return malformed("certificates")
		}
		if count == maxCertificates {
			return malformed("more than %d certificates", maxCertificates)
		}
		switch tag {
		case asn1.SEQUENCE:
		case tag0, tag1, tag2, tag3:
			continue
		default:
			return malformed("tag %#x among the certificates", uint8(tag))
		}
		c, err := parseCertificate(element)
		if err != nil {
			sd.unusable = err
			continue
		}
		sd.certificates = append(sd.certificates, c)
	}
	return nil
}

func (sd *SignedData) readSignerInfos(infos cryptobyte.String) error {
	if infos.Empty() {
		return fmt.Errorf("%w: there is none", ErrSigners)
	}
	for !infos.Empty() {
		if len(sd.signers) == maxSigners {
			return fmt.Errorf("%w: more than %d", ErrSigners, maxSigners)
		}
		var fields cryptobyte.String
		if !infos.ReadASN1(&fields, asn1.SEQUENCE) {
			return malformed("SignerInfos")
		}
		var info signerInfo
		if err := info.read(fields); err != nil {
			return err
		}
		sd.signers = append(sd.signers, info)
	}
	return nil
}

func (info *signerInfo) read(s cryptobyte.String) error {
	var version int
	if !s.ReadASN1Integer(&version) || version != 1 && version != 3 || !info.signer.read(&s) {
		return malformed("signer identifier")
	}
	var ok bool
	if info.digestAlgorithm, ok = readAlgorithm(&s, asn1.SEQUENCE); !ok {
		return malformed("digest algorithm")
	}
	// Without attributes a signature over attributes could be shown as one over
	// a content that looks like them.
	if !s.PeekASN1Tag(tag0) {
		return fmt.Errorf("%w: there are none", ErrAttributes)
	}
	if !s.ReadASN1Element((*cryptobyte.String)(&info.signedAttributes), tag0) {
		return malformed("signed attributes")
	}
	if info.signatureAlgorithm, ok = readAlgorithm(&s, asn1.SEQUENCE); !ok {
		return malformed("signature algorithm")
	}
	if !s.ReadASN1((*cryptobyte.String)(&info.signature), asn1.OCTET_STRING) {
		return malformed("signature value")
	}
	return skipUnsigned(s)
}

// skipUnsigned reads unsigned attributes, if there are any, to the end of a
// SignerInfo. They prove nothing.
func skipUnsigned(s cryptobyte.String) error {
	if s.Empty() {
		return nil
	}
	var attributes cryptobyte.String
	if !s.ReadASN1Element(&attributes, tag1) || !s.Empty() {
		return malformed("SignerInfo")
	}
	return eachAttribute(attributes, tag1, func(oid, cryptobyte.String) error { return nil })
}

func (id *signerID) read(s *cryptobyte.String) bool {
	if s.PeekASN1Tag(tag0Primitive) {
		return s.ReadASN1((*cryptobyte.String)(&id.keyID), tag0Primitive) && len(id.keyID) > 0
	}
	var fields cryptobyte.String
	return s.ReadASN1(&fields, asn1.SEQUENCE) &&
		fields.ReadASN1Element((*cryptobyte.String)(&id.issuer), asn1.SEQUENCE) &&
		fields.ReadASN1Integer(&id.serial) && fields.Empty()
}

// chooseHash refuses a digest algorithm that the SignedData does not list:
// streaming verifiers could not have hashed for it (RFC 5652 5.1).
func (info *signerInfo) chooseHash(digests cryptobyte.String) (err error) {
	if info.hash, err = info.digestAlgorithm.digest(); err != nil {
		return err
	}
	announced := false
	for !digests.Empty() {
		algorithm, ok := readAlgorithm(&digests, asn1.SEQUENCE)
		if !ok {
			return malformed("digest algorithms")
		}
		announced = announced || algorithm == info.digestAlgorithm
	}
	if !announced {
		return malformed("digest algorithm %x is not among those announced", string(info.digestAlgorithm.id))
	}
	return nil
}

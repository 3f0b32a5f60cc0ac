package smime

import (
	"crypto"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// oid is an object identifier as the content octets of its DER encoding, so
// that it can be a constant and be compared as it stands in the input.
type oid string

const (
	oidData       oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01" // 1.2.840.113549.1.7.1
	oidSignedData oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" // 1.2.840.113549.1.7.2

	oidContentType          oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"         // 1.2.840.113549.1.9.3
	oidMessageDigest        oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"         // 1.2.840.113549.1.9.4
	oidSigningTime          oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05"         // 1.2.840.113549.1.9.5
	oidAlgorithmProtection  oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x34"         // 1.2.840.113549.1.9.52
	oidSigningCertificate   oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x0c" // 1.2.840.113549.1.9.16.2.12
	oidSigningCertificateV2 oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x2f" // 1.2.840.113549.1.9.16.2.47

	oidSHA1   oid = "\x2b\x0e\x03\x02\x1a"                 // 1.3.14.3.2.26
	oidSHA256 oid = "\x60\x86\x48\x01\x65\x03\x04\x02\x01" // 2.16.840.1.101.3.4.2.1
	oidSHA384 oid = "\x60\x86\x48\x01\x65\x03\x04\x02\x02" // 2.16.840.1.101.3.4.2.2
	oidSHA512 oid = "\x60\x86\x48\x01\x65\x03\x04\x02\x03" // 2.16.840.1.101.3.4.2.3

	oidRSA           oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" // 1.2.840.113549.1.1.1
	oidMGF1          oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" // 1.2.840.113549.1.1.8
	oidRSAPSS        oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" // 1.2.840.113549.1.1.10
	oidSHA1WithRSA   oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05" // 1.2.840.113549.1.1.5
	oidSHA256WithRSA oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b" // 1.2.840.113549.1.1.11
	oidSHA384WithRSA oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c" // 1.2.840.113549.1.1.12
	oidSHA512WithRSA oid = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d" // 1.2.840.113549.1.1.13

	oidECDSAWithSHA1   oid = "\x2a\x86\x48\xce\x3d\x04\x01"     // 1.2.840.10045.4.1
	oidECDSAWithSHA256 oid = "\x2a\x86\x48\xce\x3d\x04\x03\x02" // 1.2.840.10045.4.3.2
	oidECDSAWithSHA384 oid = "\x2a\x86\x48\xce\x3d\x04\x03\x03" // 1.2.840.10045.4.3.3
	oidECDSAWithSHA512 oid = "\x2a\x86\x48\xce\x3d\x04\x03\x04" // 1.2.840.10045.4.3.4
)

// Context-specific tags, constructed unless said.
const (
	tag0          = asn1.Tag(0xa0)
	tag1          = asn1.Tag(0xa1)
	tag2          = asn1.Tag(0xa2)
	tag3          = asn1.Tag(0xa3)
	tag4          = asn1.Tag(0xa4)
	tag0Primitive = asn1.Tag(0x80)
	tag1Primitive = asn1.Tag(0x81)
)

func readOID(s *cryptobyte.String) (oid, bool) {
	var id cryptobyte.String
	ok := s.ReadASN1(&id, asn1.OBJECT_IDENTIFIER)
	return oid(id), ok && isOID(id)
}

// isOID tells whether octets are whole arcs, each in its shortest form.
func isOID(id []byte) bool {
	begins := true
	for _, octet := range id {
		if begins && octet == 0x80 {
			return false
		}
		begins = octet < 0x80
	}
	return begins && len(id) > 0
}

func addOID(b *cryptobyte.Builder, id oid) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(id)) })
}

// algorithm is an AlgorithmIdentifier. params is DER, and empty both for NULL
// and for no parameters: signers disagree and mean the same (RFC 5754 2,
// quirks.md E4).
type algorithm struct {
	id     oid
	params string
}

const derNull = "\x05\x00"

func readAlgorithm(s *cryptobyte.String, tag asn1.Tag) (algorithm, bool) {
	var fields, params cryptobyte.String
	var paramsTag asn1.Tag
	if !s.ReadASN1(&fields, tag) {
		return algorithm{}, false
	}
	id, ok := readOID(&fields)
	if !ok || fields.Empty() {
		return algorithm{id: id}, ok
	}
	ok = fields.ReadAnyASN1Element(&params, &paramsTag) && fields.Empty()
	if string(params) == derNull {
		params = nil
	}
	return algorithm{id, string(params)}, ok
}

func addAlgorithm(b *cryptobyte.Builder, id oid, params string) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, id)
		b.AddBytes([]byte(params))
	})
}

// digest returns the hash function of a digest algorithm.
func (a algorithm) digest() (crypto.Hash, error) {
	if a.params == "" {
		switch a.id {
		case oidSHA1:
			return crypto.SHA1, nil
		case oidSHA256:
			return crypto.SHA256, nil
		case oidSHA384:
			return crypto.SHA384, nil
		case oidSHA512:
			return crypto.SHA512, nil
		}
	}
	return 0, fmt.Errorf("%w: digest algorithm %x with parameters %x", ErrAlgorithm, string(a.id), a.params)
}

package dialect

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// cmsStyle is how an engine encodes its signature (field-notes.md 10).
type cmsStyle struct {
	hash       crypto.Hash
	null       bool // the digest algorithm has NULL as parameters (quirks.md E4)
	named      bool // the signature algorithm names the digest too (quirks.md E5)
	indefinite bool // BER as BouncyCastle writes it (quirks.md E3)
	extra      []attributeMaker
}

// The tags that are written.
const (
	tagOctets   = 0x04
	tagNull     = "\x05\x00"
	tagUTCTime  = 0x17
	tagSequence = 0x30
	tagSet      = 0x31
	tag0        = 0xa0
	tag1        = 0xa1
)

// The object identifiers that are written, in DER.
const (
	oidData       = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	oidSignedData = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	oidRSA        = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	oidSHA256RSA  = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
	oidSHA1       = "\x06\x05\x2b\x0e\x03\x02\x1a"
	oidSHA256     = "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
)

const versionOne = "\x02\x01\x01"

// Sign makes the engine's detached signature over the content with the given digest under the draft's Hash. The chain
// begins with the key's certificate; a self-signed root stays out. Engines sign with RSA: other keys are refused.
func (e *Engine) Sign(key crypto.Signer, chain []*x509.Certificate, digest []byte, at time.Time) ([]byte, error) {
	signature, err := e.cms.sign(key, chain, digest, at)
	if err != nil {
		return nil, fmt.Errorf("signing as %s: %w", e.Name, err)
	}
	return signature, nil
}

func (s cmsStyle) sign(key crypto.Signer, chain []*x509.Certificate, digest []byte, at time.Time) ([]byte, error) {
	if len(chain) == 0 || key == nil {
		return nil, errors.New("there is no key, or no certificate")
	}
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok || !public.Equal(chain[0].PublicKey) {
		return nil, errors.New("the key is not RSA, or not that of the certificate")
	}
	if len(digest) != s.hash.Size() {
		return nil, fmt.Errorf("the digest has %d octets, not those of %v", len(digest), s.hash)
	}
	set := bytes.Join(s.attributes(chain[0], digest, at), nil)
	h := s.hash.New()
	h.Write(der(tagSet, set))
	signature, err := key.Sign(rand.Reader, h.Sum(nil), s.hash)
	if err != nil {
		return nil, err
	}
	info := der(tagSequence, []byte(versionOne), issuerAndSerial(chain[0]), s.digestAlgorithm(),
		der(tag0, set), s.signatureAlgorithm(), der(tagOctets, signature))
	return s.signedData(chain, info), nil
}

// signedData is indefinite where BouncyCastle's generator streams: all but sets and SignerInfos.
func (s cmsStyle) signedData(chain []*x509.Certificate, info []byte) []byte {
	var bag []byte
	for _, c := range chain {
		if len(bag) == 0 || !bytes.Equal(c.RawIssuer, c.RawSubject) {
			bag = append(bag, c.Raw...)
		}
	}
	return s.wrap(tagSequence, []byte(oidSignedData), s.wrap(tag0, s.wrap(tagSequence,
		[]byte(versionOne),
		der(tagSet, s.digestAlgorithm()),
		s.wrap(tagSequence, []byte(oidData)),
		s.wrap(tag0, bag),
		der(tagSet, info),
	)))
}

func (s cmsStyle) digestAlgorithm() []byte {
	id, params := oidSHA256, ""
	if s.hash == crypto.SHA1 {
		id = oidSHA1
	}
	if s.null {
		params = tagNull
	}
	return der(tagSequence, []byte(id+params))
}

func (s cmsStyle) signatureAlgorithm() []byte {
	if s.named {
		return der(tagSequence, []byte(oidSHA256RSA+tagNull))
	}
	return der(tagSequence, []byte(oidRSA+tagNull))
}

// attributes are the signed ones in the order of a DER SET.
func (s cmsStyle) attributes(c *x509.Certificate, digest []byte, at time.Time) [][]byte {
	all := [][]byte{
		attribute(oidContentType, []byte(oidData)),
		attribute(oidSigningTime, der(tagUTCTime, []byte(at.UTC().Format("060102150405Z")))),
		attribute(oidMessageDigest, der(tagOctets, digest)),
	}
	for _, extra := range s.extra {
		all = append(all, extra(s, c))
	}
	slices.SortFunc(all, bytes.Compare)
	return all
}

// wrap encodes a constructed element in the engine's way.
func (s cmsStyle) wrap(tag byte, contents ...[]byte) []byte {
	if !s.indefinite {
		return der(tag, contents...)
	}
	out := append([]byte{tag, 0x80}, bytes.Join(contents, nil)...)
	return append(out, 0, 0)
}

// der encodes an element with its length as DER wants it.
func der(tag byte, contents ...[]byte) []byte {
	inner := bytes.Join(contents, nil)
	n := len(inner)
	if n < 0x80 {
		return append([]byte{tag, byte(n)}, inner...)
	}
	size := (bits.Len(uint(n)) + 7) / 8
	out := []byte{tag, 0x80 | byte(size)}
	for i := size - 1; i >= 0; i-- {
		out = append(out, byte(n>>(8*i)))
	}
	return append(out, inner...)
}

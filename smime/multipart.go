package smime

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Multipart is a multipart/signed message as a Splitter saw it. Nothing of it
// is verified yet.
type Multipart struct {
	Signature  []byte // CMS octets, base64 decoded
	Start, End int64  // offsets of the signed octets in the message; End is the first octet after
	sha256     []byte
	sha1       []byte // nil if not computed
}

// Digest returns the digest of the signed octets and whether it was computed:
// SHA-256 always, SHA-1 unless micalg says SHA-256, others never.
func (m *Multipart) Digest(h crypto.Hash) ([]byte, bool) {
	switch h {
	case crypto.SHA256:
		return slices.Clone(m.sha256), true
	case crypto.SHA1:
		return slices.Clone(m.sha1), m.sha1 != nil
	default:
		return nil, false
	}
}

// Verify parses and verifies the signature over the signed octets; the errors
// are those of [Parse] and [SignedData.Verify]. It returns a *NeedDigest if the
// digest that the signature uses was not computed.
func (m *Multipart) Verify() (*Signature, error) {
	sd, err := Parse(m.Signature)
	if err != nil {
		return nil, err
	}
	if err := sd.checkOneSigner(); err != nil {
		return nil, err // before the caller reads the message a second time
	}
	digest, ok := m.Digest(sd.Hash())
	if !ok {
		return nil, &NeedDigest{Hash: sd.Hash(), Start: m.Start, End: m.End}
	}
	return sd.Verify(digest)
}

// decodeSignature returns the CMS octets of the second child.
func decodeSignature(part []byte) ([]byte, error) {
	if len(part) > maxSignature {
		return nil, malformed("the signature part is longer than %d octets", maxSignature)
	}
	end := headerEnd(part, 0)
	header, body := part[:end], part[end:]
	if isAmbiguous(header) {
		return nil, malformed("CR alone, LF alone or NUL in the header of the second part")
	}
	types := fields(header, "Content-Type")
	if len(types) > 1 {
		return nil, malformed("%d Content-Type fields in the second part", len(types))
	}
	if len(types) == 0 || !isSignaturePart(types[0]) {
		return nil, fmt.Errorf("%w: the second part is no signature", ErrNotSigned)
	}
	encodings := fields(header, "Content-Transfer-Encoding")
	if len(encodings) != 1 || !strings.EqualFold(encodings[0], "base64") {
		return nil, malformed("the signature part is not in base64")
	}
	// The decoder passes over CR and LF by itself.
	if bytes.ContainsAny(body, " \t") {
		body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte(" "), nil), []byte("\t"), nil)
	}
	signature, err := base64.StdEncoding.AppendDecode(nil, body)
	if err != nil {
		return nil, malformed("base64 of the signature part: %v", err)
	}
	return signature, nil
}

func isSignaturePart(contentType string) bool {
	media, _ := mediaType(contentType)
	return isPKCS7(media)
}

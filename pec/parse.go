package pec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
)

// What makes a message no message of the system. Each names one thing that is missing.
var (
	ErrHeader      = errors.New("the header cannot be read")
	ErrNotSigned   = errors.New("it is not multipart/signed with a PKCS#7 signature")
	ErrNoMixed     = errors.New("what is signed is not multipart/mixed")
	ErrNoCertData  = errors.New("it has no certification data")
	ErrBadCertData = errors.New("its certification data cannot be read")
	ErrTruncated   = errors.New("it has more parts or header octets than are looked at")
)

// Message is what the outermost layer of a message says. Data are those of the part that the
// outermost signature covers, never of a message inside (quirks.md A3); whether the signature is
// good is not known here.
type Message struct {
	Header    Header
	Transport string // value of X-Trasporto, lower case
	Receipt   string // value of X-Ricevuta, lower case
	Signed    bool   // the message itself is multipart/signed with a PKCS#7 signature
	Data      CertData
	HasData   bool
	Original  *Part // the enclosed message: postacert.eml, or what an anomaly envelope holds
	Structure *Structure
}

// KeepForParse is what ParseMessage needs kept: certification data that are a child of a child
// of the message, signed or not (quirks.md A1, A3, A14).
func KeepForParse(p *Part) bool {
	return isCertData(p) && p.Parent.Parent != nil && p.Parent.Parent.Parent == nil
}

// isCertData tells by name, or by type where there is no name.
func isCertData(p *Part) bool {
	if p.Parent == nil || p.Parent.Type != "multipart" {
		return false
	}
	switch strings.ToLower(p.Filename()) {
	case CertDataName, CertDataNameRFC:
		return true
	case "":
		return p.Is("application", "xml") || p.Is("text", "xml")
	}
	return false
}

// ParseMessage reads what a Scanner with KeepForParse found. The Message is there also when an
// error says why it is none of the system's: one of the errors above, wrapped. An anomaly
// envelope has no certification data of its own and is read without them (quirks.md A4).
func ParseMessage(s *Structure) (*Message, error) {
	m := &Message{Structure: s}
	var err error
	if m.Header, err = ParseHeader(s.Root.Header); err != nil {
		err = fmt.Errorf("%w: %w", ErrHeader, err)
	}
	m.Transport = strings.ToLower(m.Header.Get(HeaderTransport))
	m.Receipt = strings.ToLower(m.Header.Get(HeaderReceipt))
	m.Signed = isSigned(s.Root)
	return m, errors.Join(err, m.readParts())
}

func (m *Message) readParts() error {
	if m.Structure.Truncated {
		return ErrTruncated
	}
	if !m.Signed {
		return ErrNotSigned
	}
	mixed := m.SignedPart()
	if !mixed.Is("multipart", "mixed") {
		return ErrNoMixed
	}
	m.Original = findOriginal(mixed)
	if m.Transport == string(Anomaly) {
		return nil
	}
	return m.readData(mixed)
}

// SignedPart is the part that the message's signature covers, from Start to End; nil if the
// message is not Signed.
func (m *Message) SignedPart() *Part { return m.child(0) }

// SignaturePart is the part with the signature; nil if the message is not Signed.
func (m *Message) SignaturePart() *Part { return m.child(1) }

func (m *Message) child(i int) *Part {
	if !m.Signed {
		return nil
	}
	return m.Structure.Root.Children[i]
}

// isSigned tells a multipart/signed of exactly two parts, the second a PKCS#7 signature. More
// parts would be octets that nobody signed (attacks.md 13).
func isSigned(root *Part) bool {
	if !root.Is("multipart", "signed") || len(root.Children) != 2 {
		return false
	}
	p7s := root.Children[1]
	return p7s.Is("application", "pkcs7-signature") || p7s.Is("application", "x-pkcs7-signature")
}

// findOriginal prefers the part that bears the name.
func findOriginal(mixed *Part) *Part {
	var found *Part
	for _, p := range mixed.Children {
		if !p.Is("message", "rfc822") {
			continue
		}
		if strings.EqualFold(p.Filename(), OriginalName) {
			return p
		}
		if found == nil {
			found = p
		}
	}
	return found
}

// readData takes the data from the part that bears the name, or else from one that begins like
// them (quirks.md A14). Two parts with the name are ambiguous.
func (m *Message) readData(mixed *Part) error {
	var named, unnamed []*Part
	for _, p := range mixed.Children {
		if !isCertData(p) {
			continue
		}
		if p.Filename() != "" {
			named = append(named, p)
		} else if bytes.Contains(decodeBody(p), []byte("<"+elemRoot)) {
			unnamed = append(unnamed, p)
		}
	}
	if len(named) == 0 {
		named = unnamed
	}
	if len(named) == 0 {
		return ErrNoCertData
	}
	if len(named) > 1 {
		return fmt.Errorf("%w: there are %d", ErrBadCertData, len(named))
	}
	if named[0].Kept == nil {
		return fmt.Errorf("%w: they are too large", ErrBadCertData)
	}
	var err error
	if m.Data, err = ParseCertData(decodeBody(named[0])); err != nil {
		return fmt.Errorf("%w: %w", ErrBadCertData, err)
	}
	m.HasData = true
	return nil
}

// decodeBody undoes the transfer encoding of a kept body as far as it goes.
func decodeBody(p *Part) []byte {
	switch p.Encoding() {
	case "base64":
		return decodeBase64(p.Kept)
	case "quoted-printable":
		// What comes before an octet that is no quoted-printable is what can be read.
		octets, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.Kept)))
		return octets
	}
	return p.Kept
}

// LooksLikePEC reports whether a message presents itself as one of the system, whatever its
// signature is worth: by its header, or by a part named like the certification data. Such mail
// from anybody but a provider must look different in every client (attacks.md 16).
func (m *Message) LooksLikePEC() bool {
	if m.Header.Get(HeaderTransport) != "" || m.Header.Get(HeaderReceipt) != "" {
		return true
	}
	found := false
	m.Structure.Root.Walk(func(p *Part) bool {
		found = isCertData(p) && p.Filename() != "" && !insideMessage(p)
		return !found
	})
	return found
}

func insideMessage(p *Part) bool {
	for p = p.Parent; p != nil; p = p.Parent {
		if p.Type == "message" {
			return true
		}
	}
	return false
}

package pec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Contradicted is where the parts of a message disagree.
type Contradicted string

// What can be contradicted, for programs that tell one from the other.
const (
	ContradictedAuthor     Contradicted = "author"     // From or Sender is not the signer
	ContradictedKind       Contradicted = "kind"       // X-Trasporto, X-Ricevuta and the data disagree
	UnknownKind            Contradicted = "unknown"    // they agree on a kind that the rules do not know (quirks.md C12)
	ContradictedRecipient  Contradicted = "recipient"  // the data lack the recipient they are about, or name one that was not there
	ContradictedIdentifier Contradicted = "identifier" // Message-ID, data and original disagree
	ContradictedOriginal   Contradicted = "original"   // there is none
	EncodedOriginal        Contradicted = "encoded"    // its octets are encoded, so that it was not looked into (quirks.md A13)
)

// Contradiction is an error of [Message.Consistent] and [Message.Agrees]: parts of one message disagree.
type Contradiction struct {
	In   Contradicted
	What string
}

func (c *Contradiction) Error() string { return c.What }

func contradicts(in Contradicted, format string, args ...any) error {
	return &Contradiction{in, fmt.Sprintf(format, args...)}
}

// Consistent makes the fourth check of RFC 6109 2.2.2, formal correctness: header, certification
// data and original agree with each other, and From is the address of the certificate that
// signed, given as signer (norms.md 53, attacks.md 14). The error names the first thing that
// disagrees. A message that fails is no envelope and no receipt, whoever signed it; nor is an
// anomaly envelope, which certifies nothing and does not travel between providers.
func (m *Message) Consistent(signer Address) error {
	if err := m.Agrees(signer); err != nil {
		return err
	}
	if !m.HasData {
		return ErrNoCertData
	}
	return nil
}

// Agrees is Consistent where an anomaly envelope is in its place: in a mailbox, and among our own drafts.
func (m *Message) Agrees(signer Address) error {
	return firstError(
		m.checkShape,
		func() error { return m.checkFrom(signer) },
		m.checkKind,
		m.checkData,
		m.checkIdentifier,
	)
}

// AgreesInside is Consistent for a multipart/signed that is a part of another message, as list servers and web mail leave it
// (quirks.md A8): it has no header of its own that could say anything.
func (m *Message) AgreesInside() error {
	return firstError(m.checkShape, m.checkSaid, m.checkData, m.checkOriginal)
}

func firstError(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkSaid wants a kind that is known from the data alone.
func (m *Message) checkSaid() error {
	switch {
	case !m.HasData:
		return ErrNoCertData
	case !m.Data.Kind.Known():
		return contradicts(UnknownKind, "kind %s is not known", quote(string(m.Data.Kind)))
	}
	return nil
}

func (m *Message) checkShape() error {
	switch {
	case m.Structure.Truncated:
		return ErrTruncated
	case m.Header.fault != nil:
		return fmt.Errorf("%w: %w", ErrHeader, m.Header.fault)
	case !m.Signed:
		return ErrNotSigned
	}
	return nil
}

// checkFrom compares addresses, never display names (quirks.md B9). A Sender is not required
// (quirks.md B7), but it may not contradict (norms.md 110).
func (m *Message) checkFrom(signer Address) error {
	for _, name := range []string{"From", "Sender"} {
		values := m.Header.Values(name)
		if len(values) == 0 && name == "Sender" {
			continue
		}
		if len(values) != 1 {
			return contradicts(ContradictedAuthor, "there are %d %s fields", len(values), name)
		}
		addresses, bad := readAddressList(values[0])
		if len(addresses) != 1 || len(bad) > 0 || addresses[0].Key() != signer.Key() {
			return contradicts(ContradictedAuthor, "%s is %s, the signer is %s", name, quote(values[0]), quote(string(signer)))
		}
	}
	return nil
}

// checkKind wants one of X-Trasporto and X-Ricevuta, once, saying what the data say.
func (m *Message) checkKind() error {
	values := append(m.Header.Values(HeaderTransport), m.Header.Values(HeaderReceipt)...)
	if len(values) != 1 {
		return contradicts(ContradictedKind, "there are %d fields %s and %s", len(values), HeaderTransport, HeaderReceipt)
	}
	kind := m.Data.Kind
	if !m.HasData {
		kind = Anomaly
		if slices.ContainsFunc(m.SignedPart().Children, holdsCertData) { // quirks.md A4 has them further down only
			return contradicts(ContradictedKind, "the header says %s, but there are certification data", Anomaly)
		}
	}
	if !kind.Known() {
		return m.unknownKind()
	}
	said := m.Transport
	if kind.Receipt() {
		said = m.Receipt
	}
	if said != string(kind) {
		return contradicts(ContradictedKind, "the header says %s, the certification data %s", quote(strings.ToLower(values[0])), kind)
	}
	return nil
}

// holdsCertData tells certification data from any other XML.
func holdsCertData(p *Part) bool {
	return isCertData(p) && (p.Filename() != "" || p.Kept == nil || bytes.Contains(decodeBody(p), []byte("<"+elemRoot)))
}

func (m *Message) unknownKind() error {
	if kind := strings.ToLower(string(m.Data.Kind)); m.Receipt != kind && m.Transport != kind {
		return contradicts(ContradictedKind, "the certification data say %s, the header does not", quote(kind))
	}
	return contradicts(UnknownKind, "kind %s is not known", quote(string(m.Data.Kind)))
}

// checkData asks what tracking cannot do without. ParseCertData has asked for sender,
// recipients, identifier and instant.
func (m *Message) checkData() error {
	c := m.Data
	switch {
	case !m.HasData:
		return nil
	case c.Kind.aboutOne() && c.DeliveredTo == "":
		return contradicts(ContradictedRecipient, "%s names no recipient", c.Kind)
	case c.Kind == TakenInCharge && len(c.TakenFor) == 0:
		return contradicts(ContradictedRecipient, "%s names no recipient", c.Kind)
	}
	for _, a := range append([]Address{c.DeliveredTo}, c.TakenFor...) {
		if a != "" && !c.hasRecipient(a) {
			return contradicts(ContradictedRecipient, "%s is about %s, which is no recipient of the message", c.Kind, quote(string(a)))
		}
	}
	return nil
}

func (c CertData) hasRecipient(a Address) bool {
	key := a.Key()
	for _, r := range c.Recipients {
		if r.Address.Key() == key {
			return true
		}
	}
	return false
}

// checkIdentifier wants one identifier in envelope, data and original (norms.md 28).
func (m *Message) checkIdentifier() error {
	if m.Transport == string(Anomaly) && m.Original == nil {
		return contradicts(ContradictedOriginal, "the original is missing")
	}
	if m.Data.Kind != Transport {
		return nil
	}
	want := m.Data.ID.Bracketed()
	if ids := m.Header.Values("Message-ID"); m.Original != nil && (len(ids) != 1 || ids[0] != want) {
		return contradicts(ContradictedIdentifier, "the Message-ID is not the identifier %s", quote(want))
	}
	return m.checkOriginal()
}

// checkOriginal wants the original of a transport envelope to bear the identifier of the data.
func (m *Message) checkOriginal() error {
	if m.Data.Kind != Transport {
		return nil
	}
	want := m.Data.ID.Bracketed()
	switch {
	case m.Original == nil:
		return contradicts(ContradictedOriginal, "the original is missing")
	case len(m.Original.Children) == 0:
		return contradicts(EncodedOriginal, "the original is encoded")
	}
	if id := m.Original.Children[0].Field("Message-ID"); id != want {
		return contradicts(ContradictedIdentifier, "the original's Message-ID %s is not the identifier %s", quote(id), quote(want))
	}
	return nil
}

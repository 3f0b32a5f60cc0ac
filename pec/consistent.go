package pec

import (
	"errors"
	"fmt"
	"strings"
)

// Consistent makes the fourth check of RFC 6109 2.2.2, formal correctness: header, certification
// data and original agree with each other, and From is the address of the certificate that
// signed, given as signer (norms.md 53, attacks.md 14). The error names the first thing that
// disagrees. A message that fails is no envelope and no receipt, whoever signed it; nor is an
// anomaly envelope, which certifies nothing and does not travel between providers.
func (m *Message) Consistent(signer Address) error {
	if err := m.agrees(signer); err != nil {
		return err
	}
	if !m.HasData {
		return ErrNoCertData
	}
	return nil
}

// agrees is Consistent for our own drafts, where an anomaly envelope is in its place.
func (m *Message) agrees(signer Address) error {
	checks := []func() error{
		m.checkShape,
		func() error { return m.checkFrom(signer) },
		m.checkKind,
		m.checkData,
		m.checkIdentifier,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
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
			return fmt.Errorf("there are %d %s fields", len(values), name)
		}
		addresses, bad := readAddressList(values[0])
		if len(addresses) != 1 || len(bad) > 0 || addresses[0].Key() != signer.Key() {
			return fmt.Errorf("%s is %s, the signer is %s", name, quote(values[0]), quote(string(signer)))
		}
	}
	return nil
}

// checkKind wants one of X-Trasporto and X-Ricevuta, once, saying what the data say.
func (m *Message) checkKind() error {
	values := append(m.Header.Values(HeaderTransport), m.Header.Values(HeaderReceipt)...)
	if len(values) != 1 {
		return fmt.Errorf("there are %d fields %s and %s", len(values), HeaderTransport, HeaderReceipt)
	}
	kind := m.Data.Kind
	if !m.HasData {
		kind = Anomaly
	}
	if !kind.Known() {
		return fmt.Errorf("kind %s is not known", quote(string(kind)))
	}
	said := m.Transport
	if kind.Receipt() {
		said = m.Receipt
	}
	if said != string(kind) {
		return fmt.Errorf("the header says %s, the certification data %s", quote(strings.ToLower(values[0])), kind)
	}
	return nil
}

// checkData asks what tracking cannot do without. ParseCertData has asked for sender,
// recipients, identifier and instant.
func (m *Message) checkData() error {
	c := m.Data
	switch {
	case !m.HasData:
		return nil
	case c.Kind.aboutOne() && c.DeliveredTo == "":
		return fmt.Errorf("%s names no recipient", c.Kind)
	case c.Kind == TakenInCharge && len(c.TakenFor) == 0:
		return fmt.Errorf("%s names no recipient", c.Kind)
	}
	for _, a := range append([]Address{c.DeliveredTo}, c.TakenFor...) {
		if a != "" && !c.hasRecipient(a) {
			return fmt.Errorf("%s is about %s, which is no recipient of the message", c.Kind, quote(string(a)))
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
	if m.Transport == string(Anomaly) || m.Data.Kind == Transport {
		if m.Original == nil {
			return errors.New("the original is missing")
		}
	}
	if m.Data.Kind != Transport {
		return nil
	}
	want := m.Data.ID.Bracketed()
	if ids := m.Header.Values("Message-ID"); len(ids) != 1 || ids[0] != want {
		return fmt.Errorf("the Message-ID is not the identifier %s", quote(want))
	}
	if len(m.Original.Children) == 0 {
		return errors.New("the original is encoded")
	}
	if id := m.Original.Children[0].Field("Message-ID"); id != want {
		return fmt.Errorf("the original's Message-ID %s is not the identifier %s", quote(id), quote(want))
	}
	return nil
}

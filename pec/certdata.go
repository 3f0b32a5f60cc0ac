package pec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// CertData is the certification data of one message of the system, what daticert.xml says
// (RFC 6109 4.4). Sender and recipients are those of the SMTP paths, never of the header
// (RFC 6109 2.1).
type CertData struct {
	Kind       Kind
	Reason     Reason // ReasonNone if empty
	Sender     Address
	Recipients []Recipient // all of the original's, also in a receipt about one of them
	ReplyTo    string      // value of the original's Reply-To; written as the sender if empty
	Subject    string      // decoded
	Issuer     string      // the provider's name as it writes it
	At         time.Time   // the one instant of the transaction, written in legal time
	ID         ID          // of the envelope, also inside receipts
	ClientID   ClientID    // "" if the client gave none

	ReceiptType ReceiptType // what the sender asked for; "" = absent
	DeliveredTo Address     // the one recipient a receipt is about; "" = absent
	TakenFor    []Address   // the recipients taken in charge
	Detail      string      // errore-esteso: "code - provider - text"

	// Repaired says that the document read was not XML until illegal characters had been
	// dropped (quirks.md C1). It takes no part in Equal.
	Repaired bool
}

// maxText bounds each free text of the certification data that we write, in octets: a subject
// of a megabyte must not make a message whose receipts nobody reads.
const maxText = 16 << 10

// Clean is the data as they are written: what XML cannot hold is dropped, line ends in texts
// are blanks, texts have at most 16 KiB, the instant is whole seconds of legal time, Reason and
// ReplyTo have their defaults. Clean data survive XML and ParseCertData unchanged.
func (c CertData) Clean() CertData {
	if c.Reason == "" {
		c.Reason = ReasonNone
	}
	c.Subject = cleanText(c.Subject)
	c.ReplyTo = strings.TrimSpace(cleanText(c.ReplyTo))
	if c.ReplyTo == "" {
		c.ReplyTo = string(c.Sender)
	}
	c.Issuer = strings.TrimSpace(cleanText(c.Issuer))
	c.Detail = strings.TrimSpace(cleanText(c.Detail))
	c.ClientID = normalizeClientID(cleanText(string(c.ClientID)))
	c.At = legal(c.At)
	c.Repaired = false
	return c
}

// Equal compares two data by what they certify: instants as instants, and not how they were
// read.
func (c CertData) Equal(d CertData) bool {
	return c.Kind == d.Kind && c.Reason == d.Reason && c.Sender == d.Sender &&
		slices.Equal(c.Recipients, d.Recipients) &&
		c.ReplyTo == d.ReplyTo && c.Subject == d.Subject && c.Issuer == d.Issuer &&
		c.At.Equal(d.At) && c.ID == d.ID && c.ClientID == d.ClientID &&
		c.ReceiptType == d.ReceiptType && c.DeliveredTo == d.DeliveredTo &&
		slices.Equal(c.TakenFor, d.TakenFor) && c.Detail == d.Detail
}

// Final reports whether an overdue notice is the second one, after which the message is to be
// held for lost (RFC 6109 3.1.6, quirks.md C11).
func (c CertData) Final() bool {
	return c.Kind == Overdue && strings.Contains(c.Detail, markFinal)
}

// DetailOf writes a description as AgID's note 12 fixes it: code of RFC 3463, provider, text
// (field-notes.md 8).
func DetailOf(enhanced, issuer, text string) string {
	return enhanced + " - " + issuer + " - " + text
}

// OverdueDetail is the description of an overdue notice, the first (12 hours) or the final one
// (24 hours). Final and the text of the notice follow from it.
func OverdueDetail(issuer string, final bool) string {
	if final {
		return DetailOf("5.4.1", issuer, overdueFinal)
	}
	return DetailOf("5.4.1", issuer, overdueFirst)
}

// Validate says what is missing from data of our own, or does not belong to their kind. What
// peers write is judged by Message.Consistent, which asks for less.
func (c CertData) Validate() error {
	if c.Kind == Anomaly {
		return c.validateAnomaly()
	}
	if err := c.validateCommon(); err != nil {
		return err
	}
	return c.validateForKind()
}

// validateAnomaly asks little: an anomaly envelope certifies nothing (norms.md 63), and what it
// holds can come from a null reverse path. It states the reason (norms.md 64).
func (c CertData) validateAnomaly() error {
	if _, err := ParseAddress(string(c.Sender)); c.Sender != "" && err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	if c.Detail == "" {
		return errors.New("anomaly without description")
	}
	if len(c.Recipients) > 0 { // blind copies stay blind
		if err := c.validateRecipients(); err != nil {
			return err
		}
	}
	return c.validateInstant()
}

func (c CertData) validateCommon() error {
	if !c.Kind.Known() {
		return fmt.Errorf("unknown kind %s", quote(string(c.Kind)))
	}
	if _, err := ParseAddress(string(c.Sender)); err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	if err := c.validateRecipients(); err != nil {
		return err
	}
	for _, r := range c.Recipients {
		if r.Type != Certified && r.Type != External {
			return fmt.Errorf("recipient %s has no type", quote(string(r.Address)))
		}
	}
	if c.Issuer == "" {
		return errors.New("no issuer")
	}
	_, err := ParseID(string(c.ID))
	return errors.Join(err, c.validateInstant())
}

func (c CertData) validateRecipients() error {
	if len(c.Recipients) == 0 {
		return errors.New("no recipients")
	}
	for _, r := range c.Recipients {
		if _, err := readAddress(string(r.Address)); err != nil {
			return fmt.Errorf("recipient: %w", err)
		}
	}
	return nil
}

func (c CertData) validateInstant() error {
	if year := c.At.Year(); c.At.IsZero() || year < 1 || year > 9999 {
		return errors.New("no instant")
	}
	return nil
}

func (c CertData) validateForKind() error {
	type rule struct {
		name      string
		due, have bool
	}
	rules := []rule{
		{"receipt type", c.Kind == Transport || c.Kind == Delivered, c.ReceiptType != ""},
		{"recipient of delivery", c.Kind.aboutOne(), c.DeliveredTo != ""},
		{"recipients taken in charge", c.Kind == TakenInCharge, len(c.TakenFor) > 0},
		{"error class", c.Kind.failed(), c.Reason != ReasonNone && c.Reason != ""},
		{"error description", c.Kind.failed(), c.Detail != ""},
	}
	for _, r := range rules {
		if r.due && !r.have {
			return fmt.Errorf("%s without %s", c.Kind, r.name)
		}
		if !r.due && r.have {
			return fmt.Errorf("%s with a %s", c.Kind, r.name)
		}
	}
	if !validReason(c.Reason) || !validReceiptType(c.ReceiptType) {
		return fmt.Errorf("%s with a word that is not in the DTD", c.Kind)
	}
	return c.validateAddresses()
}

func (c CertData) validateAddresses() error {
	about := c.TakenFor
	if c.DeliveredTo != "" {
		about = append([]Address{c.DeliveredTo}, about...)
	}
	for _, a := range about {
		if _, err := ParseAddress(string(a)); err != nil {
			return fmt.Errorf("recipient the message is about: %w", err)
		}
	}
	return nil
}

// failed reports whether the kind tells of an error, which it must then describe.
func (k Kind) failed() bool {
	switch k {
	case NonAcceptance, NonDelivery, Overdue, VirusDetected:
		return true
	}
	return false
}

func validReason(r Reason) bool {
	switch r {
	case "", ReasonNone, ReasonNoRecipient, ReasonNoDomain, ReasonVirus, ReasonOther:
		return true
	}
	return false
}

func validReceiptType(t ReceiptType) bool {
	return t == "" || t == Complete || t == Brief || t == Concise
}

// cleanText makes one line of legal XML characters, of at most maxText octets.
func cleanText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(cleanRune, strings.ReplaceAll(s, "\r\n", " "))
	for len(s) > maxText {
		_, last := utf8.DecodeLastRuneInString(s[:maxText+1])
		s = s[:maxText+1-last]
		s = strings.ToValidUTF8(s, "")
	}
	return s
}

// cleanRune drops the controls, which XML 1.0 forbids or discourages, and keeps the TAB.
func cleanRune(r rune) rune {
	switch {
	case r == '\r' || r == '\n':
		return ' '
	case r < ' ' && r != '\t', r >= 0x7f && r < 0xa0, r == 0xFFFE, r == 0xFFFF:
		return -1
	}
	return r
}

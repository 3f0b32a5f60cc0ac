package pec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Composition is all that a message of the system is made of. Nothing is drawn or read from a
// clock: the caller gives the instant, the identifiers and the boundary.
type Composition struct {
	Data           CertData
	SigningAddress Address // equal to the SAN of the certificate that will sign (norms.md 114)
	MessageID      ID      // the message's own; for a Transport it must be Data.ID
	Boundary       string  // 32 hex digits drawn by the caller; the inner ones derive from it
	To             Address // addressee of a receipt; envelopes inherit To

	// Original is the header block of the message to be enclosed, with the empty line that
	// ends it: for a Transport or a Delivered what Rewrite made, for an Anomaly the header as
	// it came. Envelopes inherit Received, To, Cc and Reply-To from it, an Anomaly also
	// Message-ID. nil means that no message is enclosed.
	Original []byte
	EightBit bool // the enclosed body has octets above 127
}

// Draft is a message composed but not signed. It holds everything but the body of the original,
// whose octets its owner streams between Before and After.
type Draft struct {
	Kind      Kind
	Data      CertData // Clean
	From      Address
	To        Address // of receipts; "" for envelopes, whose paths are the original's
	MessageID ID      // as in the header; "" for an Anomaly that inherits one that is none

	Header      []byte // unsigned, up to and with the first boundary line
	Before      []byte // signed octets before the original's body, or all of them
	After       []byte // signed octets after the original's body
	HasOriginal bool

	boundary string
}

// Compose makes a Draft: the tree of field-notes.md 4.1 with the texts of norms.md 1.3. It
// refuses what the norms do not let be issued, and data that do not fit their kind.
func Compose(c Composition) (*Draft, error) {
	c.Data = c.Data.Clean()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("composing %s: %w", quote(string(c.Data.Kind)), err)
	}
	text, err := c.Data.text(c.Original != nil)
	if err != nil {
		return nil, fmt.Errorf("composing: %w", err)
	}
	d := &Draft{
		Kind: c.Data.Kind, Data: c.Data, From: c.SigningAddress, MessageID: c.MessageID,
		HasOriginal: c.Original != nil, boundary: c.Boundary,
	}
	if d.Kind.Receipt() {
		d.To = c.To
	}
	d.Header = c.header(d)
	d.Before = c.before(text)
	end := []byte("\r\n--" + c.mixedBoundary() + "--\r\n")
	if d.HasOriginal {
		d.After = end
	} else {
		d.Before = append(d.Before, end[2:]...)
	}
	return d, nil
}

func (c Composition) validate() error {
	if err := c.Data.Validate(); err != nil {
		return err
	}
	if err := c.validateOriginal(); err != nil {
		return err
	}
	if _, err := ParseAddress(string(c.SigningAddress)); err != nil {
		return fmt.Errorf("signing address: %w", err)
	}
	if _, err := ParseID(string(c.MessageID)); err != nil {
		return fmt.Errorf("Message-ID: %w", err)
	}
	if c.Data.Kind == Transport && c.MessageID != c.Data.ID {
		return errors.New("the Message-ID of a transport envelope is its identifier (norms.md 28)")
	}
	if _, err := ParseAddress(string(c.To)); c.Data.Kind.Receipt() && err != nil {
		return fmt.Errorf("addressee: %w", err)
	}
	if !isBoundary(c.Boundary) {
		return errBoundary
	}
	return nil
}

var errBoundary = errors.New("the boundary is not 32 hex digits")

// isBoundary wants as many digits as cannot be guessed: an original that holds our boundary
// would end the part it is enclosed in (attacks.md 33).
func isBoundary(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

func (c Composition) validateOriginal() error {
	kind := c.Data.Kind
	envelope := kind == Transport || kind == Anomaly
	switch {
	case envelope && c.Original == nil:
		return errors.New("the original is not enclosed")
	case c.Original == nil:
		return nil
	case !kind.mayEnclose():
		return errors.New("the original must not be enclosed (RFC 6109 3.1, 3.2)")
	case kind == Delivered && c.Data.ReceiptType == Concise:
		return errors.New("a concise receipt encloses nothing (RFC 6109 3.3.2.3)")
	case kind == Anomaly:
		return nil // whatever came is enclosed as it came
	}
	h, err := ParseHeader(c.Original)
	if err != nil {
		return fmt.Errorf("original: %w", err)
	}
	if !bytes.HasSuffix(c.Original, []byte("\r\n\r\n")) {
		return errors.New("the original's header does not end with the empty line")
	}
	if ids := h.Values("Message-ID"); len(ids) != 1 || ids[0] != c.Data.ID.Bracketed() {
		return errors.New("the original does not bear the identifier as its Message-ID (norms.md 28)")
	}
	return nil
}

// header writes the unsigned header, the preamble and the first boundary line.
func (c Composition) header(d *Draft) []byte {
	w := &fieldWriter{}
	inherited, _ := ParseHeader(c.Original) // an Anomaly inherits what can be read
	if d.Kind.Receipt() {
		c.receiptHeader(w)
	} else {
		c.envelopeHeader(w, d, inherited)
	}
	w.add("MIME-Version", "1.0")
	w.addEncoding(c.eightBit())
	w.add("Content-Type", `multipart/signed; protocol="application/pkcs7-signature"; micalg="sha-256";`+
		"\r\n"+` boundary="`+c.signedBoundary()+`"`)
	w.WriteString("\r\nThis is an S/MIME signed message\r\n\r\n--" + c.signedBoundary() + "\r\n")
	return w.Bytes()
}

// receiptHeader has the order of field-notes.md 3.
func (c Composition) receiptHeader(w *fieldWriter) {
	c.addSubject(w)
	w.add("Date", c.Data.At.Format(time.RFC1123Z))
	w.add("Message-ID", c.MessageID.Bracketed())
	w.add("To", string(c.To))
	w.add(HeaderReceipt, string(c.Data.Kind))
	if c.Data.Reason == ReasonVirus && (c.Data.Kind == NonAcceptance || c.Data.Kind == NonDelivery) {
		w.add(HeaderSecurity, securityFailed)
	}
	if c.Data.Kind == VirusDetected {
		w.add(HeaderSender, string(c.Data.Sender))
	}
	w.add("From", string(c.SigningAddress))
}

// envelopeHeader has the order of field-notes.md 3 for both envelopes.
func (c Composition) envelopeHeader(w *fieldWriter, d *Draft, inherited Header) {
	w.inherit(inherited, "Received")
	c.addSubject(w)
	w.add("Date", c.Data.At.Format(time.RFC1123Z))
	if !w.inherit(inherited, "Reply-To") && c.Data.Sender != "" {
		w.add("Reply-To", string(c.Data.Sender))
	}
	w.inherit(inherited, "To")
	w.inherit(inherited, "Cc")
	w.add(HeaderTransport, string(d.Kind))
	w.add("From", c.onBehalf())
	if d.Kind == Transport {
		w.add(HeaderReceiptType, string(c.Data.ReceiptType))
	}
	if d.Kind == Anomaly && len(inherited.Values("Message-ID")) == 1 && w.inherit(inherited, "Message-ID") {
		d.MessageID, _ = ParseID(strings.Trim(inherited.Get("Message-ID"), "<>"))
		return
	}
	w.add("Message-ID", c.MessageID.Bracketed())
}

// addSubject also adds X-Riferimento-Message-ID, if the client's identifier is one that a
// header can bear. An Anomaly keeps the identifier of what it encloses (RFC 6109 3.2.2).
func (c Composition) addSubject(w *fieldWriter) {
	w.add("Subject", EncodeSubject(SubjectPrefix(c.Data.Kind, c.Data.Reason)+c.Data.Subject))
	if c.Data.ClientID.valid() && c.Data.Kind != Anomaly {
		w.add(HeaderReference, string(c.Data.ClientID))
	}
}

// onBehalf is the From of an envelope: the sender as display name, our address (norms.md 26).
func (c Composition) onBehalf() string {
	sender := string(c.Data.Sender)
	if sender == "" {
		sender = "<>" // a null reverse path, which only an Anomaly can have
	}
	name := `"` + strings.ReplaceAll(strings.ReplaceAll(onBehalfOf+sender, `\`, `\\`), `"`, `\"`) + `"`
	address := " <" + string(c.SigningAddress) + ">"
	if len("From: ")+len(name)+len(address) > maxColumns {
		return name + "\r\n" + address
	}
	return name + address
}

// fieldWriter writes header fields whose values are clean and folded.
type fieldWriter struct{ bytes.Buffer }

func (w *fieldWriter) add(name, value string) { writeField(&w.Buffer, name, value) }

// addEncoding labels a part that encloses 8-bit octets (design.md 5); a multipart that does not
// bears no label.
func (w *fieldWriter) addEncoding(eightBit bool) {
	if eightBit {
		w.add("Content-Transfer-Encoding", "8bit")
	}
}

// inherit copies the fields of a name as they are and reports whether there was one. Empty ones
// stay out, and those with control characters: they can be read in the enclosed original.
func (w *fieldWriter) inherit(h Header, name string) bool {
	found := false
	for _, f := range h.Fields() {
		if f.Is(name) && f.Value() != "" && !bytes.ContainsFunc(f.Raw, isControl) {
			w.Write(f.Raw)
			found = true
		}
	}
	return found
}

// isControl leaves out TAB and the line ends, which ParseHeader has judged.
func isControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7f
}

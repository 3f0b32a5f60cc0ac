package pec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// EventKind says what happened: the event types of RFC 6109 2.3 and of design.md 3.
type EventKind string

// The kinds of event. What a record says of each stands in the fields of its Event.
const (
	EventAccepted      EventKind = "accepted"       // a submission, with its acceptance and envelope
	EventNotAccepted   EventKind = "not-accepted"   // a submission refused with a notice
	EventRepeated      EventKind = "repeated"       // the same submission again: nothing issued
	EventRelayed       EventKind = "relayed"        // the receiving side answered 250
	EventRelayDeferred EventKind = "relay-deferred" // it answered 4xx, or not at all
	EventRelayFailed   EventKind = "relay-failed"   // it refused for good, or time is over
	EventTakenInCharge EventKind = "taken-in-charge"
	EventArrived       EventKind = "arrived"       // a receipt or ordinary mail came in
	EventArrivedAgain  EventKind = "arrived-again" // the same octets for the same recipients
	EventAnomaly       EventKind = "anomaly"       // enclosed in an anomaly envelope
	EventRefused       EventKind = "refused"       // not let in
	EventDeposited     EventKind = "deposited"     // into a mailbox, without a receipt due
	EventDelivered     EventKind = "delivered"     // into a mailbox, with its delivery receipt
	EventNonDelivery   EventKind = "non-delivery"
	EventOverdue       EventKind = "overdue" // the first or the final notice was issued
	EventVirusDetected EventKind = "virus-detected"
	EventHeard         EventKind = "heard"     // a peer's receipt was matched to a message of ours
	EventUnmatched     EventKind = "unmatched" // it contradicts the outcome, or matches nothing
	EventHeld          EventKind = "held"      // put aside for the operators
	EventReleased      EventKind = "released"  // by the operators
	EventDSN           EventKind = "dsn"       // a delivery status notification sent or received
)

// Known reports whether the kind is one of those above.
func (k EventKind) Known() bool {
	switch k {
	case EventAccepted, EventNotAccepted, EventRepeated, EventRelayed, EventRelayDeferred,
		EventRelayFailed, EventTakenInCharge, EventArrived, EventArrivedAgain, EventAnomaly,
		EventRefused, EventDeposited, EventDelivered, EventNonDelivery, EventOverdue,
		EventVirusDetected, EventHeard, EventUnmatched, EventHeld, EventReleased, EventDSN:
		return true
	}
	return false
}

// Event is one entry of the message log with the fields of RFC 6109 2.3.
type Event struct {
	Kind       EventKind
	ID         ID
	Provider   string // the sending provider
	ClientID   ClientID
	Sender     Address
	Recipients []Recipient
	Subject    string
	Recipient  Address     // the one it is about; "" if it is about all or none
	Generated  []Generated // the messages issued, in the order of issue

	OriginalSHA256 *[32]byte // of the original as it came; nil if none was seen
	ReceivedSHA256 *[32]byte // of the signed octets of the message that came in; nil if none did, or it was not signed
	Checks         string    // of RFC 6109 2.2.2, those that the message passed, in their order
	Detail         string
}

// Deposited is the event that a receipt or report, which nothing answers, lies in a mailbox.
func Deposited(provider string, about ID, sender, recipient Address, kind Kind, messageID string) Event {
	return Event{Kind: EventDeposited, ID: about, Provider: provider, Sender: sender, Recipient: recipient, Detail: string(kind) + " " + messageID}
}

// Generated names a message that was issued.
type Generated struct {
	Kind      Kind
	MessageID ID
	SHA256    [32]byte
}

// Record is what the journal keeps of one fact: all its events, at one instant, by one unit with
// one certificate (design.md 6). Its octets are written once and never derived again.
type Record struct {
	Fact        [16]byte
	At          time.Time
	Unit        string
	Certificate [32]byte // SHA-256 of the signing certificate; zero if nothing was signed
	Events      []Event
}

const recordHeading = "ceralacca-record 1"

// Marshal writes the record: a first line with the version, then "key value" lines in a fixed
// order, those of an event after its "event" line, each ended by LF. Empty values are left
// out. Backslashes, controls and octets that are no UTF-8 are written \xHH, so that a value is
// one line whatever it holds (attacks.md 5). Instants are UTC.
func (r Record) Marshal() []byte {
	w := recordWriter{}
	w.WriteString(recordHeading + "\n")
	w.line("fact", hex.EncodeToString(r.Fact[:]))
	w.line("at", r.At.UTC().Format(time.RFC3339Nano))
	w.line("unit", r.Unit)
	if r.Certificate != ([32]byte{}) {
		w.line("certificate", hex.EncodeToString(r.Certificate[:]))
	}
	for _, e := range r.Events {
		w.event(e)
	}
	return w.Bytes()
}

type recordWriter struct{ bytes.Buffer }

func (w *recordWriter) event(e Event) {
	w.WriteString("event " + string(e.Kind) + "\n")
	w.line("id", string(e.ID))
	w.line("provider", e.Provider)
	w.line("client-id", string(e.ClientID))
	w.line("sender", string(e.Sender))
	for _, r := range e.Recipients {
		w.line("recipient", string(r.Type)+" "+string(r.Address))
	}
	w.line("subject", e.Subject)
	w.line("about", string(e.Recipient))
	for _, g := range e.Generated {
		w.line("generated", string(g.Kind)+" "+hex.EncodeToString(g.SHA256[:])+" "+string(g.MessageID))
	}
	if e.OriginalSHA256 != nil {
		w.line("original", hex.EncodeToString(e.OriginalSHA256[:]))
	}
	if e.ReceivedSHA256 != nil {
		w.line("received", hex.EncodeToString(e.ReceivedSHA256[:]))
	}
	w.line("checks", e.Checks)
	w.line("detail", e.Detail)
}

func (w *recordWriter) line(key, value string) {
	if value == "" {
		return
	}
	w.WriteString(key + " ")
	for value != "" {
		r, size := utf8.DecodeRuneInString(value)
		if r < ' ' || r == '\\' || r == 0x7f || r == utf8.RuneError && size == 1 {
			fmt.Fprintf(w, `\x%02x`, value[0])
		} else {
			w.WriteString(value[:size])
		}
		value = value[size:]
	}
	w.WriteByte('\n')
}

// ParseRecord reads what Marshal wrote, and nothing else: any other octets that would mean the
// same are an error, so that a record has one digest.
func ParseRecord(b []byte) (Record, error) {
	var r Record
	text, ended := strings.CutSuffix(string(b), "\n")
	if !ended {
		return Record{}, errors.New("record: the last line does not end")
	}
	for i, line := range strings.Split(text, "\n") {
		if i == 0 {
			if line != recordHeading {
				return Record{}, fmt.Errorf("record: it begins with %s", quote(line))
			}
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		if err := r.set(key, unescapeRecord(value)); err != nil {
			return Record{}, fmt.Errorf("record: line %d: %w", i+1, err)
		}
	}
	if !bytes.Equal(r.Marshal(), b) {
		return Record{}, errors.New("record: not in its canonical form")
	}
	return r, nil
}

// unescapeRecord undoes \xHH. Other escapes stay as they are: they are not canonical.
func unescapeRecord(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+3 < len(s) && isHex(s[i+2]) && isHex(s[i+3]) {
			out.WriteByte(unhex(s[i+2])<<4 | unhex(s[i+3]))
			i += 3
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// set takes one line, before the first event or in the last one.
func (r *Record) set(key, value string) (err error) {
	if key == "event" {
		if !EventKind(value).Known() {
			return fmt.Errorf("unknown event %s", quote(value))
		}
		r.Events = append(r.Events, Event{Kind: EventKind(value)})
		return nil
	}
	if n := len(r.Events); n > 0 {
		return r.Events[n-1].set(key, value)
	}
	switch key {
	case "fact":
		return decodeHex(r.Fact[:], value)
	case "at":
		r.At, err = time.Parse(time.RFC3339Nano, value)
		return err
	case "unit":
		r.Unit = value
		return nil
	case "certificate":
		return decodeHex(r.Certificate[:], value)
	}
	return fmt.Errorf("unknown key %s", quote(key))
}

func (e *Event) set(key, value string) error {
	switch key {
	case "id":
		e.ID = ID(value)
	case "provider":
		e.Provider = value
	case "client-id":
		e.ClientID = ClientID(value)
	case "sender":
		e.Sender = Address(value)
	case "recipient":
		return e.addRecipient(value)
	case "subject":
		e.Subject = value
	case "about":
		e.Recipient = Address(value)
	case "generated":
		return e.addGenerated(value)
	case "original":
		e.OriginalSHA256 = new([32]byte)
		return decodeHex(e.OriginalSHA256[:], value)
	case "received":
		e.ReceivedSHA256 = new([32]byte)
		return decodeHex(e.ReceivedSHA256[:], value)
	case "checks":
		e.Checks = value
	case "detail":
		e.Detail = value
	default:
		return fmt.Errorf("unknown key %s", quote(key))
	}
	return nil
}

func (e *Event) addRecipient(value string) error {
	kind, address, found := strings.Cut(value, " ")
	if t := RecipientType(kind); found && (t == Certified || t == External) {
		e.Recipients = append(e.Recipients, Recipient{Address(address), t})
		return nil
	}
	return fmt.Errorf("recipient %s has no type", quote(value))
}

func (e *Event) addGenerated(value string) error {
	words := strings.SplitN(value, " ", 3)
	if len(words) != 3 || !Kind(words[0]).Known() {
		return fmt.Errorf("generated message %s has no kind, digest and identifier", quote(value))
	}
	g := Generated{Kind: Kind(words[0]), MessageID: ID(words[2])}
	if err := decodeHex(g.SHA256[:], words[1]); err != nil {
		return err
	}
	e.Generated = append(e.Generated, g)
	return nil
}

func decodeHex(to []byte, s string) error {
	if hex.DecodedLen(len(s)) != len(to) || len(s)%2 != 0 {
		return fmt.Errorf("%s is not %d octets in hex", quote(s), len(to))
	}
	_, err := hex.Decode(to, []byte(s))
	return err
}

package dialect

import (
	"bytes"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// headerStyle is the unsigned header: the order and the spelling of its fields, and their values (field-notes.md 3).
type headerStyle struct {
	envelope, acceptance, receipt string // names in order; receipt serves all receipts but the acceptance

	fixed          map[string]string                        // patterns of the engine's own fields
	date           func(at time.Time, envelope bool) string // nil = RFC 5322 in legal time
	words          wordStyle
	rem            map[pec.Kind]string // prefixes of X-REM-Subject
	displayName    string              // in From of receipts
	foldsFrom      bool                // between display name and address (quirks.md B6)
	foldsReference bool                // an empty first line (quirks.md B5)
	typed          bool                // X-TipoRicevuta on every envelope, not only where the original has one
	shuffled       bool                // the order of a hash table
}

func (s headerStyle) order(kind pec.Kind, d draw) []string {
	names := strings.Fields(s.receipt)
	switch {
	case isEnvelope(kind):
		names = strings.Fields(s.envelope)
	case kind == pec.Acceptance || kind == pec.NonAcceptance:
		names = strings.Fields(s.acceptance)
	}
	if s.shuffled { // MIME-Version, Content-Type, Message-ID are last always
		const last = "MIME-Version Content-Type Message-ID"
		var mixed []string
		for _, name := range names {
			if !strings.Contains(last, name) {
				mixed = append(mixed, name)
			}
		}
		d.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		names = append(mixed, strings.Fields(last)...)
	}
	return names
}

// headerWriter writes the fields of one message.
type headerWriter struct {
	bytes.Buffer
	style       headerStyle
	composition pec.Composition
	draft       *Draft
	inherited   pec.Header // of the original: envelopes' only
	contentType string
	draw        draw
}

// block writes the whole header with the empty line.
func (w *headerWriter) block() []byte {
	for _, name := range w.style.order(w.draft.Kind, w.draw) {
		w.field(name)
	}
	w.WriteString("\r\n")
	return w.Bytes()
}

func (w *headerWriter) field(name string) {
	c, data := w.composition, w.draft.Data
	switch name {
	case "Received", "To", "Cc", "Reply-To":
		w.address(name)
	case "Subject":
		w.add(name, w.style.words.encode(pec.SubjectPrefix(data.Kind, data.Reason), data.Subject, w.inherited))
	case pec.HeaderReference:
		w.reference(name)
	case "Date":
		w.add(name, w.date())
	case "Message-ID":
		w.messageID(name)
	case "From":
		w.add(name, w.from())
	case pec.HeaderTransport:
		w.add(name, string(data.Kind))
	case pec.HeaderReceipt:
		w.receipt(name)
	case pec.HeaderReceiptType, "X-Tiporicevuta":
		w.receiptType(name)
	case "MIME-Version":
		w.add(name, "1.0")
	case "Content-Type":
		w.add(name, w.contentType)
	case "X-REM-Subject":
		if prefix := w.style.rem[data.Kind]; prefix != "" {
			w.add(name, pec.EncodeSubject(prefix+c.Data.Subject))
		}
	default:
		w.add(name, fill(w.style.fixed[name], w.draw.word))
	}
}

func (w *headerWriter) add(name, value string) { w.WriteString(name + ": " + value + "\r\n") }

// address writes what envelopes inherit and receipts are given.
func (w *headerWriter) address(name string) {
	switch {
	case !isEnvelope(w.draft.Kind):
		w.add(name, string(w.composition.To))
	case !w.inherit(name) && name == "Reply-To" && w.draft.Data.Sender != "":
		w.add(name, string(w.draft.Data.Sender))
	}
}

// inherit copies the fields of a name as they are. Empty ones stay out, and those with control characters.
func (w *headerWriter) inherit(name string) bool {
	found := false
	for _, f := range w.inherited.Fields() {
		if f.Is(name) && f.Value() != "" && !bytes.ContainsFunc(f.Raw, isControl) {
			w.Write(f.Raw)
			found = true
		}
	}
	return found
}

func isControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7f
}

func (w *headerWriter) reference(name string) {
	id := string(w.draft.Data.ClientID)
	if _, err := pec.ParseID(strings.Trim(id, "<>")); err != nil || w.draft.Kind == pec.Anomaly {
		return
	}
	if w.style.foldsReference {
		id = "\r\n\t" + id
	}
	w.add(name, id)
}

// messageID keeps that of what an anomaly envelope encloses (RFC 6109 3.2.2).
func (w *headerWriter) messageID(name string) {
	if w.draft.Kind == pec.Anomaly && len(w.inherited.Values(name)) == 1 && w.inherit(name) {
		w.draft.MessageID, _ = pec.ParseID(strings.Trim(w.inherited.Get(name), "<>"))
		return
	}
	w.add(name, w.composition.MessageID.Bracketed())
}

func (w *headerWriter) from() string {
	name, address := w.style.displayName, "<"+string(w.composition.SigningAddress)+">"
	switch {
	case isEnvelope(w.draft.Kind):
		sender := string(w.draft.Data.Sender)
		if sender == "" {
			sender = "<>"
		}
		name = `"Per conto di: ` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(sender) + `"`
	case name == "":
		return string(w.composition.SigningAddress)
	}
	if w.style.foldsFrom && isEnvelope(w.draft.Kind) {
		return name + "\r\n\t" + address
	}
	return name + " " + address
}

// receipt also writes what the norms put beside it for a virus (norms.md 1.1).
func (w *headerWriter) receipt(name string) {
	data := w.draft.Data
	w.add(name, string(data.Kind))
	if data.Reason == pec.ReasonVirus && (data.Kind == pec.NonAcceptance || data.Kind == pec.NonDelivery) {
		w.add(pec.HeaderSecurity, "errore")
	}
	if data.Kind == pec.VirusDetected {
		w.add(pec.HeaderSender, string(data.Sender))
	}
}

// receiptType is the original's own word, or nothing where it has none (field-notes.md 2.9).
func (w *headerWriter) receiptType(name string) {
	if w.draft.Kind != pec.Transport {
		return
	}
	value := w.inherited.Get(pec.HeaderReceiptType)
	if w.style.typed {
		value = string(w.draft.Data.ReceiptType)
	}
	if bearable(value) {
		w.add(name, value)
	}
}

package pec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// KeepForDSN is what ReadDSN needs kept: the returned header, where it is not an inner message.
func KeepForDSN(p *Part) bool {
	return p.Is("text", "rfc822-headers") && isReportPart(p)
}

func isReportPart(p *Part) bool {
	return p.Parent != nil && p.Parent.Parent == nil && p.Parent.Is("multipart", "report")
}

// ReadDSN finds out which messages a delivery status notification is about: the identifiers in
// the header that it returns (RFC 3464 2), of Message-ID and then X-Riferimento-Message-ID. ok is
// false if the message is no multipart/report with a returned header. A DSN proves nothing: that
// an identifier is ours, and of that mailbox, is for the caller to see (design.md 3).
func ReadDSN(s *Structure) (ids []ID, ok bool) {
	for _, p := range s.Root.Children {
		if header, found := returnedHeader(p); found {
			ok = true
			for _, name := range []string{"Message-ID", HeaderReference} {
				id, err := ParseID(strings.Trim(lenientValue(header, name), "<>"))
				if err == nil {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids, ok
}

func returnedHeader(p *Part) ([]byte, bool) {
	switch {
	case !isReportPart(p):
		return nil, false
	case p.Is("text", "rfc822-headers") && p.Kept != nil:
		return decodeBody(p), true
	case p.Is("message", "rfc822") && len(p.Children) == 1:
		return p.Children[0].Header, true
	}
	return nil, false
}

// DSN is a delivery status notification of our own, to the sender of a message that could not be
// brought to recipients outside PEC. It is ordinary mail and is not signed: no receipt exists for
// what happens there (design.md 3).
type DSN struct {
	From         Address // who answers for the machine, as postmaster@
	To           Address // the sender
	At           time.Time
	MessageID    ID
	Boundary     string // 32 hex digits drawn by the caller
	ReportingMTA string // host name
	Subject      string // of the original, decoded
	Failures     []Failure
	Returned     []byte // header block of the message that was not delivered
}

// Failure is what happened to one recipient.
type Failure struct {
	Recipient  Address
	Status     string // code of RFC 3463, "5.1.1"
	RemoteMTA  string // host name; "" if none was reached
	Diagnostic string // the SMTP reply; "" if there was none
}

// ComposeDSN writes the notification: multipart/report of a text, the status of RFC 3464 2.1 for
// each recipient, and the returned header. Foreign replies are made safe: ASCII on one line.
func ComposeDSN(d DSN) ([]byte, error) {
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("composing a DSN: %w", err)
	}
	boundary := "----------=_" + d.Boundary
	w := &fieldWriter{}
	w.add("From", string(d.From))
	w.add("To", string(d.To))
	w.add("Subject", EncodeSubject("Mancato recapito: "+cleanText(d.Subject)))
	w.add("Date", legal(d.At).Format(time.RFC1123Z))
	w.add("Message-ID", d.MessageID.Bracketed())
	w.add("Auto-Submitted", "auto-replied")
	w.add("MIME-Version", "1.0")
	w.add("Content-Type", "multipart/report; report-type=delivery-status;\r\n boundary=\""+boundary+`"`)
	w.WriteString("\r\n--" + boundary + "\r\n")
	d.writeText(w)
	w.WriteString("\r\n--" + boundary + "\r\n")
	d.writeStatus(w)
	w.WriteString("\r\n--" + boundary + "\r\n")
	w.add("Content-Type", "text/rfc822-headers")
	w.addEncoding(hasHighBit(d.Returned))
	w.WriteString("\r\n")
	w.Write(bytes.TrimSuffix(d.Returned, []byte("\r\n\r\n")))
	w.WriteString("\r\n\r\n--" + boundary + "--\r\n")
	return w.Bytes(), nil
}

func (d DSN) validate() error {
	for _, a := range []Address{d.From, d.To} {
		if _, err := ParseAddress(string(a)); err != nil {
			return err
		}
	}
	if len(d.Failures) == 0 {
		return errors.New("no recipient failed")
	}
	for _, f := range d.Failures {
		if _, err := ParseAddress(string(f.Recipient)); err != nil {
			return err
		}
		if !isStatus(f.Status) {
			return fmt.Errorf("status %s is no code of RFC 3463", quote(f.Status))
		}
	}
	if !isBoundary(d.Boundary) {
		return errBoundary
	}
	_, err := ParseID(string(d.MessageID))
	return err
}

func (d DSN) writeText(w *fieldWriter) {
	at := legal(d.At)
	text := fmt.Sprintf("Il giorno %s alle ore %s (%s) il messaggio\n\"%s\"\nnon è stato recapitato ai seguenti destinatari di posta ordinaria:\n",
		at.Format(formatDay), at.Format(formatTime), at.Format(formatZone), cleanText(d.Subject))
	for _, f := range d.Failures {
		text += strings.TrimSpace(fmt.Sprintf("%s (%s) %s", f.Recipient, f.Status, oneLine(f.Diagnostic))) + "\n"
	}
	w.add("Content-Type", `text/plain; charset="utf-8"`)
	w.add("Content-Transfer-Encoding", "quoted-printable")
	w.WriteString("\r\n")
	writeQuotedPrintable(&w.Buffer, []byte(text))
}

func (d DSN) writeStatus(w *fieldWriter) {
	w.add("Content-Type", "message/delivery-status")
	w.WriteString("\r\n")
	w.add("Reporting-MTA", "dns; "+plain(d.ReportingMTA))
	for _, f := range d.Failures {
		w.WriteString("\r\n")
		w.add("Final-Recipient", "rfc822; "+string(f.Recipient))
		w.add("Action", "failed")
		w.add("Status", f.Status)
		if f.RemoteMTA != "" {
			w.add("Remote-MTA", "dns; "+plain(f.RemoteMTA))
		}
		if f.Diagnostic != "" {
			w.add("Diagnostic-Code", "smtp; "+oneLine(f.Diagnostic))
		}
	}
}

// oneLine keeps a foreign reply, which may have several lines, within one header line.
func oneLine(s string) string {
	const longest = 900
	return plain(strings.Join(strings.Fields(s[:min(len(s), longest)]), " "))
}

// isStatus tells class.subject.detail (RFC 3463 2).
func isStatus(s string) bool {
	words := strings.Split(s, ".")
	for _, w := range words {
		if w == "" || len(w) > 3 || strings.Trim(w, "0123456789") != "" {
			return false
		}
	}
	return len(words) == 3 && (words[0] == "4" || words[0] == "5")
}

package imapd

import (
	"net/mail"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// envelope reads ENVELOPE out of a header. Texts stay as they are written, encoded words included; the library encodes what
// is not ASCII, and takes From where Sender or Reply-To is missing.
func envelope(header []byte) *imap.Envelope {
	field := func(name string) string { return fieldOf(header, name) }
	e := &imap.Envelope{
		Subject: printable(field("Subject")),
		From:    addresses(field("From")),
		Sender:  addresses(field("Sender")),
		ReplyTo: addresses(field("Reply-To")),
		To:      addresses(field("To")),
		Cc:      addresses(field("Cc")),
		Bcc:     addresses(field("Bcc")),
		// The library puts one pair of brackets around it; the others stay.
		MessageID: unbracketed(field("Message-ID")),
	}
	if ids := unbracketed(field("In-Reply-To")); ids != "" {
		e.InReplyTo = []string{ids}
	}
	if date, err := mail.ParseDate(field("Date")); err == nil {
		e.Date = date
	}
	return e
}

func unbracketed(ids string) string {
	return printable(strings.TrimSuffix(strings.TrimPrefix(ids, "<"), ">"))
}

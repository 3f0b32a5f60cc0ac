package main

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"slices"
	"strings"
)

// rank orders what is known of a recipient. The later wins: after an overdue notice a delivery still counts.
var rank = []string{"no receipt", "accepted", "overdue", "failed", "delivered"}

// news is what each kind of receipt says about its recipient.
var news = map[string]string{"accettazione": "accepted", "preavviso-errore-consegna": "overdue", "non-accettazione": "failed",
	"errore-consegna": "failed", "avvenuta-consegna": "delivered"}

// certificationData is daticert.xml. Package xml loads no DTD and knows no entities but XML's own five.
type certificationData struct {
	XMLName    xml.Name `xml:"postacert"`
	Kind       string   `xml:"tipo,attr"`
	Error      string   `xml:"errore,attr"`
	Recipients []struct {
		Type    string `xml:"tipo,attr"`
		Address string `xml:",chardata"`
	} `xml:"intestazione>destinatari"`
	ID     string `xml:"dati>identificativo"`
	MsgID  string `xml:"dati>msgid"`
	About  string `xml:"dati>consegna"`
	Detail string `xml:"dati>errore-esteso"`
}

// parse finds the signed daticert.xml. Only a child of the signed multipart/mixed is the provider's: one inside
// message/rfc822 belongs to another message. Text, HTML and Subject are for people: never parse them.
func parse(message *mail.Message) (data certificationData, err error) {
	signed, err := parts(message.Header.Get("Content-Type"), "multipart/signed", message.Body)
	if err != nil {
		return data, err
	}
	first, err := signed.NextRawPart()
	if err != nil {
		return data, err
	}
	mixed, err := parts(first.Header.Get("Content-Type"), "multipart/mixed", first)
	if err != nil {
		return data, err
	}
	for {
		part, err := mixed.NextPart() // it decodes quoted-printable
		if err != nil {
			return data, fmt.Errorf("no daticert.xml: %w", err)
		}
		_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if strings.EqualFold(part.FileName(), "daticert.xml") || strings.EqualFold(params["name"], "daticert.xml") {
			var octets io.Reader = part
			if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "base64") {
				octets = base64.NewDecoder(base64.StdEncoding, part)
			}
			return data, xml.NewDecoder(octets).Decode(&data)
		}
	}
}

func parts(contentType, want string, body io.Reader) (*multipart.Reader, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != want {
		return nil, fmt.Errorf("%q instead of %s", contentType, want)
	}
	return multipart.NewReader(body, params["boundary"]), nil
}

// sent is a message of ours and what is known of it. A long-lived program keeps this in its database.
type sent struct {
	msgID   string          // without its brackets
	ids     map[string]bool // the provider's, from the acceptance
	outcome map[string]outcome
	open    map[string]bool
}

type outcome struct{ state, detail string }

func (o outcome) String() string {
	if o.state == "failed" {
		return o.state + ": " + o.detail
	}
	return o.state
}

func newSent(msgID string, recipients []string) *sent {
	s := &sent{msgID: msgID, ids: map[string]bool{}, outcome: map[string]outcome{}, open: map[string]bool{}}
	for _, recipient := range recipients {
		s.outcome[recipient], s.open[recipient] = outcome{state: "no receipt"}, true
	}
	return s
}

// hear takes a message of the mailbox. A receipt that cannot be read is for a person, never a reason to stop.
func (s *sent) hear(raw []byte, name string) error {
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil || message.Header.Get("X-Ricevuta") == "" {
		return nil // X-Ricevuta is outside the signature: a hint that parsing is worth it, and no more
	}
	data, err := parse(message)
	if err != nil {
		fmt.Printf("unreadable receipt: %v -> %s\n", err, name)
		return os.WriteFile(name, raw, 0o600)
	}
	msgID := data.MsgID
	if msgID == "" {
		msgID = message.Header.Get("X-Riferimento-Message-ID")
	}
	id, about, detail := clean(data.ID), clean(data.About), clean(data.Detail)
	if strings.Trim(msgID, "<> \r\n\t") != s.msgID && !s.ids[id] {
		return nil
	}
	if err := os.WriteFile(name, raw, 0o600); err != nil { // the evidence is these very octets, signature included
		return err
	}
	if data.Kind == "accettazione" {
		s.ids[id] = true // the second key of what follows
	}
	fmt.Println(clean(strings.Join([]string{data.Kind, about, data.Error, detail, "->", name}, " ")))
	for recipient, known := range s.outcome {
		// Acceptance and non-acceptance are about all recipients; the others name theirs in consegna.
		concerned := strings.EqualFold(about, recipient) || about == "" && strings.HasSuffix(data.Kind, "accettazione")
		said := news[data.Kind]
		if concerned && slices.Index(rank, said) > slices.Index(rank, known.state) {
			s.outcome[recipient] = outcome{said, detail}
			if said == "failed" || said == "delivered" || data.external(recipient) { // no PEC: no more receipts
				delete(s.open, recipient)
			}
		}
	}
	return nil
}

func clean(text string) string { return strings.Join(strings.Fields(text), " ") }

func (d certificationData) external(recipient string) bool {
	for _, r := range d.Recipients {
		if r.Type == "esterno" && strings.EqualFold(clean(r.Address), recipient) {
			return true
		}
	}
	return false
}

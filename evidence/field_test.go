package evidence

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// People attach certification data to what they send; that alone makes it no certified mail. Who gives it the looks of one does.
// attacks.md 16
func TestCertificationDataPassedOn(t *testing.T) {
	l := withFile()
	l.body = strings.ReplaceAll(l.body, "atto.pdf", "daticert.xml")
	expect(t, examined(t, usual(), map[string][]byte{"s.eml": l.sent()}), "s.eml: ordinary")
	l.subject = "POSTA CERTIFICATA: Diffida"
	expect(t, examined(t, usual(), map[string][]byte{"s.eml": l.sent()}), "s.eml: invalid not-signed")
	l.subject, l.header = "Diffida", "X-Ricevuta: avvenuta-consegna\r\n"+l.header
	expect(t, examined(t, usual(), map[string][]byte{"s.eml": l.sent()}), "s.eml: invalid not-signed")
}

// What originals look like in the field changes no verdict; the messages as engines write them are in package dialect.
func TestOriginalsOfTheField(t *testing.T) {
	for name, c := range map[string]struct {
		header, body string
		change       func([]byte) []byte // of the original's header
	}{
		// quirks.md F3
		"F3 an empty body in base64": {"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n", "", nil},
		// quirks.md F4
		"F4 the reference on top": {"", "x\r\n", func(h []byte) []byte {
			return append([]byte("X-Riferimento-Message-ID: <1@client.test>\r\n"), bytes.Replace(h, []byte("X-Riferimento-Message-ID: <1@client.test>\r\n"), nil, 1)...)
		}},
		// quirks.md F5
		"F5 a Return-Path": {"", "x\r\n", func(h []byte) []byte { return append([]byte("Return-Path: <mario@pec.alfa.test>\r\n"), h...) }},
	} {
		t.Run(name, func(t *testing.T) {
			l := plain()
			l.header, l.body = c.header, c.body
			m := l.message(pec.Transport, "", 0)
			if c.change != nil {
				m.Original = c.change(m.Original)
			}
			r := examined(t, usual(), map[string][]byte{"b.eml": alfa().seal(m, l.body), "s.eml": l.sent()})
			expect(t, r, "b.eml: valid", "s.eml: ordinary")
			if i := r.Messages[0]; i.ClientID != "1@client.test" || len(i.Notes) > 0 {
				t.Errorf("%+v", i)
			}
			if s := r.Stories[0]; len(s.Originals) != 1 || !s.Originals[0].Same {
				t.Errorf("%s", told(s))
			}
		})
	}
}

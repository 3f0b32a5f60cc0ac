package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// letter is a message as a holder's client writes it. An empty field is left out.
type letter struct {
	from, subject string
	to, cc        []string
	id            string   // with angle brackets
	more          []string // further header lines, each without its CRLF
	body          string
}

// plainLetter is a short one.
func plainLetter(from, to string) letter {
	return letter{from: from, to: []string{to}, subject: "Prova", id: "<prova@client.test>", body: "Ciao.\r\n"}
}

func (l letter) recipients() []string { return slices.Concat(l.to, l.cc) }

func (l letter) octets() []byte {
	var b bytes.Buffer
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	line("From", l.from)
	line("To", strings.Join(l.to, ",\r\n "))
	line("Cc", strings.Join(l.cc, ",\r\n "))
	line("Subject", l.subject)
	line("Date", "Mon, 02 Nov 2026 10:00:00 +0100")
	line("Message-ID", l.id)
	for _, m := range l.more {
		b.WriteString(m + "\r\n")
	}
	b.WriteString("\r\n" + l.body)
	return b.Bytes()
}

package pec

import (
	"strings"
	"time"
)

// Date is an instant as a date-time of RFC 5322 in Italian legal time.
func Date(at time.Time) string { return legal(at).Format(time.RFC1123Z) }

// TraceWord makes of what a client calls itself a word that is safe in a Received field (attacks.md 5).
func TraceWord(hello string) string {
	word := strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune(`()<>@,;:\"`, r) || r == ':' {
			return r
		}
		return -1
	}, hello[:min(len(hello), 255)])
	if word == "" {
		return "unknown"
	}
	return word
}

// BareID is the value of a Message-ID field without its brackets.
func BareID(value string) string { return strings.Trim(strings.TrimSpace(value), "<>") }

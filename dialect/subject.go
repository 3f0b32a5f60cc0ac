package dialect

import (
	"fmt"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// wordStyle is how a Subject that is not ASCII is written (field-notes.md 3, quirks.md B10).
type wordStyle struct {
	charset string // "" = as pec writes it
	longest int    // octets of a word, its marks included
	safe    string // what stands for itself besides letters and digits
	clients bool   // the client's own words, behind the prefix as it is
}

// maxLine is the longest line that every server bears (RFC 5322 2.1.1).
const maxLine = 998

func (s wordStyle) encode(prefix, subject string, inherited pec.Header) string {
	if raw := inherited.Get("Subject"); s.clients && len(prefix)+2*len(raw) < maxLine && bearable(raw) {
		return prefix + strings.ReplaceAll(raw, "?= =?", "?=    =?")
	}
	if s.charset == "" || isASCII(subject) {
		return pec.EncodeSubject(prefix + subject)
	}
	return s.encodeWords(prefix + subject)
}

// bearable tells what can stand on a header line of ours as it is (attacks.md 5).
func bearable(value string) bool {
	return value != "" && isASCII(value) && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' })
}

func (s wordStyle) encodeWords(text string) string {
	open := "=?" + s.charset + "?Q?"
	var words []string
	word := open
	for _, r := range text {
		q := s.quote(r)
		if len(word)+len(q)+len("?=") > s.longest {
			words, word = append(words, word+"?="), open
		}
		word += q
	}
	return strings.Join(append(words, word+"?="), "\r\n ")
}

func (s wordStyle) quote(r rune) string {
	if r == ' ' {
		return "_"
	}
	if strings.ContainsRune(decimal+letters+s.safe, r) {
		return string(r)
	}
	octets := toUTF8(string(r))
	if s.charset == "ISO-8859-1" {
		octets = toLatin1(string(r))
	}
	var out strings.Builder
	for _, c := range octets {
		fmt.Fprintf(&out, "=%02X", c)
	}
	return out.String()
}

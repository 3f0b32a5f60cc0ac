package pec

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxColumns is the longest header line we write: 76 columns without CRLF (RFC 2047 2).
const maxColumns = 76

// subjectName stands before an encoded subject on its first line.
const subjectName = "Subject: "

// DecodeWords decodes the encoded words of an unfolded header value (RFC 2047). Adjacent words
// are joined before their charset is decoded, for clients cut characters in two. It never
// fails: what is no word stays, an unknown charset is read as UTF-8 or else Windows-1252
// (quirks.md F1), and the result is valid UTF-8.
func DecodeWords(s string) string {
	var out strings.Builder
	var run encodedWord // adjacent words of one charset, not yet decoded
	for s != "" {
		plain, word, rest, found := cutWord(s)
		if !found {
			out.WriteString(run.text())
			out.WriteString(decodeCharset("", []byte(s)))
			return out.String()
		}
		adjacent := run.charset != "" && strings.Trim(plain, " \t") == ""
		if !adjacent || run.charset != word.charset {
			out.WriteString(run.text())
			run = encodedWord{charset: word.charset}
		}
		if !adjacent {
			out.WriteString(decodeCharset("", []byte(plain)))
		}
		run.octets = append(run.octets, word.octets...)
		s = rest
	}
	out.WriteString(run.text())
	return out.String()
}

type encodedWord struct {
	charset string
	octets  []byte
}

func (w encodedWord) text() string { return decodeCharset(w.charset, w.octets) }

// cutWord finds the first encoded word of s.
func cutWord(s string) (plain string, word encodedWord, rest string, found bool) {
	for from := 0; ; {
		i := strings.Index(s[from:], "=?")
		if i < 0 {
			return s, encodedWord{}, "", false
		}
		start := from + i
		if word, rest, ok := parseWord(s[start+2:]); ok {
			return s[:start], word, rest, true
		}
		from = start + 2
	}
}

// parseWord reads "charset?Q?text?=" at the start of s.
func parseWord(s string) (word encodedWord, rest string, ok bool) {
	charset, s, found := strings.Cut(s, "?")
	if !found || charset == "" || len(charset) > 64 || len(s) < 2 || s[1] != '?' {
		return encodedWord{}, "", false
	}
	encoding, s := s[0], s[2:]
	end := strings.IndexByte(s, '?')
	if end < 0 || !strings.HasPrefix(s[end:], "?=") {
		return encodedWord{}, "", false
	}
	text, rest := s[:end], s[end+2:]
	charset, _, _ = strings.Cut(strings.ToLower(charset), "*") // the language of RFC 2231 5
	switch encoding {
	case 'q', 'Q':
		return encodedWord{charset, decodeQ(text)}, rest, true
	case 'b', 'B':
		return encodedWord{charset, decodeBase64([]byte(text))}, rest, true
	}
	return encodedWord{}, "", false
}

func decodeQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '_':
			out = append(out, ' ')
		case s[i] == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return out
}

// decodeBase64 decodes what it can: octets outside the alphabet are passed over (RFC 2045 6.8)
// and missing padding is borne.
func decodeBase64(b []byte) []byte {
	digits := make([]byte, 0, len(b))
	for _, c := range b {
		if isAlphanumeric(c) || c == '+' || c == '/' {
			digits = append(digits, c)
		}
	}
	if len(digits)%4 == 1 {
		digits = digits[:len(digits)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(digits)))
	n, _ := base64.RawStdEncoding.Decode(out, digits) // the alphabet and the length are right
	return out[:n]
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// EncodeSubject makes the value of a Subject field: lines of at most 76 columns, the first
// beginning after "Subject: ". ASCII stays as it is where it can be folded at its own blanks;
// everything else becomes words in UTF-8. CR, LF and other controls become blanks, so that no
// subject can end its field (attacks.md 5).
func EncodeSubject(s string) string {
	s = strings.Map(controlToBlank, strings.ToValidUTF8(s, "\uFFFD"))
	if folded, ok := foldASCII(s, len(subjectName)); ok {
		return folded
	}
	return encodeWords(s, len(subjectName))
}

func controlToBlank(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return ' '
	}
	return r
}

// foldASCII folds a text at its blanks; column is where its first line starts. It reports
// false if unfolding would not give back the same text.
func foldASCII(s string, column int) (string, bool) {
	if s != strings.Trim(s, " ") || strings.Contains(s, "=?") {
		return "", false
	}
	var out strings.Builder
	for s != "" {
		word := s[:wordEnd(s)]
		if !isASCII(word) {
			return "", false
		}
		if column+len(word) > maxColumns {
			if out.Len() == 0 || len(word) > maxColumns {
				return "", false
			}
			out.WriteString("\r\n")
			column = 0
		}
		out.WriteString(word)
		column += len(word)
		s = s[len(word):]
	}
	return out.String(), true
}

// wordEnd is where the first word of s ends, counting the blanks before it.
func wordEnd(s string) int {
	blanks := len(s) - len(strings.TrimLeft(s, " "))
	if i := strings.IndexByte(s[blanks:], ' '); i >= 0 {
		return blanks + i
	}
	return len(s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// encodeWords writes s as Q words in UTF-8, one on each line, no character cut in two.
func encodeWords(s string, column int) string {
	const open, shut = "=?UTF-8?Q?", "?="
	var out strings.Builder
	out.WriteString(open)
	room := maxColumns - column - len(open) - len(shut)
	for _, r := range s {
		q := encodeQ(r)
		if len(q) > room {
			out.WriteString(shut + "\r\n " + open)
			room = maxColumns - 1 - len(open) - len(shut)
		}
		out.WriteString(q)
		room -= len(q)
	}
	out.WriteString(shut)
	return out.String()
}

// encodeQ keeps only what RFC 2047 5 (3) allows everywhere.
func encodeQ(r rune) string {
	if r == ' ' {
		return "_"
	}
	if r < utf8.RuneSelf && isAlphanumeric(byte(r)) {
		return string(r)
	}
	var q strings.Builder
	for _, c := range []byte(string(r)) {
		fmt.Fprintf(&q, "=%02X", c)
	}
	return q.String()
}

package pec

import (
	"strings"
	"unicode/utf8"
)

// windows1252 are the characters of octets 0x80 to 0x9F; where the code page has none, the C1
// control of the same number stands, as everywhere on the web.
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

// decodeCharset turns octets into text. Latin-1 is read as Windows-1252, its superset, because
// that is what those who write it mean. Anything unknown or unlabelled is UTF-8 if it can be,
// Windows-1252 otherwise.
func decodeCharset(label string, octets []byte) string {
	switch strings.ToLower(strings.TrimSpace(label)) {
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1", "windows-1252", "cp1252", "x-cp1252":
		return decodeWindows1252(octets)
	case "iso-8859-15", "iso8859-15", "iso_8859-15", "latin9", "latin-9":
		return decodeLatin9(octets)
	}
	if utf8.Valid(octets) {
		return string(octets)
	}
	return decodeWindows1252(octets)
}

func decodeWindows1252(octets []byte) string {
	high := []rune(windows1252)
	var out strings.Builder
	for _, c := range octets {
		if c >= 0x80 && c < 0xa0 {
			out.WriteRune(high[c-0x80])
		} else {
			out.WriteRune(rune(c))
		}
	}
	return out.String()
}

func decodeLatin9(octets []byte) string {
	return strings.NewReplacer("¤", "€", "¦", "Š", "¨", "š", "´", "Ž", "¸", "ž", "¼", "Œ", "½", "œ", "¾", "Ÿ").
		Replace(decodeWindows1252(octets))
}

// toLatin1 degrades text to ISO-8859-1 for the parts that people read (RFC 6109 4.3.1): what
// it cannot say becomes '?'. The certification data stay exact (norms.md 97).
func toLatin1(s string) []byte {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff || r >= 0x7f && r < 0xa0 {
			r = '?'
		}
		out = append(out, byte(r))
	}
	return out
}

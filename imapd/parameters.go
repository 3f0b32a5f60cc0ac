package imapd

import (
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// fieldOf is the unfolded first value of a field, from whatever stands in the header.
func fieldOf(header []byte, name string) string {
	return (&pec.Part{Header: header}).Field(name)
}

// printable makes foreign header text fit for a string of the protocol. ASCII stays as it is, encoded words too, for
// clients decode them (RFC 9051 7.5.2); other octets become UTF-8.
func printable(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			s = pec.DecodeWords(s)
			break
		}
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// parameters reads a structured field: its first word, and its parameters as they are written (names in lower case, quotes
// taken off, the first of each name). Nothing is decoded, because clients do that (RFC 2231).
func parameters(value string) (word string, params map[string]string) {
	word, rest, _ := strings.Cut(uncomment(value), ";")
	params = map[string]string{}
	for rest != "" {
		var name, text string
		name, text, rest = cutParameter(rest)
		name = strings.ToLower(strings.TrimSpace(name))
		if _, repeated := params[name]; name != "" && !repeated {
			params[printable(name)] = printable(text)
		}
	}
	return printable(strings.TrimSpace(word)), params
}

func cutParameter(s string) (name, value, rest string) {
	i := strings.IndexAny(s, "=;")
	if i < 0 || s[i] == ';' {
		_, rest, _ = strings.Cut(s, ";")
		return "", "", rest
	}
	name, s = s[:i], strings.TrimLeft(s[i+1:], " \t")
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ";")
		return name, strings.TrimSpace(value), rest
	}
	value, rest = unquote(s[1:])
	_, rest, _ = strings.Cut(rest, ";")
	return name, value, rest
}

// unquote reads up to the quote that ends a quoted string, without the backslashes that protect what follows them.
func unquote(s string) (text, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// uncomment takes out comments, which may hold others, outside of quotes.
func uncomment(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (quoted || depth > 0):
			if depth == 0 {
				b.WriteString(s[i : i+2])
			}
			i++
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			depth++
			continue
		case c == ')' && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}

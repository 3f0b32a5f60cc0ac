package pec

import (
	"strconv"
	"strings"
)

// parseParams reads a structured value such as Content-Type: its first word in lower case, and
// its parameters, the first of each name. It bears what quirks.md F2 lists: names in encoded
// words, unescaped quotes inside quotes, raw octets; and the continuations of RFC 2231.
func parseParams(value string) (word string, params map[string]string) {
	word, rest, _ := strings.Cut(value, ";")
	word = strings.ToLower(firstToken(word))
	raw := map[string]string{}
	for rest = trimParam(rest); rest != ""; rest = trimParam(rest) {
		var name, val string
		name, val, rest = cutParam(rest)
		name = strings.ToLower(strings.TrimSpace(name))
		if _, repeated := raw[name]; name != "" && !repeated {
			raw[name] = val
		}
	}
	return word, joinParams(raw)
}

// firstToken leaves out comments and anything else after the first word.
func firstToken(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " \t(;"); i >= 0 {
		return s[:i]
	}
	return s
}

func trimParam(s string) string { return strings.TrimLeft(s, "; \t\r\n") }

func cutParam(s string) (name, value, rest string) {
	i := strings.IndexAny(s, "=;")
	if i < 0 || s[i] == ';' {
		_, rest, _ = strings.Cut(s, ";")
		return "", "", rest
	}
	name, s = s[:i], strings.TrimLeft(s[i+1:], " \t")
	if strings.HasPrefix(s, `"`) {
		value, rest = cutQuoted(s[1:])
		return name, value, rest
	}
	value, rest, _ = strings.Cut(s, ";")
	return name, strings.TrimSpace(value), rest
}

// cutQuoted reads a quoted value whose opening quote is gone. A quote ends it only where a
// semicolon or nothing follows, because clients do not escape the quotes inside.
func cutQuoted(s string) (value, rest string) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
			i++
			c = s[i]
		} else if c == '"' && endsParam(s[i+1:]) {
			return out.String(), s[i+1:]
		}
		out.WriteByte(c)
	}
	return out.String(), ""
}

func endsParam(s string) bool {
	for i := range len(s) {
		if s[i] != ' ' && s[i] != '\t' {
			return s[i] == ';'
		}
	}
	return true
}

// joinParams decodes the values, and puts together what RFC 2231 took apart. raw may be changed.
func joinParams(raw map[string]string) map[string]string {
	if !anyExtended(raw) {
		for name, value := range raw {
			raw[name] = decodeParam(name, value)
		}
		return raw
	}
	params := map[string]string{}
	for name, value := range raw {
		if !strings.Contains(name, "*") {
			params[name] = decodeParam(name, value)
		}
	}
	for name := range raw {
		base, _, extended := strings.Cut(name, "*")
		if _, done := params[base]; extended && !done {
			if value, ok := joinExtended(raw, base); ok {
				params[base] = value
			}
		}
	}
	return params
}

func anyExtended(raw map[string]string) bool {
	for name := range raw {
		if strings.Contains(name, "*") {
			return true
		}
	}
	return false
}

// joinExtended reads base*, or base*0, base*1* and so on (RFC 2231 3, 4).
func joinExtended(raw map[string]string, base string) (string, bool) {
	charset, joined := "", []byte(nil)
	add := func(value string, encoded, first bool) {
		if encoded && first {
			if parts := strings.SplitN(value, "'", 3); len(parts) == 3 {
				charset, value = parts[0], parts[2]
			}
		}
		if encoded {
			joined = append(joined, unpercent(value)...)
		} else {
			joined = append(joined, value...)
		}
	}
	if value, ok := raw[base+"*"]; ok {
		add(value, true, true)
		return decodeCharset(charset, joined), true
	}
	for i := 0; ; i++ {
		key := base + "*" + strconv.Itoa(i)
		if value, ok := raw[key+"*"]; ok {
			add(value, true, i == 0)
		} else if value, ok := raw[key]; ok {
			add(value, false, i == 0)
		} else {
			return decodeCharset(charset, joined), i > 0
		}
	}
}

func unpercent(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return out
}

// decodeParam decodes the words that clients put into file names (quirks.md F2); a boundary or
// a charset is taken as it stands.
func decodeParam(name, value string) string {
	if name == "name" || name == "filename" {
		return DecodeWords(value)
	}
	return value
}

package smime

import (
	"bytes"
	"strings"
)

// headerEnd returns the length of the header block with its empty line, 0 if
// there is no empty line. It is not looked for before from.
func headerEnd(message []byte, from int) int {
	if bytes.HasPrefix(message, []byte("\r\n")) {
		return len("\r\n")
	}
	emptyLine := []byte("\r\n\r\n")
	i := bytes.Index(message[from:], emptyLine)
	if i < 0 {
		return 0
	}
	return from + i + len(emptyLine)
}

// fields returns the unfolded values of the header fields of that name.
func fields(block []byte, name string) []string {
	block = bytes.ReplaceAll(block, []byte("\r\n "), []byte(" "))
	block = bytes.ReplaceAll(block, []byte("\r\n\t"), []byte("\t"))
	var values []string
	for line := range bytes.SplitSeq(block, []byte("\r\n")) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && strings.EqualFold(string(bytes.TrimRight(key, " \t")), name) {
			values = append(values, strings.Trim(string(value), " \t"))
		}
	}
	return values
}

// isAmbiguous tells whether a header holds a CR without LF, an LF without CR or
// a NUL: for some readers a line or all ends there (attacks.md 20).
func isAmbiguous(block []byte) bool {
	pairs := bytes.Count(block, []byte("\r\n"))
	return bytes.Count(block, []byte("\r")) != pairs || bytes.Count(block, []byte("\n")) != pairs || bytes.IndexByte(block, 0) >= 0
}

// mediaType returns type and subtype of a Content-Type, in lower case, and its
// parameters.
func mediaType(value string) (media, params string) {
	media, params, _ = strings.Cut(value, ";")
	return strings.ToLower(strings.Trim(media, " \t")), params
}

// parameters reads what follows the media type. Values may be quoted or not,
// also with characters that would need quotes (quirks.md E2). A value that two
// readers could take for two different ones is an error.
func parameters(s string) (map[string]string, error) {
	found := map[string]string{}
	for {
		s = strings.TrimLeft(s, "; \t")
		end := strings.IndexAny(s, "=;")
		if end < 0 {
			return found, nil
		}
		name, assigned := strings.ToLower(strings.Trim(s[:end], " \t")), s[end] == '='
		s = s[end+1:]
		if !assigned {
			continue
		}
		var value string
		var err error
		if value, s, err = parameterValue(strings.TrimLeft(s, " \t")); err != nil {
			return nil, err
		}
		if _, twice := found[name]; twice {
			return nil, malformed("parameter %q stands twice", name)
		}
		found[name] = value
	}
}

// parameterValue reads the value at the head of s and returns what follows it.
func parameterValue(s string) (value, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		value, rest, err = quotedString(s[1:])
	} else {
		end := strings.IndexAny(s+";", " \t;")
		value, rest = s[:end], s[end:]
	}
	rest = strings.TrimLeft(rest, " \t")
	if err == nil && rest != "" && rest[0] != ';' && rest[0] != '(' {
		err = malformed("text after the parameter value %q", value)
	}
	return value, rest, err
}

func quotedString(s string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				return "", "", malformed("a quoted string has no end")
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", malformed("a quoted string has no end")
}

// isPKCS7 tells the media type of a detached signature, old name included
// (quirks.md E1).
func isPKCS7(media string) bool {
	media = strings.ToLower(strings.Trim(media, " \t"))
	return media == "application/pkcs7-signature" || media == "application/x-pkcs7-signature"
}

// signedParameters returns the parameters of the one multipart/signed for
// PKCS #7 that a message header declares, or ErrNotSigned.
func signedParameters(header []byte) (map[string]string, error) {
	types := fields(header, "Content-Type")
	var params string
	found := false
	for _, value := range types {
		media, p := mediaType(value)
		if media == "multipart/signed" {
			params, found = p, true
		}
	}
	if !found {
		return nil, ErrNotSigned
	}
	if len(types) > 1 {
		return nil, malformed("%d Content-Type fields", len(types))
	}
	if isAmbiguous(header) {
		return nil, malformed("CR alone, LF alone or NUL in the header")
	}
	p, err := parameters(params)
	if err == nil && !isPKCS7(p["protocol"]) {
		return nil, ErrNotSigned
	}
	return p, err
}

// checkBoundary allows more than RFC 2046 5.1.1 does, but nothing that could
// be mistaken for the end of a line or that is lost at it.
func checkBoundary(boundary string) error {
	if boundary == "" || len(boundary) > maxBoundary || strings.HasSuffix(boundary, " ") {
		return malformed("boundary %.100q", boundary)
	}
	for _, c := range []byte(boundary) {
		if c < ' ' || c > '~' {
			return malformed("boundary %q", boundary)
		}
	}
	return nil
}

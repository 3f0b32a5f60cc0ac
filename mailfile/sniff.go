package mailfile

import (
	"bytes"
	"slices"
	"strings"
)

// headSize is how much of a file decides what it is: more than a long trace of Received fields.
const headSize = 16 << 10

// LooksLikeMessage tells whether a file that begins with head begins with the header of a message (RFC 5322 2.2). A
// UTF-8 mark and empty lines may stand before it. It is conservative, for it decides about files whose names say nothing:
// every line up to the first empty one must be a field or continue one, and among them must be two that messages have,
// one of which only a message would have: From, Date, Message-ID, Received or Return-Path. If head ends within a line,
// that line says nothing against it.
func LooksLikeMessage(head []byte) bool {
	rest := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), "\r\n")
	known := map[string]bool{}
	for first := true; len(rest) > 0; first = false {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		rest = after
		switch name := fieldName(line); {
		case whole && isEmpty(line):
			return isMail(known)
		case name != "":
			known[strings.ToLower(name)] = true
		case whole && (first || !isContinuation(line)):
			return false
		}
	}
	return isMail(known)
}

// isMail tells whether fields of these names, in small letters, make a header of a message.
func isMail(names map[string]bool) bool {
	telling, common := 0, 0
	for name := range names {
		switch name {
		case "from", "date", "message-id", "received", "return-path":
			telling++
		case "sender", "reply-to", "to", "cc", "subject", "mime-version", "delivered-to":
			common++
		}
	}
	return telling >= 1 && telling+common >= 2
}

// fieldName returns the name of the header field that line begins, or "" if it begins none (RFC 5322 2.2). White space
// before the colon is the obsolete form (RFC 5322 4.5).
func fieldName(line []byte) string {
	name, _, found := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	outside := func(r rune) bool { return r <= ' ' || r > '~' }
	if !found || bytes.ContainsFunc(name, outside) || bytes.IndexByte(line, 0) >= 0 {
		return ""
	}
	return string(name)
}

func isEmpty(line []byte) bool { return len(bytes.TrimSuffix(line, []byte("\r"))) == 0 }

func isContinuation(line []byte) bool {
	return (line[0] == ' ' || line[0] == '\t') && bytes.IndexByte(line, 0) < 0
}

// looksLikeMbox tells whether head begins with a separator of an mbox and a header field.
func looksLikeMbox(head []byte) bool {
	first, rest, _ := bytes.Cut(head, []byte("\n"))
	return maySeparate(first) && fieldName(rest[:lineLength(rest)]) != ""
}

// maySeparate tells a line that separates messages of an mbox if an empty line stands before it and a header field
// behind it; "From : a@b" in the obsolete form is a field itself.
func maySeparate(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) && fieldName(line) == ""
}

func lineLength(text []byte) int {
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		return end
	}
	return len(text)
}

// looksLikeZip tells a zip archive, also one without members.
func looksLikeZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

// looksPacked tells an archive or a compressed file that is not opened here.
func looksPacked(head []byte) bool {
	starts := []string{"\x1f\x8b", "BZh", "\xfd7zXZ\x00", "7z\xbc\xaf\x27\x1c", "Rar!\x1a\x07"}
	isTar := len(head) > 262 && string(head[257:262]) == "ustar"
	return isTar || slices.ContainsFunc(starts, func(s string) bool { return bytes.HasPrefix(head, []byte(s)) })
}

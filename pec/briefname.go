package pec

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	hashSuffix     = ".hash"       // RFC 6109 3.3.2.2
	unnamedMessage = "message.eml" // the name of an attached message that has none
	maxBriefName   = 1024          // octets of a name that are kept
)

// briefName is the name of the part that stands for this one; "" if the part stays. Control
// characters are blanks in it (attacks.md 5) and a name beyond all use is cut; else it is the
// part's name with its suffix, which is text and no path.
func (p *Part) briefName() string {
	if p.Type == "multipart" {
		return ""
	}
	name := p.Filename()
	if name == "" && p.Is("message", "rfc822") {
		name = unnamedMessage
	}
	if name == "" {
		return ""
	}
	name = strings.Map(controlToBlank, strings.ToValidUTF8(name, "\uFFFD"))
	for len(name) > maxBriefName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + hashSuffix
}

// briefPart is the part that bears a hash, header and body, without the line end that belongs to
// the boundary after it: the file is nothing but the digits.
func briefPart(name string, sum []byte) []byte {
	var out bytes.Buffer
	writeField(&out, "Content-Type", "text/plain; charset=us-ascii"+nameParam("name", name))
	writeField(&out, "Content-Transfer-Encoding", "7bit")
	writeField(&out, "Content-Disposition", "attachment"+nameParam("filename", name))
	out.WriteString("\r\n" + hex.EncodeToString(sum))
	return out.Bytes()
}

// nameParam writes a file name as a parameter on lines of its own: quoted if that is the same to
// every reader, else in UTF-8 as RFC 2231 4 says, continued as RFC 2231 3 says.
func nameParam(param, value string) string {
	if quoted := ";\r\n " + param + `="` + value + `"`; isPlainName(value) && len(quoted) <= maxColumns {
		return quoted
	}
	segments := percentSegments(value, maxColumns-len(" filename*999*=UTF-8'';"))
	if len(segments) == 1 {
		return ";\r\n " + param + "*=UTF-8''" + segments[0]
	}
	var out strings.Builder
	charset := "UTF-8''"
	for i, segment := range segments {
		fmt.Fprintf(&out, ";\r\n %s*%d*=%s%s", param, i, charset, segment)
		charset = ""
	}
	return out.String()
}

// isPlainName leaves out what needs an escape and what looks like an encoded word.
func isPlainName(name string) bool {
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return !strings.Contains(name, "=?")
}

// percentSegments encodes a text in segments of so many columns, no character cut in two.
func percentSegments(text string, columns int) []string {
	var segments []string
	segment := ""
	for _, r := range text {
		encoded := percent(string(r))
		if len(segment)+len(encoded) > columns {
			segments, segment = append(segments, segment), ""
		}
		segment += encoded
	}
	return append(segments, segment)
}

// percent keeps the characters that mean nothing anywhere in a parameter.
func percent(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		if isAlphanumeric(c) || c == '.' || c == '-' || c == '_' {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

package pec

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Header is the header block of a message: its octets as they came, and its fields in order.
// It is never written anew from the fields; what changes a header works on the raw fields.
type Header struct {
	raw    []byte
	fields []Field
	fault  error
}

// Field is one header field.
type Field struct {
	Name string // as written, without the colon and blanks before it
	Raw  []byte // the whole field with its line ends; a part of the block
}

// Value is the field's body unfolded and without blanks around it.
func (f Field) Value() string {
	_, body, _ := bytes.Cut(f.Raw, []byte(":"))
	return unfold(body)
}

// Is reports whether the field has this name, without regard to case.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// ParseHeader reads a header block, with or without the empty line that ends it. Every line
// ends with CRLF and is a field or the continuation of one (RFC 5322 2.2); the error says which
// line is not. The Header that comes with an error holds the fields that could be read, so that
// a notice can still say what it is about, and ReadOriginal remembers the fault.
func ParseHeader(block []byte) (Header, error) {
	h := Header{raw: block}
	line := 1
	for rest := block; len(rest) > 0; {
		var raw []byte
		raw, rest = cutField(rest)
		if isEmptyLine(raw) {
			if len(rest) > 0 || len(raw) != len("\r\n") {
				h.note(line, errors.New("the header ends here, but more follows, or not with CRLF"))
			}
			break
		}
		if err := checkField(raw); err != nil {
			h.note(line, err)
		} else {
			h.fields = append(h.fields, Field{Name: fieldName(raw), Raw: raw})
		}
		line += bytes.Count(raw, []byte("\n"))
	}
	return h, h.fault
}

// Raw is the block as it was given.
func (h Header) Raw() []byte { return h.raw }

// Fields are the fields in order.
func (h Header) Fields() []Field { return h.fields }

// Get is the first value of a field, "" if there is none.
func (h Header) Get(name string) string {
	for _, f := range h.fields {
		if f.Is(name) {
			return f.Value()
		}
	}
	return ""
}

// Values are all the values of a field, in order.
func (h Header) Values(name string) []string {
	var values []string
	for _, f := range h.fields {
		if f.Is(name) {
			values = append(values, f.Value())
		}
	}
	return values
}

// note keeps the first fault.
func (h *Header) note(line int, err error) {
	if h.fault == nil {
		h.fault = fmt.Errorf("header line %d: %w", line, err)
	}
}

func checkField(raw []byte) error {
	body, ended := bytes.CutSuffix(raw, []byte("\r\n"))
	switch {
	case !ended:
		return errors.New("it does not end with CRLF")
	case raw[0] == ' ' || raw[0] == '\t':
		return errors.New("it continues no field")
	case !isFieldName(fieldName(raw)):
		return errors.New("it is no header field")
	}
	return checkFieldOctets(body)
}

// checkFieldOctets refuses what would let a field end where other software does not see it.
func checkFieldOctets(body []byte) error {
	if bytes.IndexByte(body, 0) >= 0 {
		return errors.New("it holds a NUL")
	}
	for i, c := range body {
		if c == '\r' && (i+1 == len(body) || body[i+1] != '\n') {
			return errors.New("it holds a bare CR")
		}
		if c == '\n' && (i == 0 || body[i-1] != '\r') {
			return errors.New("it holds a bare LF")
		}
	}
	return nil
}

// fieldName is what stands before the colon, without the blanks that the obsolete syntax
// allows there (RFC 5322 4.5); "" if there is no colon on the first line.
func fieldName(raw []byte) string {
	first, _ := cutLine(raw)
	name, _, found := bytes.Cut(first, []byte(":"))
	if !found {
		return ""
	}
	return string(bytes.TrimRight(name, " \t"))
}

func isFieldName(name string) bool {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return name != ""
}

// lenientValue finds the first value of a field in a block that may hold anything at all.
func lenientValue(block []byte, name string) string {
	for rest := block; len(rest) > 0; {
		var raw []byte
		raw, rest = cutField(rest)
		if len(raw) > len(name) && bytes.EqualFold(raw[:len(name)], []byte(name)) && fieldName(raw) == string(raw[:len(name)]) {
			return Field{Raw: raw}.Value()
		}
	}
	return ""
}

// cutField cuts the first line with its continuation lines; an empty line has none.
func cutField(block []byte) (field, rest []byte) {
	field, rest = cutLine(block)
	if isEmptyLine(field) {
		return field, rest
	}
	for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
		var line []byte
		line, rest = cutLine(rest)
		field = block[:len(field)+len(line)]
	}
	return field, rest
}

// cutLine cuts the first line with its line end.
func cutLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], b[i+1:]
	}
	return b, nil
}

func isEmptyLine(line []byte) bool {
	return string(line) == "\r\n" || string(line) == "\n"
}

// unfold removes the line ends and the blanks around a field body.
func unfold(body []byte) string {
	s := string(body)
	if strings.Contains(s, "\n") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", ""), "\n", "")
	}
	return strings.Trim(s, " \t\r")
}

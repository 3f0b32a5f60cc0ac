package pec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Structure is where everything is in a message: the tree of its MIME parts as offsets into the
// octets that went through a Scanner.
type Structure struct {
	Root        *Part
	Size        int64 // octets in all
	EightBit    bool  // some octet is above 127
	LongestLine int64 // octets without the line end
	Truncated   bool  // a bound was met: some parts are not in the tree
}

// Part is one entity of a message. All offsets count from the first octet of the message.
type Part struct {
	Start int64 // of the header
	Body  int64 // of the body, after the empty line
	End   int64 // of the body; the line end before a boundary belongs to the boundary
	Lines int64 // line feeds within the body

	Type    string            // lower case; "text" if the header says nothing
	Subtype string            // lower case; "plain" if the header says nothing
	Header  []byte            // the raw header with its empty line; nil past the scanner's bounds
	Params  map[string]string // of Content-Type, names in lower case, values decoded

	Children []*Part // of a multipart; the one inner message of a message/rfc822
	Parent   *Part   // nil for the message itself
	Kept     []byte  // the raw body, if the scanner was told to keep it; nil if not
}

// Is reports whether the part has this type and subtype, both in lower case.
func (p *Part) Is(kind, subtype string) bool { return p.Type == kind && p.Subtype == subtype }

// Field is the unfolded first value of a field of the part's header, read from whatever foreign
// software wrote there; "" if there is none.
func (p *Part) Field(name string) string { return lenientValue(p.Header, name) }

// Encoding is the part's transfer encoding in lower case, without what foreign software wrote behind it; "" if the header says
// nothing.
func (p *Part) Encoding() string {
	return strings.ToLower(firstToken(p.Field("Content-Transfer-Encoding")))
}

// encoded tells the transfer encodings that do not leave octets as they are.
func (p *Part) encoded() bool {
	encoding := p.Encoding()
	return encoding == "base64" || encoding == "quoted-printable"
}

// Filename is the part's file name, decoded: the filename of Content-Disposition or else the
// name of Content-Type. It is foreign text, fit to be shown or compared, not to be a path.
func (p *Part) Filename() string {
	_, params := parseParams(p.Field("Content-Disposition"))
	if name := params["filename"]; name != "" {
		return name
	}
	return p.Params["name"]
}

// Walk calls f for the part and all below it, in the order of their offsets, until f says false.
func (p *Part) Walk(f func(*Part) bool) bool {
	if !f(p) {
		return false
	}
	for _, child := range p.Children {
		if !child.Walk(f) {
			return false
		}
	}
	return true
}

// structureVersion is the first octet of the binary form.
const structureVersion = 1

const (
	flagEightBit  = 1 << 0
	flagTruncated = 1 << 1
)

// MarshalBinary gives the compact form that is stored beside a message: offsets, lines, types
// and nesting. Headers, parameters and kept bodies are not in it.
func (s *Structure) MarshalBinary() ([]byte, error) {
	if s.Root == nil {
		return nil, errors.New("structure without a root")
	}
	var flags byte
	if s.EightBit {
		flags |= flagEightBit
	}
	if s.Truncated {
		flags |= flagTruncated
	}
	b := []byte{structureVersion, flags}
	b = binary.AppendUvarint(b, uint64(s.Size))
	b = binary.AppendUvarint(b, uint64(s.LongestLine))
	return s.Root.append(b, 0), nil
}

// append writes the part as distances, from where its parent's body or its elder sibling ends.
func (p *Part) append(b []byte, from int64) []byte {
	for _, n := range []int64{p.Start - from, p.Body - p.Start, p.End - p.Body, p.Lines} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	for _, word := range []string{p.Type, p.Subtype} {
		b = binary.AppendUvarint(b, uint64(len(word)))
		b = append(b, word...)
	}
	b = binary.AppendUvarint(b, uint64(len(p.Children)))
	from = p.Body
	for _, child := range p.Children {
		b = child.append(b, from)
		from = child.End
	}
	return b
}

// UnmarshalBinary reads the form of MarshalBinary. What does not fit together is an error: no
// offset lies outside its parent or the message, and the scanner's bounds hold.
func (s *Structure) UnmarshalBinary(data []byte) error {
	r := structureReader{rest: data}
	version, flags := r.octet(), r.octet()
	if r.err == nil && version != structureVersion {
		return fmt.Errorf("structure of version %d is not known", version)
	}
	read := Structure{EightBit: flags&flagEightBit != 0, Truncated: flags&flagTruncated != 0}
	read.Size, read.LongestLine = r.number(), r.number()
	read.Root = r.part(nil, 0, read.Size, 0)
	if r.err == nil && len(r.rest) > 0 {
		r.fail()
	}
	if r.err != nil {
		return r.err
	}
	*s = read
	return nil
}

type structureReader struct {
	rest  []byte
	parts int
	err   error
}

func (r *structureReader) fail() {
	if r.err == nil {
		r.err = errors.New("structure is damaged")
	}
	r.rest = nil
}

func (r *structureReader) octet() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *structureReader) number() int64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > 1<<62 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return int64(n)
}

func (r *structureReader) word() string {
	n := r.number()
	if n > int64(len(r.rest)) {
		r.fail()
		return ""
	}
	word := string(r.rest[:n])
	r.rest = r.rest[n:]
	return word
}

// distance reads a step from an offset that must not pass the limit.
func (r *structureReader) distance(from, limit int64) int64 {
	n := r.number()
	if n > limit-from {
		r.fail()
		return from
	}
	return from + n
}

func (r *structureReader) part(parent *Part, from, limit int64, depth int) *Part {
	if r.parts++; r.parts > maxParts || depth > maxDepth {
		r.fail()
	}
	p := &Part{Parent: parent}
	p.Start = r.distance(from, limit)
	p.Body = r.distance(p.Start, limit)
	p.End = r.distance(p.Body, limit)
	p.Lines = r.number()
	p.Type, p.Subtype = r.word(), r.word()
	children := r.number()
	from = p.Body
	for i := int64(0); i < children && r.err == nil; i++ {
		child := r.part(p, from, p.End, depth+1)
		p.Children = append(p.Children, child)
		from = child.End
	}
	p.Children = slices.Clip(p.Children)
	return p
}

package pec

import (
	"encoding/binary"
	"strings"
)

// collectHeader takes octets of a header. A boundary line that comes in pieces may stand at its
// end for a while; the slack keeps such octets from counting.
func (s *Scanner) collectHeader(b []byte) {
	if s.inHeader {
		s.header = appendWithin(s.header, b, maxHeaderBytes+maxDelimiter-s.headers)
	}
}

// appendWithin appends what there is room for. What is longer than a bound is given up in the
// end, by its true length.
func appendWithin(to, b []byte, bound int) []byte {
	return append(to, b[:max(0, min(len(b), bound-len(to)))]...)
}

// headerDone acts on the empty line: the body begins here.
func (s *Scanner) headerDone() {
	f := s.stack[len(s.stack)-1]
	f.part.Body = s.out.Size
	s.setHeader(f)
	if s.keep != nil && s.keep(f.part) {
		f.keep, f.part.Kept = true, []byte{}
		s.keeping++
	}
	s.descend(f)
}

// setHeader gives the part its header, unless all headers together are past the bound.
func (s *Scanner) setHeader(f *frame) {
	p := f.part
	f.lines, s.inHeader = s.lines, false
	length := p.Body - p.Start
	if int64(s.headers)+length > maxHeaderBytes {
		s.headers = maxHeaderBytes
		s.out.Truncated = true
		p.Type, p.Subtype, p.Params = "text", "plain", map[string]string{}
		return
	}
	s.headers += int(length)
	// Never nil, even if it is empty: nil says that the header was too long to keep.
	if p.Header = s.header[:length:length]; p.Header == nil {
		p.Header = []byte{}
	}
	p.setType()
}

// setType reads Content-Type with the defaults of RFC 2045 5.2 and RFC 2046 5.1.5.
func (p *Part) setType() {
	word, params := parseParams(p.Field("Content-Type"))
	p.Params = params
	var found bool
	if p.Type, p.Subtype, found = strings.Cut(word, "/"); found && p.Type != "" && p.Subtype != "" {
		return
	}
	p.Type, p.Subtype = "text", "plain"
	if word == "" && p.Parent != nil && p.Parent.Is("multipart", "digest") {
		p.Type, p.Subtype = "message", "rfc822"
	}
}

// descend makes the scanner look for what is inside a part.
func (s *Scanner) descend(f *frame) {
	p := f.part
	boundary := strings.TrimRight(p.Params["boundary"], " \t")
	opens := p.Type == "multipart" && boundary != "" && len(boundary) <= maxDelimiter/2
	message := p.Is("message", "rfc822") && !p.encoded()
	switch {
	case !opens && !message:
	case len(s.stack) > maxDepth || message && s.parts >= maxParts:
		s.out.Truncated = true
	case opens:
		f.delimiter = []byte("--" + boundary)
		s.hunting = true
	case message:
		s.open(p, p.Body)
	}
}

// collectBodies takes octets of the bodies that are kept. As in a header, a boundary line in
// pieces may stand at the end for a while.
func (s *Scanner) collectBodies(b []byte) {
	if s.keeping == 0 {
		return
	}
	for _, f := range s.stack {
		if f.keep {
			f.part.Kept = appendWithin(f.part.Kept, b, maxKeptBody+maxDelimiter)
		}
	}
}

// finishKept cuts a kept body to what the part holds, or gives it up if it is too long.
func (s *Scanner) finishKept(f *frame) {
	if !f.keep {
		return
	}
	s.keeping--
	length := f.part.End - f.part.Body
	if length > maxKeptBody || int64(s.kept)+length > maxKeptBodies {
		f.part.Kept = nil
		return
	}
	s.kept += int(length)
	f.part.Kept = f.part.Kept[:length:length]
}

// hasHighBit reports whether some octet is above 127.
func hasHighBit(p []byte) bool {
	const high = 0x8080808080808080
	for ; len(p) >= 32; p = p[32:] {
		a, b := binary.NativeEndian.Uint64(p), binary.NativeEndian.Uint64(p[8:])
		c, d := binary.NativeEndian.Uint64(p[16:]), binary.NativeEndian.Uint64(p[24:])
		if (a|b|c|d)&high != 0 {
			return true
		}
	}
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

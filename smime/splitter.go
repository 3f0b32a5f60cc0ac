package smime

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
)

// What a Splitter keeps at most of a message.
const (
	maxHeader        = 256 << 10
	maxSignature     = 256 << 10
	maxBoundary      = 200
	maxDelimiterLine = 256
)

// Splitter is given a message as it arrives, hashes what its multipart/signed
// signature covers (the first child, without the CRLF before the boundary:
// RFC 2046 5.1.1, RFC 8551 3.5.3) and keeps the signature part. Preamble and
// epilogue are ignored. There must be exactly two children.
type Splitter struct {
	state  state
	offset int64 // of the next octet
	err    error

	header    []byte
	delimiter []byte // CRLF, two hyphens, boundary: its only CR is the first octet
	matched   int    // so many octets of the delimiter end the stream
	borrowed  int    // so many of them end the line of a delimiter: no content
	line      []byte // what follows a delimiter on its line
	children  int    // begun so far

	sha256    hash.Hash
	sha1      hash.Hash // nil if the message promises SHA-256
	start     int64
	length    int64 // of the signed octets
	signature []byte
}

type state int

const (
	inHeader        state = iota
	inBody                // preamble or a child, up to the next delimiter
	inDelimiterLine       // after a delimiter, up to the end of its line
	done                  // the rest does not matter
)

// NewSplitter returns a Splitter for one message.
func NewSplitter() *Splitter { return &Splitter{} }

// Write takes the next octets of the message. It never fails and keeps no
// reference to p; what is wrong with the message is told by Finish.
func (s *Splitter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && s.state != done; {
		before := len(rest)
		switch s.state {
		case inHeader:
			rest = s.readHeader(rest)
		case inBody:
			rest = s.readBody(rest)
		case inDelimiterLine:
			rest = s.readDelimiterLine(rest)
		}
		s.offset += int64(before - len(rest))
	}
	return len(p), nil
}

// Finish returns what was found, once the whole message was written. The error
// wraps ErrNotSigned or ErrMalformed.
func (s *Splitter) Finish() (*Multipart, error) {
	switch s.state {
	case inHeader:
		s.fail(ErrNotSigned)
	case inDelimiterLine: // the last line of a message needs no end
		s.endDelimiterLine(append(s.line, "\r\n"...), s.offset)
	}
	if s.state != done {
		s.fail(malformed("the last boundary is missing"))
	}
	if s.err != nil {
		return nil, s.err
	}
	signature, err := decodeSignature(s.signature)
	if err != nil {
		return nil, err
	}
	m := &Multipart{Signature: signature, Start: s.start, End: s.start + s.length, sha256: s.sha256.Sum(nil)}
	if s.sha1 != nil {
		m.sha1 = s.sha1.Sum(nil)
	}
	return m, nil
}

func (s *Splitter) fail(err error) {
	s.err, s.state = err, done
	s.header, s.signature = nil, nil
}

// readHeader collects the header up to the empty line.
func (s *Splitter) readHeader(p []byte) []byte {
	had := len(s.header)
	s.header = append(s.header, p[:min(len(p), maxHeader+1-had)]...)
	switch end := headerEnd(s.header, max(0, had-3)); {
	case end > 0:
		s.header = s.header[:end]
		s.endHeader()
		return p[end-had:]
	case len(s.header) > maxHeader:
		s.fail(malformed("the header is longer than %d octets", maxHeader))
	}
	return nil
}

func (s *Splitter) endHeader() {
	params, err := signedParameters(s.header)
	if err == nil {
		err = checkBoundary(params["boundary"])
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.header = nil
	s.delimiter = []byte("\r\n--" + params["boundary"])
	s.sha256 = sha256.New()
	if !promisesSHA256(params["micalg"]) {
		s.sha1 = sha1.New()
	}
	s.beginBody()
}

// promisesSHA256 knows the spellings of micalg (quirks.md E2). A wrong promise
// costs a second pass, nothing else.
func promisesSHA256(micalg string) bool {
	return strings.EqualFold(strings.ReplaceAll(micalg, "-", ""), "sha256")
}

// beginBody starts to look for a delimiter after the end of a line, which may
// be the first two octets of that delimiter.
func (s *Splitter) beginBody() {
	s.state = inBody
	s.matched, s.borrowed = len("\r\n"), len("\r\n")
}

// readBody passes the octets before the next delimiter on. None is copied: of
// a delimiter cut by the end of a write only the length is kept.
func (s *Splitter) readBody(p []byte) []byte {
	if s.matched > 0 {
		return s.resumeDelimiter(p)
	}
	if i := findDelimiter(p, s.delimiter); i >= 0 {
		s.content(p[:i])
		return s.beginDelimiterLine(p[i+len(s.delimiter):])
	}
	s.matched = overlap(p, s.delimiter)
	s.content(p[:len(p)-s.matched])
	return nil
}

// resumeDelimiter compares p with the rest of a delimiter that may have begun
// earlier. If it has not, no other can have begun since: it begins with its
// only CR.
func (s *Splitter) resumeDelimiter(p []byte) []byte {
	missing := s.delimiter[s.matched:]
	n := min(len(p), len(missing))
	switch {
	case !bytes.Equal(p[:n], missing[:n]):
		s.content(s.delimiter[s.borrowed:s.matched])
		s.matched, s.borrowed = 0, 0
		return p
	case n < len(missing):
		s.matched += n
		return nil
	case s.borrowed > 0 && s.children > 0:
		s.fail(malformed("a part has not even an empty line"))
		return nil
	default:
		return s.beginDelimiterLine(p[n:])
	}
}

// findDelimiter does what bytes.Index does, faster: a CRLF is in every line, two
// hyphens are not.
func findDelimiter(p, delimiter []byte) int {
	hyphens := delimiter[len("\r\n"):]
	for from := len("\r\n"); from < len(p); from++ {
		i := bytes.Index(p[from:], hyphens)
		if i < 0 {
			break
		}
		from += i
		if p[from-2] == '\r' && p[from-1] == '\n' {
			return from - len("\r\n")
		}
	}
	return -1
}

// overlap returns the length of the longest end of p that begins delimiter.
func overlap(p, delimiter []byte) int {
	tail := p[max(0, len(p)-len(delimiter)+1):]
	i := bytes.LastIndexByte(tail, '\r')
	if i < 0 || !bytes.HasPrefix(delimiter, tail[i:]) {
		return 0
	}
	return len(tail) - i
}

// content takes octets of the preamble or of a child.
func (s *Splitter) content(p []byte) {
	switch s.children {
	case 1:
		s.length += int64(len(p))
		s.sha256.Write(p)
		if s.sha1 != nil {
			s.sha1.Write(p)
		}
	case 2:
		s.signature = append(s.signature, p[:min(len(p), maxSignature+1-len(s.signature))]...)
	}
}

func (s *Splitter) beginDelimiterLine(rest []byte) []byte {
	s.state = inDelimiterLine
	s.matched, s.borrowed = 0, 0
	s.line = s.line[:0]
	return rest
}

func (s *Splitter) readDelimiterLine(p []byte) []byte {
	end := bytes.IndexByte(p, '\n') + 1
	piece := p
	if end > 0 {
		piece = p[:end]
	}
	if len(s.line)+len(piece) > maxDelimiterLine {
		s.fail(malformed("text after a boundary"))
		return nil
	}
	s.line = append(s.line, piece...)
	if end == 0 {
		return nil
	}
	s.endDelimiterLine(s.line, s.offset+int64(end))
	return p[end:]
}

// endDelimiterLine decides what begins at next. A line that only begins like a
// delimiter is one for some readers and none for others (attacks.md 20).
func (s *Splitter) endDelimiterLine(line []byte, next int64) {
	line, last := bytes.CutPrefix(line, []byte("--"))
	padding, ended := bytes.CutSuffix(line, []byte("\r\n"))
	switch {
	case !ended || len(bytes.Trim(padding, " \t")) > 0:
		s.fail(malformed("a line begins with the boundary but is none"))
	case last && s.children == 2:
		s.state = done
	case last && s.children == 1:
		s.fail(fmt.Errorf("%w: it has no signature part", ErrNotSigned))
	case last:
		s.fail(malformed("it has no parts"))
	case s.children == 2:
		s.fail(malformed("it has more than two parts"))
	default:
		if s.children == 0 {
			s.start = next
		}
		s.children++
		s.beginBody()
	}
}

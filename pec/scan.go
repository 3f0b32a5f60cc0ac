package pec

import "bytes"

// The bounds of what a Scanner holds, whatever goes through it.
const (
	maxParts       = 10_000
	maxDepth       = 64      // some fifteen certified messages, each forwarded inside the next
	maxHeaderBytes = 1 << 20 // of all headers together
	maxKeptBody    = 1 << 20
	maxKeptBodies  = 4 << 20
	maxDelimiter   = 512 // octets of a line that can still be a boundary
)

// Scanner finds the parts of a message while its octets pass by. It is an io.Writer that never
// fails and holds no more than the headers and the few bodies it is told to keep. How the
// message is cut into chunks makes no difference to the Structure.
//
// Line ends are CRLF or LF. A boundary of any open multipart ends what is inside, so that a
// missing close delimiter hides nothing. An inner message is descended into unless its transfer
// encoding hides it (quirks.md A13).
type Scanner struct {
	keep  func(*Part) bool
	out   Structure
	stack []*frame // the open parts, outermost first

	lines   int64  // line feeds so far
	lineLen int64  // octets of the current line that came in earlier chunks
	line    []byte // the first of them
	lastCR  bool   // the last of them is a CR
	eol     int64  // octets of the last line end

	hunting  bool   // some multipart is open
	inHeader bool   // the innermost part's header is being read
	header   []byte // what of it came so far
	headers  int    // octets of the headers before it
	keeping  int    // open frames that are kept
	kept     int    // octets of the bodies kept before
	parts    int
}

// frame is an open part.
type frame struct {
	part      *Part
	delimiter []byte // "--boundary", while the multipart is open
	lines     int64  // line feeds before the body
	keep      bool
}

// NewScanner makes a Scanner. keep, which may be nil, is asked when a part's header is complete
// whether its raw body is to be kept: up to 1 MiB each and 4 MiB in all; more leaves Kept nil.
func NewScanner(keep func(*Part) bool) *Scanner {
	s := &Scanner{keep: keep}
	s.out.Root = s.open(nil, 0)
	return s
}

// Write takes the next octets. It never fails.
func (s *Scanner) Write(p []byte) (int, error) {
	if !s.out.EightBit {
		s.out.EightBit = hasHighBit(p)
	}
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			s.partial(rest)
			break
		}
		line := rest[:end+1]
		rest = rest[end+1:]
		if s.lineLen > 0 || s.inHeader || s.keeping > 0 || s.hunting && line[0] == '-' {
			s.endLine(line)
		} else {
			s.passLine(line)
		}
	}
	return len(p), nil
}

// Finish ends the message and gives its structure. The Scanner is not used again.
func (s *Scanner) Finish() *Structure {
	s.out.LongestLine = max(s.out.LongestLine, s.lineLen)
	if s.hunting && s.lineLen > 0 && s.lineLen <= maxDelimiter {
		s.delimiter(s.line, s.out.Size-s.lineLen-s.eol)
	}
	s.closeTo(0, s.out.Size)
	return &s.out
}

// passLine is endLine for the many lines in which nothing can be found.
func (s *Scanner) passLine(line []byte) {
	n := int64(len(line))
	s.eol = 1
	if n > 1 && line[n-2] == '\r' {
		s.eol = 2
	}
	s.out.Size += n
	s.lines++
	if n-s.eol > s.out.LongestLine {
		s.out.LongestLine = n - s.eol
	}
}

// partial takes octets of a line whose end is not yet here.
func (s *Scanner) partial(b []byte) {
	s.out.Size += int64(len(b))
	s.lineLen += int64(len(b))
	s.lastCR = b[len(b)-1] == '\r'
	if room := maxDelimiter - len(s.line); room > 0 {
		s.line = append(s.line, b[:min(room, len(b))]...)
	}
	s.collectHeader(b)
	s.collectBodies(b)
}

// endLine takes the octets that end a line. What the line is, is decided by its length and its
// first octets: the same however it was cut.
func (s *Scanner) endLine(b []byte) {
	line, length := b, s.lineLen+int64(len(b))
	if s.lineLen > 0 {
		s.line = append(s.line, b[:min(len(b), maxDelimiter)]...)
		line = s.line
	}
	end := s.out.Size - s.lineLen - s.eol // of what a boundary here would close
	s.eol = s.lineEnd(b)
	s.out.Size += int64(len(b))
	s.out.LongestLine = max(s.out.LongestLine, length-s.eol)
	if s.hunting && length <= maxDelimiter && s.delimiter(line, end) {
		s.collectBodies(b)
		s.lines++
	} else {
		s.collectHeader(b)
		s.collectBodies(b)
		s.lines++
		if s.inHeader && length == s.eol {
			s.headerDone()
		}
	}
	s.line, s.lineLen, s.lastCR = s.line[:0], 0, false
}

// lineEnd is the length of the line end that b ends with.
func (s *Scanner) lineEnd(b []byte) int64 {
	if len(b) > 1 && b[len(b)-2] == '\r' || len(b) == 1 && s.lastCR {
		return 2
	}
	return 1
}

// delimiter acts on a line that is a boundary of an open multipart: it closes what is inside,
// and opens the next part or closes the multipart (RFC 2046 5.1.1). The line end before it, at
// end, belongs to the boundary.
func (s *Scanner) delimiter(line []byte, end int64) bool {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return false
	}
	line = bytes.TrimRight(line, " \t\r\n")
	for i := len(s.stack) - 1; i >= 0; i-- {
		f := s.stack[i]
		if f.delimiter == nil || !bytes.HasPrefix(line, f.delimiter) {
			continue
		}
		switch string(line[len(f.delimiter):]) {
		case "":
			s.closeTo(i+1, end)
			s.nextPart(f.part)
			return true
		case "--":
			f.delimiter = nil
			s.closeTo(i+1, end)
			return true
		}
	}
	return false
}

// nextPart opens a part after a boundary line, or notes that there is no room for it.
func (s *Scanner) nextPart(parent *Part) {
	if s.parts >= maxParts {
		s.out.Truncated = true
		return
	}
	s.open(parent, s.out.Size)
}

func (s *Scanner) open(parent *Part, start int64) *Part {
	p := &Part{Start: start, Parent: parent}
	if parent != nil {
		parent.Children = append(parent.Children, p)
	}
	s.parts++
	s.stack = append(s.stack, &frame{part: p})
	s.inHeader, s.header = true, nil
	return p
}

// closeTo closes the open parts beyond the first n; they end at end. What a part's header or
// its empty line claims beyond that is the line end of the boundary.
func (s *Scanner) closeTo(n int, end int64) {
	for len(s.stack) > n {
		f := s.stack[len(s.stack)-1]
		p := f.part
		p.Start, p.End = min(p.Start, end), end
		if s.inHeader {
			p.Body = end
			s.setHeader(f)
		}
		if p.Body > end {
			p.Body = end
			p.Header = p.Header[:min(int64(len(p.Header)), end-p.Start)]
		}
		p.Lines = s.lines - f.lines
		if end < s.out.Size && p.Lines > 0 { // the line end before the boundary
			p.Lines--
		}
		s.finishKept(f)
		s.stack = s.stack[:len(s.stack)-1]
	}
	s.hunting = false
	for _, f := range s.stack {
		s.hunting = s.hunting || f.delimiter != nil
	}
}

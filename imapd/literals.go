package imapd

import (
	"bytes"
	"strconv"
	"sync"
)

const (
	maxSmallLiteral   = 4096     // what the library buffers (RFC 7888 5), and the longest literal that need not be asked for
	maxCommandLiteral = 64 << 10 // octets of all the small literals of one command
	maxLiteralHeader  = 32       // of the end of a line that can announce a literal
)

// literals follows what a client sends just far enough to know its literals. The library refuses a literal that is too long
// without reading it, and then takes its octets for commands: whoever wrote a message would speak in the name of its
// reader (attacks.md 8). And it bounds each buffered literal but not their number (attacks.md 27). Such a client is cut off.
type literals struct {
	mu        sync.Mutex // IDLE writes from another goroutine
	line      []byte     // the end of the current line
	rest      int64      // octets of a literal that are still to come
	announced int64      // a literal that waits for the server's "+"
	total     int64      // octets of the command's small literals
}

// read takes octets from the client; false if they must not be read.
func (l *literals) read(b []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(b) > 0 {
		if l.announced > 0 {
			return false
		}
		skipped := min(l.rest, int64(len(b)))
		l.rest -= skipped
		if b = b[skipped:]; len(b) == 0 {
			break
		}
		end := bytes.IndexByte(b, '\n') + 1
		if end == 0 {
			l.keep(b)
			break
		}
		l.keep(b[:end])
		b = b[end:]
		if !l.endLine() {
			return false
		}
	}
	return true
}

// keep adds to the line, of which the end matters.
func (l *literals) keep(b []byte) {
	l.line = append(l.line, b[max(0, len(b)-maxLiteralHeader):]...)
	l.line = l.line[max(0, len(l.line)-maxLiteralHeader):]
}

func (l *literals) endLine() bool {
	size, waits, found := announcement(l.line)
	l.line = l.line[:0]
	if !found {
		l.total = 0
		return true
	}
	if size <= maxSmallLiteral {
		l.total += size
	}
	if waits {
		l.announced = size
	} else {
		l.rest = size
	}
	return l.total <= maxCommandLiteral && (waits || size <= maxSmallLiteral)
}

// wrote takes what the server answers: "+" asks for the literal that waits, anything else refuses it.
func (l *literals) wrote(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.announced == 0 || len(b) == 0 {
		return
	}
	if b[0] == '+' {
		l.rest = l.announced
	} else {
		l.total = 0
	}
	l.announced = 0
}

// announcement reads the literal's header at the end of a line: {n} waits, {n+} does not (RFC 9051 4.3).
func announcement(line []byte) (size int64, waits, found bool) {
	line = bytes.TrimRight(line, "\r\n")
	line, closed := bytes.CutSuffix(line, []byte("}"))
	open := bytes.LastIndexByte(line, '{')
	if !closed || open < 0 {
		return 0, false, false
	}
	digits, plus := bytes.CutSuffix(line[open+1:], []byte("+"))
	size, err := strconv.ParseInt(string(digits), 10, 64)
	return size, !plus, err == nil && size >= 0
}

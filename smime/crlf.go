package smime

import (
	"bytes"
	"io"
)

// crlfBuffer is how much a CRLF reader reads at once, in octets.
const crlfBuffer = 32 << 10

// NewCRLFReader returns a reader of what r gives, with a CR before every LF
// that has none. A message that was stored with bare LF becomes what stood on
// the wire, if that had no bare LF of its own. It is for a second look, after
// the octets as they are stored did not verify (quirks.md E14): written to a
// [Splitter], or to a hash.
//
// Offsets that a Splitter tells of such a message are those of the wire, not of
// the file. An error of r is returned after what was read before it.
func NewCRLFReader(r io.Reader) io.Reader {
	return &crlfReader{r: r, buffer: make([]byte, crlfBuffer)}
}

type crlfReader struct {
	r       io.Reader
	err     error // of r, once left is used up
	buffer  []byte
	left    []byte // of the buffer
	afterCR bool   // the octet given last was CR
}

// Read gives what is at hand, and reads of r only if that is nothing.
func (c *crlfReader) Read(p []byte) (int, error) {
	if len(c.left) == 0 && c.err == nil && len(p) > 0 {
		var n int
		n, c.err = c.r.Read(c.buffer)
		c.left = c.buffer[:n]
	}
	if len(c.left) == 0 {
		return 0, c.err
	}
	n := 0
	for n < len(p) && len(c.left) > 0 {
		n += c.piece(p[n:])
	}
	return n, nil
}

// piece gives a CR that is missing, or octets up to the next LF that misses
// one. Neither p nor what is left is empty.
func (c *crlfReader) piece(p []byte) int {
	if c.left[0] == '\n' && !c.afterCR {
		p[0], c.afterCR = '\r', true
		return 1
	}
	text := c.left[:min(len(p), len(c.left))]
	if end := bytes.IndexByte(text[1:], '\n'); end >= 0 {
		text = text[:end+1]
	}
	c.left = c.left[len(text):]
	c.afterCR = text[len(text)-1] == '\r'
	return copy(p, text)
}

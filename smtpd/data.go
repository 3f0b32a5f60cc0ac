package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// What is wrong with the octets of a message. The reader that Receive gets returns these.
var (
	// ErrBare is a bare CR, a bare LF or a NUL: 550 5.6.11 (design.md 5).
	ErrBare = errors.New("le righe devono finire con CRLF, senza NUL / lines must end in CRLF, without NUL (curl: --crlf; Python: policy=email.policy.SMTP)")
	// ErrTooBig is a message over Config.MaxSize: 552 5.3.4.
	ErrTooBig = errors.New("message is too big")
)

// dataReader gives the content that follows DATA, up to CRLF.CRLF, without the dots that the client put before lines that begin
// with one (RFC 5321 4.5.2). It hands out runs of the read buffer in place: a run ends where the next line begins with a dot or where the buffer does.
//
// What is scanned never ends between a CR and what follows it, nor inside ".CRLF" at a line's start: such octets wait in the buffer for
// more. So the only memory between two runs is lineStart, and where the network cut the stream changes nothing.
type dataReader struct {
	in        *bufio.Reader
	max       int64
	octets    int64  // given out so far, or counted as too many
	run       []byte // of the last run, what Read has not given yet
	lineStart bool   // what came before ended in CRLF: only then can ".CRLF" be the end
	bare, big bool   // what was found, also while draining
	ended     bool   // CRLF.CRLF was read
	err       error  // what the reader gives from now on
}

func newDataReader(in *bufio.Reader, max int64) *dataReader {
	return &dataReader{in: in, max: max, lineStart: true}
}

// Read implements io.Reader.
func (d *dataReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.run) == 0 {
		if d.next(); d.err != nil {
			return 0, d.err
		}
	}
	n := copy(p, d.run)
	d.run = d.run[n:]
	return n, nil
}

// WriteTo implements io.WriterTo without a copy.
func (d *dataReader) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for {
		if len(d.run) == 0 {
			if d.next(); d.err == io.EOF {
				return written, nil
			} else if d.err != nil {
				return written, d.err
			}
		}
		n, err := w.Write(d.run)
		written += int64(n)
		d.run = d.run[n:]
		if err != nil {
			return written, err
		}
	}
}

// next sets run, or err for good.
func (d *dataReader) next() {
	if d.err != nil {
		return
	}
	run, err := d.advance()
	if err == nil {
		err = d.fault()
	}
	if err != nil {
		d.err = err
		return
	}
	d.run = run
}

// fault is what was found wrong so far. A bare line end outranks the size, wherever the network cut the stream.
func (d *dataReader) fault() error {
	switch {
	case d.bare:
		return ErrBare
	case d.big:
		return ErrTooBig
	}
	return nil
}

// drain reads on to the end of a message that was refused or left, over at most limit octets.
func (d *dataReader) drain(limit int64) {
	d.run = nil
	for limit > 0 && !d.ended {
		run, err := d.advance()
		if err != nil {
			return
		}
		limit -= int64(len(run))
	}
}

// advance consumes the next run and notes what is wrong with it. It goes on after a fault; io.EOF is CRLF.CRLF.
func (d *dataReader) advance() ([]byte, error) {
	if d.ended {
		return nil, io.EOF
	}
	if d.lineStart {
		if err := d.leadingDot(); err != nil {
			return nil, err
		}
	}
	chunk, err := d.buffered(1)
	if err == nil && chunk[0] == '\r' {
		chunk, err = d.buffered(2)
	}
	if err != nil {
		return nil, err
	}
	n, lineStart, bare := scan(chunk)
	d.consume(n)
	d.octets += int64(n)
	d.lineStart = lineStart
	d.bare = d.bare || bare
	d.big = d.big || d.octets > d.max
	return chunk[:n], nil
}

// leadingDot takes the end of the message, or the dot that was added to a line. Whatever follows a dot, two octets more must come.
func (d *dataReader) leadingDot() error {
	chunk, err := d.buffered(1)
	if err != nil || chunk[0] != '.' {
		return err
	}
	if chunk, err = d.buffered(3); err != nil {
		return err
	}
	if chunk[1] == '\r' && chunk[2] == '\n' {
		d.consume(3)
		d.ended = true
		return io.EOF
	}
	d.consume(1)
	return nil
}

// buffered gives all that is in the buffer, at least n octets. A stream that ends here ends too early.
func (d *dataReader) buffered(n int) ([]byte, error) {
	if _, err := d.in.Peek(n); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, fmt.Errorf("reading the message: %w", err)
	}
	return d.in.Peek(d.in.Buffered())
}

// consume takes octets that buffered has shown; they stay in place until the next read.
func (d *dataReader) consume(n int) { _, _ = d.in.Discard(n) }

// scan finds the run at the start of chunk: all of it, or as far as a line that begins with a dot, but never a CR whose next octet
// is not here. No CR comes before chunk. It needs two octets if the first is a CR.
func scan(chunk []byte) (n int, lineStart, bare bool) {
	crlfs := 0
	for n < len(chunk) {
		i := bytes.IndexByte(chunk[n:], '\n')
		if i < 0 {
			n, lineStart = len(chunk), false
			break
		}
		n += i + 1
		lineStart = n > 1 && chunk[n-2] == '\r'
		if !lineStart {
			bare = true
			continue
		}
		crlfs++
		if n < len(chunk) && chunk[n] == '.' {
			break
		}
	}
	if chunk[n-1] == '\r' {
		n--
	}
	run := chunk[:n]
	bare = bare || bytes.Count(run, []byte{'\r'}) != crlfs || bytes.IndexByte(run, 0) >= 0
	return n, lineStart, bare
}

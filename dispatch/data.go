package dispatch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
)

// ErrBareLine says that a message holds a CR without its LF or a LF without its CR. Such octets are never sent: peers disagree on
// where they end a line, and so on where the message ends (attacks.md 7).
var ErrBareLine = errors.New("bare CR or bare LF in the message")

// BodyError says that the message itself could not be produced or sent as it is: its Body failed, it has bare line ends, or its
// length is not the one announced. The fault is ours, not the peer's.
type BodyError struct{ Err error }

func (e *BodyError) Error() string { return "producing the message: " + e.Err.Error() }
func (e *BodyError) Unwrap() error { return e.Err }

var crlf = []byte("\r\n")

// dots writes a message's octets as the data of SMTP: a dot that begins a line is doubled, nothing else is altered
// (RFC 5321 4.5.2). Whole slices are searched and handed on; only their ends are remembered between writes.
// After an error every further call gives the same error.
type dots struct {
	w       *bufio.Writer
	midLine bool  // octets of an unfinished line were written
	heldCR  bool  // the last write ended in a CR, which waits for its LF
	n       int64 // octets of the message written
	lost    error // w failed
	err     error // any failure
}

// Write sends p, except that a CR at its very end waits for the next write. Of a slice with a bare CR or LF nothing is sent.
func (d *dots) Write(p []byte) (int, error) {
	if d.err == nil {
		d.err = d.write(p)
	}
	if d.err != nil {
		return 0, d.err
	}
	d.n += int64(len(p))
	return len(p), nil
}

func (d *dots) write(p []byte) error {
	if d.heldCR && len(p) > 0 {
		if p[0] != '\n' {
			return ErrBareLine
		}
		d.send(crlf)
		d.heldCR, d.midLine = false, false
		p = p[1:]
	}
	if bytes.HasSuffix(p, crlf[:1]) {
		d.heldCR = true
		p = p[:len(p)-1]
	}
	if !strictLines(p) {
		return ErrBareLine
	}
	d.stuff(p)
	return d.lost
}

// stuff sends strict octets that do not end in a CR.
func (d *dots) stuff(p []byte) {
	if len(p) == 0 {
		return
	}
	if !d.midLine && p[0] == '.' {
		d.send([]byte{'.'})
	}
	d.midLine = p[len(p)-1] != '\n'
	for i := nextDot(p); i >= 0; i = nextDot(p) {
		d.send(p[:i+1])
		p = p[i:] // again from the dot: it is doubled by being sent twice
	}
	d.send(p)
}

// nextDot is the index of the first dot that follows a line end of p, or -1.
func nextDot(p []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(p[at:], '\n')
		at += i + 1
		switch {
		case i < 0 || at == len(p):
			return -1
		case p[at] == '.':
			return at
		}
	}
}

func (d *dots) send(p []byte) {
	if d.lost == nil {
		_, d.lost = d.w.Write(p)
	}
}

// end sends the end marker, after a CRLF only where the message lacks its last one, and flushes.
func (d *dots) end() error {
	switch {
	case d.err != nil:
		return d.err
	case d.heldCR:
		d.err = ErrBareLine
		return d.err
	case d.midLine:
		d.send(crlf)
	}
	d.send([]byte(".\r\n"))
	if d.lost == nil {
		d.lost = d.w.Flush()
	}
	d.err = d.lost
	return d.err
}

// strictLines reports whether every LF of p follows a CR, and every CR is before a LF: then there are as many of either.
func strictLines(p []byte) bool {
	crs := bytes.Count(p, crlf[:1])
	for i := bytes.IndexByte(p, '\n'); i >= 0; i = bytes.IndexByte(p, '\n') {
		if i == 0 || p[i-1] != '\r' {
			return false
		}
		crs--
		p = p[i+1:]
	}
	return crs == 0
}

// content sends the octets of t, to which the peer answered 354, and settles t by the final reply. An error leaves the
// connection within the data: it must be cut, never used for another command.
func (s *session) content(t *transaction) error {
	d := dots{w: s.w}
	if err := t.produce(&d); err != nil {
		return err
	}
	if err := d.end(); err != nil {
		return d.blame(err)
	}
	r, err := s.reply("the message", s.times.Final)
	if err != nil {
		t.outcome.Unknown = !errors.As(err, new(*hangup))
		return err
	}
	t.settle(r)
	t.keep = r.OK() && s.r.Buffered() == 0
	return nil
}

// produce writes t's message into d, and refuses one of another length than announced: it was cut on its way to us.
func (t *transaction) produce(d *dots) error {
	if err := t.mail.Body(d); err != nil {
		return d.blame(err)
	}
	if t.mail.Size > 0 && d.n != t.mail.Size && d.err == nil {
		return &BodyError{fmt.Errorf("%d octets where %d were announced", d.n, t.mail.Size)}
	}
	return nil
}

// blame tells a lost connection from a fault of the message.
func (d *dots) blame(err error) error {
	if d.lost != nil {
		return fmt.Errorf("sending the message: %w", d.lost)
	}
	return &BodyError{err}
}

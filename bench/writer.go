package bench

import (
	"bytes"
	"errors"
	"time"
)

// writer sends one message after the other. One that got no answer is sent again, octet by octet, until it gets one.
type writer struct {
	from, to string
	pending  []byte
	accepted map[string]string // the PEC ids in the 250s, by the client's ids
	repeated int
}

// writeOn writes until the connection breaks.
func (w *writer) writeOn(conn *submission) error {
	for {
		if err := w.write(conn); err != nil {
			return err
		}
	}
}

func (w *writer) write(conn *submission) error {
	if w.pending == nil {
		w.pending = compose(w.from, w.to, time.Now())
	} else {
		w.repeated++
	}
	a, err := conn.send(w.to, w.pending)
	if err != nil {
		return err
	}
	if a.id == "" {
		return errors.New("a message was accepted without an id")
	}
	w.accepted[messageID(w.pending)] = a.id
	w.pending = nil
	return nil
}

// messageID is the client's id of a message, in angle brackets.
func messageID(message []byte) string {
	_, rest, _ := bytes.Cut(message, []byte("\r\nMessage-ID: "))
	id, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(id)
}

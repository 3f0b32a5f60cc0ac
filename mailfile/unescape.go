package mailfile

import "io"

// from is what a writer of an mbox escapes at the start of a line, behind any number of ">".
const from = "From "

// quotes finds the lines that begin with one or more ">" and "From ", octet by octet; its zero value stands at the start
// of a line.
type quotes struct {
	state   lineState
	matched int // octets of from, if inFrom
}

type lineState int

const (
	lineStart lineState = iota
	inQuotes
	inFrom
	inLine
)

// escapes takes the next octet and tells whether it completes "From " behind a ">".
func (q *quotes) escapes(octet byte) bool {
	switch {
	case octet == '\n':
		q.state = lineStart
	case octet == '>' && (q.state == lineStart || q.state == inQuotes):
		q.state = inQuotes
	case octet == 'F' && q.state == inQuotes:
		q.state, q.matched = inFrom, 1
	case q.state == inFrom && octet == from[q.matched]:
		q.matched++
		if q.matched == len(from) {
			q.state = inLine
			return true
		}
	default:
		q.state = inLine
	}
	return false
}

// skips tells how many of octets lie in a line that has been judged: none of them changes the state.
func (q *quotes) skips(octets []byte) int {
	if q.state != inLine {
		return 0
	}
	return lineLength(octets)
}

// unescaper takes one ">" off each line of several and "From ". However many there are, it keeps back one of them and
// what has come of "From ".
type unescaper struct {
	in     io.Reader
	err    error // of in, given when all before it was given
	chunk  []byte
	quotes quotes
	kept   []byte // a ">" and the octets behind it, about which the next octet decides
	out    []byte // what is given of chunk
	given  int    // octets of out
}

func unescape(in io.Reader) io.Reader {
	return &unescaper{in: in, chunk: make([]byte, 32<<10)}
}

// Read gives the octets without each ">" that escaped a line.
func (u *unescaper) Read(p []byte) (int, error) {
	for u.given == len(u.out) {
		if u.err != nil {
			return 0, u.err
		}
		u.fill()
	}
	n := copy(p, u.out[u.given:])
	u.given += n
	return n, nil
}

func (u *unescaper) fill() {
	n, err := u.in.Read(u.chunk)
	u.out, u.given, u.err = u.out[:0], 0, err
	for rest := u.chunk[:n]; len(rest) > 0; {
		if judged := u.quotes.skips(rest); judged > 0 {
			u.out, rest = append(u.out, rest[:judged]...), rest[judged:]
			continue
		}
		u.take(rest[0])
		rest = rest[1:]
	}
	if err != nil {
		u.letGo(u.kept)
	}
}

func (u *unescaper) take(octet byte) {
	complete := u.quotes.escapes(octet)
	switch state := u.quotes.state; {
	case complete:
		u.letGo(u.kept[1:])
		u.out = append(u.out, octet)
	case state == inQuotes && len(u.kept) > 0:
		u.out = append(u.out, '>')
	case state == inQuotes || state == inFrom:
		u.kept = append(u.kept, octet)
	default:
		u.letGo(u.kept)
		u.out = append(u.out, octet)
	}
}

// letGo gives what was kept back, or the rest of it.
func (u *unescaper) letGo(kept []byte) {
	u.out = append(u.out, kept...)
	u.kept = u.kept[:0]
}

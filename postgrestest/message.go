package postgrestest

import (
	"bufio"
	"encoding/binary"
	"fmt"
)

// Side is an end of a connection.
type Side int

// The side that a message is from.
const (
	FromClient Side = iota
	FromServer
)

func (s Side) other() Side { return 1 - s }

// Message is a message of PostgreSQL's protocol, version 3, as a Fault sees it.
type Message struct {
	From Side
	Kind byte // the type: 'P', 'B', 'E', 'S' of a client, '1', 'D', 'C', 'Z' of a server, and so on; 0 for a client's first
	N    int  // which message since Arm it is, of that side of that connection, from 1
	Conn int  // which connection of the proxy it is, from 1
}

// What a client sends first, on a connection that is to be encrypted.
const (
	sslRequest    = 80877103
	gssEncRequest = 80877104
)

// frame is what the first octets of a message tell.
type frame struct {
	kind byte
	size int64 // of the whole message, in octets
}

// nextFrame waits for the next message and leaves its octets in the reader. Only a client's first has no type.
func nextFrame(r *bufio.Reader, first bool) (frame, error) {
	typed := 1
	if first {
		typed = 0
	}
	head, err := r.Peek(typed + 4)
	if err != nil {
		return frame{}, err
	}
	length := binary.BigEndian.Uint32(head[typed:])
	if length < 4 {
		return frame{}, fmt.Errorf("a message of %d octets", length)
	}
	f := frame{size: int64(typed) + int64(length)}
	if !first {
		f.kind = head[0]
	}
	return f, nil
}

// asksForEncryption tells a request that the server would answer with a single octet.
func asksForEncryption(r *bufio.Reader, f frame) (bool, error) {
	if f.kind != 0 || f.size != 8 {
		return false, nil
	}
	request, err := r.Peek(8)
	if err != nil {
		return false, err
	}
	code := binary.BigEndian.Uint32(request[4:])
	return code == sslRequest || code == gssEncRequest, nil
}

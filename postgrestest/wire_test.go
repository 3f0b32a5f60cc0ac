package postgrestest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"
)

// client speaks the protocol itself: psql has no pipelines, and hides where a connection ended.
type client struct {
	t    *testing.T
	conn *net.TCPConn
	r    *bufio.Reader
}

// dial opens a session.
func dial(t *testing.T, location string) *client {
	t.Helper()
	c, err := connect(location)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	c.t = t
	c.until('Z')
	return c
}

// connect sends the startup message.
func connect(location string) (*client, error) {
	parsed, err := url.Parse(location)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", parsed.Host)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn.(*net.TCPConn), r: bufio.NewReader(conn)}
	_, err = conn.Write(startup(parsed))
	return c, err
}

func startup(location *url.URL) []byte {
	text := "\x00\x03\x00\x00"
	for _, parameter := range []string{"user", location.User.Username(), "database", location.Path[1:],
		"search_path", location.Query().Get("search_path")} {
		text += parameter + "\x00"
	}
	return message(0, text+"\x00")
}

// message frames a message; a startup message has the kind 0.
func message(kind byte, body string) []byte {
	var framed []byte
	if kind != 0 {
		framed = append(framed, kind)
	}
	return append(binary.BigEndian.AppendUint32(framed, uint32(4+len(body))), body...)
}

// pipeline is a transaction of one statement in one go, as a driver sends it.
func pipeline(sql string) (octets []byte) {
	octets = append(octets, message('P', "\x00"+sql+"\x00\x00\x00")...)
	octets = append(octets, message('B', "\x00\x00\x00\x00\x00\x00\x00\x00")...)
	octets = append(octets, message('E', "\x00\x00\x00\x00\x00")...)
	return append(octets, message('S', "")...)
}

func (c *client) query(sql string) { c.send(message('Q', sql+"\x00")) }

func (c *client) send(octets []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(octets); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) receive() (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	_, err = io.ReadFull(c.r, body)
	return head[0], body, err
}

// until returns the kinds of the messages up to one.
func (c *client) until(last byte) (kinds string) {
	c.t.Helper()
	for {
		kind, body, err := c.receive()
		if err != nil {
			c.t.Fatalf("after %q: %v", kinds, err)
		}
		if kind == 'E' {
			c.t.Fatalf("after %q: %q", kinds, body)
		}
		if kinds += string(kind); kind == last {
			return kinds
		}
	}
}

// rest returns the kinds of all messages that still come, and how many octets of one that is not whole.
func (c *client) rest() (kinds string, octets int) {
	c.t.Helper()
	text, err := io.ReadAll(c.r)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatal(err)
	}
	for len(text) >= 5 {
		size := 1 + int(binary.BigEndian.Uint32(text[1:]))
		if size > len(text) {
			break
		}
		kinds += string(text[0])
		text = text[size:]
	}
	return kinds, len(text)
}

// expectSilence wants nothing to come. Only a connection that speaks too late is missed.
func (c *client) expectSilence() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	octet, err := c.r.ReadByte()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("got %q, %v instead of silence", octet, err)
	}
	c.conn.SetReadDeadline(time.Time{})
}

// expectEnd wants the connection to end, whatever comes before.
func (c *client) expectEnd() {
	c.t.Helper()
	c.rest()
	if _, err := c.r.ReadByte(); err == nil {
		c.t.Error("the connection goes on")
	}
}

// sendFinally sends octets and that there will be no more. A proxy may cut in between.
func (c *client) sendFinally(octets []byte) {
	c.conn.Write(octets)
	c.conn.CloseWrite()
}

// pipelineDescribed is a pipeline that asks for the shape of the rows, as drivers do.
func pipelineDescribed(sql string) (octets []byte) {
	plain := pipeline(sql)
	describe := message('D', "P\x00")
	execute := len(plain) - len(message('E', "\x00\x00\x00\x00\x00")) - len(message('S', ""))
	octets = append(octets, plain[:execute]...)
	return append(append(octets, describe...), plain[execute:]...)
}

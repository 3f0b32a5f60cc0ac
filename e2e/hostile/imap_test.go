package hostile

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// imapConn is an IMAP client.
type imapConn struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	tag  int
}

// response is one line of the server, its literals apart.
type response struct {
	text     string // each literal stands as {n}
	literals []string
}

// login connects to an account's server and logs in.
func (s *sandbox) login(t testing.TB, a account) *imapConn {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", a.imaps, s.tls(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	c := &imapConn{t: t, conn: conn, in: bufio.NewReader(conn)}
	if greeting := c.read(); !strings.HasPrefix(greeting.text, "* OK") {
		t.Fatalf("greeting: %s", greeting.text)
	}
	c.do(`LOGIN "%s" "%s"`, a.Address, a.Password)
	return c
}

var literalAtEnd = regexp.MustCompile(`\{(\d+)\}$`)

func (c *imapConn) read() response {
	c.t.Helper()
	var r response
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("reading from the IMAP server: %v", err)
		}
		r.text += strings.TrimSuffix(line, "\r\n")
		m := literalAtEnd.FindStringSubmatch(r.text)
		if m == nil {
			return r
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			c.t.Fatal(err)
		}
		octets := make([]byte, n)
		if _, err := io.ReadFull(c.in, octets); err != nil {
			c.t.Fatalf("reading a literal of %d octets: %v", n, err)
		}
		r.literals = append(r.literals, string(octets))
	}
}

func (c *imapConn) write(octets string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, octets); err != nil {
		c.t.Fatal(err)
	}
}

// begin sends a command and returns its tag.
func (c *imapConn) begin(format string, args ...any) string {
	c.t.Helper()
	c.tag++
	tag := "t" + itoa(c.tag)
	c.write(tag + " " + fmt.Sprintf(format, args...) + "\r\n")
	return tag
}

// finish reads until the tagged line of a command, and returns what came before it, and the line without its tag.
func (c *imapConn) finish(tag string) (before []response, status string) {
	c.t.Helper()
	for {
		r := c.read()
		if status, tagged := strings.CutPrefix(r.text, tag+" "); tagged {
			return before, status
		}
		before = append(before, r)
	}
}

// do sends a command that must succeed.
func (c *imapConn) do(format string, args ...any) []response {
	c.t.Helper()
	before, status := c.finish(c.begin(format, args...))
	if !strings.HasPrefix(status, "OK") {
		c.t.Fatalf("IMAP: %.200s: %s", format, status)
	}
	return before
}

// appendTo puts a message into a folder, and gives the server's answer.
func (c *imapConn) appendTo(folder string, octets []byte) string {
	c.t.Helper()
	tag := c.begin(`APPEND "%s" {%d}`, folder, len(octets))
	if r := c.read(); !strings.HasPrefix(r.text, "+") {
		return strings.TrimPrefix(r.text, tag+" ")
	}
	c.write(string(octets) + "\r\n")
	_, status := c.finish(tag)
	return status
}

// messages selects a folder and gives the octets of all that is in it.
func (c *imapConn) messages(folder string) (all []string) {
	c.t.Helper()
	for _, r := range c.do(`SELECT "%s"`, folder) {
		if r.text == "* 0 EXISTS" {
			return nil
		}
	}
	for _, r := range c.do("UID FETCH 1:* (BODY.PEEK[])") {
		if len(r.literals) == 1 {
			all = append(all, r.literals[0])
		}
	}
	return all
}

// inbox reads an account's inbox.
func (s *sandbox) inbox(t testing.TB, a account) (all []message) {
	t.Helper()
	c := s.login(t, a)
	defer c.conn.Close()
	for _, octets := range c.messages("INBOX") {
		all = append(all, readMessage(t, []byte(octets)))
	}
	return all
}

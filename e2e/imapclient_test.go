package e2e

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

// imapConn is an IMAP client: enough to read what is in a folder, to put something there, and to wait for news.
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
	c := s.dialIMAP(t, a)
	c.do("LOGIN %s %s", quoted(a.Address), quoted(a.Password))
	return c
}

func (s *sandbox) dialIMAP(t testing.TB, a account) *imapConn {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", a.imaps, s.tls(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &imapConn{t: t, conn: conn, in: bufio.NewReader(conn)}
	if greeting := c.read(); !strings.HasPrefix(greeting.text, "* OK") {
		t.Fatalf("greeting: %s", greeting.text)
	}
	return c
}

func quoted(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

var literalAtEnd = regexp.MustCompile(`\{(\d+)\}$`)

func (c *imapConn) read() response {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
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

func (c *imapConn) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// begin sends a command and returns its tag.
func (c *imapConn) begin(format string, args ...any) string {
	c.t.Helper()
	c.tag++
	tag := fmt.Sprintf("t%d", c.tag)
	c.write(tag + " " + fmt.Sprintf(format, args...) + "\r\n")
	return tag
}

// finish reads until the tagged line of a command, which must be OK, and returns what came before it.
func (c *imapConn) finish(tag string) []response {
	c.t.Helper()
	var before []response
	for {
		r := c.read()
		status, tagged := strings.CutPrefix(r.text, tag+" ")
		switch {
		case !tagged:
			before = append(before, r)
		case strings.HasPrefix(status, "OK"):
			return before
		default:
			c.t.Fatalf("IMAP: %s", r.text)
		}
	}
}

func (c *imapConn) do(format string, args ...any) []response {
	c.t.Helper()
	return c.finish(c.begin(format, args...))
}

// fetched is a message of a folder.
type fetched struct {
	uid    string
	octets string
}

var fetchUID = regexp.MustCompile(`^\* \d+ FETCH \(.*\bUID (\d+)`)

// folder selects a folder and returns every message of it.
func (c *imapConn) folder(name string) []fetched {
	c.t.Helper()
	empty := false
	for _, r := range c.do("SELECT %s", quoted(name)) {
		empty = empty || r.text == "* 0 EXISTS"
	}
	if empty {
		return nil
	}
	return c.fetch("1:*")
}

// fetch returns messages of the selected folder by their UIDs.
func (c *imapConn) fetch(uids string) []fetched {
	c.t.Helper()
	var all []fetched
	for _, r := range c.do("UID FETCH %s (UID BODY.PEEK[])", uids) {
		m := fetchUID.FindStringSubmatch(r.text)
		if m == nil {
			continue
		}
		if len(r.literals) != 1 {
			c.t.Fatalf("a message with %d literals: %s", len(r.literals), r.text)
		}
		all = append(all, fetched{m[1], r.literals[0]})
	}
	return all
}

// appendTo puts a message into a folder.
func (c *imapConn) appendTo(folder string, octets []byte) {
	c.t.Helper()
	tag := c.begin("APPEND %s (\\Seen) {%d}", quoted(folder), len(octets))
	if r := c.read(); !strings.HasPrefix(r.text, "+") {
		c.t.Fatalf("APPEND: %s", r.text)
	}
	c.write(string(octets) + "\r\n")
	c.finish(tag)
}

// idle begins to wait for news of the selected folder, and returns what ends it.
func (c *imapConn) idle() (end func()) {
	c.t.Helper()
	tag := c.begin("IDLE")
	if r := c.read(); !strings.HasPrefix(r.text, "+") {
		c.t.Fatalf("IDLE: %s", r.text)
	}
	return func() {
		c.t.Helper()
		c.write("DONE\r\n")
		c.finish(tag)
	}
}

// awaitExists reads until the server announces that the folder holds n messages.
func (c *imapConn) awaitExists(n int) {
	c.t.Helper()
	for want := fmt.Sprintf("* %d EXISTS", n); c.read().text != want; {
	}
}

// inbox reads an account's inbox.
func (s *sandbox) inbox(t testing.TB, a account) []message {
	t.Helper()
	c := s.login(t, a)
	var all []message
	for _, f := range c.folder("INBOX") {
		all = append(all, readMessage(t, []byte(f.octets), f.uid))
	}
	c.do("LOGOUT")
	return all
}

// count is how many messages are in an account's inbox.
func (s *sandbox) count(t testing.TB, a account) int {
	t.Helper()
	n := -1
	c := s.login(t, a)
	for _, r := range c.do("STATUS INBOX (MESSAGES)") {
		if _, err := fmt.Sscanf(r.text[strings.IndexByte(r.text, '(')+1:], "MESSAGES %d)", &n); err != nil {
			t.Fatalf("STATUS: %s", r.text)
		}
	}
	c.do("LOGOUT")
	return n
}

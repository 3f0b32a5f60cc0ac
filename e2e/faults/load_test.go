package faults

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"time"
)

const (
	clients  = 4
	letters  = 14   // of each client
	longEach = 7    // one of so many is a content in a file of its own
	shortBy  = 30   // lines
	longBy   = 5000 // lines: about 300 KB
)

// answered is a 250 that a client has read.
type answered struct {
	socket     string    // as strace names the server's end
	sent, read time.Time // the final octets began to be sent after sent; the 250 had been read at read
	token      string    // in every line of the body
	lines      int
	to         string
	pecID      string
	reply      call // the server's write of the 250
}

// long tells whether its content is a file of its own.
func (a answered) long() bool { return a.lines >= longBy }

// client submits letters over one connection.
type client struct {
	net.Conn
	text *textproto.Conn
	from account
	to   []string
}

func dial(addr string, conf *tls.Config, from account, to []string) (*client, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, conf)
	if err != nil {
		return nil, err
	}
	c := &client{Conn: conn, text: textproto.NewConn(conn), from: from, to: to}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	if _, _, err := c.text.ReadResponse(220); err != nil {
		return nil, err
	}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + from.Address + "\x00" + from.Password))
	if err := c.say(250, "EHLO client.test"); err != nil {
		return nil, err
	}
	return c, c.say(235, "AUTH PLAIN "+plain)
}

func (c *client) say(code int, line string) error {
	if err := c.text.PrintfLine("%s", line); err != nil {
		return err
	}
	if _, text, err := c.text.ReadResponse(code); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, text)
	}
	return nil
}

// submitAll submits all its letters one after the other.
func (c *client) submitAll() ([]answered, error) {
	var all []answered
	for n := range letters {
		lines := shortBy
		if n%longEach == longEach-1 {
			lines = longBy
		}
		a, err := c.submit(newLetter(c.to[n%len(c.to)], lines))
		if err != nil {
			return all, err
		}
		all = append(all, a)
	}
	return all, nil
}

// newLetter is a letter that nobody has answered for yet.
func newLetter(to string, lines int) answered {
	random := make([]byte, 16)
	rand.Read(random)
	return answered{token: hex.EncodeToString(random), lines: lines, to: to}
}

var acceptedAs = regexp.MustCompile(`^2\.0\.0 accepted as <([^<>\s]+)>$`)

// submit sends a letter. The error is a *textproto.Error if the server has answered with anything but its 250.
func (c *client) submit(a answered) (answered, error) {
	a.socket = fmt.Sprintf("TCP:[%s->%s]", c.RemoteAddr(), c.LocalAddr())
	for _, line := range []string{"MAIL FROM:<" + c.from.Address + ">", "RCPT TO:<" + a.to + ">"} {
		if err := c.say(250, line); err != nil {
			return a, err
		}
	}
	if err := c.say(354, "DATA"); err != nil {
		return a, err
	}
	octets := letter(c.from.Address, a)
	a.sent = time.Now()
	if _, err := c.Write(octets); err != nil {
		return a, err
	}
	_, text, err := c.text.ReadResponse(250)
	a.read = time.Now()
	m := acceptedAs.FindStringSubmatch(text)
	if err != nil || m == nil {
		return a, fmt.Errorf("the letter was not accepted: %w: %q", err, text)
	}
	a.pecID = m[1]
	return a, nil
}

// letter is a message with the token in every line of its body, and the end of DATA.
func letter(from string, a answered) []byte {
	header := []string{"From: " + from, "To: " + a.to, "Subject: Prova", "Date: Mon, 02 Nov 2026 10:00:00 +0100", "Message-ID: <" + a.token[:8] + "@client.test>"}
	return []byte(strings.Join(header, "\r\n") + "\r\n\r\n" + strings.Repeat("Una riga di prova, "+a.token+", e nulla di piu'.\r\n", a.lines) + ".\r\n")
}

package cluster

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"time"
)

// reply is what an SMTP server said; code is 0 if it said nothing, and text tells why.
type reply struct {
	code int
	text string // with the enhanced code
}

var acceptedAs = regexp.MustCompile(`^2\.0\.0 accepted as <([^<>\s]+)>$`)

// pecID is the id in the 250 of a submission, or "".
func (r reply) pecID() string {
	if m := acceptedAs.FindStringSubmatch(r.text); m != nil && r.code == 250 {
		return m[1]
	}
	return ""
}

// letter is a message as a holder's client writes it. Each has a name of its own.
type letter struct {
	name, from string
	to         []string
	body       string
}

func (l letter) header() string {
	return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: Mon, 02 Nov 2026 10:00:00 +0100\r\nMessage-ID: <%s@load.test>\r\n\r\n",
		l.from, strings.Join(l.to, ", "), l.name, l.name)
}

// smtpConn is a submission client.
type smtpConn struct {
	net.Conn
	text     *textproto.Conn
	patience time.Duration // for one reply
}

// dialSMTP connects by TLS and says EHLO.
func dialSMTP(address string, conf *tls.Config, patience time.Duration) (*smtpConn, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	conn = tls.Client(conn, conf)
	c := &smtpConn{conn, textproto.NewConn(conn), patience}
	if r := c.read(); r.code != 220 {
		conn.Close()
		return nil, fmt.Errorf("greeting: %v", r)
	}
	if r := c.say("EHLO client.test"); r.code != 250 {
		conn.Close()
		return nil, fmt.Errorf("EHLO: %v", r)
	}
	return c, nil
}

func (c *smtpConn) read() reply {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return reply{text: err.Error()}
	}
	code, text, err := c.text.ReadResponse(0)
	if err != nil {
		return reply{text: err.Error()}
	}
	return reply{code, text}
}

func (c *smtpConn) say(format string, args ...any) reply {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return reply{text: err.Error()}
	}
	if err := c.text.PrintfLine(format, args...); err != nil {
		return reply{text: err.Error()}
	}
	return c.read()
}

func (c *smtpConn) login(a account) reply {
	return c.say("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+a.Address+"\x00"+a.Password)))
}

// send makes one transaction; it returns the reply that refused it, or the one to its data. No line of a letter begins with
// a dot.
func (c *smtpConn) send(l letter) reply {
	if r := c.say("MAIL FROM:<%s>", l.from); r.code != 250 {
		return r
	}
	for _, to := range l.to {
		if r := c.say("RCPT TO:<%s>", to); r.code != 250 {
			return r
		}
	}
	if r := c.say("DATA"); r.code != 354 {
		return r
	}
	if _, err := io.Copy(c, io.MultiReader(strings.NewReader(l.header()), strings.NewReader(l.body), bytes.NewReader([]byte(".\r\n")))); err != nil {
		return reply{text: err.Error()}
	}
	return c.read()
}

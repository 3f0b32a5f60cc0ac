package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"time"
)

// reply is what an SMTP server said; code is 0 if it said nothing, and text tells why.
type reply struct {
	code int
	text string // with the enhanced code
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.code, r.text) }

// is tells whether the reply has the code and begins with the enhanced code.
func (r reply) is(code int, enhanced string) bool {
	return r.code == code && strings.HasPrefix(r.text, enhanced+" ")
}

var acceptedAs = regexp.MustCompile(`^2\.0\.0 accepted as <([^<>\s]+)>$`)

// pecID is the id in the 250 of a submission, or "".
func (r reply) pecID() string {
	if m := acceptedAs.FindStringSubmatch(r.text); m != nil && r.code == 250 {
		return m[1]
	}
	return ""
}

// smtpConn is an SMTP client that sends what it is told to, right or wrong.
type smtpConn struct {
	net.Conn
	text *textproto.Conn
}

// dialSMTP connects, by TLS if conf is given, and says EHLO. Nothing it does takes longer than a minute.
func dialSMTP(addr string, conf *tls.Config) (*smtpConn, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if conf != nil {
		conn = tls.Client(conn, conf)
	}
	c := &smtpConn{}
	c.use(conn)
	if r := c.read(); r.code != 220 {
		return nil, fmt.Errorf("greeting: %v", r)
	}
	if r := c.say("EHLO client.test"); r.code != 250 {
		return nil, fmt.Errorf("EHLO: %v", r)
	}
	return c, nil
}

func (c *smtpConn) use(conn net.Conn) {
	c.Conn, c.text = conn, textproto.NewConn(conn)
}

func (c *smtpConn) read() reply {
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return reply{text: err.Error()}
	}
	code, text, err := c.text.ReadResponse(0)
	if err != nil {
		return reply{text: err.Error()}
	}
	return reply{code, text}
}

func (c *smtpConn) say(format string, args ...any) reply {
	if err := c.text.PrintfLine(format, args...); err != nil {
		return reply{text: err.Error()}
	}
	return c.read()
}

func (c *smtpConn) startTLS(conf *tls.Config) reply {
	if r := c.say("STARTTLS"); r.code != 220 {
		return r
	}
	c.use(tls.Client(c.Conn, conf))
	return c.say("EHLO client.test")
}

func (c *smtpConn) login(user, password string) reply {
	return c.say("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)))
}

// data sends octets as they are, dots apart.
func (c *smtpConn) data(octets []byte) reply {
	if r := c.say("DATA"); r.code != 354 {
		return r
	}
	stuffed := bytes.ReplaceAll(append([]byte("\r\n"), octets...), []byte("\r\n."), []byte("\r\n.."))[2:]
	if _, err := c.Write(append(stuffed, ".\r\n"...)); err != nil {
		return reply{text: err.Error()}
	}
	return c.read()
}

// send makes one transaction; it returns the reply that refused it, or the one to its data.
func (c *smtpConn) send(from string, to []string, octets []byte) reply {
	if r := c.say("MAIL FROM:<%s>", from); r.code != 250 {
		return r
	}
	for _, a := range to {
		if r := c.say("RCPT TO:<%s>", a); r.code != 250 {
			return r
		}
	}
	return c.data(octets)
}

// submission connects to a provider's submission port (TLS) and logs in.
func (s *sandbox) submission(t testing.TB, p provider, a account) *smtpConn {
	t.Helper()
	c, err := dialSMTP(p.Submissions, s.tls(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if r := c.login(a.Address, a.Password); r.code != 235 {
		t.Fatalf("AUTH: %v", r)
	}
	return c
}

// submit sends a letter to everybody it names; it must be accepted. It returns the PEC id.
func (s *sandbox) submit(t testing.TB, p provider, from account, l letter) string {
	t.Helper()
	r := s.submission(t, p, from).send(from.Address, l.recipients(), l.octets())
	if r.pecID() == "" {
		t.Fatalf("the submission of %s was not accepted: %v", l.id, r)
	}
	return r.pecID()
}

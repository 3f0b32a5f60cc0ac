package hostile

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait of a client. It is there against hanging.
const patience = time.Minute

// reply is what an SMTP server said; code is 0 if it said nothing, and text tells why.
type reply struct {
	code int
	text string // with the enhanced code
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.code, r.text) }

var acceptedAs = regexp.MustCompile(`^2\.0\.0 accepted as <([^<>\s]+)>$`)

// pecID is the id in the 250 of a submission, or "".
func (r reply) pecID() string {
	if m := acceptedAs.FindStringSubmatch(r.text); m != nil && r.code == 250 {
		return m[1]
	}
	return ""
}

// smtpConn is an SMTP client that sends what it is told to.
type smtpConn struct {
	net.Conn
	text *textproto.Conn
}

// dialSMTP connects, by TLS if conf is given, and reads the greeting.
func dialSMTP(t testing.TB, addr string, conf *tls.Config) *smtpConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	if conf != nil {
		conn = tls.Client(conn, conf)
	}
	c := &smtpConn{}
	c.use(conn)
	if r := c.read(); r.code != 220 {
		t.Fatalf("greeting: %v", r)
	}
	return c
}

func (c *smtpConn) use(conn net.Conn) { c.Conn, c.text = conn, textproto.NewConn(conn) }

func (c *smtpConn) read() reply {
	code, text, err := c.text.ReadResponse(0)
	if err != nil {
		return reply{text: err.Error()}
	}
	return reply{code, text}
}

// send sends octets as they are and gives the one reply that is due.
func (c *smtpConn) send(octets string) reply {
	if _, err := io.WriteString(c.Conn, octets); err != nil {
		return reply{text: err.Error()}
	}
	return c.read()
}

func (c *smtpConn) say(format string, args ...any) reply {
	return c.send(fmt.Sprintf(format, args...) + "\r\n")
}

// rest is what the server says until it closes; what closes a connection with octets unread may take the last words along.
func (c *smtpConn) rest() string {
	octets, _ := io.ReadAll(c.text.R)
	return string(octets)
}

func (c *smtpConn) startTLS(conf *tls.Config) reply {
	if r := c.say("STARTTLS"); r.code != 220 {
		return r
	}
	c.use(tls.Client(c.Conn, conf))
	return c.say("EHLO client.test")
}

func plainResponse(a account) string {
	return base64Of("\x00" + a.Address + "\x00" + a.Password)
}

func base64Of(octets string) string { return base64.StdEncoding.EncodeToString([]byte(octets)) }

// envelope says MAIL and RCPT; it gives the reply that refused, or the last one.
func (c *smtpConn) envelope(mail string, to []string) (r reply) {
	if r = c.say("MAIL FROM:%s", mail); r.code != 250 {
		return r
	}
	for _, a := range to {
		if r = c.say("RCPT TO:<%s>", a); r.code != 250 {
			return r
		}
	}
	return r
}

// data sends octets after DATA, their dots doubled.
func (c *smtpConn) data(octets []byte) reply {
	if r := c.say("DATA"); r.code != 354 {
		return r
	}
	stuffed := bytes.ReplaceAll(append([]byte("\r\n"), octets...), []byte("\r\n."), []byte("\r\n.."))[2:]
	return c.send(string(stuffed) + ".\r\n")
}

// transaction gives the reply that refused it, or the one to its data. After it the next may begin.
func (c *smtpConn) transaction(mail string, to []string, octets []byte) reply {
	r := c.envelope(mail, to)
	if r.code == 250 {
		return c.data(octets)
	}
	c.say("RSET")
	return r
}

// submission connects to the provider of an account, whose TLS begins at once, and logs in.
func (s *sandbox) submission(t testing.TB, a account) *smtpConn {
	t.Helper()
	c := dialSMTP(t, s.providerOf(a).Submissions, s.tls(t))
	c.say("EHLO client.test")
	if r := c.say("AUTH PLAIN %s", plainResponse(a)); r.code != 235 {
		t.Fatalf("AUTH: %v", r)
	}
	return c
}

func (s *sandbox) providerOf(a account) provider {
	if s.alfa().IMAPS == a.imaps {
		return s.alfa()
	}
	return s.beta()
}

// submit sends a letter to everybody it names; it must be accepted. It returns the PEC id.
func (s *sandbox) submit(t testing.TB, from account, l letter) string {
	t.Helper()
	r := s.submission(t, from).transaction("<"+from.Address+">", l.to, l.octets())
	if r.pecID() == "" {
		t.Fatalf("the submission of %s was not accepted: %v", l.id, r)
	}
	return r.pecID()
}

// peer connects to port 25 of a provider and goes over to TLS, as another provider does.
func (s *sandbox) peer(t testing.TB, p provider) *smtpConn {
	t.Helper()
	c := dialSMTP(t, p.SMTP, nil)
	c.say("EHLO mx.client.test")
	if r := c.startTLS(s.tls(t)); r.code != 250 {
		t.Fatalf("STARTTLS: %v", r)
	}
	return c
}

func itoa(n int) string { return strconv.Itoa(n) }

// letter is a message as a holder's client writes it. An empty field is left out.
type letter struct {
	from, subject string
	to            []string
	id            string   // with angle brackets
	more          []string // further header lines, each without its CRLF
	body          string
}

func (l letter) octets() []byte {
	var b strings.Builder
	for _, f := range [][2]string{{"From", l.from}, {"To", strings.Join(l.to, ",\r\n ")}, {"Subject", l.subject}, {"Message-ID", l.id}} {
		if f[1] != "" {
			b.WriteString(f[0] + ": " + f[1] + "\r\n")
		}
	}
	b.WriteString("Date: Mon, 02 Nov 2026 10:00:00 +0100\r\n")
	for _, m := range l.more {
		b.WriteString(m + "\r\n")
	}
	return []byte(b.String() + "\r\n" + l.body)
}

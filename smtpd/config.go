package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/ceralacca/ceralacca/admission"
)

// Config says what a Server is and gives it its functions. A function may be called from many goroutines at once; its context
// ends with the connection, or when the grace period of a stop is over. What Sender, Recipient, Receive and Authenticate return as an error chooses
// the reply (Error).
type Config struct {
	// Hostname is the name in the greeting and in the answer to EHLO.
	Hostname string
	// TLS is the server's side of TLS. Without it STARTTLS is not announced. If it names no application protocols, only
	// clients that offer "smtp" or nothing are served, so that no browser can be led here (attacks.md 8).
	TLS *tls.Config
	// Implicit begins TLS with the first octet (port 465, RFC 8314 3.3).
	Implicit bool
	// Submission asks for AUTH before MAIL and offers it only inside TLS (norms.md 1, 2). Without it there is no AUTH, and clear text
	// is accepted beside STARTTLS (norms.md 45).
	Submission bool
	// MaxSize is the largest message in octets, inclusive, as RFC 1870 counts: with CRLFs, without the dots that SMTP adds.
	MaxSize int64
	// MaxRecipients bounds the accepted recipients of one message. 0 means 500.
	MaxRecipients int
	// EightBit announces 8BITMIME (RFC 6152). Without it BODY is refused, while 8-bit octets in a message are borne.
	EightBit bool
	// MaxConnections bounds the connections open at once. 0 means 1000. Beyond it those on which nobody has logged in give way
	// (admission.Hosts).
	MaxConnections int
	// MaxPerHost bounds the connections from one IPv4 address or one IPv6 /64 network. 0 means 100.
	MaxPerHost int
	// MaxPerAccount bounds the connections on which one account has logged in. 0 means 50.
	MaxPerAccount int
	// Logins slows the guessing of passwords; servers that share it share what they know. nil means one of its own.
	Logins *admission.Logins
	// Handshakes is where the signatures of TLS handshakes wait (admission.GuardTLS). nil means a gate of its own.
	Handshakes *admission.Gate

	// Account gives the one spelling under which Logins counts the attempts at a user's account. nil means the user as it is.
	Account func(user string) string
	// Authenticate checks a password and names the account. ErrCredentials means that user or password is wrong, whichever; an
	// error that is neither it nor an Error is answered 454 4.7.0.
	Authenticate func(ctx context.Context, peer Peer, user, password string) (account string, err error)
	// Sender judges MAIL: tx has everything but recipients.
	Sender func(ctx context.Context, tx *Transaction) error
	// Recipient judges one RCPT. On nil the server appends the recipient to tx.
	Recipient func(ctx context.Context, tx *Transaction, to string) error
	// Receive takes a message. body gives its octets without the dots that SMTP adds, until io.EOF, which is the true
	// CRLF.CRLF; before any other error (ErrBare, ErrTooBig, a lost connection) the message is not whole, and Receive must return that error.
	// body is also an io.WriterTo that gives the octets in place, and is not valid after Receive has returned.
	// reply is the text after "250 ", enhanced code first. Receive may return an error early; the server reads the rest away.
	// nil before io.EOF counts as a failure of ours (451).
	Receive func(ctx context.Context, tx *Transaction, body io.Reader) (reply string, err error)

	// Log gets log-ins, refusals and failures, never passwords or contents. nil means nowhere.
	Log *slog.Logger
	// Timeouts bound every wait. A zero field takes its default.
	Timeouts Timeouts
}

// Peer is the other end of a connection.
type Peer struct {
	Addr  net.Addr
	Hello string               // the argument of EHLO or HELO: printable ASCII that is safe inside a header, not verified
	TLS   *tls.ConnectionState // nil in clear
}

// Transaction is one mail transaction as far as it has come. It is the server's: a function reads it during its call and copies what it keeps.
type Transaction struct {
	Peer       Peer
	Account    string   // what Authenticate returned; empty without Submission
	ESMTP      bool     // the session began with EHLO
	From       string   // reverse path as between the brackets, without source route; "" is the null path
	Recipients []string // accepted forward paths in order, repetitions kept; "postmaster" may stand without domain
	Size       int64    // declared by SIZE, 0 if not
	EightBit   bool     // BODY=8BITMIME was declared
}

// Timeouts are the longest waits for a peer, on the machine's clock. A zero field means the default in brackets.
type Timeouts struct {
	Command   time.Duration // one whole command line (5 min, RFC 5321 4.5.3.2.7)
	Data      time.Duration // silence inside DATA (3 min)
	Message   time.Duration // all waiting inside one DATA (1 h)
	Drain     time.Duration // all waiting for the rest of a message already refused (5 min)
	Handshake time.Duration // a TLS handshake (10 s)
	Login     time.Duration // all before a log-in that succeeds, where one is asked for (1 min; attacks.md 39)
	Auth      time.Duration // one SASL response, and the call of Authenticate with the wait before it (1 min)
	Failure   time.Duration // a failed log-in is answered no sooner than this after the call (1 s), so that time tells nothing (attacks.md 9)
	Write     time.Duration // one write of replies (1 min)
	Grace     time.Duration // what a running transaction gets when Serve is told to stop (10 s)
}

const (
	defaultRecipients  = 500
	defaultConnections = 1000
	defaultPerHost     = 100
	defaultPerAccount  = 50
)

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Command, 5 * time.Minute},
		{&t.Data, 3 * time.Minute},
		{&t.Message, time.Hour},
		{&t.Drain, 5 * time.Minute},
		{&t.Handshake, 10 * time.Second},
		{&t.Login, time.Minute},
		{&t.Auth, time.Minute},
		{&t.Failure, time.Second},
		{&t.Write, time.Minute},
		{&t.Grace, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return t
}

func (c Config) withDefaults() Config {
	orDefault := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	orDefault(&c.MaxRecipients, defaultRecipients)
	orDefault(&c.MaxConnections, defaultConnections)
	orDefault(&c.MaxPerHost, defaultPerHost)
	orDefault(&c.MaxPerAccount, defaultPerAccount)
	c.Timeouts = c.Timeouts.withDefaults()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Logins == nil {
		c.Logins = admission.NewLogins(admission.LoginsConfig{Log: c.Log})
	}
	if c.Handshakes == nil {
		c.Handshakes = admission.NewHandshakes()
	}
	if c.Account == nil {
		c.Account = func(user string) string { return user }
	}
	if c.TLS != nil {
		c.TLS = admission.GuardTLS(c.TLS, c.Handshakes)
		if len(c.TLS.NextProtos) == 0 {
			c.TLS.NextProtos = []string{"smtp"}
		}
	}
	return c
}

func (c Config) check() error {
	switch {
	case !validHello(c.Hostname):
		return fmt.Errorf("host name %q is not one", c.Hostname)
	case c.MaxSize <= 0:
		return errors.New("a positive MaxSize is needed")
	case c.MaxRecipients < 0 || c.MaxConnections < 0 || c.MaxPerHost < 0 || c.MaxPerAccount < 0:
		return errors.New("a limit is negative")
	case c.TLS == nil && (c.Implicit || c.Submission):
		return errors.New("submission and implicit TLS need a TLS configuration")
	case c.Submission && c.Authenticate == nil:
		return errors.New("submission needs Authenticate")
	case c.Sender == nil || c.Recipient == nil || c.Receive == nil:
		return errors.New("one of Sender, Recipient and Receive is missing")
	}
	return nil
}

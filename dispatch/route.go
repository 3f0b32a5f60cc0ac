package dispatch

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Route says where the mail of a receiving provider or of a domain goes, and whom to trust there. Connections are shared by
// equal routes only.
type Route struct {
	Address string // host:port
	TLSName string // name that the certificate must bear: the static route's or the MX name; "" is the host of Address
	// Roots are those that the certificate must lead to. Unlike in crypto/x509, nil is no root: then only a pin can match.
	Roots *x509.CertPool
	// Pins are SHA-256 digests of a SubjectPublicKeyInfo. A peer's own certificate that matches one is trusted whatever its name,
	// age and issuer.
	Pins [][]byte
	// Opportunistic is for mail outside PEC only: TLS if the peer can, whoever it is, else clear text (RFC 3207). All other routes
	// have TLS with a verified peer, or fail (norms.md 142, 143).
	Opportunistic bool
}

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// TLSError says that a peer which must be reached over TLS could not be: it has none, or its certificate is not one to trust, or
// somebody is in between. Nothing was sent to it. It is temporary and deserves an alarm (design.md 3).
type TLSError struct {
	Address string
	Err     error
}

func (e *TLSError) Error() string { return "TLS with " + e.Address + ": " + e.Err.Error() }
func (e *TLSError) Unwrap() error { return e.Err }

// refusal is a peer's answer that ends a session before any mail. Even a 5xx says nothing of the mail: it is temporary.
type refusal struct {
	command string
	Reply
}

func (e *refusal) Error() string { return "peer refuses " + e.command + ": " + e.Reply.String() }

// serverName is the name to verify, without the dot that may end a name from the DNS.
func (r Route) serverName() string {
	name := r.TLSName
	if name == "" {
		name = r.Address
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
	}
	return strings.TrimSuffix(name, ".")
}

// tlsConfig is the route's policy. Sessions are resumed within equal routes, and their certificates verified again.
func (r Route) tlsConfig(now func() time.Time) *tls.Config {
	return &tls.Config{
		ServerName:                  r.serverName(),
		MinVersion:                  tls.VersionTLS12,
		InsecureSkipVerify:          true, // verify does it, and knows pins
		VerifyConnection:            func(c tls.ConnectionState) error { return r.verify(c, now()) },
		ClientSessionCache:          tls.NewLRUClientSessionCache(1),
		DynamicRecordSizingDisabled: true,
		Time:                        now,
	}
}

func (r Route) verify(c tls.ConnectionState, now time.Time) error {
	if r.Opportunistic {
		return nil
	}
	leaf := c.PeerCertificates[0]
	key := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if slices.ContainsFunc(r.Pins, func(pin []byte) bool { return string(pin) == string(key[:]) }) {
		return nil
	}
	if r.Roots == nil {
		return fmt.Errorf("no pin matches the certificate's key %x, and there are no roots", key)
	}
	options := x509.VerifyOptions{DNSName: r.serverName(), Roots: r.Roots, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, c := range c.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("certificate with key %x: %w", key, err)
	}
	return nil
}

// open connects to l's route, up to where MAIL can be said. Only an opportunistic route whose TLS failed is tried again without.
func (p *Pool) open(ctx context.Context, l *lane) (*session, error) {
	s, err := p.connect(ctx, l, l.tls)
	if l.route.Opportunistic && errors.As(err, new(*TLSError)) {
		s, err = p.connect(ctx, l, nil)
	}
	return s, err
}

// connect is one try of open. Without a config it stays in clear text.
func (p *Pool) connect(ctx context.Context, l *lane, config *tls.Config) (*session, error) {
	limited, cancel := context.WithTimeout(ctx, p.config.Timeouts.Connect)
	defer cancel()
	conn, err := p.config.Dial(limited, "tcp", l.route.Address)
	if err != nil {
		return nil, because(ctx, fmt.Errorf("connecting to %s: %w", l.route.Address, err))
	}
	s := newSession(conn, p.config.Timeouts)
	undo := s.cutWith(ctx)
	err = s.greet(ctx, p.config.Hello, l.route, config)
	if !undo() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, because(ctx, err)
	}
	return s, nil
}

// greet hears the greeting and says hello, within TLS if there is a config and unless an opportunistic route's peer cannot.
func (s *session) greet(ctx context.Context, hello string, r Route, config *tls.Config) error {
	greeting, err := s.reply("connection", s.times.Greeting)
	if err != nil {
		return err
	}
	if greeting.Code != 220 {
		return &refusal{"connection", greeting}
	}
	if err := s.hello(hello, r.Opportunistic); err != nil {
		var no *refusal
		if !r.Opportunistic && errors.As(err, &no) && no.Permanent() {
			return &TLSError{r.Address, err} // no EHLO, no STARTTLS: the plainest downgrade
		}
		return err
	}
	if config == nil || r.Opportunistic && !s.peer.startTLS {
		return nil
	}
	if err := s.startTLS(ctx, config); err != nil {
		return &TLSError{r.Address, err}
	}
	return s.hello(hello, false)
}

// startTLS goes over to TLS (RFC 3207). What came with the 220 came in clear text and from anybody: it ends the session (attacks.md 8).
func (s *session) startTLS(ctx context.Context, config *tls.Config) error {
	if !s.peer.startTLS {
		return errors.New("peer does not offer STARTTLS")
	}
	replies, err := s.exchange([]string{"STARTTLS"}, nil)
	if err != nil {
		return err
	}
	if replies[0].Code != 220 {
		return &refusal{"STARTTLS", replies[0]}
	}
	if n := s.r.Buffered(); n > 0 {
		return fmt.Errorf("%d octets in clear text after the reply to STARTTLS", n)
	}
	_ = s.conn.SetDeadline(time.Now().Add(s.times.Command)) // fails only where the handshake does
	conn := tls.Client(s.conn, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	s.over(conn)
	return nil
}

// extensions is what the peer announced that we use.
type extensions struct {
	pipelining, eightBit, startTLS, size bool
	sizeLimit                            int64 // octets; 0 is no limit or none told
}

// depth is how many commands may wait for their replies.
func (e extensions) depth() int {
	if e.pipelining {
		return pipelineDepth
	}
	return 1
}

// hello says EHLO and learns the peer's extensions. With fallback a peer that refuses it for good is greeted by HELO
// (RFC 5321 3.2).
func (s *session) hello(name string, fallback bool) error {
	lines, err := s.command("EHLO " + name)
	if err != nil {
		return err
	}
	r := lines.reply()
	if fallback && r.Permanent() {
		if lines, err = s.command("HELO " + name); err != nil {
			return err
		}
		r, lines.text = lines.reply(), lines.text[:1]
	}
	if !r.OK() {
		return &refusal{"hello", r}
	}
	s.peer = parseExtensions(lines.text[1:])
	return nil
}

// parseExtensions reads the lines of a reply to EHLO after the first (RFC 5321 4.1.1.1).
func parseExtensions(lines []string) (e extensions) {
	for _, line := range lines {
		keyword, parameter, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		switch keyword {
		case "PIPELINING":
			e.pipelining = true
		case "8BITMIME":
			e.eightBit = true
		case "STARTTLS":
			e.startTLS = true
		case "SIZE":
			e.size = true
			if limit, err := strconv.ParseInt(parameter, 10, 64); err == nil && limit > 0 { // RFC 1870 4
				e.sizeLimit = limit
			}
		}
	}
	return e
}

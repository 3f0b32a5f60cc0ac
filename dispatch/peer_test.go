package dispatch

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// peer is a server that speaks by a script, on its end of a pipe.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// script gives a Dial whose first connection leads to the first peer, and so on. A peer that nobody dials fails the test, and so
// does a connection too many. The end of the test waits for the peers, and so for the connections' ends.
func script(t *testing.T, peers ...func(*peer)) Dial {
	var dialled atomic.Int32
	var spoken sync.WaitGroup
	t.Cleanup(func() {
		spoken.Wait()
		if n := int(dialled.Load()); n != len(peers) {
			t.Errorf("%d connections, want %d", n, len(peers))
		}
	})
	return func(context.Context, string, string) (net.Conn, error) {
		n := int(dialled.Add(1))
		if n > len(peers) {
			return nil, errors.New("connection refused")
		}
		ours, theirs := net.Pipe()
		spoken.Go(func() {
			defer theirs.Close()
			peers[n-1](&peer{t, theirs, bufio.NewReader(theirs)})
		})
		return ours, nil
	}
}

func (p *peer) fail(format string, args ...any) {
	p.t.Errorf("peer: "+format, args...)
	p.conn.Close()
	runtime.Goexit()
}

// say writes lines at once.
func (p *peer) say(lines ...string) { p.raw(strings.Join(lines, "\r\n") + "\r\n") }

// raw writes octets. A client that is gone already is another check's business.
func (p *peer) raw(octets string) { _, _ = io.WriteString(p.conn, octets) }

// hear reads as many lines and compares them.
func (p *peer) hear(lines ...string) {
	for _, want := range lines {
		got, err := p.r.ReadString('\n')
		if err != nil || got != want+"\r\n" {
			p.fail("heard %q, %v; want %q", got, err, want)
		}
	}
}

// welcome greets and answers EHLO with extensions.
func (p *peer) welcome(extensions ...string) {
	p.say("220 peer.test ESMTP")
	p.ehlo(extensions...)
}

func (p *peer) ehlo(extensions ...string) {
	p.hear("EHLO us.test")
	p.say("250-peer.test")
	for _, e := range extensions {
		p.say("250-" + e)
	}
	p.say("250 HELP")
}

// body reads the data up to and with the end marker.
func (p *peer) body() string {
	var all strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			p.fail("data ends in %q, %v", line, err)
		}
		all.WriteString(line)
		if line == ".\r\n" {
			return all.String()
		}
	}
}

// rest reads until the client closes the connection.
func (p *peer) rest() string {
	all, _ := io.ReadAll(p.r)
	return string(all)
}

// gone checks that the client closes the connection without another octet.
func (p *peer) gone() {
	if rest := p.rest(); rest != "" {
		p.fail("heard %.80q, want the end", rest)
	}
}

func (p *peer) bye() {
	p.hear("QUIT")
	p.say("221 bye")
	p.gone()
}

// takes plays one transaction that is taken, without pipelining.
func (p *peer) takes() {
	p.hear("MAIL FROM:<a@us.test>")
	p.say("250 ok")
	p.hear("RCPT TO:<b@peer.test>")
	p.say("250 ok")
	p.hear("DATA")
	p.say("354 go")
	p.body()
	p.say("250 2.0.0 taken")
}

// startTLS answers the command and goes over to TLS. It reports whether the client went along.
func (p *peer) startTLS(config *tls.Config) bool {
	p.hear("STARTTLS")
	p.say("220 go")
	return p.handshake(config)
}

func (p *peer) handshake(config *tls.Config) bool {
	config = config.Clone()
	config.SessionTicketsDisabled = true // a pipe cannot bear both sides writing at once
	conn := tls.Server(p.conn, config)
	if conn.Handshake() != nil {
		return false
	}
	p.conn, p.r = conn, bufio.NewReader(conn)
	// The server ends TLS 1.3's handshake before the client has judged its certificate.
	_, err := p.r.Peek(1)
	return err == nil
}

// authority is the tests' CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

var (
	born   = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	dies   = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	testCA = sync.OnceValue(func() *authority {
		a := &authority{key: newKey(), pool: x509.NewCertPool()}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: born,
			NotAfter: dies, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		a.cert = sign(template, template, a.key, a.key)
		a.pool.AddCert(a.cert)
		return a
	})
)

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

// server is the configuration of a TLS server whose certificate is for mx.peer.test and 127.0.0.1, until end, and signed by the
// CA or by itself.
func server(end time.Time, selfSigned bool) (config *tls.Config, pin []byte) {
	key := newKey()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "peer"}, NotBefore: born, NotAfter: end,
		DNSNames: []string{"mx.peer.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	parent, parentKey := testCA().cert, testCA().key
	if selfSigned {
		parent, parentKey = template, key
	}
	cert := sign(template, parent, key, parentKey)
	digest := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}, digest[:]
}

// clear is a route that scripts can speak on without TLS.
var clear = Route{Address: "mx.peer.test:25", Opportunistic: true}

// secure is a route within PEC.
func secure() Route { return Route{Address: "mx.peer.test:25", Roots: testCA().pool} }

func newPool(t *testing.T, dial Dial) *Pool {
	p := NewPool(PoolConfig{Hello: "us.test", Dial: dial})
	t.Cleanup(p.Close)
	return p
}

const octets = "Subject: x\r\n\r\n.dot\r\n"

// mail is a message for recipients, or for one.
func mail(recipients ...string) Mail {
	if len(recipients) == 0 {
		recipients = []string{"b@peer.test"}
	}
	return Mail{From: "a@us.test", Recipients: recipients, Body: text(octets)}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// codes sums up the replies.
func codes(o Outcome) string {
	var all []string
	for _, r := range o.Replies {
		all = append(all, strings.TrimSpace(fmt.Sprint(r.Code, " ", r.Enhanced)))
	}
	return strings.Join(all, ", ")
}

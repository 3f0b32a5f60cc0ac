package smtpd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// testCertificate is one self-signed certificate for localhost, made once.
var testCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "smtpd test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), // also valid under synctest's clock
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func clientTLS() *tls.Config {
	leaf, err := x509.ParseCertificate(testCertificate().Certificate[0])
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

func caFile(t testing.TB) string {
	name := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: testCertificate().Certificate[0]}
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const (
	testUser     = "anna@pec.alfa.test"
	testPassword = "segreta-àéì"
)

// record is what the functions of a test server were given.
type record struct {
	mu           sync.Mutex
	transactions []Transaction // of each Receive
	messages     []string      // of each Receive that read to the end
	senders      []string
	recipients   []string
}

func (r *record) sender(_ context.Context, tx *Transaction) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.senders = append(r.senders, tx.From)
	switch {
	case strings.HasPrefix(tx.From, "refused@"):
		return &Error{Code: 550, Enhanced: "5.7.1", Text: "not your address"}
	case strings.HasPrefix(tx.From, "broken@"):
		return errors.New("secret detail of the database")
	}
	return nil
}

func (r *record) recipient(_ context.Context, _ *Transaction, to string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recipients = append(r.recipients, to)
	switch {
	case strings.HasPrefix(to, "unknown@"):
		return &Error{Code: 550, Enhanced: "5.1.1", Text: "no such mailbox"}
	case strings.HasPrefix(to, "injected@"):
		return &Error{Code: 550, Enhanced: "5.1.1", Text: "no\r\n250 2.1.5 ok\r\nreally \xff"}
	case strings.HasPrefix(to, "misclassed@"):
		return &Error{Code: 450, Enhanced: "2.1.5", Text: "later"}
	case strings.HasPrefix(to, "stop@"):
		return &Error{Code: 421, Enhanced: "4.3.2", Text: "come back"}
	}
	return nil
}

func (r *record) receive(_ context.Context, tx *Transaction, body io.Reader) (string, error) {
	switch {
	case strings.HasPrefix(tx.From, "early@"):
		return "", &Error{Code: 554, Enhanced: "5.7.1", Text: "infected"}
	case strings.HasPrefix(tx.From, "careless@"):
		return "2.0.0 not read at all", nil
	case strings.HasPrefix(tx.From, "panic@"):
		panic("a bug")
	}
	octets, err := io.ReadAll(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transactions = append(r.transactions, *tx)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(tx.From, "unknown-outcome@") {
		return "", fmt.Errorf("commit: %w", ErrHangUp)
	}
	r.messages = append(r.messages, string(octets))
	return "2.0.0 accepted as <opec1.20260101@alfa.test>", nil
}

func authenticate(_ context.Context, _ Peer, user, password string) (string, error) {
	switch {
	case user == testUser && password == testPassword:
		return user, nil
	case user == "down":
		return "", errors.New("secret detail of the database")
	case user == "telltale":
		return "", &Error{Code: 535, Enhanced: "5.7.8", Text: "this user exists"}
	}
	return "", ErrCredentials
}

// testConfig is a relay (port 25) whose calls go to r.
func testConfig(r *record) Config {
	return Config{
		Hostname: "mx.alfa.test", TLS: &tls.Config{Certificates: []tls.Certificate{testCertificate()}},
		MaxSize: 1000, MaxRecipients: 3, EightBit: true,
		Sender: r.sender, Recipient: r.recipient, Receive: r.receive,
		Timeouts: Timeouts{Failure: time.Nanosecond},
	}
}

func submissionConfig(r *record) Config {
	c := testConfig(r)
	c.Submission, c.EightBit, c.Authenticate = true, false, authenticate
	return c
}

func mustNew(t testing.TB, c Config) *Server {
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listen serves c on a loopback port until the test ends, and fails the test if Serve does.
func listen(t testing.TB, c Config) net.Addr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- mustNew(t, c).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error("Serve:", err)
		}
	})
	return l.Addr()
}

// script is a connection whose reads give the chunks one by one, each at once, and then EOF.
type script struct {
	net.Conn // nil: what is not below is not called
	chunks   [][]byte
	out      strings.Builder
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.chunks[0])
	if s.chunks[0] = s.chunks[0][n:]; len(s.chunks[0]) == 0 {
		s.chunks = s.chunks[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711} }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }

// play runs one session over chunks and gives the lines that the server wrote.
func play(t testing.TB, c Config, chunks ...string) []string {
	conn := new(script)
	for _, chunk := range chunks {
		if chunk != "" {
			conn.chunks = append(conn.chunks, []byte(chunk))
		}
	}
	newSession(mustNew(t, c), conn).serve(context.Background(), context.Background())
	return strings.Split(strings.TrimSuffix(conn.out.String(), "\r\n"), "\r\n")
}

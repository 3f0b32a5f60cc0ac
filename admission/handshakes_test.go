package admission

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

var keyPair = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "prova"}, DNSNames: []string{"localhost"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// stalled is a key that signs when it is told to.
type stalled struct {
	crypto.Signer
	begun chan struct{}
	may   chan struct{}
	over  <-chan struct{}
}

func (s stalled) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	select {
	case s.begun <- struct{}{}:
		<-s.may
	case <-s.over:
	}
	return s.Signer.Sign(random, digest, opts)
}

// from is a connection that claims an address.
type from struct {
	net.Conn
	address string
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.address), Port: 1} }

// shake begins a handshake from an address and gives the outcome at the server.
func shake(ctx context.Context, t *testing.T, config *tls.Config, address string) <-chan error {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(keyPair().Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	done := make(chan error, 1)
	go func() { done <- tls.Server(from{ours, address}, config).HandshakeContext(ctx) }()
	go func() {
		client := tls.Client(theirs, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		if client.HandshakeContext(ctx) == nil {
			_, _ = io.Copy(io.Discard, client) // takes the session tickets
		}
	}()
	return done
}

// attacks.md 39: a flood of handshakes from one network makes another's wait for one of them, not for all.
func TestHandshakeFlood(t *testing.T) {
	t.Parallel()
	pair := keyPair()
	slow := stalled{pair.PrivateKey.(crypto.Signer), make(chan struct{}), make(chan struct{}), t.Context().Done()}
	pair.PrivateKey = slow
	gate := NewGate(GateConfig{Capacity: 1, MaxWaiting: 100})
	config := GuardTLS(&tls.Config{Certificates: []tls.Certificate{pair}}, gate)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 30 {
		shake(ctx, t, config, "192.0.2.1")
	}
	<-slow.begun // one signs, the others wait or will
	mario := shake(ctx, t, config, "198.51.100.7")
	waitFor(ctx, t, gate, "198.51.100.7")
	// The one that signs, perhaps one more of the flood, and mario's.
	for range 2 {
		slow.may <- struct{}{}
		<-slow.begun
	}
	slow.may <- struct{}{}
	if err := <-mario; err != nil {
		t.Errorf("mario's handshake: %v", err)
	}
	// The rest of the flood ends with its context.
	<-slow.begun
	cancel()
	slow.may <- struct{}{}
}

// waitFor returns when somebody waits under a key.
func waitFor(ctx context.Context, t *testing.T, g *Gate, key string) {
	t.Helper()
	for ctx.Err() == nil {
		g.mu.Lock()
		_, ok := g.lines[key]
		g.mu.Unlock()
		if ok {
			return
		}
	}
	t.Fatal("nobody waits")
}

// A handshake that waits for too long ends with its context, and leaves nothing behind.
func TestHandshakeThatWaitsEnds(t *testing.T) {
	t.Parallel()
	gate := NewGate(GateConfig{Capacity: 1, MaxWaiting: 100})
	leave := mustEnter(t, gate, "x", 1)
	config := GuardTLS(&tls.Config{Certificates: []tls.Certificate{keyPair()}}, gate)
	ctx, cancel := context.WithCancel(t.Context())
	done := shake(ctx, t, config, "192.0.2.1")
	waitFor(t.Context(), t, gate, "192.0.2.1")
	cancel()
	if err := <-done; err == nil {
		t.Error("it succeeded")
	}
	leave()
	if err := <-shake(t.Context(), t, config, "192.0.2.1"); err != nil {
		t.Error(err)
	}
	if gate.inside != 0 || len(gate.lines) != 0 {
		t.Errorf("%d are inside, %d lines", gate.inside, len(gate.lines))
	}
}

// A client that says nothing holds no turn.
func TestStalledHandshakeHoldsNoTurn(t *testing.T) {
	t.Parallel()
	gate := NewGate(GateConfig{Capacity: 1})
	config := GuardTLS(&tls.Config{Certificates: []tls.Certificate{keyPair()}}, gate)
	for range 10 {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		go func() { _ = tls.Server(from{ours, "192.0.2.1"}, config).HandshakeContext(t.Context()) }()
	}
	if err := <-shake(t.Context(), t, config, "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

func TestGuardChoosesAsTLSDoes(t *testing.T) {
	t.Parallel()
	gate := NewGate(GateConfig{Capacity: 1})
	pair := keyPair()
	for name, c := range map[string]struct {
		config *tls.Config
		ok     bool
	}{
		"by function":       {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }}, true},
		"function failing":  {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, io.EOF }}, false},
		"function first":    {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }, Certificates: []tls.Certificate{{}}}, true},
		"function passes":   {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }, Certificates: []tls.Certificate{pair}}, true},
		"the one that fits": {&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{{1}}}, pair}}, true},
		"none":              {&tls.Config{}, false},
		"no key":            {&tls.Config{Certificates: []tls.Certificate{{Certificate: pair.Certificate}}}, false},
	} {
		if err := <-shake(t.Context(), t, GuardTLS(c.config, gate), "192.0.2.1"); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package admission

import (
	"crypto"
	"crypto/tls"
	"io"
	"runtime"
)

// NewHandshakes is the gate for GuardTLS. A flood of handshakes takes half of the cores.
func NewHandshakes() *Gate {
	return NewGate(GateConfig{Capacity: max(1, runtime.GOMAXPROCS(0)/2), MaxWaiting: 100})
}

// GuardTLS is config with the signatures of its Certificates and GetCertificate made inside gate, by the client's network
// (attacks.md 39). The signature is what a handshake costs; it is made after the client's first message has come, so
// who stalls before or after it keeps nobody waiting. A handshake that waits ends with its context.
func GuardTLS(config *tls.Config, gate *Gate) *tls.Config {
	guarded := config.Clone()
	guarded.Certificates = nil
	guarded.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := certificateFor(config, hello)
		if err != nil || cert == nil {
			return nil, err
		}
		key, ok := cert.PrivateKey.(crypto.Signer)
		if !ok {
			return cert, nil // the handshake will say so
		}
		own := *cert
		own.PrivateKey = waitingSigner{key, gate, hello}
		return &own, nil
	}
	return guarded
}

// certificateFor chooses as crypto/tls does.
func certificateFor(config *tls.Config, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if config.GetCertificate != nil && (len(config.Certificates) == 0 || hello.ServerName != "") {
		if cert, err := config.GetCertificate(hello); cert != nil || err != nil {
			return cert, err
		}
	}
	for i := range config.Certificates {
		if cert := &config.Certificates[i]; len(config.Certificates) == 1 || hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	if len(config.Certificates) == 0 {
		return nil, nil // crypto/tls says that there is none
	}
	return &config.Certificates[0], nil
}

// waitingSigner signs in its network's turn.
type waitingSigner struct {
	crypto.Signer
	gate  *Gate
	hello *tls.ClientHelloInfo
}

// Sign implements crypto.Signer.
func (s waitingSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	leave, err := s.gate.Enter(s.hello.Context(), NetworkOf(s.hello.Conn.RemoteAddr().String()), 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.Signer.Sign(random, digest, opts)
}

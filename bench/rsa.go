package bench

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ceralacca/ceralacca/sandbox"
)

// The RSA operations of one exchange between two providers with one recipient, counted in the code.
const (
	// signatures: acceptance and envelope at Alfa, taking in charge and delivery receipt at Beta (issuance.Unit.Issue).
	signatures = 4
	// verifications under a provider's key: issuance.Unit.Issue verifies each of the four that it made; incoming verifies the
	// envelope at Beta, the taking in charge and the delivery receipt at Alfa.
	verifications = signatures + chains
	// chains: for each of these three incoming verifies the provider's certificate, under the authority's longer key.
	chains = 3
)

const bits = 2048

// rsaWork does with Go's RSA what an exchange does.
type rsaWork struct {
	key       *rsa.PrivateKey
	digest    [sha256.Size]byte
	signature []byte
	provider  *x509.Certificate
	authority *x509.Certificate
}

// newRSAWork reads the sandbox's certificates. Its providers must sign with RSA-2048, as P1 wants it.
func newRSAWork(dir string, c sandbox.Contract) (*rsaWork, error) {
	w := &rsaWork{digest: sha256.Sum256([]byte("ceralacca"))}
	var err error
	if w.authority, err = readCertificate(filepath.Join(dir, c.CAFile)); err != nil {
		return nil, err
	}
	names := c.Providers[0].SigningCertificateFiles
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no signing certificate", c.Providers[0].Name)
	}
	if w.provider, err = readCertificate(filepath.Join(dir, names[0])); err != nil {
		return nil, err
	}
	if key, ok := w.provider.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() != bits {
		return nil, fmt.Errorf("the key of %s is not RSA-%d", names[0], bits)
	}
	if err := w.verifyCertificate(); err != nil {
		return nil, err
	}
	if w.key, err = rsa.GenerateKey(rand.Reader, bits); err != nil {
		return nil, err
	}
	return w, w.sign()
}

func readCertificate(path string) (*x509.Certificate, error) {
	octets, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(octets)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", path)
	}
	return x509.ParseCertificate(block.Bytes)
}

func (w *rsaWork) sign() (err error) {
	w.signature, err = w.key.Sign(rand.Reader, w.digest[:], crypto.SHA256)
	return err
}

func (w *rsaWork) verify() error {
	return rsa.VerifyPKCS1v15(&w.key.PublicKey, crypto.SHA256, w.digest[:], w.signature)
}

func (w *rsaWork) verifyCertificate() error {
	return w.authority.CheckSignature(w.provider.SignatureAlgorithm, w.provider.RawTBSCertificate, w.provider.Signature)
}

// once does the RSA operations of one exchange and returns the CPU of its thread for signatures and for verifications.
func (w *rsaWork) once() (sign, verify time.Duration, err error) {
	sign, err = threadTime(func() error { return repeat(signatures, w.sign) })
	if err != nil {
		return 0, 0, err
	}
	verify, err = threadTime(func() error {
		if err := repeat(verifications, w.verify); err != nil {
			return err
		}
		return repeat(chains, w.verifyCertificate)
	})
	return sign, verify, err
}

func repeat(n int, do func() error) error {
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// threadTime is the CPU that the calling thread uses for do. The goroutine must be locked to it.
func threadTime(do func() error) (time.Duration, error) {
	before, err := threadCPU()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := threadCPU()
	return after - before, err
}

// sample is the RSA operations of an exchange done again and again beside the load.
type sample struct {
	halt, ended  chan struct{}
	n            int
	sign, verify time.Duration
	err          error
}

const betweenSamples = 25 * time.Millisecond // they take some 5 ms each

// start begins to sample, on a thread of its own, until stop.
func (w *rsaWork) start() *sample {
	s := &sample{halt: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for s.err == nil {
			var sign, verify time.Duration
			sign, verify, s.err = w.once()
			s.n, s.sign, s.verify = s.n+1, s.sign+sign, s.verify+verify
			select {
			case <-s.halt:
				return
			case <-time.After(betweenSamples):
			}
		}
	}()
	return s
}

// stop returns the means for one exchange. Means, because the program's own CPU is a sum.
func (s *sample) stop() (sign, verify time.Duration, err error) {
	close(s.halt)
	<-s.ended
	return s.sign / time.Duration(s.n), s.verify / time.Duration(s.n), s.err
}

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

// once does the RSA operations of one exchange, signatures first, and returns the CPU of its thread for them.
func (w *rsaWork) once() (sign, verify time.Duration, err error) {
	return timeBoth(func() error { return repeat(signatures, w.sign) }, func() error {
		if err := repeat(verifications, w.verify); err != nil {
			return err
		}
		return repeat(chains, w.verifyCertificate)
	})
}

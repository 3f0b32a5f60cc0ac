package smime

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// signingInstant is used where the instant does not matter.
var signingInstant = time.Date(2026, 9, 1, 10, 30, 0, 0, time.UTC)

// authority is a root with one intermediate, as AgID CA1 under its root.
type authority struct {
	root, intermediate       *x509.Certificate
	rootKey, intermediateKey *ecdsa.PrivateKey
}

var testAuthority = sync.OnceValue(func() *authority {
	a := &authority{rootKey: newP256(), intermediateKey: newP256()}
	template := certificateTemplate("Test Root")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	template.ExtKeyUsage, template.EmailAddresses = nil, nil
	a.root = issue(template, template, a.rootKey.Public(), a.rootKey)
	template.Subject.CommonName, template.SerialNumber = "Test CA 1", big.NewInt(2)
	a.intermediate = issue(template, a.root, a.intermediateKey.Public(), a.rootKey)
	return a
})

// path leads from a signature to the root, for the instant of the tests.
func (a *authority) path(s *Signature) ([]*x509.Certificate, error) {
	return s.Path(NewAnchors(a.root), PathPolicy{At: signingInstant})
}

// leaf issues a provider's certificate; change may alter the template.
func (a *authority) leaf(public crypto.PublicKey, change func(*x509.Certificate)) *x509.Certificate {
	template := certificateTemplate("Posta Certificata Alfa")
	if change != nil {
		change(template)
	}
	return issue(template, a.intermediate, public, a.intermediateKey)
}

func certificateTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:   big.NewInt(4711),
		Subject:        pkix.Name{Country: []string{"IT"}, Organization: []string{"Alfa PEC S.p.A."}, CommonName: name},
		NotBefore:      time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:       time.Date(2049, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:       x509.KeyUsageDigitalSignature,
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
		EmailAddresses: []string{"posta-certificata@pec.alfa.test"},
		SubjectKeyId:   []byte(name),
	}
}

func issue(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, public, key))))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newP256() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func newSigner(key crypto.Signer) *Signer {
	a := testAuthority()
	return must(NewSigner(key, []*x509.Certificate{a.leaf(key.Public(), nil), a.intermediate, a.root}))
}

var (
	rsa2048 = sync.OnceValue(func() *Signer { return newSigner(must(rsa.GenerateKey(rand.Reader, 2048))) })
	rsa3072 = sync.OnceValue(func() *Signer { return newSigner(must(rsa.GenerateKey(rand.Reader, 3072))) })
	p256    = sync.OnceValue(func() *Signer { return newSigner(newP256()) })
	p384    = sync.OnceValue(func() *Signer { return newSigner(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))) })
)

var testSigners = map[string]func() *Signer{"RSA-2048": rsa2048, "RSA-3072": rsa3072, "P-256": p256, "P-384": p384}

// weakSigner is a Signer that NewSigner would refuse.
func weakSigner(key crypto.Signer, leaf *x509.Certificate) *Signer {
	s := &Signer{key: key, certificate: leaf, signatureAlgorithm: oidRSA, signatureParams: derNull}
	s.bag = append(bytes.Clone(leaf.Raw), testAuthority().intermediate.Raw...)
	s.signingCertificate = must(signingCertificateV2(leaf))
	return s
}

const testBoundary = "----=_Part_1_42.1788251400"

const testChild = "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nIl messaggio =E8 stato accettato.\r\n" +
	"--not a boundary\r\n\r\n"

// multipartMessage encloses a child and its signature as providers do.
func multipartMessage(child string, signature []byte, micalg string) string {
	encoded := base64.StdEncoding.EncodeToString(signature)
	var lines strings.Builder
	for len(encoded) > 76 {
		lines.WriteString(encoded[:76] + "\r\n")
		encoded = encoded[76:]
	}
	lines.WriteString(encoded + "\r\n")
	return "From: posta-certificata@pec.alfa.test\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n\tmicalg=" + micalg +
		"; boundary=\"" + testBoundary + "\"\r\n\r\nThis is an S/MIME signed message\r\n\r\n--" + testBoundary + "\r\n" +
		child + "\r\n--" + testBoundary + "\r\n" +
		"Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n" +
		lines.String() + "\r\n--" + testBoundary + "--\r\n"
}

func signedMessage(s *Signer, child string) string {
	return multipartMessage(child, must(s.SignDetached(sha256.Sum256([]byte(child)), signingInstant)), "sha-256")
}

// split runs a Splitter over a message in one write.
func split(message string) (*Multipart, error) {
	s := NewSplitter()
	s.Write([]byte(message))
	return s.Finish()
}

// verifyMessage does all that can be done without a directory.
func verifyMessage(message string) (*Signature, error) {
	m, err := split(message)
	if err != nil {
		return nil, err
	}
	signature, err := m.Verify()
	if err != nil {
		return nil, err
	}
	_, err = testAuthority().path(signature)
	return signature, err
}

// workshop is a directory with the files that openssl needs.
type workshop struct{ dir string }

func newWorkshop(t testing.TB, s *Signer) workshop { return furnish(t.TempDir(), s) }

func furnish(dir string, s *Signer) workshop {
	w := workshop{dir}
	a := testAuthority()
	w.writePEM("root.pem", "CERTIFICATE", a.root.Raw)
	w.writePEM("intermediate.pem", "CERTIFICATE", a.intermediate.Raw)
	if s != nil {
		w.writePEM("leaf.pem", "CERTIFICATE", s.certificate.Raw)
		w.writePEM("key.pem", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(s.key)))
	}
	return w
}

func (w workshop) writePEM(name, kind string, der []byte) {
	w.write(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (w workshop) write(name string, octets []byte) {
	must(0, os.WriteFile(filepath.Join(w.dir, name), octets, 0o600))
}

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// openssl runs it in the directory and returns what it writes.
func (w workshop) openssl(args ...string) ([]byte, error) {
	cmd := exec.Command("openssl", args...)
	cmd.Dir = w.dir
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("openssl %v: %w: %s", args, err, problems.String())
	}
	return out.Bytes(), nil
}

// opensslVerifies gives a message to openssl; extra arguments say its form.
func (w workshop) opensslVerifies(message []byte, extra ...string) ([]byte, error) {
	w.write("in", message)
	args := []string{"cms", "-verify", "-purpose", "smimesign", "-CAfile", "root.pem", "-in", "in",
		"-attime", fmt.Sprint(signingInstant.Unix())}
	return w.openssl(append(args, extra...)...)
}

package directory

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/smime"
)

// authority is who signs directories in tests.
type authority struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate
	signer      *smime.Signer
}

func newAuthority() authority {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"Autorità di prova"}},
		EmailAddresses: []string{"igpec@autorita.example"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: epoch, NotAfter: epoch.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	signer, err := smime.NewSigner(key, []*x509.Certificate{cert})
	if err != nil {
		panic(err)
	}
	return authority{key, cert, signer}
}

var (
	agid     = sync.OnceValue(newAuthority)
	impostor = sync.OnceValue(newAuthority) // same name, serial and validity
)

// sign makes the signed file of entries at an instant.
func (a authority) sign(t testing.TB, at time.Time, entries ...*Entry) []byte {
	t.Helper()
	signed, err := a.signer.SignAttached(mustMarshal(t, entries...), at)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestOpen(t *testing.T) {
	at := epoch.Add(time.Hour)
	d, err := Open(agid().sign(t, at, alfa(), beta()), agid().certificate)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Entries()) != 2 || !d.SignedAt().Equal(at) || len(d.Problems()) > 0 {
		t.Errorf("%d entries, signed %s, problems %q", len(d.Entries()), d.SignedAt(), d.Problems())
	}
}

// attacks.md 19
// norms.md 121
func TestDirectoryBadSignature(t *testing.T) {
	good := agid().sign(t, epoch, alfa())
	altered := []byte(strings.Replace(string(good), "comune.alfa.example", "comune.evil.example", 1))
	unsigned := mustMarshal(t, alfa())
	tests := []struct {
		name, want string
		file       []byte
	}{
		{"altered", "signature", altered},
		{"of another with the same name", "not with the authority's", impostor().sign(t, epoch, alfa())},
		{"no signature", "read the signed directory", unsigned},
		{"cut off", "signed directory", good[:len(good)-100]},
		{"empty", "signed directory", nil},
		{"before its certificate", "outside of its certificate's validity", agid().sign(t, epoch.Add(-time.Hour), alfa())},
		{"after its certificate", "outside of its certificate's validity", agid().sign(t, epoch.AddDate(11, 0, 0), alfa())},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Open(test.file, agid().certificate); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, wanted something about %q", err, test.want)
			}
		})
	}
	junk, err := agid().signer.SignAttached([]byte("<html>"), epoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(junk, agid().certificate); err == nil || !strings.Contains(err.Error(), "no usable entry") {
		t.Errorf("signed junk: %v", err)
	}
}

// Another signer's files are read too: BER with indefinite lengths, and SHA-1, which is reported.
func TestOpenOfOpenSSL(t *testing.T) {
	for digest, problem := range map[string]string{"sha256": "", "sha1": "signature is weak"} {
		d, err := Open(opensslSign(t, mustMarshal(t, alfa()), "-md", digest, "-indef", "-stream"), agid().certificate)
		if err != nil {
			t.Fatal(err)
		}
		if d.SignedAt().IsZero() || len(d.Entries()) != 1 {
			t.Errorf("signed %s, %d entries", d.SignedAt(), len(d.Entries()))
		}
		wantProblemOrNone(t, d, problem)
	}
	if _, err := Open(opensslSign(t, mustMarshal(t, alfa()), "-noattr"), agid().certificate); err == nil {
		t.Error("a signature without signed attributes was taken")
	}
}

// A file that does not say when it was signed could be an old one.
func TestNoSigningTime(t *testing.T) {
	signature := &smime.Signature{Certificate: agid().certificate}
	if err := checkSignature(signature, agid().certificate); err == nil || !strings.Contains(err.Error(), "no signing time") {
		t.Errorf("got %v", err)
	}
}

func opensslSign(t *testing.T, content []byte, options ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(agid().key)
	if err != nil {
		t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: agid().certificate.Raw})...)
	for name, octets := range map[string][]byte{"ldif": content, "pem": both} {
		if err := os.WriteFile(filepath.Join(dir, name), octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := append([]string{"cms", "-sign", "-nodetach", "-binary", "-outform", "DER", "-in", "ldif", "-signer", "pem", "-out", "p7m"}, options...)
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "p7m"))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

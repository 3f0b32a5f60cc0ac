package authority

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/smime"
)

var epoch = time.Date(2025, 11, 3, 9, 0, 0, 0, time.UTC)

const (
	providerName = "Alfa PEC S.p.A."
	address      = "posta-certificata@pec.alfa.example"
	rootURL      = "https://127.0.0.1/igpec.ldif.p7m"
)

// identity is a certificate with its key, as issued.
type identity struct{ cert, key []byte }

func (i identity) certificate() *x509.Certificate {
	block, _ := pem.Decode(i.cert)
	return must(x509.ParseCertificate(block.Bytes))
}

func (i identity) tls() tls.Certificate { return must(tls.X509KeyPair(i.cert, i.key)) }

func (i identity) signer(ca *CA) *smime.Signer {
	key := i.tls().PrivateKey.(crypto.Signer)
	return must(smime.NewSigner(key, []*x509.Certificate{i.certificate(), ca.Certificate()}))
}

// Keys are made once for all tests.
var (
	testCA   = sync.OnceValue(func() *CA { return must(NewCA("Autorità di prova", epoch)) })
	provider = sync.OnceValue(func() identity {
		return issued(testCA().IssueProvider(ProviderRequest{Provider: providerName, Address: address, At: epoch}))
	})
	publishing = sync.OnceValue(func() identity {
		return issued(testCA().IssueProvider(ProviderRequest{Provider: "Autorità di prova", Address: "igpec@autorita.example", At: epoch}))
	})
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func issued(cert, key []byte, err error) identity {
	if err != nil {
		panic(err)
	}
	return identity{cert, key}
}

func entry() *directory.Entry {
	return &directory.Entry{
		Provider: providerName, Certificates: []*x509.Certificate{provider().certificate()},
		ServiceMailbox: "servizio@pec.alfa.example", Domains: []string{"pec.alfa.example"},
	}
}

// openssl runs the program in a directory with these files and returns what it says.
func openssl(t *testing.T, files map[string][]byte, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, octets := range files {
		if err := os.WriteFile(filepath.Join(dir, name), octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

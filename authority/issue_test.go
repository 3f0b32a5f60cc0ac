package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/directory"
)

func TestNewCA(t *testing.T) {
	root := testCA().Certificate()
	key, _ := root.PublicKey.(*rsa.PublicKey)
	if !root.IsCA || key == nil || key.N.BitLen() != 3072 || !root.NotBefore.Equal(epoch) || !root.NotAfter.Equal(epoch.AddDate(20, 0, 0)) {
		t.Errorf("CA %t, key %T, from %s to %s", root.IsCA, root.PublicKey, root.NotBefore, root.NotAfter)
	}
	if _, err := NewCA("", epoch); err == nil {
		t.Error("an authority without a name")
	}
}

func TestLoadCA(t *testing.T) {
	keyPEM := must(testCA().KeyPEM())
	again, err := LoadCA(testCA().CertificatePEM(), keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	server := issued(again.IssueServer([]string{"localhost"}, nil, epoch))
	if err := server.certificate().CheckSignatureFrom(testCA().Certificate()); err != nil {
		t.Errorf("what the loaded authority issues: %v", err)
	}
	for want, pair := range map[string]identity{
		"not PEM":                    {[]byte("x"), keyPEM},
		"read certificate":           {keyPEM, keyPEM},
		"read key":                   {testCA().CertificatePEM(), testCA().CertificatePEM()},
		"must be RSA":                {testCA().CertificatePEM(), server.key},
		"not that of":                {testCA().CertificatePEM(), provider().key},
		"is not an authority's":      provider(),
		"certificate or key is not ": {},
	} {
		if _, err := LoadCA(pair.cert, pair.key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, wanted something about %q", err, want)
		}
	}
}

// RFC 6109 5.5, norms.md 113-116, in the words of openssl.
func TestProviderCertificateByOpenSSL(t *testing.T) {
	text, err := openssl(t, map[string][]byte{"cert": provider().cert}, "x509", "-in", "cert", "-noout", "-text", "-nameopt", "RFC2253")
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	words := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		"Version: 3 (0x2)",
		"Signature Algorithm: sha256WithRSAEncryption",
		"Not Before: Nov 3 09:00:00 2025 GMT Not After : Nov 3 09:00:00 2035 GMT",
		"Subject: CN=Posta Certificata,O=Alfa PEC S.p.A.,C=IT",
		"Public-Key: (2048 bit)",
		"X509v3 Key Usage: critical Digital Signature",
		"X509v3 Extended Key Usage: E-mail Protection",
		"X509v3 Subject Key Identifier:",
		"X509v3 Authority Key Identifier:",
		"X509v3 Subject Alternative Name: email:" + address,
	} {
		if !strings.Contains(words, want) {
			t.Errorf("openssl does not say %q in %s", want, text)
		}
	}
	if strings.Count(words, "critical") != 1 || strings.Contains(words, "Basic Constraints") {
		t.Errorf("another critical extension, or basic constraints: %s", text)
	}
}

func TestChainsByOpenSSL(t *testing.T) {
	server := issued(testCA().IssueServer([]string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, epoch))
	client := issued(testCA().IssueClient("Alfa", epoch))
	at := strconv.FormatInt(epoch.AddDate(9, 0, 0).Unix(), 10)
	for _, test := range []struct {
		cert    []byte
		purpose string
		good    bool
	}{
		{provider().cert, "smimesign", true}, {provider().cert, "sslclient", false},
		{server.cert, "sslserver", true}, {server.cert, "sslclient", false}, {server.cert, "smimesign", false},
		{client.cert, "sslclient", true}, {client.cert, "sslserver", false}, {client.cert, "smimesign", false},
	} {
		files := map[string][]byte{"ca": testCA().CertificatePEM(), "cert": test.cert}
		out, err := openssl(t, files, "verify", "-x509_strict", "-attime", at, "-CAfile", "ca", "-purpose", test.purpose, "cert")
		if (err == nil) != test.good {
			t.Errorf("%s: %v: %s", test.purpose, err, out)
		}
	}
	if err := server.certificate().VerifyHostname("::1"); err != nil {
		t.Error(err)
	}
	if key, ok := server.certificate().PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Error("the server's key is not P-256")
	}
}

func TestProviderKeyStaysWhereItIs(t *testing.T) {
	key := provider().certificate().PublicKey
	cert, keyPEM, err := testCA().IssueProvider(ProviderRequest{Provider: "Beta", Address: address, PublicKey: key, At: epoch.AddDate(15, 0, 0)})
	if err != nil || keyPEM != nil {
		t.Fatalf("key %q, %v", keyPEM, err)
	}
	got := identity{cert: cert}.certificate()
	if !got.PublicKey.(*rsa.PublicKey).Equal(key) || !got.NotAfter.Equal(testCA().Certificate().NotAfter) {
		t.Errorf("another key, or valid until %s, beyond the authority", got.NotAfter)
	}
	if err := directory.CheckProfile(got, "Beta", address); err != nil {
		t.Error(err)
	}
}

func TestIssueProviderRefuses(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	curve := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	right := ProviderRequest{Provider: providerName, Address: address, PublicKey: provider().certificate().PublicKey, At: epoch}
	tests := []struct {
		name, want string
		spoil      func(p *ProviderRequest)
	}{
		{"right", "", func(*ProviderRequest) {}},
		{"no name", "0 characters", func(p *ProviderRequest) { p.Provider = "" }},
		{"long name", "65 characters", func(p *ProviderRequest) { p.Provider = strings.Repeat("à", 65) }},
		{"line end in the name", "not printable", func(p *ProviderRequest) { p.Provider = "a\nb" }},
		{"no address", "no address", func(p *ProviderRequest) { p.Address = "" }},
		{"not an address", "no address", func(p *ProviderRequest) { p.Address = "alfa" }},
		{"small key", "1024 bits", func(p *ProviderRequest) { p.PublicKey = small.Public() }},
		{"curve", "must be RSA", func(p *ProviderRequest) { p.PublicKey = curve.Public() }},
		{"before the authority", "begins before", func(p *ProviderRequest) { p.At = epoch.Add(-time.Hour) }},
		{"after the authority", "is empty", func(p *ProviderRequest) { p.At = epoch.AddDate(20, 0, 1) }},
		{"ends before it begins", "is empty", func(p *ProviderRequest) { p.Until = epoch.Add(-time.Second) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := right
			test.spoil(&p)
			_, _, err := testCA().IssueProvider(p)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, wanted something about %q", err, test.want)
			}
		})
	}
	if _, _, err := testCA().IssueServer(nil, nil, epoch); err == nil {
		t.Error("a server without a name")
	}
	if _, _, err := testCA().IssueClient("", epoch); err == nil {
		t.Error("a client without a name")
	}
	pool := x509.NewCertPool()
	pool.AddCert(testCA().Certificate())
	if _, err := provider().certificate().Verify(x509.VerifyOptions{Roots: pool, CurrentTime: epoch.AddDate(10, 0, 1),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}}); err == nil {
		t.Error("valid beyond ten years")
	}
}

package authority

import (
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"
)

// openssl reads the list and verifies it.
func TestCRLWithOpenSSL(t *testing.T) {
	revoked := []x509.RevocationListEntry{
		{SerialNumber: big.NewInt(0x4711), RevocationTime: epoch, ReasonCode: 1},
		{SerialNumber: provider().certificate().SerialNumber, RevocationTime: epoch.Add(time.Hour)},
	}
	der := must(testCA().CRL(revoked, 7, epoch.Add(2*time.Hour), epoch.Add(26*time.Hour)))
	files := map[string][]byte{"crl.der": der, "ca.pem": testCA().CertificatePEM()}
	out, err := openssl(t, files, "crl", "-inform", "DER", "-in", "crl.der", "-CAfile", "ca.pem", "-noout", "-text")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"verify OK", "Version 2", "sha256WithRSAEncryption", "X509v3 CRL Number: \n                7", "X509v3 Authority Key Identifier",
		"Serial Number: 4711", "Key Compromise", "Last Update: Nov  3 11:00:00 2025 GMT", "Next Update: Nov  4 11:00:00 2025 GMT",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	list := must(x509.ParseRevocationList(der))
	if err := list.CheckSignatureFrom(testCA().Certificate()); err != nil || len(list.RevokedCertificateEntries) != 2 {
		t.Errorf("%v, %d entries", err, len(list.RevokedCertificateEntries))
	}
}

// openssl refuses a provider's certificate that is on the list, and accepts it by a list without it.
func TestRevokedWithOpenSSL(t *testing.T) {
	mine := x509.RevocationListEntry{SerialNumber: provider().certificate().SerialNumber, RevocationTime: epoch}
	for name, c := range map[string]struct {
		revoked []x509.RevocationListEntry
		want    string
	}{
		"revoked":     {[]x509.RevocationListEntry{mine}, "certificate revoked"},
		"not revoked": {nil, "provider.pem: OK"},
	} {
		der := must(testCA().CRL(c.revoked, 1, epoch, epoch.Add(24*time.Hour)))
		files := map[string][]byte{"ca.pem": testCA().CertificatePEM(), "provider.pem": provider().cert, "crl.der": der}
		out, err := openssl(t, files, "verify", "-CAfile", "ca.pem", "-CRLfile", "crl.der", "-crl_check",
			"-attime", "1762164000" /* an hour after epoch */, "provider.pem")
		if !strings.Contains(out, c.want) || (err != nil) != (len(c.revoked) > 0) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

func TestCRLRefused(t *testing.T) {
	if _, err := testCA().CRL(nil, 1, epoch, epoch.Add(-time.Hour)); err == nil {
		t.Error("a list that ends before it begins was signed")
	}
	if _, err := testCA().CRL([]x509.RevocationListEntry{{SerialNumber: big.NewInt(1)}}, 1, epoch, epoch.Add(time.Hour)); err == nil {
		t.Error("an entry without a date was signed")
	}
}

// A certificate that says where its revocation is told keeps the profile.
func TestProviderNamesItsCRL(t *testing.T) {
	const crl, responder = "http://ca.example/crl", "http://ca.example/ocsp"
	request := ProviderRequest{
		Provider: providerName, Address: address, At: epoch, PublicKey: provider().certificate().PublicKey,
		CRLs: []string{crl}, OCSP: []string{responder},
	}
	cert := issued(testCA().IssueProvider(request)).certificate()
	if got := cert.CRLDistributionPoints; len(got) != 1 || got[0] != crl {
		t.Errorf("CRLs %q", got)
	}
	if got := cert.OCSPServer; len(got) != 1 || got[0] != responder {
		t.Errorf("OCSP %q", got)
	}
}

package directory

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var epoch = time.Date(2025, 11, 3, 9, 0, 0, 0, time.UTC)

// newCertificate is self-signed and as small as they get; the directory does not look into it.
func newCertificate(serial int64, email string) *x509.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber:   big.NewInt(serial),
		Subject:        pkix.Name{Organization: []string{"Alfa PEC S.p.A."}},
		EmailAddresses: []string{email},
		NotBefore:      epoch,
		NotAfter:       epoch.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

// certificates are made once for all tests: signer N has posta-certificata@pecN.example.
var certificates = sync.OnceValue(func() (certs []*x509.Certificate) {
	for i := range 6 {
		certs = append(certs, newCertificate(int64(i+1), fmt.Sprintf("Posta-Certificata@pec%d.example", i)))
	}
	return certs
})

func alfa() *Entry {
	return &Entry{
		Provider:       "Alfa PEC S.p.A.",
		Certificates:   certificates()[:2],
		ServiceMailbox: "servizio@pec0.example",
		Domains:        []string{"pec0.example", "comune.alfa.example"},
		LDIFURL:        "https://alfa.example/alfa.ldif.p7m",
		Description:    "Certified mail for everybody",
	}
}

func beta() *Entry {
	return &Entry{
		Provider:       "Beta, Figli & C. S.p.A.",
		Certificates:   certificates()[2:3],
		ServiceMailbox: "ricevute@pec2.example",
		Domains:        []string{"pec2.example"},
	}
}

// betaUnit is a secondary environment of beta.
func betaUnit() *Entry {
	return &Entry{
		Provider:       beta().Provider,
		Unit:           "Sede di Forlì",
		Certificates:   certificates()[3:4],
		ServiceMailbox: "ricevute@pec3.example",
		Domains:        []string{"pec3.example"},
	}
}

const rootURL = "https://igpec.example/igpec.ldif.p7m"

func mustMarshal(t testing.TB, entries ...*Entry) []byte {
	t.Helper()
	ldif, err := Marshal(entries, rootURL)
	if err != nil {
		t.Fatal(err)
	}
	return ldif
}

func mustParse(t testing.TB, ldif []byte) *Directory {
	t.Helper()
	d, err := Parse(ldif)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ldifOf writes an entry's record as text with whatever else is wanted in it, right or wrong.
func ldifOf(e *Entry, more ...string) string {
	w := &ldifWriter{}
	w.entry(e)
	return strings.TrimSuffix(w.String(), "\n") + strings.Join(more, "\n") + "\n\n"
}

func base64Of(der []byte) string { return base64.StdEncoding.EncodeToString(der) }

func sameEntry(a, b *Entry) bool {
	return a.Provider == b.Provider && a.Unit == b.Unit && a.ServiceMailbox == b.ServiceMailbox && a.LDIFURL == b.LDIFURL &&
		a.Description == b.Description && slices.Equal(a.Domains, b.Domains) &&
		slices.EqualFunc(a.Certificates, b.Certificates, (*x509.Certificate).Equal)
}

// wantProblem looks for a sentence among the problems.
func wantProblem(t *testing.T, d *Directory, text string) {
	t.Helper()
	if !slices.ContainsFunc(d.Problems(), func(p string) bool { return strings.Contains(p, text) }) {
		t.Errorf("no problem says %q: %q", text, d.Problems())
	}
}

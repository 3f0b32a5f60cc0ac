package provider

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/authority"
	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// The two providers of the tests of exactly once, and their holders.
const (
	alfaHost = "pec.alfa.test"
	betaHost = "pec.beta.test"

	marioAlfa = pec.Address("mario@pec.alfa.test")
	annaAlfa  = pec.Address("anna@pec.alfa.test")
	luigiBeta = pec.Address("luigi@pec.beta.test")
	saraBeta  = pec.Address("sara@pec.beta.test")

	holdersPassword = "una parola"
)

func serviceOf(domain string) pec.Address { return pec.Address("ricevute@" + domain) }
func signerOf(domain string) pec.Address  { return pec.Address("posta-certificata@" + domain) }

// houses are the files of both providers by their path, beginning with the domain: keys, certificates, and a data
// directory with the mailboxes and the signed directory. They are made once: keys and passwords cost time.
type houses struct {
	files  map[string][]byte
	server tls.Certificate
	roots  *x509.CertPool
}

var preparedHouses = sync.OnceValue(func() *houses {
	from := time.Now().Add(-48 * time.Hour)
	ca := must(authority.NewCA("Prove", from))
	h := &houses{files: map[string][]byte{}, roots: x509.NewCertPool()}
	h.roots.AddCert(ca.Certificate())
	shared := map[string][]byte{"directory-ca.pem": ca.CertificatePEM(), "signing-roots.pem": ca.CertificatePEM()}
	pair := func(name string, into map[string][]byte, cert, key []byte, err error) {
		into[name+".pem"], into[name+".key"] = must(cert, err), key
	}
	cert, key, err := ca.IssueServer([]string{"mx." + alfaHost, "mx." + betaHost}, []net.IP{net.IPv4(127, 0, 0, 1)}, from)
	pair("server", shared, cert, key, err)
	h.server = must(tls.X509KeyPair(cert, key))
	cert, key, err = ca.IssueClient("Prove", from)
	pair("client", shared, cert, key, err)
	cert, key, err = ca.IssueProvider(authority.ProviderRequest{Provider: "Autorità", Address: "autorita@authority.test", At: from})
	pair("directory-signer", shared, cert, key, err)
	var entries []*directory.Entry
	for _, domain := range []string{alfaHost, betaHost} {
		own := maps.Clone(shared)
		cert, key, err = ca.IssueProvider(authority.ProviderRequest{Provider: nameOf(domain), Address: string(signerOf(domain)), At: from})
		pair("signing", own, cert, key, err)
		entries = append(entries, &directory.Entry{
			Provider: nameOf(domain), Certificates: []*x509.Certificate{parse(cert)}, ServiceMailbox: string(serviceOf(domain)),
			Domains: []string{domain}, LDIFURL: "https://127.0.0.1:1/igpec.ldif.p7m",
		})
		h.add(domain, own)
	}
	signed := signedDirectory(shared, entries)
	h.add(alfaHost+"/data", dataDirectory(signed, serviceOf(alfaHost), marioAlfa, annaAlfa))
	h.add(betaHost+"/data", dataDirectory(signed, serviceOf(betaHost), luigiBeta, saraBeta))
	return h
})

func (h *houses) add(prefix string, files map[string][]byte) {
	for name, octets := range files {
		h.files[prefix+"/"+name] = octets
	}
}

// nameOf is a provider's name: "Alfa PEC S.p.A.".
func nameOf(domain string) string {
	short := strings.Split(domain, ".")[1]
	return strings.ToUpper(short[:1]) + short[1:] + " PEC S.p.A."
}

func signedDirectory(files map[string][]byte, entries []*directory.Entry) []byte {
	pair := must(tls.X509KeyPair(files["directory-signer.pem"], files["directory-signer.key"]))
	signer := must(smime.NewSigner(pair.PrivateKey.(crypto.Signer), []*x509.Certificate{pair.Leaf}))
	return must(must(authority.NewPublisher(signer, entries, entries[0].LDIFURL, time.Now)).Signed())
}

// dataDirectory makes a data directory in which the service mailbox and the holders' mailboxes are, and gives its files.
func dataDirectory(signed []byte, service pec.Address, holders ...pec.Address) map[string][]byte {
	dir := must(os.MkdirTemp("", "ceralacca-once-"))
	defer os.RemoveAll(dir)
	ctx := context.Background()
	st := must(store.Open(ctx, store.Options{
		Dir: dir, Now: time.Now, Jumped: func() <-chan struct{} { return nil }, Fatal: func(err error) { panic(err) }, Log: slog.New(slog.DiscardHandler),
	}))
	must(st.AddMailbox(ctx, service, true, ""))
	for _, a := range holders {
		must(st.AddMailbox(ctx, a, false, holdersPassword))
	}
	must(struct{}{}, st.Close())
	files := map[string][]byte{directoryCopy: signed}
	must(struct{}{}, fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files[name], err = os.ReadFile(filepath.Join(dir, name))
		}
		return err
	}))
	return files
}

// furnish writes both houses into a new directory.
func furnish(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, octets := range preparedHouses().files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, string(octets))
	}
	return dir
}

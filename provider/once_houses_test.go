package provider

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
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
	"github.com/ceralacca/ceralacca/postgrestest"
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

	mariosPassword = "una parola"
)

func serviceOf(domain string) pec.Address { return pec.Address("ricevute@" + domain) }
func signerOf(domain string) pec.Address  { return pec.Address("posta-certificata@" + domain) }

func holdersOf(domain string) []pec.Address {
	if domain == alfaHost {
		return []pec.Address{marioAlfa, annaAlfa}
	}
	return []pec.Address{luigiBeta, saraBeta}
}

// houses are the keys and certificates of both providers, by domain and file; signed is the directory that lists both. They are
// made once: keys cost time.
type houses struct {
	files   map[string]map[string][]byte
	signed  []byte
	left    chan string // databases whose houses are gone
	server  tls.Certificate
	roots   *x509.CertPool
	anchors *smime.Anchors
}

var preparedHouses = sync.OnceValue(func() *houses {
	from := time.Now().Add(-48 * time.Hour)
	ca := must(authority.NewCA("Prove", from))
	h := &houses{files: map[string]map[string][]byte{}, left: make(chan string, 10), roots: x509.NewCertPool(), anchors: smime.NewAnchors(ca.Certificate())}
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
		h.files[domain] = own
	}
	h.signed = signedDirectory(shared, entries)
	return h
})

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

// embeddedStores are the files of a store for each domain, with its mailboxes. They are made once: passwords cost time.
var embeddedStores = sync.OnceValue(func() map[string]map[string][]byte {
	return map[string]map[string][]byte{alfaHost: embeddedStore(alfaHost), betaHost: embeddedStore(betaHost)}
})

func embeddedStore(domain string) map[string][]byte {
	dir := must(os.MkdirTemp("", "ceralacca-once-"))
	defer os.RemoveAll(dir)
	must(struct{}{}, fillStore(store.Options{Dir: dir}, domain))
	files := map[string][]byte{}
	must(struct{}{}, fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files[name], err = os.ReadFile(filepath.Join(dir, name))
		}
		return err
	}))
	return files
}

// fillStore adds a domain's mailboxes to a new store.
func fillStore(o store.Options, domain string) error {
	o.Now, o.Jumped, o.Log = time.Now, func() <-chan struct{} { return nil }, slog.New(slog.DiscardHandler)
	o.Fatal = func(err error) { panic(err) }
	ctx := context.Background()
	st, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	_, err = st.AddMailbox(ctx, serviceOf(domain), true, "")
	for _, a := range holdersOf(domain) {
		password := ""
		if a == marioAlfa { // nobody else submits
			password = mariosPassword
		}
		_, again := st.AddMailbox(ctx, a, false, password)
		err = errors.Join(err, again)
	}
	return errors.Join(err, st.Close())
}

// furnish makes a house: its files in a new directory, its data where the configuration says. It returns the configuration's
// path.
func furnish(t testing.TB, domain, config string) string {
	t.Helper()
	dir := t.TempDir()
	writeAll(t, dir, preparedHouses().files[domain])
	path, data := filepath.Join(dir, configName), filepath.Join(dir, "data")
	write(t, path, config)
	if database := load(t, path).Store.Database; database != "" {
		again := preparedHouses().database(t, database)
		write(t, path, strings.Replace(config, database, again, 1))
		if err := fillStore(store.Options{Dir: data, Database: again}, domain); err != nil {
			t.Fatal(err)
		}
	} else {
		writeAll(t, data, embeddedStores()[domain])
	}
	write(t, filepath.Join(data, directoryCopy), string(preparedHouses().signed))
	return path
}

// writeAll writes files, and the directories that they are in.
func writeAll(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name, octets := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, string(octets))
	}
}

// database gives that of a house that is gone, empty, or the new one; the end of the test gives it back. To make a schema takes
// ten times as long as to empty it.
func (h *houses) database(t testing.TB, database string) string {
	t.Helper()
	select {
	case database = <-h.left:
		postgrestest.Query(t, database, `DO $$ BEGIN
			EXECUTE (SELECT 'WITH ' || string_agg(format('%I AS (DELETE FROM %I)', 'no_' || tablename, tablename), ', ') || ' SELECT 1'
				FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'meta');
			END $$; INSERT INTO sequence VALUES (1, 0)`)
	default:
	}
	t.Cleanup(func() {
		select {
		case h.left <- database:
		default:
		}
	})
	return database
}

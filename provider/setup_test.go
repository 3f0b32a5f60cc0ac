package provider

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
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

const (
	providerName = "Esempio PEC S.p.A."
	signing      = "posta-certificata@pec.example"
	configName   = "ceralacca.toml"
)

// sharedFiles are what configurations name, made once: RSA keys cost time.
var sharedFiles = sync.OnceValue(makeFiles)

func makeFiles() map[string][]byte {
	from := time.Now().Add(-48 * time.Hour)
	january := func(day int) time.Time { return time.Date(2026, time.January, day, 12, 0, 0, 0, time.UTC) }
	ca := must(authority.NewCA("Prove", january(1)))
	files := map[string][]byte{"directory-ca.pem": ca.CertificatePEM(), "signing-roots.pem": ca.CertificatePEM(), "ca.key": must(ca.KeyPEM())}
	pair := func(name string, cert, key []byte, err error) {
		files[name+".pem"], files[name+".key"] = must(cert, err), key
	}
	cert, key, err := ca.IssueProvider(authority.ProviderRequest{Provider: providerName, Address: signing, At: from})
	pair("signing", cert, key, err)
	public := parse(cert).PublicKey
	for name, r := range map[string]authority.ProviderRequest{
		"expired.pem":          {Provider: providerName, Address: signing, At: january(1), Until: january(31)},
		"due.pem":              {Provider: providerName, Address: "posta-certificata@due.example"},
		"directory-signer.pem": {Provider: "Autorità", Address: "autorita@authority.test"},
	} {
		r.PublicKey = public
		if r.At.IsZero() {
			r.At = from
		}
		cert, _, err := ca.IssueProvider(r)
		files[name] = must(cert, err)
	}
	_, key, err = ca.IssueProvider(authority.ProviderRequest{Provider: "Altra", Address: signing, At: from})
	files["other.key"] = must(key, err)
	cert, key, err = ca.IssueServer([]string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}, from)
	pair("server", cert, key, err)
	cert, key, err = ca.IssueClient(providerName, from)
	pair("client", cert, key, err)
	return files
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func parse(certificate []byte) *x509.Certificate {
	block, _ := pem.Decode(certificate)
	return must(x509.ParseCertificate(block.Bytes))
}

// place writes a configuration and all the files that it may name into a new directory, and returns its path.
func place(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, octets := range sharedFiles() {
		write(t, filepath.Join(dir, name), string(octets))
	}
	write(t, filepath.Join(dir, configName), text)
	return filepath.Join(dir, configName)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func options(clock *Clock) Options {
	return Options{Clock: clock, Log: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }}
}

// minimal is the least configuration, on free ports and with data of its own; each pair of edits replaces one text in it by another.
func minimal(t testing.TB, edits ...string) string {
	t.Helper()
	text := read(t, "testdata/provider.toml")
	if database := postgrestest.Database(t); database != "" {
		text += fmt.Sprintf("\n[store]\ndatabase = %q\n", database)
	}
	for i := 0; i < len(edits); i += 2 {
		text = replaced(t, text, edits[i], edits[i+1])
	}
	return text
}

// opened is a provider with what it was opened with.
type opened struct {
	*Provider
	config *Config
	clock  *Clock
	stop   func()
}

// open opens the provider of a configuration. stop, which the end of the test calls too, closes it.
func open(t testing.TB, path string, offset time.Duration) opened {
	t.Helper()
	o := opened{config: load(t, path), clock: NewClock(offset)}
	var err error
	if o.Provider, err = Open(t.Context(), o.config, options(o.clock)); err != nil {
		t.Fatal(err)
	}
	o.stop = sync.OnceFunc(func() {
		if err := o.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	t.Cleanup(o.stop)
	return o
}

// run opens a provider and runs it until stop.
func run(t testing.TB, path string) opened {
	t.Helper()
	o := open(t, path, 0)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	end := o.stop
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("running: %v", err)
		}
		end()
	})
	t.Cleanup(o.stop)
	return o
}

// authorityURL is where the signed directory is, which lists pec.example as ours.
func authorityURL(t testing.TB) string {
	t.Helper()
	url, _ := publish(t)
	return url
}

// publish serves the signed directory, at first with pec.example as ours alone.
func publish(t testing.TB) (string, *authority.Publisher) {
	t.Helper()
	files := sharedFiles()
	pair := must(tls.X509KeyPair(files["directory-signer.pem"], files["signing.key"]))
	signer := must(smime.NewSigner(pair.PrivateKey.(crypto.Signer), []*x509.Certificate{parse(files["directory-signer.pem"])}))
	server := httptest.NewUnstartedServer(nil)
	url := "https://" + server.Listener.Addr().String() + "/igpec.ldif.p7m"
	entry := &directory.Entry{
		Provider: providerName, Certificates: []*x509.Certificate{parse(files["signing.pem"])}, ServiceMailbox: "ricevute@pec.example",
		Domains: []string{"pec.example"}, LDIFURL: url,
	}
	publisher := must(authority.NewPublisher(signer, []*directory.Entry{entry}, url, time.Now))
	server.Config.Handler = publisher
	server.TLS = authority.ServerTLS(must(tls.X509KeyPair(files["server.pem"], files["server.key"])), parse(files["directory-ca.pem"]), time.Now)
	server.StartTLS()
	t.Cleanup(server.Close)
	return url, publisher
}

// hold puts a message aside in a store, as the incoming point does.
func hold(t testing.TB, st *store.Store, octets string) {
	t.Helper()
	spool, scan := st.NewSpool(), pec.NewScanner(nil)
	if _, err := io.WriteString(io.MultiWriter(spool, scan), octets); err != nil {
		t.Fatal(err)
	}
	content, err := spool.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer content.Release()
	at := st.Instant(time.Time{})
	record := pec.Record{Fact: store.NewID(), At: at.At, Unit: signing, Events: []pec.Event{{Kind: pec.EventHeld, Sender: "ignoto@altro.example"}}}
	held := store.Held{Reason: "la firma non è valida", Sender: "ignoto@altro.example", Recipients: []string{"mario@pec.example", "anna@pec.example"}, Peer: "192.0.2.1"}
	m := store.NewMessage{
		ID: store.NewID(), Kind: store.KindHeld, Structure: scan.Finish(),
		Recipe: store.Recipe{{Span: store.Span{Content: content.ID, Length: content.Size}}},
	}
	if err := st.Hold(t.Context(), at, record, held, content, m, nil); err != nil {
		t.Fatal(err)
	}
}

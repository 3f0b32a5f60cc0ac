package authority

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/smime"
)

// clock is the law's; tests move it.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newPublisher(t *testing.T, c *clock) *Publisher {
	t.Helper()
	p, err := NewPublisher(publishing().signer(testCA()), []*directory.Entry{entry()}, rootURL, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, p *Publisher) *directory.Directory {
	t.Helper()
	signed, err := p.Signed()
	if err != nil {
		t.Fatal(err)
	}
	d, err := directory.Open(signed, publishing().certificate())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Signed anew when an hour is over or something has changed, never in between.
func TestPublisherSigns(t *testing.T) {
	c := &clock{epoch}
	p := newPublisher(t, c)
	signedAt := func(want time.Time) {
		t.Helper()
		if got := open(t, p).SignedAt(); !got.Equal(want) {
			t.Errorf("signed at %s, wanted %s", got, want)
		}
	}
	signedAt(epoch)
	c.at = epoch.Add(59 * time.Minute)
	signedAt(epoch)
	c.at = epoch.Add(time.Hour)
	signedAt(c.at)

	c.at = epoch.Add(61 * time.Minute)
	if err := p.SetEntries([]*directory.Entry{entry()}); err != nil {
		t.Fatal(err)
	}
	signedAt(epoch.Add(time.Hour)) // the same entries are no change
	other := entry()
	other.Domains = append(other.Domains, "comune.alfa.example")
	if err := p.SetEntries([]*directory.Entry{other}); err != nil {
		t.Fatal(err)
	}
	signedAt(c.at)
	if _, ok := open(t, p).Domain("comune.alfa.example"); !ok {
		t.Error("the new domain is not published")
	}

	bad := entry()
	bad.Domains = nil
	if err := p.SetEntries([]*directory.Entry{bad}); err == nil {
		t.Error("an entry without a domain was published")
	}
	if _, ok := open(t, p).Domain("comune.alfa.example"); !ok {
		t.Error("a refused change has changed something")
	}
	if _, err := NewPublisher(publishing().signer(testCA()), []*directory.Entry{bad}, rootURL, c.now); err == nil {
		t.Error("a publisher of a bad entry")
	}
}

// An outside verifier accepts what we publish (RFC 6109 4.5).
func TestDirectoryByOpenSSL(t *testing.T) {
	signed, err := newPublisher(t, &clock{epoch}).Signed()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"p7m": signed, "ca": testCA().CertificatePEM()}
	out, err := openssl(t, files, "cms", "-verify", "-inform", "DER", "-binary", "-in", "p7m", "-CAfile", "ca", "-purpose", "smimesign",
		"-attime", "1793000000")
	if err != nil || !strings.Contains(out, "dn: o=postacert\nobjectClass: top\n") || !strings.Contains(out, "CMS Verification successful") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestPublisherAnswers(t *testing.T) {
	p := newPublisher(t, &clock{epoch})
	want, err := p.Signed()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", Path, 200}, {"HEAD", Path, 200}, {"POST", Path, 405}, {"GET", "/", 404}, {"GET", Path + "/x", 404},
	} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.status {
			t.Errorf("%s %s: %d", test.method, test.path, w.Code)
		}
		if w.Code == 200 && w.Header().Get("Content-Type") != "application/pkcs7-mime; smime-type=signed-data" {
			t.Errorf("content type %q", w.Header().Get("Content-Type"))
		}
		if test.method == "GET" && w.Code == 200 && !bytes.Equal(w.Body.Bytes(), want) {
			t.Error("another file was served")
		}
	}
}

// brokenKey is an HSM that does not answer.
type brokenKey struct{ crypto.Signer }

func (brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("no session")
}

func TestPublisherWithoutKey(t *testing.T) {
	key := publishing().tls().PrivateKey.(*rsa.PrivateKey)
	signer := must(smime.NewSigner(brokenKey{key}, []*x509.Certificate{publishing().certificate()}))
	p, err := NewPublisher(signer, []*directory.Entry{entry()}, rootURL, (&clock{epoch}).now)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", Path, nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
}

// serve starts the directory's server as ServerTLS makes it, at an instant of the law's clock.
func serve(t *testing.T, at *clock) *httptest.Server {
	t.Helper()
	cert := issued(testCA().IssueServer([]string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}, epoch))
	server := httptest.NewUnstartedServer(newPublisher(t, at))
	server.TLS = ServerTLS(cert.tls(), testCA().Certificate(), at.now)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// The whole way: published, fetched with a client certificate, kept (RFC 6109 5.6, norms.md 121).
func TestFetchedByKeeper(t *testing.T) {
	at := &clock{epoch.Add(time.Hour)}
	server := serve(t, at)
	roots := x509.NewCertPool()
	roots.AddCert(testCA().Certificate())
	client := issued(testCA().IssueClient(providerName, epoch))
	keeper, err := directory.NewKeeper(directory.KeeperConfig{
		Signer: publishing().certificate(),
		Fetch: directory.HTTPSFetch(server.URL+Path, &tls.Config{RootCAs: roots, Time: at.now,
			Certificates: []tls.Certificate{client.tls()}}),
		Load: func() ([]byte, error) { return nil, fs.ErrNotExist },
		Save: func([]byte) error { return nil },
		Now:  at.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, ok := keeper.Current().Signer(provider().certificate()); !ok || e.Provider != providerName {
		t.Errorf("the provider's certificate belongs to %v", e)
	}
	if !keeper.Current().Address(address) || len(keeper.Current().Problems()) > 0 {
		t.Errorf("problems: %q", keeper.Current().Problems())
	}
}

// RFC 6109 5.6: only licensed providers. attacks.md 19: the server's certificate changes to another authority's.
// norms.md 121, 143
func TestChannelRefusesStrangers(t *testing.T) {
	at := &clock{epoch.Add(time.Hour)}
	server := serve(t, at)
	roots, none := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(testCA().Certificate())
	client := issued(testCA().IssueClient(providerName, epoch)).tls()
	later := issued(testCA().IssueClient(providerName, epoch.Add(2*time.Hour))).tls()
	selfSigned := server.TLS.Certificates[0] // a server's certificate is no client's
	for name, config := range map[string]*tls.Config{
		"no client certificate":       {RootCAs: roots},
		"signing certificate":         {RootCAs: roots, Certificates: []tls.Certificate{provider().tls()}},
		"server certificate":          {RootCAs: roots, Certificates: []tls.Certificate{selfSigned}},
		"not valid yet":               {RootCAs: roots, Certificates: []tls.Certificate{later}},
		"server of another authority": {RootCAs: none, Certificates: []tls.Certificate{client}},
		"old TLS":                     {RootCAs: roots, Certificates: []tls.Certificate{client}, MaxVersion: tls.VersionTLS11},
	} {
		config.Time = at.now
		if _, err := directory.HTTPSFetch(server.URL+Path, config)(context.Background()); err == nil {
			t.Errorf("%s: the directory was given away", name)
		}
	}
	good := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}, Time: at.now}
	if _, err := directory.HTTPSFetch(server.URL+Path, good)(context.Background()); err != nil {
		t.Error(err)
	}
}

package provider

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/authority"
	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/revocation"
)

// lists is a server of the list of an authority.
type lists struct {
	url string
	ca  *authority.CA

	mu      sync.Mutex
	revoked []x509.RevocationListEntry
	asked   chan struct{} // one for each list that was fetched
	number  int64
}

// newLists serves the list of the authority that certifies the tests' providers; nothing is revoked yet.
func newLists(t testing.TB) *lists {
	files := sharedFiles()
	return listsOf(t, must(authority.LoadCA(files["signing-roots.pem"], files["ca.key"])))
}

func listsOf(t testing.TB, ca *authority.CA) *lists {
	l := &lists{ca: ca, asked: make(chan struct{}, 100)}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

func (l *lists) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	w.Write(must(l.ca.CRL(l.revoked, l.number, time.Now(), time.Now().Add(time.Hour))))
	select {
	case l.asked <- struct{}{}:
	default: // nobody counts so far
	}
}

func (l *lists) revoke(cert *x509.Certificate, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revoked = append(l.revoked, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: since})
}

// list publishes a directory of one provider that has these certificates.
func list(t testing.TB, publisher *authority.Publisher, name string, certs ...*x509.Certificate) {
	t.Helper()
	domain := name + ".example"
	if err := publisher.SetEntries([]*directory.Entry{{
		Provider: name, Certificates: certs, ServiceMailbox: "ricevute@" + domain, Domains: []string{domain}, LDIFURL: "https://" + domain + "/own.ldif.p7m",
	}}); err != nil {
		t.Fatal(err)
	}
}

// following is the least configuration with a directory and lists.
func following(t testing.TB, directoryURL string, l *lists) string {
	t.Helper()
	return minimal(t, "https://127.0.0.1:1/igpec.ldif.p7m", directoryURL) + fmt.Sprintf("\n[revocation]\nurls = [%q]\nprivate_networks = true\n", l.url)
}

// knows is what a provider knows now of the certificate that signs here.
func (o opened) knows() revocation.State {
	files := sharedFiles()
	path := []*x509.Certificate{parse(files["signing.pem"]), parse(files["signing-roots.pem"])}
	return o.revocations.status(path, o.clock.Now()).State
}

func wantState(t testing.TB, when string, got, want revocation.State) {
	t.Helper()
	if got != want {
		t.Errorf("%s it is %s, want %s", when, got, want)
	}
}

// norms.md 49, 50: a revocation is known after the next refresh, and still after a restart with nobody to ask.
func TestRevocationIsKnownAndKept(t *testing.T) {
	t.Parallel()
	l, url := newLists(t), authorityURL(t)
	path := place(t, following(t, url, l))
	p := open(t, path, 0)
	wantState(t, "at first", p.knows(), revocation.Unknown)
	for _, step := range []struct {
		when string
		do   func()
		want revocation.State
	}{
		{"with the list", func() {}, revocation.Good},
		{"revoked", func() { l.revoke(parse(sharedFiles()["signing.pem"]), time.Now()) }, revocation.Revoked},
	} {
		step.do()
		if err := p.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantState(t, step.when, p.knows(), step.want)
	}
	p.stop()
	write(t, path, replaced(t, replaced(t, read(t, path), l.url, "http://127.0.0.1:1/"), url, "https://127.0.0.1:1/igpec.ldif.p7m"))
	wantState(t, "after a restart", open(t, path, 0).knows(), revocation.Revoked)
}

// attacks.md 11: a server in a private network is asked for the list that the operators name, and, unless they allow it, for none that a
// certificate names.
func TestRevocationFromPrivateNetworks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		private bool
		urls    string // LIST stands for the list's address
		asked   int
		want    revocation.State
	}{
		"named by the operators":                 {false, `["LIST"]`, 1, revocation.Good},
		"named by a certificate":                 {false, `[]`, 0, revocation.Unknown},
		"named by a certificate, and it may be":  {true, `[]`, 1, revocation.Good},
		"named by a certificate and another one": {false, `["http://127.0.0.1:1/"]`, 0, revocation.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLists(t)
			request := authority.ProviderRequest{
				Provider: "Tre", Address: "posta-certificata@tre.example", PublicKey: parse(sharedFiles()["signing.pem"]).PublicKey, At: time.Now(), CRLs: []string{l.url},
			}
			certPEM, _, err := l.ca.IssueProvider(request)
			cert := parse(must(certPEM, err))
			url, publisher := publish(t)
			list(t, publisher, "tre", cert)
			text := minimal(t, "https://127.0.0.1:1/igpec.ldif.p7m", url) + fmt.Sprintf("\n[revocation]\nprivate_networks = %t\nurls = %s\n", c.private, strings.ReplaceAll(c.urls, "LIST", l.url))
			p := open(t, place(t, text), 0)
			if err := p.Renew(t.Context()); (err == nil) != (c.want == revocation.Good) || len(l.asked) != c.asked {
				t.Errorf("%v, asked %d times", err, len(l.asked))
			}
			wantState(t, "then", p.revocations.status([]*x509.Certificate{cert, l.ca.Certificate()}, p.clock.Now()).State, c.want)
		})
	}
}

func TestWhereListsMayCome(t *testing.T) {
	for address, want := range map[string]struct{ public, private bool }{
		"93.184.215.14": {true, true}, "2606:2800:21f::1": {true, true}, "127.0.0.1": {false, true}, "::1": {false, true},
		"10.1.2.3": {false, true}, "fd00::1": {false, true}, "169.254.169.254": {}, "fe80::1": {}, "0.0.0.0": {}, "224.0.0.1": {},
	} {
		a := netip.MustParseAddr(address)
		if got := (RevocationConfig{}).reaches(a); got != want.public {
			t.Errorf("%s is reached: %t", address, got)
		}
		if got := (RevocationConfig{Private: true}).reaches(a); got != want.private {
			t.Errorf("%s is reached with private_networks: %t", address, got)
		}
	}
}

// norms.md 50: the policy is defined, and is what the incoming point has.
func TestRevocationPolicies(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]struct{ asks, waits bool }{"": {true, false}, "off": {}, "accept": {true, false}, "wait": {true, true}} {
		text := minimal(t)
		if policy != "" {
			text += fmt.Sprintf("\n[revocation]\npolicy = %q\n", policy)
		}
		p := open(t, place(t, text), 0)
		if asks, waits := p.incoming.Revocation != nil, p.incoming.WaitForRevocation; asks != want.asks || waits != want.waits {
			t.Errorf("policy %q: asks %t, waits %t", policy, asks, waits)
		}
		p.stop()
	}
}

// What was kept and cannot be read at all stops the start, as everything in the data directory does; damage in it is only logged.
func TestKeptRevocations(t *testing.T) {
	t.Parallel()
	path := place(t, minimal(t))
	open(t, path, 0).stop()
	for _, name := range []string{revocationCopy, authoritiesCopy} {
		kept := filepath.Join(filepath.Dir(path), "data", name)
		write(t, kept, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
		open(t, path, 0).stop()
		if err := os.Remove(kept); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(kept, 0o700); err != nil {
			t.Fatal(err)
		}
		says(t, refused(t, path, 0), kept)
		if err := os.Remove(kept); err != nil {
			t.Fatal(err)
		}
	}
}

// A directory that is new while the provider runs has its certificates looked for at once, not in an hour.
func TestNewDirectoryIsFollowed(t *testing.T) {
	t.Parallel()
	l := newLists(t)
	url, publisher := publish(t)
	p := run(t, place(t, following(t, url, l)))
	eventually := time.After(30 * time.Second)
	fetched := func(what string) {
		t.Helper()
		select {
		case <-l.asked:
		case <-eventually:
			t.Fatalf("not fetched: %s", what)
		}
	}
	fetched("for the first directory")
	for len(l.asked) > 0 {
		<-l.asked
	}
	list(t, publisher, "due", parse(sharedFiles()["due.pem"]))
	if err := p.keeper.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	fetched("for the second directory")
}

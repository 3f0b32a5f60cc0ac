package provider

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/authority"
	"github.com/ceralacca/ceralacca/revocation"
)

// between is an authority below that of the tests.
var between = sync.OnceValue(func() *authority.CA {
	files := sharedFiles()
	rootKey, _ := pem.Decode(files["ca.key"])
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	der := must(x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "In mezzo"}, NotBefore: time.Now().Add(-time.Hour * 24), NotAfter: time.Now().Add(time.Hour * 24),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, parse(files["signing-roots.pem"]), key.Public(), must(x509.ParsePKCS8PrivateKey(rootKey.Bytes))))
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
	return must(authority.LoadCA(encoded(der), keyPEM))
})

func encoded(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// below is the path of a provider that the authority between certifies.
func below() []*x509.Certificate {
	files := sharedFiles()
	cert, _, err := between().IssueProvider(authority.ProviderRequest{
		Provider: "Tre", Address: "posta-certificata@tre.example", PublicKey: parse(files["signing.pem"]).PublicKey, At: time.Now(),
	})
	return []*x509.Certificate{parse(must(cert, err)), between().Certificate(), parse(files["signing-roots.pem"])}
}

// The directory names signers only. Authorities that stand between them and the anchors are learnt from the first message that has
// them, so that with the policy "wait" it passes when it comes again. Until then the operators are told, once, whose revocation is not followed.
func TestAuthoritiesBetweenAreLearnt(t *testing.T) {
	t.Parallel()
	path, direct := below(), parse(sharedFiles()["signing.pem"])
	url, publisher := publish(t)
	list(t, publisher, "tre", path[0], direct, parse(sharedFiles()["expired.pem"]))
	p := open(t, place(t, following(t, url, newLists(t))), 0)
	if err := p.keeper.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := p.revocations
	var log bytes.Buffer
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	for range 3 {
		if got := r.watched(); len(got) != 1 || !got[0][0].Equal(direct) {
			t.Fatalf("%d paths before any message", len(got))
		}
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || strings.Count(text, "providerName=tre") != 1 || !strings.Contains(text, "In mezzo") {
		t.Errorf("logged %s", text)
	}
	wantState(t, "at the first message", r.status(path, p.clock.Now()).State, revocation.Unknown)
	if got := r.watched(); len(got) != 2 || !slices.EqualFunc(got[0], path, (*x509.Certificate).Equal) {
		t.Errorf("after it %d paths are watched", len(got))
	}
	if strings.Count(log.String(), "level=") != 1 {
		t.Errorf("logged %s", &log)
	}
	r.between = &authorities{}
	r.watched()
	if strings.Count(log.String(), "level=WARN") != 2 {
		t.Errorf("not followed again, and logged %s", &log)
	}
}

// norms.md 49: what was heard of a revocation below an authority that a message brought is known after a restart, and after the refresh that
// follows it, though this authority's list cannot be had any more and another one's can.
func TestLearntAuthoritiesAreKept(t *testing.T) {
	t.Parallel()
	path := below()
	roots, middle := newLists(t), listsOf(t, between())
	middle.revoke(path[0], time.Now())
	url, publisher := publish(t)
	list(t, publisher, "tre", path[0], parse(sharedFiles()["signing.pem"]))
	config := place(t, replaced(t, following(t, url, roots), fmt.Sprintf("%q", roots.url), fmt.Sprintf("%q, %q", roots.url, middle.url)))
	p := run(t, config)
	for end := time.Now().Add(30 * time.Second); p.revocations.status(path, p.clock.Now()).State != revocation.Revoked; {
		if time.Now().After(end) {
			t.Fatal("the revocation is not found out")
		}
		select {
		case <-middle.asked:
		case <-time.After(10 * time.Millisecond):
			p.clock.Advance(time.Second) // wakes who follows the directory
		}
	}
	p.stop()
	write(t, config, replaced(t, read(t, config), middle.url, "http://127.0.0.1:1/"))
	p = open(t, config, time.Hour)
	wantState(t, "after a restart", p.revocations.status(path, p.clock.Now()).State, revocation.Revoked)
	if err := p.Renew(t.Context()); err == nil {
		t.Error("the list that is gone was had")
	}
	wantState(t, "after a refresh", p.revocations.status(path, p.clock.Now()).State, revocation.Revoked)
}

// What a message brings is bounded, noted once, and told to who keeps it; a disk that is full now gets it later.
func TestAuthoritiesAreKeptOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	a := &authorities{path: filepath.Join(dir, authoritiesCopy), news: make(chan struct{}, 1)}
	if err := a.load(time.Now(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	path := below()
	for _, nothing := range [][]*x509.Certificate{nil, path[:2]} {
		if a.learn(nothing); len(a.news) != 0 {
			t.Errorf("%d certificates are news", len(nothing))
		}
	}
	a.learn(path)
	a.learn(path)
	if len(a.news) != 1 || len(a.all()) != 1 {
		t.Errorf("%d times news, %d known", len(a.news), len(a.all()))
	}
	if err := a.keep(); err == nil {
		t.Error("kept in a directory that is not there")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := a.keep(); err != nil || read(t, a.path) != string(encoded(path[1].Raw)) {
		t.Errorf("%v, kept %s", err, read(t, a.path))
	}
	if err := os.Remove(a.path); err != nil {
		t.Fatal(err)
	}
	if err := a.keep(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(a.path); err == nil {
		t.Error("written again, though nothing is new")
	}
	<-a.news
	if a.learn(path); len(a.news) != 0 {
		t.Error("it is news again")
	}
	for range 2 * maxAuthorities {
		a.learn([]*x509.Certificate{path[0], {Raw: []byte(rand.Text())}, path[2]})
	}
	if len(a.all()) != maxAuthorities {
		t.Errorf("%d authorities are known", len(a.all()))
	}
}

// Damage in the file and what does not belong there are told, and the rest of it is used; what has expired is of no use any more.
func TestDamagedAuthorities(t *testing.T) {
	good := string(encoded(between().Certificate().Raw))
	for name, c := range map[string]struct {
		text string
		now  time.Time
		use  bool
		told int
	}{
		"as it was":               {good, time.Now(), true, 0},
		"twice":                   {good + good, time.Now(), true, 0},
		"expired":                 {good, time.Now().Add(30 * 24 * time.Hour), false, 0},
		"no base64":               {strings.Replace(good, "MII", "M!I", 1) + good, time.Now(), true, 1},
		"torn":                    {good + good[:len(good)/2], time.Now(), true, 1},
		"another certificate":     {string(sharedFiles()["signing.pem"]) + good, time.Now(), true, 1},
		"a key":                   {string(sharedFiles()["signing.key"]) + good, time.Now(), true, 1},
		"no certificate in there": {string(encoded([]byte("x"))) + good, time.Now(), true, 1},
	} {
		var log bytes.Buffer
		a := &authorities{path: filepath.Join(t.TempDir(), authoritiesCopy)}
		write(t, a.path, c.text)
		if err := a.load(c.now, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if told := strings.Count(log.String(), "level=ERROR"); len(a.all()) == 1 != c.use || told != c.told {
			t.Errorf("%s: %d are used, logged %s", name, len(a.all()), &log)
		}
	}
}

// An authority of our own chain that messages bring too outlives a change of our own chain.
func TestAuthorityOfOurOwnIsKept(t *testing.T) {
	path := below()
	file, log := filepath.Join(t.TempDir(), "authorities.pem"), slog.New(slog.DiscardHandler)
	before := &authorities{path: file, news: make(chan struct{}, 1)}
	before.add(path[1]) // certificate_file has it
	if err := before.load(time.Now(), log); err != nil {
		t.Fatal(err)
	}
	before.learn(path)
	if err := before.keep(); err != nil {
		t.Fatal(err)
	}
	after := &authorities{path: file, news: make(chan struct{}, 1)} // certificate_file has another's
	if err := after.load(time.Now(), log); err != nil {
		t.Fatal(err)
	}
	if got := after.all(); len(got) != 1 || !got[0].Equal(path[1]) {
		t.Errorf("%d authorities are known", len(got))
	}
}

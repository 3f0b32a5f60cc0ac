package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// world is what a keeper sees: a web, a disk, a clock, a log, and certificates to watch.
type world struct {
	mu       sync.Mutex
	web      network
	watched  [][]*x509.Certificate
	disk     []byte
	diskFull error
	offset   time.Duration // of the law's clock before the machine's
	jumped   chan struct{}
	log      bytes.Buffer
}

// watch is the path of a signer with serial number 7 that names a list and a responder.
var watch = sync.OnceValue(func() []*x509.Certificate {
	return []*x509.Certificate{naming(7, []string{listURL}, []string{answerURL}).Certificate, root().Certificate}
})

// newWorld stands at day 1 and watches one certificate.
func newWorld() *world {
	return &world{offset: time.Until(day(1)), jumped: make(chan struct{}), watched: [][]*x509.Certificate{watch()}}
}

func (w *world) config() KeeperConfig {
	return KeeperConfig{
		Watch:  func() [][]*x509.Certificate { w.mu.Lock(); defer w.mu.Unlock(); return w.watched },
		Client: &http.Client{Transport: roundTrip(w.roundTrip)},
		Load: func() ([]byte, error) {
			if w.disk == nil {
				return nil, fs.ErrNotExist
			}
			return w.disk, nil
		},
		Save: func(blob []byte) error {
			if w.diskFull == nil {
				w.disk = blob
			}
			return w.diskFull
		},
		Now:    func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return time.Now().Add(w.offset) },
		Jumped: func() <-chan struct{} { w.mu.Lock(); defer w.mu.Unlock(); return w.jumped },
		Log:    slog.New(slog.NewTextHandler(&w.log, nil)),
	}
}

func (w *world) roundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.web.RoundTrip(req)
}

// serve puts a list on the web; nil: there is none.
func (w *world) serve(list []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.web.gone(listURL); list != nil {
		w.web.serve(listURL, list)
	}
}

func (w *world) jump(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += by
	close(w.jumped)
	w.jumped = make(chan struct{})
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return time.Now().Add(w.offset) }

// asked is how often the list was asked for.
func (w *world) asked() (times int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.web.asked)
}

// logged is how many lines of the log have these words.
func (w *world) logged(words string) int { return strings.Count(w.log.String(), words) }

func (w *world) keeper(t *testing.T) *Keeper {
	t.Helper()
	k, err := NewKeeper(w.config())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) mustRefresh(t *testing.T, k *Keeper) {
	t.Helper()
	if err := k.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// state is what the keeper knows now of the watched certificate.
func (w *world) state(k *Keeper) State { return k.Path(watch(), w.now()).State }

// lacking are the issuers that an alarm would be about now, and why.
func lacking(k *Keeper) (issuers []string) {
	for name, w := range k.worst(k.links()) {
		if w.lack != none {
			issuers = append(issuers, fmt.Sprintf("%s: %s: %s", name, w.lack, w.why))
		}
	}
	slices.Sort(issuers)
	return issuers
}

func TestKeeperStart(t *testing.T) {
	w := newWorld()
	k := w.keeper(t)
	if w.state(k) != Unknown || len(lacking(k)) != 1 {
		t.Errorf("before anything was had: %s, stale %q", w.state(k), lacking(k))
	}
	w.serve(root().crl(0, 10, nil))
	w.mustRefresh(t, k)
	if again := w.keeper(t); w.state(k) != Good || w.state(again) != Good || len(lacking(again)) != 0 {
		t.Errorf("%s, after a restart %s, stale %q", w.state(k), w.state(again), lacking(again))
	}
	kept := string(w.disk)
	for name, broken := range map[string]string{
		"not a list": fetchedAt(day(1), encoded("X509 CRL", signer().Raw)),
		"no time":    strings.Replace(kept, "Fetched", "Forgotten", 1),
		"no base64":  strings.Replace(kept, "\n\nM", "\n\n!M", 1),
	} {
		w.log.Reset()
		w.disk = []byte(broken + fetchedAt(day(1), encoded("OCSP RESPONSE", root().answer(0, 10, nil))))
		if k := w.keeper(t); w.logged("level=ERROR") != 1 || w.state(k) != Good {
			t.Errorf("%s: %s, logged %s", name, w.state(k), &w.log)
		}
	}
}

// fetchedAt makes of PEM what a keeper saves.
func fetchedAt(had time.Time, file []byte) string {
	return strings.Replace(string(file), "\n", "\nFetched: "+instant(had)+"\n\n", 1)
}

func TestKeeperConfigured(t *testing.T) {
	if _, err := NewKeeper(KeeperConfig{}); err == nil {
		t.Error("an empty configuration is no error")
	}
	c := newWorld().config()
	c.Load = func() ([]byte, error) { return nil, errors.New("disk broken") }
	if _, err := NewKeeper(c); err == nil || !strings.Contains(err.Error(), "disk broken") {
		t.Errorf("got %v", err)
	}
}

// norms.md 49: who is revoked is known after the next refresh, stays so without a network, and is told once.
func TestKeeperLearnsOfRevocation(t *testing.T) {
	w := newWorld()
	k := w.keeper(t)
	w.serve(root().crl(0, 10, nil))
	w.mustRefresh(t, k)
	before := k.Current()
	w.serve(root().crl(0.5, 10.5, revoked(0.4, 1)))
	w.mustRefresh(t, k)
	w.mustRefresh(t, k)
	if got := k.Path(watch(), w.now()); got.State != Revoked || got.Reason != KeyCompromise || before.Path(watch(), w.now()).State != Good {
		t.Errorf("%+v; the snapshot before must stay as it was", got)
	}
	if w.logged(`level=WARN msg="a certificate is revoked" subject="CN=Signer" serial=7`) != 1 {
		t.Errorf("logged %s", &w.log)
	}
	w.serve(nil)
	w.jump(60 * 24 * time.Hour)
	if again := w.keeper(t); w.state(again) != Revoked {
		t.Errorf("two months later: %s", w.state(again))
	}
}

// attacks.md 11, 19: an older list is refused, also after a restart.
func TestKeeperRollback(t *testing.T) {
	numbered := func(number int64, this float64) []byte {
		return root().list(&x509.RevocationList{Number: big.NewInt(number), ThisUpdate: day(this), NextUpdate: day(10)})
	}
	newer := root().crl(0.5, 10, revoked(-3, 1))
	for name, older := range map[string][]byte{
		"number and time": root().crl(0, 10, nil),
		"number":          numbered(1, 0.6),
		"time":            numbered(1<<40, 0.4),
	} {
		w := newWorld()
		k := w.keeper(t)
		w.serve(newer)
		w.mustRefresh(t, k)
		w.serve(older)
		for _, k := range []*Keeper{k, w.keeper(t)} {
			if err := k.Refresh(t.Context()); !errors.Is(err, ErrRollback) || w.state(k) != Revoked {
				t.Errorf("%s: %s, %v", name, w.state(k), err)
			}
		}
	}
}

// A list from far ahead would bar every true successor; one on disk that the issuer did not sign bars none.
func TestKeeperIsNotBarred(t *testing.T) {
	w := newWorld()
	w.disk = []byte(fetchedAt(day(0), encoded("X509 CRL", twin().crl(50, 60, nil))))
	k := w.keeper(t)
	w.serve(root().crl(0, 10, nil))
	w.mustRefresh(t, k)
	if w.state(k) != Good || bytes.Count(w.disk, []byte("-----BEGIN")) != 1 {
		t.Errorf("%s, on disk %s", w.state(k), w.disk)
	}
	w.serve(root().crl(1.01, 10, revoked(-3, 1)))
	if err := k.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "time to come") || w.state(k) != Good {
		t.Errorf("%s, %v", w.state(k), err)
	}
}

// An issuer without a list is asked by OCSP, for each certificate.
func TestKeeperAsksResponder(t *testing.T) {
	w := newWorld()
	k := w.keeper(t)
	blob := root().answer(0.5, 2, nil)
	w.web.answer(answerURL, respond(func() []byte { return blob }))
	w.mustRefresh(t, k)
	if again := w.keeper(t); w.state(again) != Good || len(lacking(again)) != 0 {
		t.Errorf("%s, stale %q", w.state(again), lacking(again))
	}
	blob = root().answer(0.6, 2, func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, day(0.2) })
	w.mustRefresh(t, k)
	if w.state(k) != Revoked {
		t.Error(w.state(k))
	}
	blob = root().answer(0.5, 2, nil)
	if err := k.Refresh(t.Context()); !errors.Is(err, ErrRollback) || w.state(k) != Revoked {
		t.Errorf("%s, %v", w.state(k), err)
	}
}

// An authority that no longer makes lists though its server works is found out too.
func TestKeeperWithOldList(t *testing.T) {
	w := newWorld()
	k := w.keeper(t)
	w.serve(root().crl(0.9, 1.1, nil))
	w.mustRefresh(t, k)
	w.jump(4 * time.Hour)
	err := k.Refresh(t.Context())
	if stale := lacking(k); err == nil || w.state(k) != Good || len(stale) != 1 || !strings.HasPrefix(stale[0], "CN=Root: overdue: ") {
		t.Errorf("%s, stale %q, %v", w.state(k), stale, err)
	}
}

// What is watched no longer is forgotten at the next save; what is expired is not watched.
func TestKeeperWatches(t *testing.T) {
	w := newWorld()
	another := []*x509.Certificate{other().issue(7, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://other.example/CRL"} }).Certificate, other().Certificate}
	expired := []*x509.Certificate{root().issue(8, func(c *x509.Certificate) { c.NotAfter = day(0) }).Certificate, root().Certificate}
	w.watched = [][]*x509.Certificate{watch(), another, another, expired, watch()[1:], nil}
	w.serve(root().crl(0, 10, nil))
	w.web.serve("http://other.example/CRL", other().crl(0, 10, nil))
	k := w.keeper(t)
	w.mustRefresh(t, k)
	if w.asked() != 2 || len(lacking(k)) != 0 || k.Path(another, w.now()).State != Good {
		t.Errorf("asked %q, stale %q", w.web.asked, lacking(k))
	}
	w.watched = w.watched[:1]
	w.mustRefresh(t, k)
	if k.Path(another, w.now()).State != Unknown || w.state(k) != Good || bytes.Count(w.disk, []byte("-----BEGIN")) != 1 {
		t.Errorf("on disk: %s", w.disk)
	}
	w.serve(nil)
	w.web.answer(answerURL, respond(func() []byte { return root().answer(0.5, 2, nil) }))
	w.mustRefresh(t, k)
	if bytes.Count(w.disk, []byte("-----BEGIN OCSP RESPONSE")) != 1 {
		t.Errorf("on disk: %s", w.disk)
	}
	w.serve(root().crl(0, 10, nil))
	w.watched = [][]*x509.Certificate{{naming(8, []string{listURL}, nil).Certificate, root().Certificate}}
	w.mustRefresh(t, k)
	if bytes.Contains(w.disk, []byte("-----BEGIN OCSP RESPONSE")) {
		t.Errorf("on disk: %s", w.disk)
	}
}

// A full disk is an error, but does not keep a revocation from being in force.
func TestKeeperWithFullDisk(t *testing.T) {
	w := newWorld()
	w.diskFull = errors.New("full")
	w.serve(root().crl(0, 10, revoked(-3, 1)))
	k := w.keeper(t)
	if err := k.Refresh(t.Context()); !errors.Is(err, w.diskFull) || w.state(k) != Revoked {
		t.Errorf("%s, %v", w.state(k), err)
	}
}

// Nothing waits for the network but the refresh itself.
func TestKeeperNeverBlocks(t *testing.T) {
	w := newWorld()
	c := w.config()
	asked := make(chan struct{}, 2)
	c.Client = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		asked <- struct{}{}
		<-req.Context().Done()
		return nil, req.Context().Err()
	})}
	k := must(NewKeeper(c))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- k.Run(ctx) }()
	<-asked
	k.Again()
	k.Again()
	if w.state(k) != Unknown || len(lacking(k)) != 1 {
		t.Errorf("%s, stale %q", w.state(k), lacking(k))
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Readers and refreshes at once, for the race detector.
func TestKeeperConcurrently(t *testing.T) {
	w := newWorld()
	w.serve(root().crl(0, 10, nil))
	k := w.keeper(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				if err := k.Refresh(t.Context()); err != nil || w.state(k) != Good || len(lacking(k)) != 0 {
					t.Errorf("%s, stale %q, %v", w.state(k), lacking(k), err)
				}
			}
		})
	}
	all.Wait()
}

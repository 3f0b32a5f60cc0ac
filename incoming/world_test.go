package incoming

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// Alfa is us; Beta is a peer; Gamma is one, too, and lies.
const (
	mario = pec.Address("mario@pec.alfa.test")
	anna  = pec.Address("anna@comune.alfa.test")
	luigi = pec.Address("luigi@pec.beta.test")
	sara  = pec.Address("sara@studio.beta.test")
	gino  = pec.Address("gino@pec.gamma.test")
	carla = pec.Address("carla@posta.test")

	ricevute = pec.Address("ricevute@pec.alfa.test")
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var epoch = time.Date(2026, 9, 19, 10, 0, 0, 0, time.UTC)

func curveKey() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// authority issues certificates; what another one issues leads to no root.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(name string) *authority {
	key := curveKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: epoch.AddDate(-1, 0, 0), NotAfter: epoch.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &authority{must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))), key}
}

func (a *authority) issue(key crypto.Signer, address string) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{Organization: []string{address}}, EmailAddresses: []string{address},
		NotBefore: epoch.AddDate(-1, 0, 0), NotAfter: epoch.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key))))
}

var (
	agid    = sync.OnceValue(func() *authority { return newAuthority("AgID") })
	nobody  = sync.OnceValue(func() *authority { return newAuthority("nobody") })
	alfa    = sync.OnceValue(func() *house { return newHouse("alfa", "comune", must(rsa.GenerateKey(rand.Reader, 2048)), agid()) })
	beta    = sync.OnceValue(func() *house { return newHouse("beta", "studio", must(rsa.GenerateKey(rand.Reader, 2048)), agid()) })
	gamma   = sync.OnceValue(func() *house { return newHouse("gamma", "altro", curveKey(), agid()) })
	delta   = sync.OnceValue(func() *house { return newHouse("delta", "altro.delta", curveKey(), nobody()) }) // listed, but under no root
	mallory = sync.OnceValue(func() *house { return newHouse("beta", "studio", curveKey(), agid()) })         // says to be Beta, is not listed
)

// house is a provider: its entry and what it issues with.
type house struct {
	entry  *directory.Entry
	unit   *issuance.Unit
	signer *smime.Signer
	key    crypto.Signer
}

func newHouse(name, second string, key crypto.Signer, ca *authority) *house {
	address := "posta-certificata@pec." + name + ".test"
	cert := ca.issue(key, address)
	h := &house{key: key, signer: must(smime.NewSigner(key, []*x509.Certificate{cert}))}
	h.entry = &directory.Entry{
		Provider: strings.ToUpper(name[:1]) + name[1:] + " PEC S.p.A.", Certificates: []*x509.Certificate{cert},
		ServiceMailbox: "ricevute@pec." + name + ".test", Domains: []string{"pec." + name + ".test", second + "." + name + ".test"},
	}
	h.unit = &issuance.Unit{
		Name: h.entry.Provider, Entry: h.entry.Key(), Address: pec.Address(address), Service: pec.Address(h.entry.ServiceMailbox), Domains: h.entry.Domains,
		Node: "1", Keys: []issuance.Key{{Signer: h.signer, From: cert.NotBefore}},
	}
	return h
}

func published(houses ...*house) *directory.Directory {
	var entries []*directory.Entry
	for _, h := range houses {
		entries = append(entries, h.entry)
	}
	return must(directory.Parse(must(directory.Marshal(entries, ""))))
}

// world is Alfa's incoming point over a store of its own.
type world struct {
	*Point
	t        *testing.T
	database string // "" for the embedded engine
	mu       sync.Mutex
	at       time.Time
	dir      *directory.Directory
	warnings warnings
	box      store.Mailbox // mario's
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, database: postgrestest.Database(t), at: epoch, dir: published(alfa(), beta(), gamma(), delta())}
	never := make(chan struct{})
	st, err := store.Open(t.Context(), store.Options{
		Dir: t.TempDir(), Database: w.database, Now: w.now, Jumped: func() <-chan struct{} { return never }, Log: slog.New(slog.DiscardHandler), Fatal: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	roots := x509.NewCertPool()
	roots.AddCert(agid().cert)
	w.Point = &Point{
		Store: st, Units: must(issuance.NewUnits(alfa().unit)), Directory: func() *directory.Directory { return w.dir }, Roots: roots, AllowSHA1: true,
		Hostname: "mx.pec.alfa.test", Signing: admission.NewGate(admission.GateConfig{Capacity: 4, MaxWaiting: 10}), Log: slog.New(&w.warnings),
	}
	w.box = w.ok(st.AddMailbox(t.Context(), mario, false, "")).(store.Mailbox)
	w.ok(st.AddMailbox(t.Context(), ricevute, true, ""))
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) ok(v any, err error) any {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// warnings keeps what was logged as a warning or worse.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (l *warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (l *warnings) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *warnings) WithGroup(string) slog.Handler                    { return l }
func (l *warnings) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r.Message)
	return nil
}

// receive gives octets to the incoming point as a peer's SMTP transaction.
func (w *world) receive(octets []byte, from pec.Address, to ...pec.Address) error {
	return w.Receive(w.t.Context(), Arrival{
		From: from, Recipients: to, Hello: "mx.peer.test", Remote: "192.0.2.2", Secure: true, Body: bytes.NewReader(octets),
	})
}

// state is all of the store that an arrival may change, apart from records.
type state struct{ tasks, tracking, messages, entries, held int }

func (w *world) state(about pec.ID) (s state) {
	w.t.Helper()
	s.tasks = len(w.ok(w.Store.Tasks(w.t.Context())).([]store.Task))
	s.messages = len(w.ok(w.Store.MessageIDs(w.t.Context())).([]store.ID))
	s.entries = len(w.entries(mario)) + len(w.entries(ricevute))
	s.held = len(w.ok(w.Store.HeldMessages(w.t.Context(), 100)).([]store.Held))
	for _, t := range w.ok(w.Store.Tracking(w.t.Context(), alfa().entry.Key(), about)).([]store.Tracking) {
		if t.State != store.StatePending || !t.TakenAt.IsZero() {
			s.tracking++
		}
	}
	return s
}

// wantHeld gives octets to the incoming point and checks that they are put aside for a reason: one warning, one event, nothing
// answered, nothing changed.
func (w *world) wantHeld(what, reason string, octets []byte, about pec.ID, from pec.Address, to ...pec.Address) {
	w.t.Helper()
	before, facts, warned := w.state(about), w.facts(), len(w.warnings.list)
	if err := w.receive(octets, from, to...); err != nil {
		w.t.Errorf("%s: %v, want it held", what, err)
		return
	}
	want := before
	want.held, want.messages = want.held+1, want.messages+1
	if after := w.state(about); after != want {
		w.t.Errorf("%s: %+v became %+v, want %+v", what, before, after, want)
		return
	}
	if n := len(w.warnings.list) - warned; n != 1 {
		w.t.Errorf("%s: %d warnings, want one", what, n)
	}
	held := w.ok(w.Store.HeldMessages(w.t.Context(), 1)).([]store.Held)[0]
	if !strings.Contains(held.Reason, reason) || strings.ContainsAny(held.Reason, "\r\n\x1b") {
		w.t.Errorf("%s: held because of %q, want %q", what, held.Reason, reason)
	}
	if r := w.record(); w.facts() != facts+1 || len(r.Events) != 1 || r.Events[0].Kind != pec.EventHeld || r.Events[0].Detail != held.Reason {
		w.t.Errorf("%s: the record is %+v", what, r)
	}
	o := w.ok(w.Store.Open(w.t.Context(), held.Message, nil)).(*store.Octets)
	defer o.Close()
	if kept := w.ok(io.ReadAll(o.Reader())).([]byte); !bytes.Equal(kept, octets) {
		w.t.Errorf("%s: other octets were kept", what)
	}
	w.pass(time.Second) // so that the next one held is the newest
}

// wantRefused gives octets to the incoming point and checks that they are refused as ordinary mail, and nothing is kept.
func (w *world) wantRefused(what string, octets []byte, from pec.Address, to ...pec.Address) {
	w.t.Helper()
	before, facts := w.state(""), w.facts()
	if err := w.receive(octets, from, to...); !errors.Is(err, ErrOrdinary) {
		w.t.Errorf("%s: %v, want ErrOrdinary", what, err)
	}
	if after := w.state(""); after != before || w.facts() != facts || len(w.warnings.list) > 0 {
		w.t.Errorf("%s: %+v became %+v, with %q", what, before, after, w.warnings.list)
	}
}

// entries are those of a mailbox's INBOX.
func (w *world) entries(a pec.Address) []store.Entry {
	w.t.Helper()
	box := w.ok(w.Store.Mailbox(w.t.Context(), a)).(store.Mailbox)
	inbox := w.ok(w.Store.InboxID(w.t.Context(), box.ID)).(store.ID)
	return w.ok(w.Store.Entries(w.t.Context(), inbox, 0)).([]store.Entry)
}

func (w *world) facts() int64 {
	w.t.Helper()
	return w.ok(w.Store.Facts(w.t.Context())).(int64)
}

// record is the newest fact's.
func (w *world) record() pec.Record {
	w.t.Helper()
	facts := w.ok(w.Store.NewFacts(w.t.Context())).([]store.Fact)
	if len(facts) == 0 { // all have their numbers
		n := w.facts()
		facts = w.ok(w.Store.FactsBetween(w.t.Context(), n, n+1)).([]store.Fact)
	}
	return w.ok(pec.ParseRecord(facts[len(facts)-1].Record)).(pec.Record)
}

// tasks lists what is to be done, of one kind.
func (w *world) tasks(kind store.TaskKind) []store.Task {
	w.t.Helper()
	var of []store.Task
	for _, t := range w.ok(w.Store.Tasks(w.t.Context())).([]store.Task) {
		if t.Kind == kind {
			of = append(of, t)
		}
	}
	return of
}

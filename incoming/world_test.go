package incoming

import (
	"bytes"
	"cmp"
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
	"mime/quotedprintable"
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
	"github.com/ceralacca/ceralacca/verify"
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
	w.Point = &Point{
		Store: st, Units: must(issuance.NewUnits(alfa().unit)), Directory: func() *directory.Directory { return w.dir }, Anchors: smime.NewAnchors(agid().cert), AllowSHA1: true,
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

// wantAside gives octets to the incoming point that fail a check, and sees what becomes of them: what no provider signed is refused; all
// else lies in the recipients' mailboxes, enclosed octet for octet in an anomaly envelope, or is held if there is no mailbox. There is
// one warning at least, and one event that says why; nothing is answered, nothing of tracking changes.
func (w *world) wantAside(what, reason string, octets []byte, about pec.ID, from pec.Address, to ...pec.Address) {
	w.t.Helper()
	kind, words := pec.EventAnomaly, reasonMalformed
	if strings.HasPrefix(reason, "a delivery report") {
		words = reasonReport
	}
	w.wantOutcome(what, reason, kind, words, octets, about, from, to...)
}

// wantLie is the same for a receipt that is well formed and not true.
func (w *world) wantLie(what, reason string, octets []byte, about pec.ID, from pec.Address, to ...pec.Address) {
	w.t.Helper()
	w.wantOutcome(what, reason, pec.EventUnmatched, reasonLie, octets, about, from, to...)
}

func (w *world) wantOutcome(what, reason string, kind pec.EventKind, words string, octets []byte, about pec.ID, from pec.Address, to ...pec.Address) {
	w.t.Helper()
	before, facts, warned := w.state(about), w.facts(), len(w.warnings.list)
	err := w.receive(octets, from, to...)
	if len(w.warnings.list) == warned {
		w.t.Errorf("%s: nobody is warned", what)
	}
	if strings.HasPrefix(reason, "signature ") {
		if !errors.Is(err, ErrOrdinary) || !strings.Contains(err.Error(), reason) || w.state(about) != before {
			w.t.Errorf("%s: %v, %+v became %+v, want it refused for %q", what, err, before, w.state(about), reason)
		}
		w.wantEvents(what, reason, facts, pec.EventRefused)
		return
	}
	if err != nil {
		w.t.Errorf("%s: %v, want it taken", what, err)
		return
	}
	boxes := w.withMailbox(to)
	want, events := before, []pec.EventKind(nil)
	want.messages, want.entries = want.messages+1, want.entries+len(boxes)
	if len(boxes) > 0 {
		events = append(events, kind)
	}
	if len(boxes) < len(to) {
		want.held, events = want.held+1, append(events, pec.EventHeld)
	}
	if after := w.state(about); after != want {
		w.t.Errorf("%s: %+v became %+v, want %+v", what, before, after, want)
		return
	}
	w.wantEvents(what, reason, facts, events...)
	for _, r := range boxes {
		w.wantEnclosed(what, words, r, octets, from)
	}
	w.pass(time.Second) // so that the next one is the newest
}

func (w *world) withMailbox(to []pec.Address) (boxes []pec.Address) {
	w.t.Helper()
	for _, r := range to {
		if _, err := w.Store.Mailbox(w.t.Context(), r); err == nil {
			boxes = append(boxes, r)
		}
	}
	return boxes
}

// wantEvents reads the newest record: what it says of an arrival that was put aside, and of whom.
func (w *world) wantEvents(what, reason string, facts int64, kinds ...pec.EventKind) {
	w.t.Helper()
	r := w.record()
	if w.facts() != facts+1 || len(r.Events) != len(kinds) {
		w.t.Errorf("%s: %d facts, the record is %+v", what, w.facts()-facts, r)
		return
	}
	for i, ev := range r.Events {
		enclosed := kinds[i] == pec.EventAnomaly || kinds[i] == pec.EventUnmatched
		if ev.Kind != kinds[i] || !strings.Contains(ev.Detail, reason) || strings.ContainsAny(ev.Detail, "\r\n\x1b") || enclosed != (len(ev.Generated) == 1) || len(ev.Recipients) == 0 {
			w.t.Errorf("%s: the event is %+v, want %s for %q", what, ev, kinds[i], reason)
		}
	}
}

// wantEnclosed reads the newest message of a mailbox: the anomaly envelope (norms.md 61-64).
func (w *world) wantEnclosed(what, words string, to pec.Address, octets []byte, from pec.Address) {
	w.t.Helper()
	entries := w.entries(to)
	last := entries[len(entries)-1]
	m := w.signed(last.Message)
	whole := w.octets(last.Message)
	if m.HasData || m.Original == nil || last.Kind != string(pec.Anomaly) || !bytes.Contains(whole, octets) || bytes.Contains(whole[:bytes.Index(whole, octets)], []byte("daticert.xml")) {
		w.t.Errorf("%s: the mailbox has a %s:\n%s", what, last.Kind, whole)
	}
	if text := w.text(whole); !strings.Contains(text, words) {
		w.t.Errorf("%s: the text does not say %q:\n%s", what, words, text)
	}
	onBehalf := "Per conto di: " + cmp.Or(string(from), "<>")
	for field, want := range map[string]string{"X-Trasporto": "errore", "From": onBehalf, "X-Ricevuta": ""} {
		if got := m.Header.Get(field); want == "" && got != "" || !strings.Contains(got, want) {
			w.t.Errorf("%s: %s is %q", what, field, got)
		}
	}
	if lead := string(last.Lead); !strings.HasPrefix(lead, "Return-Path: <"+string(from)+">\r\n") {
		w.t.Errorf("%s: the lead is %q", what, lead)
	}
}

func (w *world) octets(id store.ID) []byte {
	w.t.Helper()
	o := w.ok(w.Store.Open(w.t.Context(), id, nil)).(*store.Octets)
	defer o.Close()
	return w.ok(io.ReadAll(o.Reader())).([]byte)
}

// text is the first text part of a message of ours, decoded.
func (w *world) text(whole []byte) string {
	w.t.Helper()
	_, after, _ := bytes.Cut(whole, []byte("quoted-printable\r\n\r\n"))
	part, _, _ := bytes.Cut(after, []byte("\r\n--"))
	latin := w.ok(io.ReadAll(quotedprintable.NewReader(bytes.NewReader(part)))).([]byte)
	runes := make([]rune, len(latin))
	for i, c := range latin {
		runes[i] = rune(c)
	}
	return string(runes)
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

// The checks as records name them.
const (
	checkExistence = string(verify.Existence)
	checkOrigin    = string(verify.Origin)
	checkValidity  = string(verify.Validity)
	checkFormal    = string(verify.Form)
)

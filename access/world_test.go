package access

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

const (
	mario = pec.Address("mario@pec.alfa.test")
	anna  = pec.Address("anna@comune.alfa.test")
	luigi = pec.Address("luigi@pec.beta.test")
	sara  = pec.Address("sara@studio.beta.test")
	carla = pec.Address("carla@posta.test")
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	epoch   = time.Date(2026, 9, 19, 10, 0, 0, 0, time.UTC)
	alfaKey = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	betaKey = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func certificate(key crypto.Signer, provider, address string) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{provider}}, EmailAddresses: []string{address},
		NotBefore: epoch.AddDate(-1, 0, 0), NotAfter: epoch.AddDate(9, 0, 0),
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

var alfaCertificate = sync.OnceValue(func() *x509.Certificate {
	return certificate(alfaKey(), "Alfa PEC S.p.A.", "posta-certificata@pec.alfa.test")
})

func alfa() *directory.Entry {
	return &directory.Entry{
		Provider: "Alfa PEC S.p.A.", Certificates: []*x509.Certificate{alfaCertificate()}, ServiceMailbox: "ricevute@pec.alfa.test",
		Domains: []string{"pec.alfa.test", "comune.alfa.test", "ambiguo.test"},
	}
}

func beta() *directory.Entry {
	return &directory.Entry{
		Provider:       "Beta PEC S.p.A.",
		Certificates:   []*x509.Certificate{certificate(betaKey(), "Beta PEC S.p.A.", "posta-certificata@pec.beta.test")},
		ServiceMailbox: "ricevute@pec.beta.test", Domains: []string{"pec.beta.test", "studio.beta.test", "ambiguo.test", "conteso.test"},
	}
}

// gamma claims a domain of Beta's.
func gamma() *directory.Entry {
	return &directory.Entry{
		Provider:       "Gamma PEC S.p.A.",
		Certificates:   []*x509.Certificate{certificate(betaKey(), "Gamma PEC S.p.A.", "posta-certificata@pec.gamma.test")},
		ServiceMailbox: "ricevute@pec.gamma.test", Domains: []string{"conteso.test"},
	}
}

func published(entries ...*directory.Entry) *directory.Directory {
	return must(directory.Parse(must(directory.Marshal(entries, ""))))
}

// world is Alfa's access point over a store of its own, with a clock that the test moves.
type world struct {
	*Point
	t        *testing.T
	database string // "" for the embedded engine
	mu       sync.Mutex
	at       time.Time
	dir      *directory.Directory
	mario    store.Mailbox
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, database: postgrestest.Database(t), at: epoch, dir: published(alfa(), beta(), gamma())}
	never := make(chan struct{})
	st, err := store.Open(t.Context(), store.Options{
		Dir: t.TempDir(), Database: w.database, Now: w.now, Jumped: func() <-chan struct{} { return never }, Log: slog.New(slog.DiscardHandler),
		Fatal: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	unit := &issuance.Unit{
		Name: "Alfa PEC S.p.A.", Entry: alfa().Key(), Address: "posta-certificata@pec.alfa.test", Service: "ricevute@pec.alfa.test",
		Domains: []string{"pec.alfa.test", "comune.alfa.test", "nuovo.test", "ambiguo.test"}, Node: "1",
		Keys: []issuance.Key{{Signer: must(smime.NewSigner(alfaKey(), []*x509.Certificate{alfaCertificate()})), From: epoch.AddDate(-1, 0, 0)}},
	}
	w.Point = &Point{
		Store: st, Units: must(issuance.NewUnits(unit)), Directory: func() *directory.Directory { return w.dir }, Hostname: "mx.pec.alfa.test",
		Limits: pec.DefaultLimits(), Signing: admission.NewGate(admission.GateConfig{Capacity: 4, MaxWaiting: 10}), Log: slog.New(slog.DiscardHandler),
	}
	w.mario = w.mailbox(mario)
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

func (w *world) mailbox(a pec.Address) store.Mailbox {
	w.t.Helper()
	return w.ok(w.Store.AddMailbox(w.t.Context(), a, false, "")).(store.Mailbox)
}

// ok is v, or the end of the test.
func (w *world) ok(v any, err error) any {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// text makes a message of lines.
func text(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

// letter is a right message from mario to addresses in To.
func letter(to ...pec.Address) string {
	names := make([]string, len(to))
	for i, a := range to {
		names[i] = string(a)
	}
	return text("From: Mario <mario@pec.alfa.test>", "To: "+strings.Join(names, ",\r\n "), "Subject: Prova", "Message-ID: <1@client.test>", "", "Ciao!")
}

// submission is a message from mario as his client sends it.
func (w *world) submission(message string, to ...pec.Address) Submission {
	return Submission{Mailbox: w.mario, Recipients: to, Hello: "client.test", Remote: "192.0.2.1", Body: strings.NewReader(message)}
}

// accept submits a message that must be accepted.
func (w *world) accept(message string, to ...pec.Address) pec.ID {
	w.t.Helper()
	id, err := w.Submit(w.t.Context(), w.submission(message, to...))
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) envelope(id pec.ID) (store.Envelope, pec.CertData) {
	w.t.Helper()
	e := w.ok(w.Store.Envelope(w.t.Context(), alfa().Key(), id)).(store.Envelope)
	return e, w.ok(pec.ParseCertData(e.CertData)).(pec.CertData)
}

// octets is a stored message whole.
func (w *world) octets(id store.ID) []byte {
	w.t.Helper()
	o := w.ok(w.Store.Open(w.t.Context(), id, nil)).(*store.Octets)
	defer o.Close()
	return w.ok(io.ReadAll(o.Reader())).([]byte)
}

// read parses a stored message as a peer would, its signature checked.
func (w *world) read(id store.ID) *pec.Message {
	w.t.Helper()
	octets := w.octets(id)
	split, scan := smime.NewSplitter(), pec.NewScanner(pec.KeepForParse)
	split.Write(octets)
	scan.Write(octets)
	signed := w.ok(split.Finish()).(*smime.Multipart)
	w.ok(signed.Verify())
	m := w.ok(pec.ParseMessage(scan.Finish())).(*pec.Message)
	if err := m.Consistent("posta-certificata@pec.alfa.test"); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// tasks lists what is to be done, of one kind.
func (w *world) tasks(kind store.TaskKind) []store.Task {
	w.t.Helper()
	var of []store.Task
	for _, t := range w.ok(w.Store.Tasks(context.Background())).([]store.Task) {
		if t.Kind == kind {
			of = append(of, t)
		}
	}
	return of
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

// states is the tracking of a message.
func (w *world) states(id pec.ID) map[pec.Address]string {
	w.t.Helper()
	states := map[pec.Address]string{}
	for _, t := range w.ok(w.Store.Tracking(w.t.Context(), alfa().Key(), id)).([]store.Tracking) {
		states[t.Recipient] = t.State
	}
	return states
}

// wantNothing checks that a submission left nothing behind.
func (w *world) wantNothing(what string) {
	w.t.Helper()
	if n := w.facts(); n != 0 {
		w.t.Errorf("%s: %d facts were committed", what, n)
	}
	if ts := w.ok(w.Store.Tasks(w.t.Context())).([]store.Task); len(ts) != 0 {
		w.t.Errorf("%s: %d tasks are there", what, len(ts))
	}
}

// original cuts postacert.eml out of an envelope by its boundary alone, without the parser that composed it.
func (w *world) original(message store.ID) []byte {
	w.t.Helper()
	octets := w.octets(message)
	_, after, _ := bytes.Cut(octets, []byte(`boundary="----`))
	boundary, _, _ := bytes.Cut(after, []byte(`"`))
	_, after, found := bytes.Cut(octets, []byte("message/rfc822"))
	_, after, blank := bytes.Cut(after, []byte("\r\n\r\n"))
	end := bytes.LastIndex(after, []byte("\r\n------------=_"+string(boundary)+"-1--"))
	if !found || !blank || end < 0 {
		w.t.Fatal("the envelope has no message/rfc822 part")
	}
	return after[:end]
}

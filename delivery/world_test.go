package delivery

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// Alfa is us; Beta is a peer.
const (
	mario    = pec.Address("mario@pec.alfa.test")
	anna     = pec.Address("Anna@comune.alfa.test")
	closed   = pec.Address("chiusa@pec.alfa.test")
	nobody   = pec.Address("nessuno@pec.alfa.test")
	ricevute = pec.Address("ricevute@pec.alfa.test")
	luigi    = pec.Address("luigi@pec.beta.test")
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	epoch = time.Date(2026, 9, 19, 10, 0, 0, 0, time.UTC)
	alfa  = sync.OnceValue(func() *house { return newHouse("alfa", "comune", must(rsa.GenerateKey(rand.Reader, 2048))) })
	beta  = sync.OnceValue(func() *house {
		return newHouse("beta", "studio", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	})
)

// house is a provider: its entry and what it issues with.
type house struct {
	entry *directory.Entry
	unit  *issuance.Unit
}

func newHouse(name, second string, key crypto.Signer) *house {
	address := "posta-certificata@pec." + name + ".test"
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{name}}, EmailAddresses: []string{address},
		NotBefore: epoch.AddDate(-1, 0, 0), NotAfter: epoch.AddDate(9, 0, 0),
	}
	cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
	h := &house{entry: &directory.Entry{
		Provider: strings.ToUpper(name[:1]) + name[1:] + " PEC S.p.A.", Certificates: []*x509.Certificate{cert},
		ServiceMailbox: "ricevute@pec." + name + ".test", Domains: []string{"pec." + name + ".test", second + "." + name + ".test"},
	}}
	h.unit = &issuance.Unit{
		Name: h.entry.Provider, Entry: h.entry.Key(), Address: pec.Address(address), Service: pec.Address(h.entry.ServiceMailbox), Domains: h.entry.Domains,
		Node: "1", Keys: []issuance.Key{{Signer: must(smime.NewSigner(key, []*x509.Certificate{cert})), From: cert.NotBefore}},
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

// world is Alfa's delivery point over a store of its own.
type world struct {
	*Point
	t        *testing.T
	database string // "" for the embedded engine
	mu       sync.Mutex
	at       time.Time
	dir      *directory.Directory
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, database: postgrestest.Database(t), at: epoch, dir: published(alfa(), beta())}
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
		Store: st, Units: must(issuance.NewUnits(alfa().unit)), Directory: func() *directory.Directory { return w.dir }, Parallel: 2, BriefHash: crypto.SHA1, Log: slog.New(slog.DiscardHandler),
	}
	for _, a := range []pec.Address{mario, anna, closed} {
		w.ok(st.AddMailbox(t.Context(), a, false, ""))
	}
	w.ok(st.AddMailbox(t.Context(), ricevute, true, ""))
	w.ok(nil, st.SetEnabled(t.Context(), closed, false))
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

// letter is the header of postacert.eml; fields are To, Cc and the like.
func letter(id pec.ID, from pec.Address, fields ...string) []byte {
	return fmt.Appendf(nil, "From: %s\r\n%sSubject: Prova\r\nMessage-ID: <%s>\r\n\r\n", from, strings.Join(append(fields, ""), "\r\n"), id)
}

// envelope is a certified message that came in, or that we sent.
type envelope struct {
	house  *house
	id     pec.ID
	from   pec.Address
	to     []pec.Address
	header []byte
	body   string
	kind   pec.ReceiptType
	change func(*store.Envelope) // before it is stored
}

// compose signs the envelope and says what the store keeps of it.
func (w *world) compose(e envelope) (*issuance.Issued, pec.CertData) {
	data := pec.CertData{Kind: pec.Transport, Sender: e.from, Subject: "Prova", At: w.now(), ID: e.id, ClientID: "<1@client.test>", ReceiptType: e.kind, Issuer: e.house.unit.Name}
	for _, a := range e.to {
		data.Recipients = append(data.Recipients, pec.Recipient{Address: a, Type: pec.Certified})
	}
	issued, err := e.house.unit.Issue(pec.Composition{Data: data, MessageID: e.id, Original: e.header}, strings.NewReader(e.body))
	if err != nil { // what is enclosed may be odder than what we would sign
		issued = must(e.house.unit.Issue(pec.Composition{Data: data, MessageID: e.id, Original: letter(e.id, e.from)}, strings.NewReader(e.body)))
	}
	return issued, data
}

// arrive commits that an envelope was taken in charge, as the incoming point does, and returns the deliver tasks.
func (w *world) arrive(e envelope) []store.Task {
	w.t.Helper()
	issued, data := w.compose(e)
	spool := w.Store.NewSpool()
	w.ok(spool.Write(issued.Before))
	w.ok(spool.Write([]byte(e.body)))
	w.ok(spool.Write(issued.After))
	content := w.ok(spool.Seal(w.t.Context())).(*store.Content)
	defer content.Release()
	at := w.Store.Instant(w.now())
	m := issued.Message(e.house.unit.Entry, e.id, store.Span{})
	m.Recipe, m.Unit, m.Trace = store.Recipe{{Span: store.Span{Content: content.ID, Length: content.Size}}}, "", "Received: from mx.pec.beta.test\r\n"
	c := store.Charge{
		Instant: at, Digest: issued.Signed[:], Recipients: e.to, Content: content, Transport: &m,
		Envelope: store.Envelope{
			Provider: e.house.unit.Entry, PEC: e.id, Message: m.ID, CertData: data.XML(), Header: e.header, Sender: e.from,
			Body: store.Span{Content: content.ID, Offset: int64(len(issued.Before)), Length: int64(len(e.body))},
		},
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventTakenInCharge, ID: e.id, Provider: e.house.unit.Entry}}},
	}
	if e.change != nil {
		e.change(&c.Envelope)
	}
	w.ok(nil, w.Store.TakeCharge(w.t.Context(), c))
	return w.tasks(store.TaskDeliver)
}

// sent commits that a holder of ours submitted a message, as the access point does.
func (w *world) sent(e envelope) {
	w.t.Helper()
	issued, data := w.compose(e)
	box := w.ok(w.Store.Mailbox(w.t.Context(), e.from)).(store.Mailbox)
	spool := w.Store.NewSpool()
	w.ok(spool.Write([]byte(e.body)))
	content := w.ok(spool.Seal(w.t.Context())).(*store.Content)
	defer content.Release()
	at := w.Store.Instant(w.now())
	acceptance := data
	acceptance.Kind, acceptance.ReceiptType = pec.Acceptance, ""
	receipt := must(e.house.unit.Issue(pec.Composition{Data: acceptance, MessageID: e.house.unit.NewID(at.At), To: e.from}, nil))
	span := store.Span{Content: content.ID, Length: content.Size}
	m := issued.Message(e.house.unit.Entry, e.id, span)
	w.ok(nil, w.Store.Accept(w.t.Context(), store.Acceptance{
		Instant: at, Key: store.SubmissionKey{Mailbox: box.ID, ClientID: pec.ClientID(e.id)}, Content: content, Transport: m,
		Receipt: receipt.Message(e.house.unit.Entry, e.id, store.Span{}), Certified: e.to,
		Inbox:  w.ok(w.Store.InboxEntryOf(w.t.Context(), box, e.house.unit.Address, e.from, "")).(store.InboxEntry),
		Relays: []store.NewRelay{{Message: m.ID, Local: true, Sender: e.from, Recipients: e.to}},
		Envelope: store.Envelope{
			Provider: e.house.unit.Entry, PEC: e.id, Message: m.ID, CertData: data.XML(), Header: e.header, Body: span, Sender: e.from, Mailbox: box.ID, At: at.At,
		},
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventAccepted, ID: e.id, Provider: e.house.unit.Entry, Recipients: data.Recipients}}},
	}))
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

// entries are those of a mailbox's INBOX.
func (w *world) entries(a pec.Address) []store.Entry {
	w.t.Helper()
	box := w.ok(w.Store.Mailbox(w.t.Context(), a)).(store.Mailbox)
	inbox := w.ok(w.Store.InboxID(w.t.Context(), box.ID)).(store.ID)
	return w.ok(w.Store.Entries(w.t.Context(), inbox, 0)).([]store.Entry)
}

func (w *world) octets(id store.ID, lead []byte) []byte {
	w.t.Helper()
	o := w.ok(w.Store.Open(w.t.Context(), id, lead)).(*store.Octets)
	defer o.Close()
	return w.ok(io.ReadAll(o.Reader())).([]byte)
}

// read parses a receipt of ours as a peer would.
func (w *world) read(id store.ID) *pec.Message {
	w.t.Helper()
	octets := w.octets(id, nil)
	split, scan := smime.NewSplitter(), pec.NewScanner(pec.KeepForParse)
	split.Write(octets)
	scan.Write(octets)
	signed := w.ok(split.Finish()).(*smime.Multipart)
	w.ok(signed.Verify())
	m := w.ok(pec.ParseMessage(scan.Finish())).(*pec.Message)
	w.ok(nil, m.Consistent(alfa().unit.Address))
	return m
}

// originalIn is the postacert.eml of a receipt.
func (w *world) originalIn(id store.ID) []byte {
	m := w.read(id)
	if m.Original == nil {
		return nil
	}
	return w.octets(id, nil)[m.Original.Body:m.Original.End]
}

// record is the newest fact's.
func (w *world) record() pec.Record {
	w.t.Helper()
	facts := w.ok(w.Store.NewFacts(w.t.Context())).([]store.Fact)
	if len(facts) == 0 { // all have their numbers
		n := w.ok(w.Store.Facts(w.t.Context())).(int64)
		facts = w.ok(w.Store.FactsBetween(w.t.Context(), n, n+1)).([]store.Fact)
	}
	return w.ok(pec.ParseRecord(facts[len(facts)-1].Record)).(pec.Record)
}

// wantSignedOctets compares what lies in a mailbox with what arrived: the lead apart, the same octets (norms.md 76, 94).
func (w *world) wantSignedOctets(e store.Entry, digest []byte) {
	w.t.Helper()
	split := smime.NewSplitter()
	split.Write(w.octets(e.Message, nil))
	signed := w.ok(split.Finish()).(*smime.Multipart)
	w.ok(signed.Verify())
	sum, _ := signed.Digest(crypto.SHA256)
	if !bytes.Equal(sum, digest) || len(digest) != sha256.Size {
		w.t.Error("what was deposited is not what arrived")
	}
}

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// The names of the tests' world. Alfa is our own entry of the directory.
const (
	alfa   = "alfa"
	beta   = "beta"
	signer = pec.Address("posta-certificata@alfa.test")
	mario  = pec.Address("Mario.Rossi@alfa.test")
	luigi  = pec.Address("luigi@alfa.test")
	comune = pec.Address("protocollo@beta.test")
	anna   = pec.Address("anna@posta.test")
)

// lawClock is a law's clock that stands still until a test moves it.
type lawClock struct {
	mu     sync.Mutex
	now    time.Time
	jumped chan struct{}
}

func newClock() *lawClock {
	return &lawClock{now: time.Date(2026, 9, 19, 13, 41, 19, 0, time.UTC), jumped: make(chan struct{})}
}

func (c *lawClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *lawClock) Jumped() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jumped
}

func (c *lawClock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	close(c.jumped)
	c.jumped = make(chan struct{})
}

// options are those of a store whose failure fails the test.
func options(t testing.TB, dir string, c *lawClock) Options {
	return Options{Dir: dir, Now: c.Now, Jumped: c.Jumped, Log: slog.New(slog.DiscardHandler), Fatal: func(err error) { t.Errorf("fatal: %v", err) }}
}

// openSQLiteDir opens the directory of o, or a new one, and closes the store at the end of the test.
func openSQLiteDir(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// world is a store with two holders of ours.
type world struct {
	testing.TB
	*Store
	clock        *lawClock
	mario, luigi Mailbox
}

func newWorld(t testing.TB, open func(testing.TB, Options) *Store) *world {
	t.Helper()
	c := newClock()
	w := &world{TB: t, clock: c, Store: open(t, options(t, "", c))}
	w.mario, w.luigi = w.addMailbox(mario, false), w.addMailbox(luigi, false)
	return w
}

func (w *world) ctx() context.Context { return w.Context() }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// refused sees that an error is the expected one and that nothing of what was tried is there.
func (w *world) refused(want error, try func() error) {
	w.Helper()
	before := w.dump()
	if err := try(); !errors.Is(err, want) {
		w.Fatalf("got %v, want %v", err, want)
	}
	if after := w.dump(); after != before {
		w.Fatalf("what was refused left something:\n%s", difference(before, after))
	}
}

func (w *world) addMailbox(a pec.Address, service bool) Mailbox {
	w.Helper()
	m, err := w.AddMailbox(w.ctx(), a, service, "")
	w.must(err)
	return m
}

func (w *world) instant() Instant { return w.Instant(time.Time{}) }

// late is an instant that was drawn three seconds ago by the monotonic clock.
func (w *world) late() Instant {
	at := w.instant()
	at.drawn = at.drawn.Add(-3 * time.Second)
	return at
}

func newPEC() pec.ID { return pec.ID("cl1." + NewID().String() + "@alfa.test") }

func (w *world) content(octets []byte) *Content {
	w.Helper()
	sp := w.NewSpool()
	if _, err := io.Copy(sp, bytes.NewReader(octets)); err != nil {
		w.Fatal(err)
	}
	c, err := sp.Seal(w.ctx())
	w.must(err)
	return c
}

func structure(octets []byte) *pec.Structure {
	scan := pec.NewScanner(nil)
	scan.Write(octets)
	return scan.Finish()
}

// record is that of one event about recipients of a message.
func record(at Instant, kind pec.EventKind, id pec.ID, rs ...pec.Address) pec.Record {
	ev := pec.Event{Kind: kind, ID: id, Provider: alfa, Sender: mario, Subject: "Perché no\r\nevent: forged", Detail: "città"}
	for _, r := range rs {
		ev.Recipients = append(ev.Recipients, pec.Recipient{Address: r, Type: pec.Certified})
	}
	return pec.Record{Fact: NewID(), At: at.At, Unit: alfa, Events: []pec.Event{ev}}
}

// message is one about the certified message id, with octets of its own.
func (w *world) message(kind string, id pec.ID, r Recipe) NewMessage {
	digest := sha256.Sum256([]byte(id))
	return NewMessage{
		ID: NewID(), Kind: kind, Provider: alfa, PEC: id, MessageID: string(id), Unit: alfa, Certificate: digest[:], Signed: digest[:],
		Recipe: r, Structure: structure([]byte("From: x\r\n\r\n")),
	}
}

func (w *world) receipt(kind pec.Kind, id pec.ID) NewMessage {
	return w.message(string(kind), id, Recipe{Literal([]byte("receipt " + string(kind) + " of " + string(id)))})
}

// original is the message that mario submits under a client id.
func original(client string, body []byte) (header, whole []byte) {
	header = []byte("From: " + string(mario) + "\r\nMessage-ID: " + client + "\r\n\r\n")
	return header, slices.Concat(header, body)
}

// acceptance is that of a submission by mario to the municipality and, at our own, to luigi. Its ids are new each time.
func (w *world) acceptance(at Instant, client string, body []byte) Acceptance {
	w.Helper()
	id := newPEC()
	header, whole := original(client, body)
	c := w.content(whole)
	w.Cleanup(c.Release)
	span := Span{c.ID, int64(len(header)), int64(len(body))}
	transport := w.message(string(pec.Transport), id, Enclosing([]byte("before\r\n"), span, []byte("after\r\n")))
	return Acceptance{
		Instant: at, Record: record(at, pec.EventAccepted, id, comune, luigi), Content: c,
		Key: SubmissionKey{Mailbox: w.mario.ID, ClientID: pec.ClientID(client), SHA256: c.SHA256, Recipients: RecipientsDigest([]pec.Address{comune, luigi})},
		Envelope: Envelope{
			Provider: alfa, PEC: id, Message: transport.ID, CertData: []byte("<postacert/>"), Header: header, Body: span,
			Sender: mario, Mailbox: w.mario.ID, At: at.At,
		},
		Transport: transport, Receipt: w.receipt(pec.Acceptance, id), Inbox: InboxEntry{Mailbox: w.mario.ID, Folder: w.inbox(w.mario)}, Certified: []pec.Address{comune, luigi},
		Relays: []NewRelay{
			{Message: transport.ID, Target: beta, Sender: mario, Recipients: []pec.Address{comune}},
			{Message: transport.ID, Target: alfa, Local: true, Sender: mario, Recipients: []pec.Address{luigi}},
		},
	}
}

// accepted is a submission that was accepted.
func (w *world) accepted() Acceptance {
	w.Helper()
	a := w.acceptance(w.instant(), fmt.Sprintf("<%s@host>", NewID()), []byte("Buongiorno.\r\n"))
	w.must(w.Accept(w.ctx(), a))
	return a
}

// task is the one task of a kind about a message.
func (w *world) task(kind TaskKind, id pec.ID) Task {
	w.Helper()
	ts, err := w.Tasks(w.ctx())
	w.must(err)
	ts = slices.DeleteFunc(ts, func(t Task) bool { return t.Kind != kind || t.PEC != id })
	if len(ts) != 1 {
		w.Fatalf("%d tasks of kind %s for %s, want 1", len(ts), kind, id)
	}
	return ts[0]
}

// owed is a message that waits to be delivered to an address, for tests that care only about tasks.
func (w *world) owed(to pec.Address) Task {
	w.Helper()
	b := plainBatch()
	b.instant.At = w.now()
	m := w.message(KindDSN, newPEC(), Recipe{Literal([]byte("owed"))})
	w.must(b.message(m))
	b.deliver(m.ID, "", to, to, alfa, m.PEC)
	w.must(w.commit(w.ctx(), b))
	return w.task(TaskDeliver, m.PEC)
}

func (w *world) inbox(m Mailbox) ID {
	w.Helper()
	id, err := w.InboxID(w.ctx(), m.ID)
	w.must(err)
	return id
}

func (w *world) entries(folder ID) []Entry {
	w.Helper()
	es, err := w.Entries(w.ctx(), folder, 0)
	w.must(err)
	return es
}

// append puts a message of a holder's own into a folder.
func (w *world) append(m Mailbox, folder ID, text string) uint32 {
	w.Helper()
	octets := []byte("Subject: " + text + "\r\n\r\n" + text)
	c := w.content(octets)
	defer c.Release()
	uid, err := w.Append(w.ctx(), m.ID, folder, c, structure(octets), nil, time.Time{})
	w.must(err)
	return uid
}

func (w *world) octets(message ID, lead []byte) []byte {
	w.Helper()
	o, err := w.Open(w.ctx(), message, lead)
	w.must(err)
	defer o.Close()
	b, err := io.ReadAll(o.Reader())
	w.must(err)
	return b
}

// allTables are those that hold facts; tail is left out, for a refused batch leaves a gap in the segments.
func allTables() []string {
	return strings.Fields(`meta fact event content message reference envelope submission tracking issued heard arrival anomaly task
		relay mailbox credential folder entry deposit held guard`)
}

func (w *world) count(table string) (n int) {
	w.Helper()
	w.must(w.read.QueryRowContext(w.ctx(), `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

func (w *world) counts() map[string]int {
	w.Helper()
	counts := map[string]int{}
	for _, table := range allTables() {
		counts[table] = w.count(table)
	}
	return counts
}

// dump is every row of every table.
func (w *world) dump() string {
	w.Helper()
	w.number()
	var b strings.Builder
	for _, table := range allTables() {
		w.dumpTable(&b, table)
	}
	return b.String()
}

func (w *world) dumpTable(b *strings.Builder, table string) {
	w.Helper()
	rows, err := w.read.QueryContext(w.ctx(), `SELECT * FROM `+table+` ORDER BY 1, 2`)
	if table == "guard" {
		rows, err = w.read.QueryContext(w.ctx(), `SELECT * FROM guard`)
	}
	w.must(err)
	defer rows.Close()
	columns, err := rows.Columns()
	w.must(err)
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	for rows.Next() {
		w.must(rows.Scan(values...))
		fmt.Fprintf(b, "%s:", table)
		for _, v := range values {
			fmt.Fprintf(b, " %x", *v.(*any))
		}
		b.WriteByte('\n')
	}
	w.must(rows.Err())
}

func difference(before, after string) string {
	had := map[string]bool{}
	for line := range strings.Lines(before) {
		had[line] = true
	}
	var b strings.Builder
	for line := range strings.Lines(after) {
		if !had[line] {
			b.WriteString("+ " + line)
		}
		delete(had, line)
	}
	for line := range had {
		b.WriteString("- " + line)
	}
	return b.String()
}

package delivery

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/store"
)

const id = pec.ID("m1@pec.beta.test")

// fromBeta is an envelope for recipients who stand in To, unless fields say otherwise.
func fromBeta(to []pec.Address, fields ...string) envelope {
	if fields == nil {
		names := make([]string, len(to))
		for i, a := range to {
			names[i] = string(a)
		}
		fields = []string{"To: " + strings.Join(names, ",\r\n ")}
	}
	return envelope{house: beta(), id: id, from: luigi, to: to, header: letter(id, luigi, fields...), body: "Ciao!\r\n", kind: pec.Complete}
}

// RFC 6109 3.3.2; norms.md 76 to 82, 87: the entry, the receipt, and what sends it, are one fact.
func TestDelivered(t *testing.T) {
	w := newWorld(t)
	tasks := w.arrive(fromBeta([]pec.Address{anna}))
	w.pass(time.Minute)
	if err := w.Deliver(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	entries := w.entries(anna)
	if len(entries) != 1 || entries[0].Kind != string(pec.Transport) || !entries[0].At.Equal(w.now()) {
		t.Fatalf("the mailbox has %+v", entries)
	}
	if lead := string(entries[0].Lead); lead != "Return-Path: <luigi@pec.beta.test>\r\nDelivered-To: Anna@comune.alfa.test\r\nReceived: from mx.pec.beta.test\r\n" {
		t.Errorf("the lead is %q", lead)
	}
	m := w.ok(w.Store.Message(t.Context(), entries[0].Message)).(store.Message)
	w.wantSignedOctets(entries[0], m.Signed)
	relays := w.tasks(store.TaskRelay)
	if len(relays) != 1 || relays[0].Target != beta().entry.Key() || relays[0].Sender != alfa().unit.Address {
		t.Fatalf("the receipt goes to %+v", relays)
	}
	if to := w.ok(w.Store.Relays(t.Context(), relays[0])).([]store.Relay); len(to) != 1 || to[0].Recipient != luigi {
		t.Errorf("the receipt is for %+v", to)
	}
	r := w.read(relays[0].Message)
	if r.Data.Kind != pec.Delivered || r.Data.DeliveredTo != anna || r.Data.ID != id || r.Data.Sender != luigi || !r.Data.At.Equal(w.now()) || r.Data.Issuer != alfa().unit.Name {
		t.Errorf("the receipt says %+v", r.Data)
	}
	rec := w.record()
	if rec.Events[0].Kind != pec.EventDelivered || rec.Events[0].Recipient != anna || len(rec.Events[0].Generated) != 1 || !rec.At.Equal(w.now()) {
		t.Errorf("the record is %+v", rec)
	}
	if left := w.tasks(store.TaskDeliver); len(left) != 0 {
		t.Errorf("%d tasks are left", len(left))
	}
}

// RFC 6109 3.3.2.1 to 3.3.2.3; norms.md 81 to 83; design.md 5: which receipt encloses the original.
func TestFormOfTheReceipt(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct {
		name     string
		kind     pec.ReceiptType
		fields   []string
		change   func(*store.Envelope)
		complete bool
	}{
		{"To", pec.Complete, []string{"To: anna@comune.alfa.test"}, nil, true},
		{"To, among many", pec.Complete, []string{"To: x@y.test, Anna <ANNA@Comune.alfa.test>", "Cc: mario@pec.alfa.test"}, nil, true},
		{"Cc", pec.Complete, []string{"To: mario@pec.alfa.test", "Cc: anna@comune.alfa.test"}, nil, false},
		{"To and Cc", pec.Complete, []string{"To: anna@comune.alfa.test", "Cc: anna@comune.alfa.test"}, nil, true},
		{"neither", pec.Complete, []string{"To: mario@pec.alfa.test"}, nil, true},
		{"nothing to read", pec.Complete, []string{"To: (((", "Cc: anna@comune.alfa.test"}, nil, true},
		{"concise, To", pec.Concise, []string{"To: anna@comune.alfa.test"}, nil, false},
		{"concise, Cc", pec.Concise, []string{"To: mario@pec.alfa.test", "Cc: anna@comune.alfa.test"}, nil, false},
		{"brief of what has no parts", pec.Brief, []string{"To: anna@comune.alfa.test"}, nil, true},
		{"brief, Cc", pec.Brief, []string{"To: mario@pec.alfa.test", "Cc: anna@comune.alfa.test"}, nil, false},
		{"nothing asked", pec.Complete, []string{"To: anna@comune.alfa.test"}, without(`<ricevuta tipo="completa" />`), true},
		{"data besides", pec.Complete, []string{"To: anna@comune.alfa.test"}, with("<errore-esteso>x</errore-esteso><ricezione>anna@comune.alfa.test</ricezione>"), true},
		// What cannot be enclosed is delivered all the same.
		{"no field", pec.Complete, []string{"To: anna@comune.alfa.test", "non e' un campo"}, nil, false},
		{"two identifiers", pec.Complete, []string{"To: anna@comune.alfa.test", "Message-ID: <" + string(id) + ">"}, nil, false},
		{"no empty line", pec.Complete, []string{"To: anna@comune.alfa.test"}, func(e *store.Envelope) { e.Header = bytes.TrimSuffix(e.Header, []byte("\r\n")) }, false},
	} {
		e := fromBeta([]pec.Address{anna}, c.fields...)
		e.id = pec.ID("m" + string(rune('a'+i)) + "@pec.beta.test")
		e.header = bytes.ReplaceAll(e.header, []byte(id), []byte(e.id))
		e.kind, e.change = c.kind, c.change
		if err := w.Deliver(t.Context(), w.arrive(e)[0]); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		relays := w.tasks(store.TaskRelay)
		receipt := relays[len(relays)-1]
		for _, r := range relays {
			if r.PEC == e.id {
				receipt = r
			}
		}
		got := w.originalIn(receipt.Message)
		if want := string(e.header) + e.body; c.complete && string(got) != want {
			t.Errorf("%s: the receipt encloses %q, want %q", c.name, got, want)
		}
		if !c.complete && got != nil {
			t.Errorf("%s: the receipt encloses %q, want nothing", c.name, got)
		}
	}
}

func without(text string) func(*store.Envelope) {
	return func(e *store.Envelope) { e.CertData = bytes.Replace(e.CertData, []byte(text), nil, 1) }
}

func with(text string) func(*store.Envelope) {
	return func(e *store.Envelope) {
		e.CertData = bytes.Replace(e.CertData, []byte("</dati>"), []byte(text+"</dati>"), 1)
	}
}

// RFC 6109 3.3.3; norms.md 88, 144: what gets into no mailbox is answered at once, each cause with its class, code and words.
func TestNoMailbox(t *testing.T) {
	type answer struct {
		reason pec.Reason
		text   string
	}
	for to, want := range map[pec.Address]answer{
		nobody: {pec.ReasonNoRecipient, "5.1.1 - Alfa PEC S.p.A. - indirizzo non valido"}, ricevute: {pec.ReasonNoRecipient, "5.1.1 - Alfa PEC S.p.A. - indirizzo non valido"},
		closed: {pec.ReasonOther, "5.2.1 - Alfa PEC S.p.A. - casella disabilitata"}, mario: {pec.ReasonOther, "5.2.1 - Alfa PEC S.p.A. - casella sospesa"},
		anna: {pec.ReasonOther, "5.2.2 - Alfa PEC S.p.A. - casella piena"},
	} {
		w := newWorld(t)
		must(0, w.Store.Suspend(t.Context(), mario, true))
		must(0, w.Store.SetQuota(t.Context(), anna, 100))
		tasks := w.arrive(fromBeta([]pec.Address{to}))
		if err := w.Deliver(t.Context(), tasks[0]); err != nil {
			t.Errorf("%s: %v", to, err)
			continue
		}
		relays := w.tasks(store.TaskRelay)
		if len(relays) != 1 || relays[0].Target != beta().entry.Key() {
			t.Errorf("%s: the notice goes to %+v", to, relays)
			continue
		}
		m := w.read(relays[0].Message)
		if m.Data.Kind != pec.NonDelivery || m.Data.Reason != want.reason || m.Data.DeliveredTo != to || m.Data.Detail != want.text || m.Original != nil {
			t.Errorf("%s: the notice says %+v", to, m.Data)
		}
		if to != nobody && len(w.entries(to)) != 0 {
			t.Errorf("%s: something was deposited", to)
		}
		if r := w.record(); r.Events[0].Kind != pec.EventNonDelivery || len(w.tasks(store.TaskDeliver)) != 0 {
			t.Errorf("%s: the record is %+v", to, r)
		}
	}
}

// attacks.md 24: a mailbox that is closed or opened between two tries.
func TestMailboxChangesBetweenTries(t *testing.T) {
	w := newWorld(t)
	tasks := w.arrive(fromBeta([]pec.Address{anna}))
	m := w.ok(w.Store.Message(t.Context(), tasks[0].Message)).(store.Message)
	box := w.ok(w.Store.Mailbox(t.Context(), anna)).(store.Mailbox)
	w.ok(nil, w.Store.SetEnabled(t.Context(), anna, false))
	if err := w.certified(t.Context(), tasks[0], m, box); !errors.Is(err, store.ErrConflict) {
		t.Errorf("delivered into a mailbox closed meanwhile: %v", err)
	}
	if len(w.entries(anna)) != 0 || len(w.tasks(store.TaskRelay)) != 0 {
		t.Error("something of it was kept")
	}
	if err := w.Deliver(t.Context(), tasks[0]); err != nil || w.record().Events[0].Kind != pec.EventNonDelivery {
		t.Errorf("decided again: %v", err)
	}
}

// attacks.md 25: done twice, one after the other or at the same time, it is done once.
func TestTwiceIsOnce(t *testing.T) {
	for _, to := range []pec.Address{anna, nobody} {
		w := newWorld(t)
		task := w.arrive(fromBeta([]pec.Address{to}))[0]
		errs := make([]error, 3)
		var working sync.WaitGroup
		for i := range errs {
			working.Go(func() { errs[i] = w.Deliver(t.Context(), task) })
		}
		working.Wait()
		done := 0
		for _, err := range append(errs, w.Deliver(t.Context(), task)) {
			switch {
			case err == nil:
				done++
			case !errors.Is(err, store.ErrConflict):
				t.Errorf("%s: %v", to, err)
			}
		}
		if done != 1 || len(w.tasks(store.TaskRelay)) != 1 || to == anna && len(w.entries(anna)) != 1 {
			t.Errorf("%s: done %d times, %d receipts", to, done, len(w.tasks(store.TaskRelay)))
		}
	}
}

// Without a key nothing is deposited: no message can be read of which no receipt exists (norms.md 78).
func TestNoKeyNoDelivery(t *testing.T) {
	w := newWorld(t)
	task := w.arrive(fromBeta([]pec.Address{anna}))[0]
	unit := *alfa().unit
	unit.Keys = nil
	w.Units[0] = &unit
	if err := w.Deliver(t.Context(), task); err == nil {
		t.Error("delivered")
	}
	if len(w.entries(anna)) != 0 || len(w.tasks(store.TaskDeliver)) != 1 {
		t.Error("something was deposited, or the task is gone")
	}
}

// design.md 3: an instant is never before the event that caused it.
// norms.md 138
func TestInstantIsNotBeforeItsCause(t *testing.T) {
	w := newWorld(t)
	task := w.arrive(fromBeta([]pec.Address{anna}))[0]
	w.pass(-time.Hour)
	if err := w.Deliver(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if r := w.record(); !r.At.Equal(epoch) || !w.entries(anna)[0].At.Equal(epoch) {
		t.Errorf("delivered at %s, taken in charge at %s", r.At, epoch)
	}
}

// design.md 3: a receipt is owed to whom the sender's provider is now, or else to whom signed the envelope.
// norms.md 80
func TestReceiptGoesToTheSendersProvider(t *testing.T) {
	w := newWorld(t)
	tasks := w.arrive(fromBeta([]pec.Address{anna, mario}))
	other := *beta().entry
	other.Provider, other.Domains = "Gamma PEC S.p.A.", []string{"pec.beta.test"}
	for i, c := range []struct {
		dir  *directory.Directory
		want string
	}{{published(alfa(), &house{entry: &other}), other.Key()}, {published(alfa()), beta().entry.Key()}} {
		w.dir = c.dir
		if err := w.Deliver(t.Context(), tasks[i]); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range w.tasks(store.TaskRelay) {
			found = found || r.Target == c.want
		}
		if !found {
			t.Errorf("the receipt does not go to %s", c.want)
		}
	}
}

// A message within one provider is answered through the whole chain, without the network.
func TestOwnSender(t *testing.T) {
	w := newWorld(t)
	e := envelope{house: alfa(), id: "m1@pec.alfa.test", from: mario, to: []pec.Address{anna}, header: letter("m1@pec.alfa.test", mario, "To: anna@comune.alfa.test"), body: "Ciao!\r\n", kind: pec.Complete}
	w.sent(e)
	receive := w.tasks(store.TaskReceive)[0]
	stored := w.ok(w.Store.Envelope(t.Context(), alfa().unit.Entry, e.id)).(store.Envelope)
	at := w.Store.Instant(receive.Since)
	w.ok(nil, w.Store.TakeCharge(t.Context(), store.Charge{
		Instant: at, Envelope: stored, Digest: []byte("x"), Recipients: e.to, Task: &receive,
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventTakenInCharge, ID: e.id, Provider: alfa().unit.Entry}}},
	}))
	for _, task := range w.tasks(store.TaskDeliver) {
		if err := w.Deliver(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	back := w.tasks(store.TaskReceive)
	if len(back) != 1 || len(w.tasks(store.TaskRelay)) != 0 || back[0].Sender != alfa().unit.Address {
		t.Fatalf("the receipt goes to %+v", back)
	}
	if got := w.originalIn(back[0].Message); string(got) != string(e.header)+e.body {
		t.Errorf("it encloses %q", got)
	}
}

// design.md 4: all recipients' entries and receipts share the octets that arrived.
func TestContentsAreStoredOnce(t *testing.T) {
	w := newWorld(t)
	e := fromBeta([]pec.Address{anna, mario})
	e.body = strings.Repeat("0123456789\r\n", 40_000)
	for _, task := range w.arrive(e) {
		if err := w.Deliver(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range w.tasks(store.TaskRelay) {
		if got := w.originalIn(r.Message); string(got) != string(e.header)+e.body {
			t.Error("a receipt has another original")
		}
	}
	if n := w.longContents(); n != 1 {
		t.Errorf("%d long contents, want 1", n)
	}
}

// longContents counts those that are too long for a row or a segment.
func (w *world) longContents() (n int) {
	w.t.Helper()
	if w.database != "" {
		return w.ok(strconv.Atoi(postgrestest.Query(w.t, w.database, `SELECT count(DISTINCT content) FROM chunk`))).(int)
	}
	w.ok(nil, filepath.WalkDir(filepath.Join(w.Store.Dir(), "contents"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

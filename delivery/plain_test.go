package delivery

import (
	"errors"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// owed is a receipt about a message of mario's that is to be delivered to him. Its octets are those of the acceptance, which
// lies in his mailbox already.
func (w *world) owed() store.Task {
	w.t.Helper()
	const id = pec.ID("m1@pec.alfa.test")
	w.sent(envelope{house: alfa(), id: id, from: mario, to: []pec.Address{anna}, header: letter(id, mario, "To: anna@comune.alfa.test"), body: "x\r\n", kind: pec.Complete})
	at, unit := w.Store.Instant(w.now()), alfa().unit
	w.ok(nil, w.Store.Hear(w.t.Context(), store.Heard{
		Instant: at, Issuer: unit.Entry, Provider: unit.Entry, PEC: id, Kind: pec.TakenInCharge, Recipients: []pec.Address{anna}, Digest: []byte("x"),
		Known: w.entries(mario)[0].Message, Sender: unit.Address, To: mario,
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventHeard, ID: id, Provider: unit.Entry}}},
	}))
	return w.tasks(store.TaskDeliver)[0]
}

// norms.md 58, attacks.md 17: a receipt is deposited and answered by nothing, also to a holder whose mailbox is closed since.
func TestReceiptIsDeposited(t *testing.T) {
	for _, open := range []bool{true, false} {
		w := newWorld(t)
		task := w.owed()
		w.ok(nil, w.Store.SetEnabled(t.Context(), mario, open))
		before := len(w.ok(w.Store.Tasks(t.Context())).([]store.Task))
		if err := w.Deliver(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		entries := w.entries(mario)
		if len(entries) != 2 || entries[1].Message != entries[0].Message || !strings.HasPrefix(string(entries[1].Lead), "Return-Path: <posta-certificata@pec.alfa.test>\r\nDelivered-To: mario@pec.alfa.test\r\n") {
			t.Errorf("open %t: the mailbox has %+v", open, entries)
		}
		if after := len(w.ok(w.Store.Tasks(t.Context())).([]store.Task)); after != before-1 {
			t.Errorf("open %t: %d tasks became %d", open, before, after)
		}
		if r := w.record(); r.Events[0].Kind != pec.EventDeposited || r.Events[0].Recipient != mario {
			t.Errorf("open %t: the record is %+v", open, r)
		}
		if err := w.Deliver(t.Context(), task); !errors.Is(err, store.ErrConflict) || len(w.entries(mario)) != 2 {
			t.Errorf("open %t: done again: %v", open, err)
		}
	}
}

// What is owed to a mailbox that is not there is kept for the operators, never answered and never dropped.
func TestReceiptForNobodyIsHeld(t *testing.T) {
	w := newWorld(t)
	task := w.owed()
	task.Target = string(nobody)
	if err := w.Deliver(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	held := w.ok(w.Store.HeldMessages(t.Context(), 10)).([]store.Held)
	if len(held) != 1 || held[0].Message != task.Message || !strings.Contains(held[0].Reason, "there is no mailbox nessuno@pec.alfa.test") || held[0].Recipients[0] != string(nobody) {
		t.Errorf("held is %+v", held)
	}
	if r := w.record(); r.Events[0].Kind != pec.EventHeld || len(w.tasks(store.TaskDeliver)) != 0 || len(w.tasks(store.TaskRelay)) != 0 {
		t.Errorf("the record is %+v", r)
	}
}

// norms.md 88, 92: a full mailbox takes no certified mail, but what is owed to its holder, however full it is.
func TestFullMailboxTakesReceipts(t *testing.T) {
	w := newWorld(t)
	w.ok(nil, w.Store.SetQuota(t.Context(), mario, 1))
	w.sent(envelope{house: alfa(), id: "m9@pec.alfa.test", from: mario, to: []pec.Address{anna}, header: letter("m9@pec.alfa.test", mario, "To: anna@comune.alfa.test"), body: "x\r\n", kind: pec.Complete})
	if entries := w.entries(mario); len(entries) != 1 || entries[0].Kind != string(pec.Acceptance) {
		t.Errorf("the mailbox has %+v", entries)
	}
	w.ok(nil, w.Deliver(t.Context(), w.arrive(fromBeta([]pec.Address{mario}))[0]))
	if m := w.read(w.tasks(store.TaskRelay)[0].Message); m.Data.Kind != pec.NonDelivery {
		t.Errorf("certified mail is answered by %+v", m.Data)
	}
	if entries := w.entries(mario); len(entries) != 1 {
		t.Errorf("the mailbox has %+v", entries)
	}
}

package incoming

import (
	"errors"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// own does the one receive task that there is.
func (w *world) own() store.Task {
	w.t.Helper()
	ts := w.tasks(store.TaskReceive)
	if len(ts) != 1 {
		w.t.Fatalf("%d receive tasks, want one", len(ts))
	}
	if err := w.ReceiveOwn(w.t.Context(), ts[0]); err != nil {
		w.t.Fatal(err)
	}
	return ts[0]
}

// design.md 3: within one provider the whole chain runs; the taking in charge is a mark, and no message (norms.md 57).
func TestOwnEnvelope(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, anna, luigi)
	w.pass(time.Minute)
	task := w.own()
	x := w.tracked(id, anna)
	if x.State != store.StatePending || !x.TakenAt.Equal(w.now()) || !w.tracked(id, luigi).TakenAt.IsZero() {
		t.Errorf("tracking is %+v", x)
	}
	deliver := w.tasks(store.TaskDeliver)
	if len(deliver) != 1 || len(w.tasks(store.TaskRelay)) != 1 || len(w.tasks(store.TaskReceive)) != 0 {
		t.Errorf("%d deliveries, %d relays are to be done", len(deliver), len(w.tasks(store.TaskRelay)))
	}
	if r := w.record(); r.Events[0].Kind != pec.EventTakenInCharge || len(r.Events[0].Generated) != 0 {
		t.Errorf("the record is %+v", r)
	}
	before := w.state(id)
	if err := w.ReceiveOwn(t.Context(), task); err == nil || !errors.Is(err, store.ErrConflict) {
		if after := w.state(id); err != nil || after != before {
			t.Errorf("done again: %v, %+v became %+v", err, before, after)
		}
	}
}

// Our own receipt about a holder's message to a holder of ours is heard as another's is.
func TestOwnReceipt(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, anna)
	w.own()
	var deliver store.Task
	for _, d := range w.tasks(store.TaskDeliver) {
		if d.Target == string(anna) {
			deliver = d
		}
	}
	unit, at := alfa().unit, w.Store.Instant(deliver.Since)
	receipt := must(unit.Issue(alfa().receipt(pec.NonDelivery, id, anna, anna), nil))
	message := receipt.Message(unit.Entry, id, store.Span{})
	err := w.Store.Refuse(t.Context(), store.Refusal{
		Instant: at, Task: deliver, Receipt: message, Relay: store.NewRelay{Message: message.ID, Local: true, Sender: unit.Address, Recipients: []pec.Address{mario}},
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventNonDelivery, ID: id, Provider: unit.Entry, Recipient: anna}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.own()
	if x := w.tracked(id, anna); x.State != store.StateFailed {
		t.Errorf("tracking is %+v", x)
	}
	if last := w.entries(mario); len(last) != 2 || last[1].Message != message.ID || len(w.tasks(store.TaskReceive)) != 0 {
		t.Errorf("the sender's mailbox has %+v", last)
	}
}

// What was settled meanwhile needs no receiving; the instant is never before the cause, whatever the clock does.
func TestOwnTaskAfterItsTime(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, anna)
	w.pass(-time.Hour)
	w.own()
	if x := w.tracked(id, anna); !x.TakenAt.Equal(epoch) {
		t.Errorf("taken in charge at %s, sent at %s", x.TakenAt, epoch)
	}
}

// norms.md 57: our own mail passes the checks all the same. If the directory does not know us the message is not at fault:
// it waits, and goes on once the directory is there again.
func TestOwnEnvelopeWaitsForTheDirectory(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, anna)
	known := w.dir
	w.dir = published(beta())
	before := w.state(id)
	task := w.tasks(store.TaskReceive)[0]
	if err := w.ReceiveOwn(t.Context(), task); err == nil || w.state(id) != before {
		t.Errorf("%v: %+v became %+v", err, before, w.state(id))
	}
	w.dir = known
	w.own()
	if x := w.tracked(id, anna); x.TakenAt.IsZero() {
		t.Errorf("tracking is %+v", x)
	}
}

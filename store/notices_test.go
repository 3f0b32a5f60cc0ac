package store

import (
	"crypto/sha256"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// notice is one about the municipality of a message that mario sent.
func (w *world) notice(t Task, final bool) error {
	w.Helper()
	at := w.instant()
	return w.Notify(w.ctx(), Notice{
		Instant: at, Record: record(at, pec.EventOverdue, t.PEC, comune), Task: t, Recipient: comune, Final: final, Receipt: w.receipt(pec.Overdue, t.PEC),
		Signing: signer, Sender: mario, Inbox: &InboxEntry{Mailbox: w.mario.ID, Folder: w.inbox(w.mario)},
	})
}

// noticesAreOwed: a notice rests on what tracking says when it is committed, not on what was read before (norms.md 37 to 39).
func noticesAreOwed(w *world) {
	for _, c := range []struct {
		heard        pec.Kind
		after        time.Duration
		first, final error // what becomes of a notice
	}{
		{"", 0, nil, nil},
		{pec.TakenInCharge, 12*time.Hour - time.Second, ErrConflict, nil},
		{pec.TakenInCharge, 12 * time.Hour, nil, nil},
		{pec.Delivered, time.Hour, ErrConflict, ErrConflict},
		{pec.NonDelivery, 13 * time.Hour, nil, ErrConflict},
	} {
		id := w.accepted().Envelope.PEC
		t := w.task(TaskOverdue, id)
		w.clock.jump(c.after)
		if c.heard != "" {
			w.must(w.Hear(w.ctx(), w.heard(w.instant(), c.heard, id, "digest")))
		}
		w.clock.jump(23*time.Hour - c.after)
		for i, want := range []error{c.first, c.final} {
			if want != nil {
				w.refused(want, func() error { return w.notice(t, i == 1) })
			} else {
				w.must(w.notice(t, i == 1))
				w.refused(ErrConflict, func() error { return w.notice(t, i == 1) })
			}
		}
	}
}

// nothingAfterTheFinal: a refusal that is followed up after the final notice is no outcome (design.md 3, giving up).
func nothingAfterTheFinal(w *world) {
	a, follow := w.followUp()
	w.clock.jump(22 * time.Hour)
	w.must(w.notice(w.task(TaskOverdue, a.Envelope.PEC), true))
	w.refused(ErrConflict, func() error {
		return w.Refuse(w.ctx(), Refusal{
			Instant: w.instant(), Record: record(w.instant(), pec.EventNonDelivery, a.Envelope.PEC, comune), Task: follow, Receipt: w.receipt(pec.NonDelivery, a.Envelope.PEC),
			Own: true, Signing: signer, Sender: mario,
		})
	})
	w.state(a.Envelope.PEC, comune, StatePending)
}

// silenceEnds: the last outcome drops the task that looks after silence, unless it is due; others do not.
func silenceEnds(w *world) {
	both := []pec.Address{comune, luigi}
	for _, late := range []bool{false, true} {
		id := w.accepted().Envelope.PEC
		if late {
			w.clock.jump(12 * time.Hour)
		}
		for i, r := range both {
			h := w.heard(w.instant(), pec.Delivered, id, "digest")
			h.Recipients = []pec.Address{r}
			w.must(w.Hear(w.ctx(), h))
			left := 0
			ts, err := w.Tasks(w.ctx())
			w.must(err)
			for _, t := range ts {
				if t.Kind == TaskOverdue && t.PEC == id {
					left++
				}
			}
			if want := boolInt(i == 0 || late); left != want {
				w.Errorf("late %v: after %d outcomes %d tasks are left, want %d", late, i+1, left, want)
			}
		}
	}
}

// roomIsKept: what others send must fit and find the mailbox open; what is owed to its holder goes in (norms.md 88, 92).
func roomIsKept(w *world) {
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), "room@beta.test", "digest", luigi)))
	t := w.task(TaskDeliver, "room@beta.test")
	deposit := func() error { return w.Deposit(w.ctx(), w.deposit(w.instant(), t, w.luigi)) }
	before, err := w.Mailbox(w.ctx(), luigi)
	w.must(err)
	size := before.Used + int64(100+len("Delivered-To: "+luigi+"\r\n"))
	w.must(w.SetQuota(w.ctx(), luigi, size-1))
	w.refused(ErrConflict, deposit)
	w.must(w.SetQuota(w.ctx(), luigi, size))
	w.must(w.Suspend(w.ctx(), luigi, true))
	w.refused(ErrConflict, deposit)
	w.must(w.Suspend(w.ctx(), luigi, false))
	w.must(deposit())
	owed := w.deposit(w.instant(), w.owed(luigi), w.luigi)
	owed.Receipt = nil
	w.must(w.Deposit(w.ctx(), owed))
	if err := w.SetQuota(w.ctx(), luigi, -1); err == nil {
		w.Error("a quota is negative")
	}
}

// anomaliesAreForgotten: the same octets for the same recipient are enclosed once within five days.
func anomaliesAreForgotten(w *world) {
	digest := sha256.Sum256([]byte("strange"))
	again := func() error { return w.Wrap(w.ctx(), w.anomaly(w.instant(), digest)) }
	w.must(again())
	w.refused(ErrConflict, again)
	w.clock.jump(keepSubmissions - time.Microsecond)
	if before, err := w.Wrapped(w.ctx(), digest, mario); err != nil || !before {
		w.Errorf("an anomaly of almost five days ago: %v, %v", before, err)
	}
	w.refused(ErrConflict, again)
	w.clock.jump(time.Microsecond)
	if before, err := w.Wrapped(w.ctx(), digest, mario); err != nil || before {
		w.Errorf("an anomaly of five days ago: %v, %v", before, err)
	}
	w.must(again())
}

package store

import (
	"context"
	"fmt"

	"github.com/ceralacca/ceralacca/pec"
)

// Notice is the fact that a sender is told of a recipient whose provider stays silent (RFC 6109 3.1.6). The final one cancels
// the relay that is pending: nothing is sent any more (design.md 3, giving up).
type Notice struct {
	Instant   Instant
	Record    pec.Record
	Task      Task
	Recipient pec.Address
	Final     bool
	Receipt   NewMessage
	Signing   pec.Address // whose notice it is: its reverse path
	Sender    pec.Address // of the message, who gets it
	Inbox     *InboxEntry // of Sender; nil: there is none, delivery sees to it
}

// Notify commits a notice, which the task goes on from. ErrConflict: it was issued before, an outcome came first, or the task is
// no longer ours; decide again.
func (s *Store) Notify(ctx context.Context, n Notice) error {
	b := newBatch(n.Instant, n.Record)
	t, recipient, step, at := n.Task, n.Recipient.Key(), stepOverdueFirst, micros(n.Instant.At)
	b.require(`SELECT 1 FROM task WHERE id = $1 AND token = $2 AND attempts = $3`, t.ID[:], t.token, t.Attempts)
	if n.Final {
		step = stepOverdueFinal
		b.must(`UPDATE tracking SET final_notice_at = $1, fact = $2 WHERE provider = $3 AND pec_id = $4 AND recipient = $5 AND final_notice_at IS NULL AND state = 'pending'`,
			at, b.fact[:], t.Provider, string(t.PEC), recipient)
		b.do(`UPDATE relay SET state = 'cancelled', at = $1, fact = $2 WHERE message = $3 AND recipient = $4 AND state = 'pending'`, at, b.fact[:], t.Message[:], recipient)
	} else {
		// What was heard within the term may have been committed since tracking was read.
		b.must(`UPDATE tracking SET first_notice_at = $1, fact = $2 WHERE provider = $3 AND pec_id = $4 AND recipient = $5 AND first_notice_at IS NULL
			AND (taken_at IS NULL OR taken_at >= at + $6) AND (outcome_at IS NULL OR outcome_at >= at + $6)`,
			at, b.fact[:], t.Provider, string(t.PEC), recipient, pec.FirstOverdue.Microseconds())
	}
	if err := b.message(n.Receipt); err != nil {
		return fmt.Errorf("notice about %s: %w", t.PEC, err)
	}
	b.issued(t.Provider, t.PEC, n.Recipient, step, pec.Overdue, n.Receipt.ID)
	b.owed(n.Inbox, n.Receipt, n.Signing, n.Sender, t.Provider, t.PEC)
	return s.commit(ctx, b)
}

// owed puts what is owed to a holder into the mailbox; if there is none, delivery holds it.
func (b *batch) owed(in *InboxEntry, m NewMessage, sender, to pec.Address, provider string, id pec.ID) {
	if in != nil {
		b.put(*in, m.ID, m.Recipe.Size(), always)
		return
	}
	b.deliver(m.ID, sender, to, to, provider, id)
}

// watchSilence leaves to access to look after a message's recipients when the first notice may come to be owed. The task's id is
// that of the transport envelope, so that the last outcome finds it.
func (b *batch) watchSilence(a Acceptance) {
	if len(a.Certified) == 0 {
		return
	}
	e := a.Envelope
	b.task(Task{
		ID: a.Transport.ID, Kind: TaskOverdue, Due: b.instant.At.Add(pec.FirstOverdue), Since: b.instant.At,
		Message: a.Transport.ID, Provider: e.Provider, PEC: e.PEC, Sender: e.Sender,
	})
}

// endSilence drops that task when no recipient is pending, unless a first notice is owed: what comes after twelve hours does not
// undo it, and the task may have failed since and been put off.
func (b *batch) endSilence(provider string, id pec.ID) {
	b.do(`DELETE FROM task WHERE kind = $1 AND token = '' AND due > $2
		AND id = (SELECT message FROM envelope WHERE provider = $3 AND pec_id = $4 AND mailbox IS NOT NULL)
		AND NOT EXISTS (SELECT 1 FROM tracking WHERE provider = $3 AND pec_id = $4 AND (state = 'pending'
			OR first_notice_at IS NULL AND outcome_at >= at + $5 AND (taken_at IS NULL OR taken_at >= at + $5)))`,
		string(TaskOverdue), micros(b.instant.At), provider, string(id), pec.FirstOverdue.Microseconds())
}

// Progress is what the law of overdue notices asks of a recipient's tracking.
func (t Tracking) Progress() pec.Progress {
	return pec.Progress{Accepted: t.At, Taken: t.TakenAt, Outcome: t.OutcomeAt, First: !t.FirstNotice.IsZero(), Final: !t.Final.IsZero()}
}

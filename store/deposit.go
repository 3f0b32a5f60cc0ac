package store

import (
	"context"
	"fmt"

	"github.com/ceralacca/ceralacca/pec"
)

// InboxEntry is where a message comes to lie.
type InboxEntry struct {
	Mailbox ID
	Folder  ID
	Lead    []byte // Return-Path, Delivered-To and Received of this entry alone (design.md 5)
}

// InboxEntry prepares an entry for the recipient of a message with the given reverse path and trace. ErrNotFound: there is no
// such mailbox.
func (s *Store) InboxEntry(ctx context.Context, sender, to pec.Address, trace string) (InboxEntry, error) {
	box, err := s.Mailbox(ctx, to)
	if err != nil {
		return InboxEntry{}, err
	}
	return s.InboxEntryOf(ctx, box, sender, to, trace)
}

// InboxEntryOf is the same for a mailbox that is known.
func (s *Store) InboxEntryOf(ctx context.Context, box Mailbox, sender, to pec.Address, trace string) (InboxEntry, error) {
	folder, err := s.InboxID(ctx, box.ID)
	return InboxEntry{box.ID, folder, fmt.Appendf(nil, "Return-Path: <%s>\r\nDelivered-To: %s\r\n%s", sender, to, trace)}, err
}

// Deposit is the fact that a message lies in a mailbox. For a transport envelope the delivery receipt and the task that
// sends it are committed with it: the receipt exists if and only if the message can be read.
type Deposit struct {
	Instant Instant
	Record  pec.Record
	Task    Task
	Inbox   InboxEntry
	Size    int64 // of the message without the lead

	Receipt *NewMessage
	Relay   NewRelay
}

// Deposit commits a deposit. ErrConflict: the mailbox is no longer there or open, or it was done before; decide again.
func (s *Store) Deposit(ctx context.Context, d Deposit) error {
	b := newBatch(d.Instant, d.Record)
	t := d.Task
	b.finish(t)
	// A closed mailbox takes no mail; what is owed to its holder, receipts and reports, it does.
	if d.Receipt == nil {
		b.put(d.Inbox, t.Message, d.Size, always)
	} else {
		b.put(d.Inbox, t.Message, d.Size, ifRoom)
	}
	if d.Receipt != nil {
		recipient := pec.Address(t.Target)
		b.do(`INSERT INTO deposit (provider, pec_id, recipient, at, fact) VALUES ($1, $2, $3, $4, $5)`,
			t.Provider, string(t.PEC), recipient.Key(), micros(d.Instant.At), b.fact[:])
		if err := b.message(*d.Receipt); err != nil {
			return fmt.Errorf("depositing %s: %w", t.PEC, err)
		}
		b.issued(t.Provider, t.PEC, recipient, stepOutcome, pec.Delivered, d.Receipt.ID)
		b.relay(d.Relay, t.Provider, t.PEC)
	}
	return s.commit(ctx, b)
}

// What a mailbox must be for a message to be put into it, besides there.
const (
	always = ``                                                // what is owed to its holder
	ifOpen = ` AND state = 'enabled' AND suspended = 0`        // what answers its holder's own submission
	ifRoom = ifOpen + ` AND (quota = 0 OR used + $1 <= quota)` // mail from others
)

// put puts a message into a mailbox that is what it must be.
func (b *batch) put(in InboxEntry, message ID, size int64, must string) {
	b.must(`UPDATE mailbox SET used = used + $1, fact = $2 WHERE id = $3`+must, size+int64(len(in.Lead)), b.fact[:], in.Mailbox[:])
	b.entry(in.Folder, message, in.Lead, "", size)
}

// entry puts a message into a folder under the folder's next UID.
func (b *batch) entry(folder, message ID, lead []byte, flags string, size int64) {
	b.must(`UPDATE folder SET uidnext = uidnext + 1, modseq = modseq + 1, fact = $1 WHERE id = $2`, b.fact[:], folder[:])
	b.do(`INSERT INTO entry (folder, uid, message, lead, flags, modseq, at, size, fact)
		SELECT id, uidnext - 1, $1, $2, $3, modseq, $4, $5, $6 FROM folder WHERE id = $7`,
		message[:], nonNil(lead), flags, micros(b.instant.At), size+int64(len(lead)), b.fact[:], folder[:])
	b.folders = append(b.folders, folder)
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Refusal is the fact that a certified message cannot be put into a mailbox, or cannot be sent to a recipient's
// provider: the non-delivery receipt is issued, once.
type Refusal struct {
	Instant Instant
	Record  pec.Record
	Task    Task
	Receipt NewMessage
	// Relay sends the receipt on. When Own is set, the message is one that we sent and the receipt goes straight into the
	// sender's mailbox: tracking is settled by the same commit.
	Relay   NewRelay
	Own     bool
	Signing pec.Address
	Sender  pec.Address
	Inbox   *InboxEntry // of Sender, when Own is set; nil: there is none, delivery sees to it
}

// Refuse commits a refusal.
func (s *Store) Refuse(ctx context.Context, r Refusal) error {
	b := newBatch(r.Instant, r.Record)
	t, recipient := r.Task, pec.Address(r.Task.Target)
	b.finish(t)
	if err := b.message(r.Receipt); err != nil {
		return fmt.Errorf("refusing %s: %w", t.PEC, err)
	}
	b.issued(t.Provider, t.PEC, recipient, stepOutcome, pec.NonDelivery, r.Receipt.ID)
	if r.Own {
		b.must(`UPDATE tracking SET fact = $1 WHERE provider = $2 AND pec_id = $3 AND recipient = $4 AND state = 'pending' AND final_notice_at IS NULL`,
			b.fact[:], t.Provider, string(t.PEC), recipient.Key())
		b.outcome(t.Provider, t.PEC, []pec.Address{recipient}, StateFailed)
		b.owed(r.Inbox, r.Receipt, r.Signing, r.Sender, t.Provider, t.PEC)
	} else {
		b.relay(r.Relay, t.Provider, t.PEC)
	}
	return s.commit(ctx, b)
}

// Undeliverable records that a receipt or a report found no mailbox: it is held, nothing answers it.
func (s *Store) Undeliverable(ctx context.Context, at Instant, r pec.Record, t Task, reason string) error {
	b := newBatch(at, r)
	b.finish(t)
	b.held(at, reason, string(t.Sender), t.Target, "", t.Message)
	return s.commit(ctx, b)
}

// Report is our own unsigned report to a sender about an external recipient that failed.
type Report struct {
	Instant Instant
	Record  pec.Record
	Task    Task
	Message NewMessage
	Sender  pec.Address // whose mailbox it goes to
}

// Report commits a report for delivery.
func (s *Store) Report(ctx context.Context, r Report) error {
	b := newBatch(r.Instant, r.Record)
	b.finish(r.Task)
	if err := b.message(r.Message); err != nil {
		return fmt.Errorf("reporting on %s: %w", r.Task.PEC, err)
	}
	b.deliver(r.Message.ID, "", r.Sender, r.Sender, r.Task.Provider, r.Task.PEC)
	return s.commit(ctx, b)
}

// Done finishes a task that has nothing left to do.
func (s *Store) Done(ctx context.Context, t Task) error {
	b := plainBatch()
	b.finish(t)
	return s.commit(ctx, b)
}

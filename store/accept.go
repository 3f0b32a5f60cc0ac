package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// SubmissionKey makes a submission idempotent (design.md 3): the same holder, client id, octets and recipients within
// five days are one submission.
type SubmissionKey struct {
	Mailbox    ID
	ClientID   pec.ClientID
	SHA256     [sha256.Size]byte // of the octets received
	Recipients [sha256.Size]byte // see RecipientsDigest
}

// keepSubmissions is how long a repeat is recognised.
const keepSubmissions = 5 * 24 * time.Hour

// RecipientsDigest is a set of recipients as a key.
func RecipientsDigest(rs []pec.Address) [sha256.Size]byte {
	keys := make([]string, len(rs))
	for i, r := range rs {
		keys[i] = r.Key()
	}
	slices.Sort(keys)
	var b bytes.Buffer
	for _, k := range slices.Compact(keys) {
		b.WriteString(k)
		b.WriteByte('\n')
	}
	return sha256.Sum256(b.Bytes())
}

// Submitted finds an earlier submission with the same key, or ErrNotFound.
func (s *Store) Submitted(ctx context.Context, k SubmissionKey) (pec.ID, error) {
	var id pec.ID
	err := s.read.QueryRowContext(ctx, `SELECT pec_id FROM submission WHERE mailbox = $1 AND client_id = $2 AND sha256 = $3 AND recipients = $4 AND at > $5`,
		k.Mailbox[:], string(k.ClientID), k.SHA256[:], k.Recipients[:], micros(s.now().Add(-keepSubmissions))).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("looking for an earlier submission: %w", notFound(err))
	}
	return id, nil
}

// NewRelay is a message to be sent on: to another provider or an external domain, or, when Local, to ourselves.
type NewRelay struct {
	Message    ID
	Target     string // directory entry's key or external domain
	Local      bool
	Sender     pec.Address
	For        pec.Address // who sent the certified message that it is about, if that is not Sender
	Recipients []pec.Address
}

func (b *batch) relay(r NewRelay, provider string, id pec.ID) {
	t := Task{ID: NewID(), Kind: TaskRelay, Due: b.instant.At, Since: b.instant.At, Message: r.Message, Provider: provider, PEC: id, Sender: r.Sender, Target: r.Target, Turn: r.For.Key()}
	if r.Local {
		t.Kind = TaskReceive
	}
	b.task(t)
	for _, a := range r.Recipients {
		b.do(`INSERT INTO relay (message, recipient, address, task, state, reply, at, fact) VALUES ($1, $2, $3, $4, 'pending', '', $5, $6)`,
			r.Message[:], a.Key(), string(a), t.ID[:], micros(b.instant.At), b.fact[:])
	}
}

// deliver leaves a message to delivery, on account of a holder.
func (b *batch) deliver(message ID, sender, to, account pec.Address, provider string, id pec.ID) {
	b.task(Task{ID: NewID(), Kind: TaskDeliver, Due: b.instant.At, Since: b.instant.At, Message: message, Provider: provider, PEC: id, Sender: sender, Target: string(to), Turn: account.Key()})
}

// issued records that we issued a message for a step; the key makes it the only one.
func (b *batch) issued(provider string, id pec.ID, recipient pec.Address, step string, kind pec.Kind, message ID) {
	b.do(`INSERT INTO issued (provider, pec_id, recipient, step, kind, message, fact) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		provider, string(id), recipient.Key(), step, string(kind), message[:], b.fact[:])
}

// The steps that have at most one issued message each.
const (
	stepAccept  = "accept"
	stepTake    = "take"
	stepOutcome = "outcome"

	stepOverdueFirst = "overdue-12"
	stepOverdueFinal = "overdue-24"
)

// Acceptance is the fact that a submission was accepted: all that follows is committed with it.
type Acceptance struct {
	Instant   Instant
	Record    pec.Record
	Key       SubmissionKey
	Content   *Content // the submission's octets
	Envelope  Envelope
	Transport NewMessage
	Receipt   NewMessage // the acceptance, for the sender's own mailbox
	Inbox     InboxEntry // the sender's, where the acceptance comes to lie by the same commit
	Certified []pec.Address
	Relays    []NewRelay
}

// Accept commits an acceptance. ErrConflict: the same submission was accepted meanwhile; ask Submitted.
func (s *Store) Accept(ctx context.Context, a Acceptance) error {
	b := newBatch(a.Instant, a.Record)
	e := a.Envelope
	b.submission(a.Key, e.PEC)
	b.content(a.Content)
	if err := errors.Join(b.message(a.Transport), b.message(a.Receipt)); err != nil {
		return fmt.Errorf("accepting %s: %w", e.PEC, err)
	}
	b.envelope(e, a.Transport.Signed)
	b.issued(e.Provider, e.PEC, "", stepAccept, pec.Acceptance, a.Receipt.ID)
	for _, r := range a.Certified {
		b.do(`INSERT INTO tracking (provider, pec_id, recipient, state, at, fact) VALUES ($1, $2, $3, 'pending', $4, $5)`,
			e.Provider, string(e.PEC), r.Key(), micros(a.Instant.At), b.fact[:])
	}
	b.put(a.Inbox, a.Receipt.ID, a.Receipt.Recipe.Size(), ifOpen)
	for _, r := range a.Relays {
		b.relay(r, e.Provider, e.PEC)
	}
	b.watchSilence(a)
	return s.commit(ctx, b)
}

// submission makes the batch the only one with this key for as long as a repeat is recognised.
func (b *batch) submission(k SubmissionKey, id pec.ID) {
	b.must(`INSERT INTO submission (mailbox, client_id, sha256, recipients, pec_id, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (mailbox, client_id, sha256, recipients) DO UPDATE SET pec_id = excluded.pec_id, at = excluded.at WHERE submission.at <= $7`,
		k.Mailbox[:], string(k.ClientID), k.SHA256[:], k.Recipients[:], string(id), micros(b.instant.At), micros(b.instant.At.Add(-keepSubmissions)))
}

// Note commits the record of what changed nothing: a submission that came again and was answered as before, a message that was refused.
func (s *Store) Note(ctx context.Context, at Instant, r pec.Record) error {
	return s.commit(ctx, newBatch(at, r))
}

package store

import (
	"context"
	"fmt"

	"github.com/ceralacca/ceralacca/pec"
)

// NonAcceptance is the fact that a submission was refused with a signed notice. Nothing of the message is kept (norms.md 14).
type NonAcceptance struct {
	Instant  Instant
	Record   pec.Record
	Key      SubmissionKey
	Provider string // ours, and the id that the message would have had
	PEC      pec.ID
	Notice   NewMessage
	Inbox    InboxEntry // the sender's
}

// NotAccept commits a refusal with its notice in the sender's mailbox. ErrConflict: the same submission was refused meanwhile;
// ask Submitted.
func (s *Store) NotAccept(ctx context.Context, n NonAcceptance) error {
	b := newBatch(n.Instant, n.Record)
	b.submission(n.Key, n.PEC)
	if err := b.message(n.Notice); err != nil {
		return fmt.Errorf("refusing %s: %w", n.PEC, err)
	}
	b.issued(n.Provider, n.PEC, "", stepAccept, pec.NonAcceptance, n.Notice.ID)
	b.put(n.Inbox, n.Notice.ID, n.Notice.Recipe.Size(), ifOpen)
	return s.commit(ctx, b)
}

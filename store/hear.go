package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ceralacca/ceralacca/pec"
)

// Heard is the fact that a valid receipt about a message of ours came in.
type Heard struct {
	Instant    Instant
	Record     pec.Record
	Issuer     string // directory entry of the receipt's signer
	Provider   string // ours: the entry and id of the message that it is about
	PEC        pec.ID
	Kind       pec.Kind
	Recipients []pec.Address // whom it is about
	Digest     []byte        // SHA-256 of its signed octets
	Sender     pec.Address   // its reverse path
	To         pec.Address   // the mailbox that it goes to

	Content *Content    // its octets, from another provider
	Message *NewMessage // from another provider
	Known   ID          // from ourselves: the stored message
	Task    *Task       // from ourselves

	Inbox *InboxEntry // of To, where it comes to lie by the same commit; nil: there is none, delivery sees to it
}

// Hear commits a receipt: tracking, the relay that it makes needless, and its delivery. ErrConflict: it contradicts what
// is known, or was heard meanwhile; compare again.
func (s *Store) Hear(ctx context.Context, h Heard) error {
	b := newBatch(h.Instant, h.Record)
	message, size := h.Known, int64(0)
	if h.Message == nil {
		known, err := s.Message(ctx, h.Known)
		if err != nil {
			return fmt.Errorf("hearing of %s: %w", h.PEC, err)
		}
		size = known.Size
	} else {
		if h.Content != nil {
			b.content(h.Content)
		}
		if err := b.message(*h.Message); err != nil {
			return fmt.Errorf("hearing of %s: %w", h.PEC, err)
		}
		message, size = h.Message.ID, h.Message.Recipe.Size()
	}
	for _, r := range h.Recipients {
		b.do(`INSERT INTO heard (issuer, provider, pec_id, recipient, kind, message, digest, fact) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			h.Issuer, h.Provider, string(h.PEC), r.Key(), string(h.Kind), message[:], h.Digest, b.fact[:])
	}
	switch h.Kind {
	case pec.TakenInCharge:
		b.markTaken(h.Provider, h.PEC, h.Recipients)
	case pec.Delivered:
		b.outcome(h.Provider, h.PEC, h.Recipients, StateDelivered)
	case pec.NonDelivery:
		b.outcome(h.Provider, h.PEC, h.Recipients, StateFailed)
	}
	if h.Inbox != nil {
		b.put(*h.Inbox, message, size, always)
	} else {
		b.deliver(message, h.Sender, h.To, h.To, h.Provider, h.PEC)
	}
	if h.Task != nil {
		b.received(*h.Task)
	}
	return s.commit(ctx, b)
}

// outcome settles recipients, the first valid outcome only, and cancels the relay that is still pending for them.
func (b *batch) outcome(provider string, id pec.ID, rs []pec.Address, state string) {
	for _, r := range rs {
		b.must(`UPDATE tracking SET state = $1, outcome_at = $2, fact = $3 WHERE provider = $4 AND pec_id = $5 AND recipient = $6 AND state = 'pending'`,
			state, micros(b.instant.At), b.fact[:], provider, string(id), r.Key())
		b.do(`UPDATE relay SET state = 'cancelled', at = $1, fact = $2 WHERE recipient = $3 AND state = 'pending'
			AND message = (SELECT message FROM envelope WHERE provider = $4 AND pec_id = $5 AND mailbox IS NOT NULL)`,
			micros(b.instant.At), b.fact[:], r.Key(), provider, string(id))
	}
	b.endSilence(provider, id)
}

// HeardBefore tells whether the same receipt was heard before, with the same octets.
func (s *Store) HeardBefore(ctx context.Context, issuer, provider string, id pec.ID, kind pec.Kind, rs []pec.Address, digest []byte) (bool, error) {
	for _, r := range rs {
		var d []byte
		err := notFound(s.read.QueryRowContext(ctx, `SELECT digest FROM heard WHERE issuer = $1 AND provider = $2 AND pec_id = $3 AND recipient = $4 AND kind = $5`,
			issuer, provider, string(id), r.Key(), string(kind)).Scan(&d))
		if errors.Is(err, ErrNotFound) || err == nil && !bytes.Equal(d, digest) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("looking for an earlier receipt: %w", err)
		}
	}
	return len(rs) > 0, nil
}

package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// Anomaly is the fact that what came in was enclosed in anomaly envelopes and lies in mailboxes (RFC 6109 3.2.2). Nothing answers it.
type Anomaly struct {
	Instant   Instant
	Record    pec.Record
	Content   *Content          // the octets as they came; nil: an earlier fact has stored them
	SHA256    [sha256.Size]byte // of these octets: with a recipient the key that makes it the only one
	Envelopes []AnomalyEnvelope
	Ordinary  bool  // the mailboxes have to be open, and have room: no provider signed it
	Held      *Held // for the recipients that have no mailbox; nil: there are none
}

// AnomalyEnvelope is one anomaly envelope and where it comes to lie.
type AnomalyEnvelope struct {
	Message NewMessage
	Inboxes map[pec.Address]InboxEntry // by recipient
}

// Wrap commits an anomaly. ErrConflict: a mailbox is no longer what it must be, or the same came for one of the recipients
// meanwhile; decide again.
func (s *Store) Wrap(ctx context.Context, a Anomaly) error {
	b := newBatch(a.Instant, a.Record)
	if a.Content != nil {
		b.content(a.Content)
	}
	must := always
	if a.Ordinary {
		must = ifRoom
	}
	for _, e := range a.Envelopes {
		if err := b.message(e.Message); err != nil {
			return fmt.Errorf("enclosing an anomaly: %w", err)
		}
		for _, recipient := range slices.SortedFunc(maps.Keys(e.Inboxes), byKey) { // in one order, so that processes do not lock each other out
			in := e.Inboxes[recipient]
			b.wrapped(a, recipient, e.Message.ID)
			b.put(in, e.Message.ID, e.Message.Recipe.Size(), must)
		}
	}
	if h := a.Held; h != nil {
		message := a.Envelopes[0].Message.ID
		b.held(a.Instant, h.Reason, h.Sender, strings.Join(h.Recipients, "\n"), h.Peer, message)
		for _, r := range h.Recipients {
			b.wrapped(a, pec.Address(r), message)
		}
	}
	return s.commit(ctx, b)
}

func byKey(a, b pec.Address) int { return strings.Compare(a.Key(), b.Key()) }

// wrapped makes the batch the only one that puts aside these octets for a recipient within five days.
func (b *batch) wrapped(a Anomaly, to pec.Address, message ID) {
	b.must(`INSERT INTO anomaly (sha256, recipient, message, at, fact) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (sha256, recipient) DO UPDATE SET message = excluded.message, at = excluded.at, fact = excluded.fact WHERE anomaly.at <= $6`,
		a.SHA256[:], to.Key(), message[:], micros(a.Instant.At), b.fact[:], micros(a.Instant.At.Add(-keepSubmissions)))
}

// Wrapped tells whether the same octets were enclosed for a recipient within five days.
func (s *Store) Wrapped(ctx context.Context, digest [sha256.Size]byte, to pec.Address) (bool, error) {
	var one int
	err := notFound(s.read.QueryRowContext(ctx, `SELECT 1 FROM anomaly WHERE sha256 = $1 AND recipient = $2 AND at > $3`,
		digest[:], to.Key(), micros(s.now().Add(-keepSubmissions))).Scan(&one))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for an earlier anomaly: %w", err)
	}
	return true, nil
}

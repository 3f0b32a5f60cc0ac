package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ceralacca/ceralacca/pec"
)

// Arrival is what is known of the recipients of a certified message that comes in.
type Arrival struct {
	New     []pec.Address // never seen with this message
	Known   []pec.Address // seen with the same octets
	Altered []pec.Address // seen with other octets under the same id
}

// Arrivals compares the recipients of an incoming envelope with those that were taken in charge before.
func (s *Store) Arrivals(ctx context.Context, provider string, id pec.ID, digest []byte, rs []pec.Address) (Arrival, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT recipient, digest FROM arrival WHERE provider = $1 AND pec_id = $2`, provider, string(id))
	if err != nil {
		return Arrival{}, fmt.Errorf("reading arrivals: %w", err)
	}
	defer rows.Close()
	same, other := map[string]bool{}, map[string]bool{}
	for rows.Next() {
		var key string
		var d []byte
		if err := rows.Scan(&key, &d); err != nil {
			return Arrival{}, fmt.Errorf("reading arrivals: %w", err)
		}
		if bytes.Equal(d, digest) {
			same[key] = true
		} else {
			other[key] = true
		}
	}
	var a Arrival
	for _, r := range rs {
		switch {
		case same[r.Key()]:
			a.Known = append(a.Known, r)
		case other[r.Key()]:
			a.Altered = append(a.Altered, r)
		default:
			a.New = append(a.New, r)
		}
	}
	return a, rows.Err()
}

// Charge is the fact that an envelope was taken in charge for recipients of ours.
type Charge struct {
	Instant    Instant
	Record     pec.Record
	Envelope   Envelope
	Digest     []byte // SHA-256 of the signed octets
	Recipients []pec.Address

	// From another provider: the octets, the envelope as a message unless it is known, and a receipt for each unit.
	Content   *Content
	Transport *NewMessage
	Receipts  []TakenReceipt

	// From ourselves: the task that brought it. The taking in charge is then a mark in our own tracking.
	Task *Task
}

// TakenReceipt is a unit's receipt for its recipients, and its way to the sending provider.
type TakenReceipt struct {
	Message    NewMessage
	Recipients []pec.Address
	Relay      NewRelay
}

// TakeCharge commits a taking in charge. ErrConflict: some recipient was taken in charge meanwhile; compare again.
func (s *Store) TakeCharge(ctx context.Context, c Charge) error {
	b := newBatch(c.Instant, c.Record)
	e := c.Envelope
	if c.Content != nil {
		b.content(c.Content)
	}
	if c.Transport != nil {
		if err := b.message(*c.Transport); err != nil {
			return fmt.Errorf("taking charge of %s: %w", e.PEC, err)
		}
		b.envelope(e, c.Digest)
	}
	for _, r := range c.Recipients {
		b.do(`INSERT INTO arrival (provider, pec_id, recipient, digest, fact) VALUES ($1, $2, $3, $4, $5)`,
			e.Provider, string(e.PEC), r.Key(), c.Digest, b.fact[:])
		b.deliver(e.Message, e.Sender, r, e.Sender, e.Provider, e.PEC)
	}
	for _, taken := range c.Receipts {
		if err := b.message(taken.Message); err != nil {
			return fmt.Errorf("taking charge of %s: %w", e.PEC, err)
		}
		for _, r := range taken.Recipients {
			b.issued(e.Provider, e.PEC, r, stepTake, pec.TakenInCharge, taken.Message.ID)
		}
		b.relay(taken.Relay, e.Provider, e.PEC)
	}
	if c.Task != nil {
		b.received(*c.Task)
		b.markTaken(e.Provider, e.PEC, c.Recipients)
	}
	return s.commit(ctx, b)
}

// received finishes a receive task and the relay rows that it worked on.
func (b *batch) received(t Task) {
	b.finish(t)
	b.do(`UPDATE relay SET state = 'done', at = $1, fact = $2 WHERE message = $3 AND task = $4 AND state = 'pending'`,
		micros(b.instant.At), b.fact[:], t.Message[:], t.ID[:])
}

func (b *batch) markTaken(provider string, id pec.ID, rs []pec.Address) {
	for _, r := range rs {
		b.do(`UPDATE tracking SET taken_at = $1, fact = $2 WHERE provider = $3 AND pec_id = $4 AND recipient = $5 AND taken_at IS NULL`,
			micros(b.instant.At), b.fact[:], provider, string(id), r.Key())
	}
}

// ArrivedAgain records that a message came once more; nothing is issued. task is the receive task that brought it, if
// one did.
func (s *Store) ArrivedAgain(ctx context.Context, at Instant, r pec.Record, task *Task) error {
	b := newBatch(at, r)
	if task != nil {
		b.received(*task)
	}
	return s.commit(ctx, b)
}

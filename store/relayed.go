package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// Relay is one recipient of a relay or receive task.
type Relay struct {
	Recipient pec.Address
	State     string
	Reply     string
}

// The states of a recipient's relay.
const (
	RelayPending   = "pending"
	RelayDone      = "done"
	RelayFailed    = "failed"
	RelayCancelled = "cancelled"
)

// Relays lists the recipients of a relay or receive task.
func (s *Store) Relays(ctx context.Context, t Task) ([]Relay, error) {
	return s.relays(ctx, `message = $1 AND task = $2`, t.Message[:], t.ID[:])
}

func (s *Store) relays(ctx context.Context, where string, args ...any) ([]Relay, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT address, state, reply FROM relay WHERE `+where+` ORDER BY recipient`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading a relay: %w", err)
	}
	defer rows.Close()
	var rs []Relay
	for rows.Next() {
		var r Relay
		if err := rows.Scan(&r.Recipient, &r.State, &r.Reply); err != nil {
			return nil, fmt.Errorf("reading a relay: %w", err)
		}
		rs = append(rs, r)
	}
	return rs, rows.Err()
}

// Relayed is the fact of one SMTP transaction: what the peer said for each recipient.
type Relayed struct {
	Instant Instant
	Record  pec.Record
	Task    Task
	Results []Relay   // new states; those still pending are tried again at Due
	Due     time.Time // zero: nothing is left
	Trouble string
	Certify bool // those that failed are certified or external recipients of our envelope: access follows up
}

// Relayed commits the outcome of an attempt.
func (s *Store) Relayed(ctx context.Context, r Relayed) error {
	b := newBatch(r.Instant, r.Record)
	t := r.Task
	for _, x := range r.Results {
		// A receipt may have come first and cancelled the relay: then this is only what the peer said. What is settled stays.
		b.do(`UPDATE relay SET state = CASE WHEN state = 'cancelled' THEN state ELSE $1 END, reply = $2, at = $3, fact = $4
			WHERE message = $5 AND recipient = $6 AND state IN ('pending', 'cancelled')`,
			x.State, clip(x.Reply), micros(r.Instant.At), b.fact[:], t.Message[:], x.Recipient.Key())
		if x.State == RelayFailed && r.Certify {
			b.task(Task{ID: NewID(), Kind: TaskFollowUp, Due: r.Instant.At, Since: r.Instant.At, Message: t.Message, Provider: t.Provider, PEC: t.PEC, Sender: t.Sender, Target: string(x.Recipient)})
		}
	}
	if r.Due.IsZero() {
		b.finish(t)
	} else {
		b.postpone(t, r.Due, r.Trouble)
	}
	return s.commit(ctx, b)
}

// RelayReply is what the peer last said about a recipient of a message.
func (s *Store) RelayReply(ctx context.Context, message ID, recipient pec.Address) (string, error) {
	var reply string
	err := s.read.QueryRowContext(ctx, `SELECT reply FROM relay WHERE message = $1 AND recipient = $2`, message[:], recipient.Key()).Scan(&reply)
	if err != nil {
		return "", fmt.Errorf("reading a relay: %w", notFound(err))
	}
	return reply, nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// Envelope is a certified message that we sent or took in charge: what later facts about it need.
type Envelope struct {
	Provider string // directory entry of the provider that issued it
	PEC      pec.ID
	Message  ID     // the transport envelope
	CertData []byte // its daticert.xml
	Header   []byte // the header block of postacert.eml
	Body     Span   // what follows that block
	EightBit bool   // the body has octets over 127
	Sender   pec.Address
	Mailbox  ID // the sender's mailbox if it is ours
	At       time.Time
}

func (b *batch) envelope(e Envelope, signed []byte) {
	var mailbox []byte
	if !e.Mailbox.IsZero() {
		mailbox = e.Mailbox[:]
	}
	b.do(`INSERT INTO envelope (provider, pec_id, signed_sha256, message, certdata, header, body, body_offset, body_size, eight_bit, sender, mailbox, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		e.Provider, string(e.PEC), signed, e.Message[:], e.CertData, e.Header, e.Body.Content[:], e.Body.Offset, e.Body.Length,
		boolInt(e.EightBit), string(e.Sender), mailbox, micros(b.instant.At))
	e.At = fromMicros(micros(b.instant.At))
	b.envelopes = append(b.envelopes, e)
}

func boolInt(v bool) int {
	if v {
		return 1
	}
	return 0
}

// Envelope finds a certified message by its provider and id, or ErrNotFound. There is one of ours under an id at most; of
// another provider's, which may be several, it is the first that was taken in charge.
func (s *Store) Envelope(ctx context.Context, provider string, id pec.ID) (Envelope, error) {
	if message, ok := s.memory.sent.get(sentKey{provider, id}); ok {
		return s.EnvelopeOf(ctx, message)
	}
	e, err := s.anEnvelope(ctx, `e.provider = $1 AND e.pec_id = $2 ORDER BY e.at, e.message LIMIT 1`, provider, string(id))
	if err != nil {
		return e, fmt.Errorf("envelope %s of %s: %w", id, provider, err)
	}
	return e, nil
}

// EnvelopeWith finds the one with the given SHA-256 of its signed octets, or ErrNotFound.
func (s *Store) EnvelopeWith(ctx context.Context, provider string, id pec.ID, signed []byte) (Envelope, error) {
	e, err := s.anEnvelope(ctx, `e.provider = $1 AND e.pec_id = $2 AND e.signed_sha256 = $3`, provider, string(id), signed)
	if err != nil {
		return e, fmt.Errorf("envelope %s of %s: %w", id, provider, err)
	}
	return e, nil
}

// EnvelopeOf finds the one whose transport envelope is the given message, or ErrNotFound.
func (s *Store) EnvelopeOf(ctx context.Context, message ID) (Envelope, error) {
	if e, ok := s.memory.envelopes.get(message); ok {
		return e, nil
	}
	e, err := s.anEnvelope(ctx, `e.message = $1`, message[:])
	if err != nil {
		return e, fmt.Errorf("envelope in message %s: %w", message, err)
	}
	return e, nil
}

func (s *Store) anEnvelope(ctx context.Context, where string, args ...any) (Envelope, error) {
	var e Envelope
	var at int64
	var eight int
	err := s.read.QueryRowContext(ctx, `SELECT e.provider, e.pec_id, e.message, e.certdata, e.header, e.body, e.body_offset, e.body_size, e.eight_bit,
		e.sender, e.mailbox, e.at FROM envelope e WHERE `+where, args...).
		Scan(&e.Provider, &e.PEC, &e.Message, &e.CertData, &e.Header, &e.Body.Content, &e.Body.Offset, &e.Body.Length, &eight, &e.Sender, &e.Mailbox, &at)
	e.EightBit, e.At = eight != 0, fromMicros(at)
	return e, notFound(err)
}

// Tracking is what is known of one certified recipient of a message that we sent.
type Tracking struct {
	Recipient                                  pec.Address
	State                                      string // StatePending, StateDelivered, StateFailed
	At, TakenAt, OutcomeAt, FirstNotice, Final time.Time
}

// The states of a recipient.
const (
	StatePending   = "pending"
	StateDelivered = "delivered"
	StateFailed    = "failed"
)

// Tracking lists the certified recipients of one of our messages.
func (s *Store) Tracking(ctx context.Context, provider string, id pec.ID) ([]Tracking, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT recipient, state, at, coalesce(taken_at, 0), coalesce(outcome_at, 0), coalesce(first_notice_at, 0), coalesce(final_notice_at, 0)
		FROM tracking WHERE provider = $1 AND pec_id = $2 ORDER BY recipient`, provider, string(id))
	if err != nil {
		return nil, fmt.Errorf("reading the tracking of %s: %w", id, err)
	}
	defer rows.Close()
	var ts []Tracking
	for rows.Next() {
		var t Tracking
		var us [5]int64
		if err := rows.Scan(&t.Recipient, &t.State, &us[0], &us[1], &us[2], &us[3], &us[4]); err != nil {
			return nil, err
		}
		for i, to := range []*time.Time{&t.At, &t.TakenAt, &t.OutcomeAt, &t.FirstNotice, &t.Final} {
			if us[i] != 0 {
				*to = fromMicros(us[i])
			}
		}
		ts = append(ts, t)
	}
	return ts, rows.Err()
}

// Sent is one row of Recent: a message that we sent and the states of its certified recipients.
type Sent struct {
	Envelope
	Recipients []Tracking // certified
	Outside    []Relay    // the others, and those certified ones that are at other providers
}

// Recent lists the last messages that our holders sent, the newest first.
func (s *Store) Recent(ctx context.Context, limit int) ([]Sent, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT provider, pec_id FROM envelope WHERE mailbox IS NOT NULL ORDER BY at DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("listing messages: %w", err)
	}
	defer rows.Close()
	var list []Sent
	for rows.Next() {
		var e Envelope
		if err := rows.Scan(&e.Provider, &e.PEC); err != nil {
			return nil, err
		}
		list = append(list, Sent{Envelope: e})
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Envelope, err = s.Envelope(ctx, list[i].Provider, list[i].PEC); err != nil {
			return nil, err
		}
		if list[i].Recipients, err = s.Tracking(ctx, list[i].Provider, list[i].PEC); err != nil {
			return nil, err
		}
		if list[i].Outside, err = s.relays(ctx, `message = $1`, list[i].Message[:]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// About lists what was issued and heard about a certified message and is stored: Kind is that of the message.
func (s *Store) About(ctx context.Context, provider string, id pec.ID) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, recipient, kind, message FROM issued WHERE provider = $1 AND pec_id = $2 AND message IS NOT NULL
		UNION ALL SELECT provider, pec_id, recipient, kind, message FROM heard WHERE provider = $1 AND pec_id = $2 AND message IS NOT NULL`, provider, string(id))
}

package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// Held is a message that was accepted at SMTP and is kept for the operators: nobody was answered.
type Held struct {
	ID         ID
	At         time.Time
	Reason     string
	Sender     string
	Recipients []string
	Peer       string
	Message    ID
	Size       int64
}

func (b *batch) held(at Instant, reason, sender, recipients, peer string, message ID) {
	id := NewID()
	b.do(`INSERT INTO held (id, at, reason, sender, recipients, peer, message) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id[:], micros(at.At), clip(reason), sender, recipients, peer, message[:])
}

// Hold keeps a message for the operators. task is the receive task that brought it, if one did; c is nil if m is stored
// already.
func (s *Store) Hold(ctx context.Context, at Instant, r pec.Record, h Held, c *Content, m NewMessage, task *Task) error {
	b := newBatch(at, r)
	message := m.ID
	if task != nil {
		b.received(*task)
		message = task.Message
	} else if c != nil {
		b.content(c)
		if err := b.message(m); err != nil {
			return fmt.Errorf("holding a message: %w", err)
		}
	}
	b.held(at, h.Reason, h.Sender, strings.Join(h.Recipients, "\n"), h.Peer, message)
	return s.commit(ctx, b)
}

// HeldMessages lists what is held, the newest first.
func (s *Store) HeldMessages(ctx context.Context, limit int) ([]Held, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT h.id, h.at, h.reason, h.sender, h.recipients, h.peer, h.message, m.size
		FROM held h JOIN message m ON m.id = h.message ORDER BY h.at DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("listing what is held: %w", err)
	}
	defer rows.Close()
	var hs []Held
	for rows.Next() {
		var h Held
		var at int64
		var to string
		if err := rows.Scan(&h.ID, &at, &h.Reason, &h.Sender, &to, &h.Peer, &h.Message, &h.Size); err != nil {
			return nil, fmt.Errorf("listing what is held: %w", err)
		}
		h.At, h.Recipients = fromMicros(at), strings.Split(to, "\n")
		hs = append(hs, h)
	}
	return hs, rows.Err()
}

// HeldMessage finds one held message.
func (s *Store) HeldMessage(ctx context.Context, id ID) (Held, error) {
	h := Held{ID: id}
	var at int64
	var to string
	err := s.read.QueryRowContext(ctx, `SELECT h.at, h.reason, h.sender, h.recipients, h.peer, h.message, m.size
		FROM held h JOIN message m ON m.id = h.message WHERE h.id = $1`, id[:]).Scan(&at, &h.Reason, &h.Sender, &to, &h.Peer, &h.Message, &h.Size)
	if err != nil {
		return h, fmt.Errorf("held message %s: %w", id, notFound(err))
	}
	h.At, h.Recipients = fromMicros(at), strings.Split(to, "\n")
	return h, nil
}

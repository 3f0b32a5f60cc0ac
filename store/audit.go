package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/ceralacca/ceralacca/pec"
)

// What follows reads whole tables for the invariant checker; on a store that is opened ReadOnly it is one snapshot.

// Fact is a committed fact as it was recorded.
type Fact struct {
	ID     ID
	No     int64
	Record []byte
}

// Audited names a row by the certified message and the recipient that it is about.
type Audited struct {
	Provider  string
	PEC       pec.ID
	Recipient string // key of the address
	Kind      string // what happened, or the state
	Message   ID
}

// FactsBetween lists facts by number, from included, to excluded.
func (s *Store) FactsBetween(ctx context.Context, from, to int64) ([]Fact, error) {
	return collect(ctx, s, func(r *rows) (f Fact, err error) {
		err = r.Scan(&f.ID, &f.No, &f.Record)
		return f, err
	}, `SELECT id, no, record FROM fact WHERE no >= $1 AND no < $2 ORDER BY no`, from, to)
}

// NewFacts lists those that have no number yet (design.md 6): their number is 0.
func (s *Store) NewFacts(ctx context.Context) ([]Fact, error) {
	return collect(ctx, s, func(r *rows) (f Fact, err error) {
		err = r.Scan(&f.ID, &f.Record)
		return f, err
	}, `SELECT id, record FROM fact WHERE no IS NULL ORDER BY at, id`)
}

// EventIndex lists the index over the records.
func (s *Store) EventIndex(ctx context.Context) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, recipient, kind, fact FROM event`)
}

// EventCounts tells how often each kind of event was recorded. It reads the whole index.
func (s *Store) EventCounts(ctx context.Context) (map[pec.EventKind]int64, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT kind, count(*) FROM event GROUP BY kind`)
	if err != nil {
		return nil, fmt.Errorf("counting events: %w", err)
	}
	defer rows.Close()
	counts := map[pec.EventKind]int64{}
	for rows.Next() {
		var kind pec.EventKind
		var n int64
		if err := rows.Scan(&kind, &n); err != nil {
			return nil, fmt.Errorf("counting events: %w", err)
		}
		counts[kind] = n
	}
	return counts, rows.Err()
}

// MessageIDs lists all messages.
func (s *Store) MessageIDs(ctx context.Context) ([]ID, error) {
	return collect(ctx, s, scanID, `SELECT id FROM message ORDER BY id`)
}

// Envelopes lists all certified messages; Kind is "sent" for ours.
func (s *Store) Envelopes(ctx context.Context) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, '', CASE WHEN mailbox IS NULL THEN 'taken' ELSE 'sent' END, message FROM envelope`)
}

// AllTracking lists the recipients' states.
func (s *Store) AllTracking(ctx context.Context) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, recipient, state, NULL FROM tracking`)
}

// Noticed lists the recipients about whom an overdue notice was issued, as tracking says; Kind is its step.
func (s *Store) Noticed(ctx context.Context) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, recipient, '`+stepOverdueFirst+`', NULL FROM tracking WHERE first_notice_at IS NOT NULL
		UNION ALL SELECT provider, pec_id, recipient, '`+stepOverdueFinal+`', NULL FROM tracking WHERE final_notice_at IS NOT NULL`)
}

// Unwatched lists the recipients who are pending without a final notice, and whose silence no task looks after.
func (s *Store) Unwatched(ctx context.Context) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, recipient, state, NULL FROM tracking WHERE state = 'pending' AND final_notice_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM envelope e JOIN task ON task.id = e.message WHERE e.provider = tracking.provider AND e.pec_id = tracking.pec_id AND e.mailbox IS NOT NULL)`)
}

// IssuedSteps lists what was issued: Kind is step and kind with a blank between.
func (s *Store) IssuedSteps(ctx context.Context) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, recipient, step || ' ' || kind, message FROM issued`)
}

// HeardReceipts lists what was heard; Kind is that of the receipt.
func (s *Store) HeardReceipts(ctx context.Context) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, recipient, kind, message FROM heard`)
}

// Deposits lists the certified messages that lie, or lay, in mailboxes.
func (s *Store) Deposits(ctx context.Context) ([]Audited, error) {
	return s.audited(ctx, `SELECT provider, pec_id, recipient, 'deposited', NULL FROM deposit`)
}

// StrayTasks lists tasks whose fact is not there.
func (s *Store) StrayTasks(ctx context.Context) ([]ID, error) {
	return collect(ctx, s, scanID,
		`SELECT id FROM task WHERE NOT EXISTS (SELECT 1 FROM fact WHERE fact.id = task.fact)`)
}

// EntryCount is the number of messages in folders.
func (s *Store) EntryCount(ctx context.Context) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM entry`).Scan(&n)
	return n, err
}

// VerifyContents reads every content and compares it with its checksum and digest; bad gets each that differs.
func (s *Store) VerifyContents(ctx context.Context, bad func(id ID, err error)) error {
	ids, err := collect(ctx, s, scanID, `SELECT id FROM content ORDER BY id`)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.verifyContent(ctx, id); err != nil {
			bad(id, err)
		}
	}
	return ctx.Err()
}

func (s *Store) verifyContent(ctx context.Context, id ID) error {
	c, err := s.engine.place(ctx, id)
	if err != nil {
		return notFound(err)
	}
	from, err := s.engine.open(ctx, c)
	if err != nil {
		return err
	}
	defer from.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(from, 0, c.size)); err != nil {
		return err
	}
	if string(sum.Sum(nil)) != string(c.sha256) {
		return &DamageError{Content: id, Reason: "its SHA-256 is another one"}
	}
	return nil
}

func (s *Store) audited(ctx context.Context, query string, args ...any) ([]Audited, error) {
	return collect(ctx, s, func(r *rows) (a Audited, err error) {
		err = r.Scan(&a.Provider, &a.PEC, &a.Recipient, &a.Kind, &a.Message)
		return a, err
	}, query, args...)
}

func scanID(r *rows) (id ID, err error) {
	err = r.Scan(&id)
	return id, err
}

// collect reads a whole result: no rows stay open while others are read.
func collect[T any](ctx context.Context, s *Store, scan func(*rows) (T, error), query string, args ...any) ([]T, error) {
	found, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("auditing: %w", err)
	}
	defer found.Close()
	var all []T
	for found.Next() {
		v, err := scan(found)
		if err != nil {
			return nil, fmt.Errorf("auditing: %w", err)
		}
		all = append(all, v)
	}
	return all, found.Err()
}

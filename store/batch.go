package store

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/ceralacca/ceralacca/pec"
)

// batch is what one commit makes durable, whole or not at all: octets, rows, and the record of the fact. Both engines run
// its statements in order; a statement that fails, a guard among them, fails the batch and nothing else.
type batch struct {
	fact     ID
	instant  Instant
	record   []byte // nil: nothing that the law wants recorded
	salt     [16]byte
	contents []*Content
	stmts    []stmt

	tasks     []Task // new work
	postponed []Task // work put off, as it is afterwards
	finished  []Task
	folders   []ID // what sessions may be watching

	messages  []storedMessage // what may be asked for next
	envelopes []Envelope
}

type stmt struct {
	sql  string
	args []any
	into *uint32 // where the one value of a query goes; nil for what is no query
	must bool    // it has to change a row
}

// newBatch begins the batch of a fact with its record (design.md 6: a record is octets, written once).
func newBatch(at Instant, r pec.Record) *batch {
	b := &batch{fact: ID(r.Fact), instant: at, record: r.Marshal()}
	rand.Read(b.salt[:])
	for i, e := range r.Events {
		b.do(`INSERT INTO event (provider, pec_id, recipient, kind, fact, n, at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			e.Provider, string(e.ID), e.Recipient.Key(), string(e.Kind), b.fact[:], i, micros(at.At))
	}
	return b
}

// plainBatch begins a batch that leaves no record: what holders do in their folders, what administrators do.
func plainBatch() *batch { return &batch{fact: NewID()} }

func (b *batch) do(sql string, args ...any) { b.stmts = append(b.stmts, stmt{sql: sql, args: args}) }

// read runs a query that gives one value, which is at into when the commit has returned nil.
func (b *batch) read(into *uint32, query string, args ...any) {
	b.stmts = append(b.stmts, stmt{sql: query, args: args, into: into})
}

// must runs an UPDATE or DELETE and makes the batch fail with ErrConflict unless it changes a row.
func (b *batch) must(sql string, args ...any) {
	b.stmts = append(b.stmts, stmt{sql: sql, args: args, must: true})
}

// require makes the batch fail with ErrConflict unless the query finds a row.
func (b *batch) require(query string, args ...any) {
	b.do(`INSERT INTO guard SELECT 1 WHERE NOT EXISTS (`+query+`)`, args...)
}

// content makes a content durable with the batch.
func (b *batch) content(c *Content) { b.contents = append(b.contents, c) }

// keep says whether the batch's contents are, or may be, named by a fact.
func (b *batch) keep(yes bool) {
	for _, c := range b.contents {
		c.kept.Store(yes)
	}
}

// NewMessage is a message to be stored with a fact.
type NewMessage struct {
	ID        ID
	Kind      string // a pec.Kind, or one of the Kind constants below
	Provider  string // directory entry of the provider whose message this is, or is about
	PEC       pec.ID // that message's identificativo; empty if it has none
	MessageID string // its own Message-ID without brackets
	Unit      string // the unit of ours that issued it; empty if somebody else did
	// Certificate is the SHA-256 of the issuer's certificate; Signed that of the signed octets. Both nil if unsigned.
	Certificate, Signed []byte
	Recipe              Recipe
	Structure           *pec.Structure
	Trace               string // the Received field of its arrival from outside, with its CRLF; empty if it never travelled
}

// What is stored besides the kinds of PEC.
const (
	KindOwn  = "own"  // put into a folder by its holder
	KindDSN  = "dsn"  // our report on an external recipient
	KindHeld = "held" // accepted at SMTP and kept for the operators
)

func (b *batch) message(m NewMessage) error {
	structure, err := m.Structure.MarshalBinary()
	if err != nil {
		return err
	}
	recipe := newContent(m.Recipe.encode())
	if recipe.Size > maxFrame {
		return fmt.Errorf("the recipe of %s has %d octets of its own, %d are possible", m.ID, recipe.Size, maxFrame)
	}
	b.content(recipe)
	b.do(`INSERT INTO message (id, kind, provider, pec_id, message_id, unit, certificate, signed_sha256, recipe, size, structure, trace, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		m.ID[:], m.Kind, m.Provider, string(m.PEC), m.MessageID, m.Unit, m.Certificate, m.Signed,
		recipe.ID[:], m.Recipe.Size(), structure, m.Trace, micros(b.instant.At))
	for _, id := range m.Recipe.contents() {
		b.do(`INSERT INTO reference (message, content) VALUES ($1, $2)`, m.ID[:], id[:])
	}
	b.messages = append(b.messages, storedMessage{
		Message{ID: m.ID, Kind: m.Kind, Provider: m.Provider, PEC: m.PEC, MessageID: m.MessageID, Unit: m.Unit, Signed: m.Signed, Size: m.Recipe.Size(), Trace: m.Trace},
		recipe.ID, structure,
	})
	return nil
}

// storedMessage is a row with what Message leaves out.
type storedMessage struct {
	Message
	recipe    ID
	structure []byte
}

// Message is what is known of a stored message without its octets.
type Message struct {
	ID        ID
	Kind      string
	Provider  string
	PEC       pec.ID
	MessageID string
	Unit      string
	Signed    []byte // SHA-256 of the signed octets, nil if unsigned
	Size      int64
	Trace     string
}

// Message finds a stored message, or ErrNotFound.
func (s *Store) Message(ctx context.Context, id ID) (Message, error) {
	m, err := s.stored(ctx, id)
	return m.Message, err
}

func (s *Store) stored(ctx context.Context, id ID) (storedMessage, error) {
	if m, ok := s.memory.messages.get(id); ok {
		return m, nil
	}
	m := storedMessage{Message: Message{ID: id}}
	err := s.read.QueryRowContext(ctx, `SELECT kind, provider, pec_id, message_id, unit, signed_sha256, size, trace, recipe, structure FROM message WHERE id = $1`, id[:]).
		Scan(&m.Kind, &m.Provider, &m.PEC, &m.MessageID, &m.Unit, &m.Signed, &m.Size, &m.Trace, &m.recipe, &m.structure)
	if err != nil {
		return m, fmt.Errorf("message %s: %w", id, notFound(err))
	}
	return m, nil
}

// Issued tells whether one of our units issued a message with this Message-ID.
func (s *Store) Issued(ctx context.Context, messageID string) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM message WHERE message_id = $1 AND unit <> ''`, messageID).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("looking for an issued message: %w", err)
	}
	return n > 0, nil
}

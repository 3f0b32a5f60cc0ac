package store

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/ceralacca/ceralacca/pec"
)

// Shared is the recipe of a message whose octets from offset on, length of them, may be the body of a certified message
// that is stored already: then they are a reference to it, and whole is false. Otherwise the recipe is the content whole.
// Only what belongs to the same mailbox may be passed as e, so nobody learns what others have (attacks.md 26).
func (s *Store) Shared(ctx context.Context, e Envelope, c *Content, offset, length int64) (r Recipe, whole bool, err error) {
	all := Recipe{{Span: Span{Content: c.ID, Length: c.Size}}}
	if length == 0 || length != e.Body.Length || offset < 0 || offset+length > c.Size {
		return all, true, nil
	}
	stored, err := s.OpenSpan(ctx, e.Body)
	var damage *DamageError
	if errors.As(err, &damage) {
		return all, true, nil // this message does not fail with that one
	}
	if err != nil {
		return nil, false, err
	}
	same, err := sameOctets(stored.Reader(), c.Section(offset, length), length)
	if err := errors.Join(err, stored.Close()); err != nil {
		return nil, false, err
	}
	rest := c.Size - offset - length
	if !same || offset > memoryLimit || rest > memoryLimit {
		return all, true, nil
	}
	before, after := make([]byte, offset), make([]byte, rest)
	if _, err := io.ReadFull(c.Section(0, offset), before); err != nil {
		return nil, false, err
	}
	if _, err := io.ReadFull(c.Section(offset+length, rest), after); err != nil {
		return nil, false, err
	}
	return Recipe{Literal(before), {Span: e.Body}, Literal(after)}, false, nil
}

func sameOctets(a, b io.Reader, length int64) (bool, error) {
	block := min(length+1, 64<<10)
	x, y := make([]byte, block), make([]byte, block)
	for {
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if err := errors.Join(err, err2); err != nil {
			return false, err
		}
	}
}

// ownRecipe is the recipe of what a holder appends: a copy of a sent message shares the body of its submission.
func (s *Store) ownRecipe(ctx context.Context, mailbox ID, c *Content, st *pec.Structure) (Recipe, bool, error) {
	e, err := s.sentAs(ctx, mailbox, c, st)
	if errors.Is(err, ErrNotFound) {
		return Recipe{{Span: Span{Content: c.ID, Length: c.Size}}}, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	return s.Shared(ctx, e, c, st.Root.Body, c.Size-st.Root.Body)
}

// sentAs finds the message that the mailbox submitted under the Message-ID of c.
func (s *Store) sentAs(ctx context.Context, mailbox ID, c *Content, st *pec.Structure) (Envelope, error) {
	h, err := pec.ParseHeader(st.Root.Header)
	if err != nil || h.Get("Message-ID") == "" {
		return Envelope{}, ErrNotFound
	}
	var message ID
	err = s.read.QueryRowContext(ctx, `SELECT e.message FROM submission s JOIN envelope e ON e.pec_id = s.pec_id AND e.mailbox = s.mailbox
		WHERE s.mailbox = $1 AND s.client_id = $2 ORDER BY s.at DESC LIMIT 1`, mailbox[:], h.Get("Message-ID")).Scan(&message)
	if err != nil {
		return Envelope{}, notFound(err)
	}
	return s.EnvelopeOf(ctx, message)
}

package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// Sharing is what became of a comparison with a body that is stored already.
type Sharing int

// lineEnd is the length of a CRLF.
const lineEnd = 2

// The outcomes.
const (
	Shared Sharing = iota // the same octets: they are a reference
	Alone                 // the same, or not compared: they are stored whole
	Other                 // other octets, stored whole
)

// Shared is the recipe of a message whose octets from offset on, length of them, may be the body of a certified message
// that is stored already: then they are a reference to it. Otherwise the recipe is the content whole.
// Only what belongs to the same mailbox may be passed as e, so nobody learns what others have (attacks.md 26).
func (s *Store) Shared(ctx context.Context, e Envelope, c *Content, offset, length int64) (Recipe, Sharing, error) {
	all := Recipe{{Span: Span{Content: c.ID, Length: c.Size}}}
	if length > e.Body.Length || length < e.Body.Length-lineEnd || offset < 0 || offset+length > c.Size {
		return all, Other, nil
	}
	if length == 0 {
		return all, Alone, nil
	}
	stored, err := s.OpenSpan(ctx, e.Body)
	var damage *DamageError
	if errors.As(err, &damage) {
		return all, Alone, nil // this message does not fail with that one
	}
	if err != nil {
		return nil, Alone, err
	}
	// Where a boundary follows at once, the last line end may have become the boundary's (quirks.md A10).
	missing := "\r\n"[lineEnd-(e.Body.Length-length):]
	same, err := sameOctets(stored.Reader(), io.MultiReader(c.Section(offset, length), strings.NewReader(missing)), e.Body.Length)
	if err := errors.Join(err, stored.Close()); errors.As(err, &damage) {
		return all, Alone, nil
	} else if err != nil {
		return nil, Alone, err
	}
	rest := c.Size - offset - length
	if !same {
		return all, Other, nil
	}
	if missing != "" || offset > memoryLimit || rest > memoryLimit {
		return all, Alone, nil
	}
	before, after := make([]byte, offset), make([]byte, rest)
	if _, err := io.ReadFull(c.Section(0, offset), before); err != nil {
		return nil, Alone, err
	}
	if _, err := io.ReadFull(c.Section(offset+length, rest), after); err != nil {
		return nil, Alone, err
	}
	return Recipe{Literal(before), {Span: e.Body}, Literal(after)}, Shared, nil
}

// sameOctets compares two readers. What could not be read is not the same and not other: it is an error.
func sameOctets(a, b io.Reader, length int64) (bool, error) {
	block := min(length+1, 64<<10)
	x, y := make([]byte, block), make([]byte, block)
	for {
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		for _, e := range []error{err, err2} {
			if e != nil && !errors.Is(e, io.EOF) && !errors.Is(e, io.ErrUnexpectedEOF) {
				return false, e
			}
		}
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if err != nil {
			return true, nil
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
	recipe, sharing, err := s.Shared(ctx, e, c, st.Root.Body, c.Size-st.Root.Body)
	return recipe, sharing != Shared, err
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

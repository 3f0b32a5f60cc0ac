package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// shorten makes the body of a brief receipt's original, whose named parts are replaced by their hashes (RFC 6109 3.3.2.2; norms.md
// 83-86). It reads the body once, before the instant is drawn. nil: no brief receipt is due, or the original has to be enclosed whole.
func (p *Point) shorten(ctx context.Context, s *subject) ([]pec.Piece, error) {
	if s.data.ReceiptType != pec.Brief || !s.encloses() {
		return nil, nil
	}
	pieces, err := p.pieces(ctx, s)
	if errors.Is(err, pec.ErrWhole) {
		p.Log.Info("a brief receipt encloses the whole original", "id", s.PEC, "to", s.data.DeliveredTo, "reason", err)
		return nil, nil
	}
	return pieces, err
}

func (p *Point) pieces(ctx context.Context, s *subject) ([]pec.Piece, error) {
	structure, err := p.Store.Structure(ctx, s.Message)
	if err != nil {
		return nil, err
	}
	original := s.original(structure.Root)
	if original == nil {
		return nil, fmt.Errorf("%w: the envelope's structure does not show it", pec.ErrWhole)
	}
	plan, err := pec.PlanBrief(structure, original, s.Header)
	if err != nil {
		return nil, err
	}
	body, err := p.Store.OpenSpan(ctx, s.Body)
	if err != nil {
		return nil, err
	}
	short := plan.Shorten(p.BriefHash, body.Reader())
	_, err = io.Copy(io.Discard, short)
	return short.Pieces(), errors.Join(err, body.Close())
}

// original finds the enclosed original in the structure of the envelope, which keeps no names: by the lengths of its header and
// its body. nil: it is not there.
func (s *subject) original(part *pec.Part) *pec.Part {
	if part.End-part.Body == s.Body.Length && part.Body-part.Start == int64(len(s.Header)) {
		return part
	}
	for _, child := range part.Children {
		if found := s.original(child); found != nil {
			return found
		}
	}
	return nil
}

// assembled reads what pieces of a body make.
func assembled(pieces []pec.Piece, body *store.Octets) io.Reader {
	var readers []io.Reader
	for _, x := range pieces {
		if x.Literal != nil {
			readers = append(readers, bytes.NewReader(x.Literal))
		} else {
			readers = append(readers, body.Section(x.Offset, x.Length))
		}
	}
	return io.MultiReader(readers...)
}

// recipe is that of a receipt whose original's body consists of pieces: spans of what is stored, and hashes.
func (s *subject) recipe(issued *issuance.Issued, pieces []pec.Piece) store.Recipe {
	recipe := store.Recipe{store.Literal(issued.Before)}
	for _, x := range pieces {
		switch {
		case x.Literal != nil:
			recipe = append(recipe, store.Literal(x.Literal))
		case x.Length > 0:
			recipe = append(recipe, store.Step{Span: store.Span{Content: s.Body.Content, Offset: s.Body.Offset + x.Offset, Length: x.Length}})
		}
	}
	return append(recipe, store.Literal(issued.After))
}

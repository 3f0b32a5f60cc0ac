package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// brief issues a brief receipt: named parts of the original are replaced by their hashes in one pass over its body (RFC 6109
// 3.3.2.2; norms.md 83-86). pec.ErrWhole: the original has to be enclosed as it is.
func (p *Point) brief(ctx context.Context, s *subject, c pec.Composition) (*issuance.Issued, store.Recipe, error) {
	structure, err := p.Store.Structure(ctx, s.Message)
	if err != nil {
		return nil, nil, err
	}
	original := s.original(structure.Root)
	if original == nil {
		return nil, nil, fmt.Errorf("%w: the envelope's structure does not show it", pec.ErrWhole)
	}
	plan, err := pec.PlanBrief(structure, original, s.Header)
	if err != nil {
		return nil, nil, err
	}
	body, err := p.Store.OpenSpan(ctx, s.Body)
	if err != nil {
		return nil, nil, err
	}
	short := plan.Shorten(p.BriefHash, body.Reader())
	issued, err := s.unit.Issue(c, short)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, nil, err
	}
	recipe := store.Recipe{store.Literal(issued.Before)}
	for _, x := range short.Pieces() {
		if x.Literal != nil {
			recipe = append(recipe, store.Literal(x.Literal))
		} else {
			recipe = append(recipe, store.Step{Span: store.Span{Content: s.Body.Content, Offset: s.Body.Offset + x.Offset, Length: x.Length}})
		}
	}
	return issued, append(recipe, store.Literal(issued.After)), nil
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

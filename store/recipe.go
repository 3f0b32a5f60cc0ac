package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Span is a run of a content's octets.
type Span struct {
	Content ID
	Offset  int64
	Length  int64
}

// Recipe says how a message's octets come together: literals, and spans of contents that are stored once. Its form on
// disk begins with a version; a step begins with its kind, so compressed literals find room later.
type Recipe []Step

// Step is one run of a recipe: Literal, or else Span.
type Step struct {
	Literal []byte
	Span    Span
}

// Literal is a step of octets of the message's own.
func Literal(b []byte) Step { return Step{Literal: b} }

// Enclosing is the recipe of a message that has a stored body between octets of its own; a zero span is no body.
func Enclosing(before []byte, body Span, after []byte) Recipe {
	if body.Content.IsZero() {
		return Recipe{Literal(before), Literal(after)}
	}
	return Recipe{Literal(before), {Span: body}, Literal(after)}
}

// Size is the length of the message.
func (r Recipe) Size() int64 {
	var n int64
	for _, s := range r {
		n += s.size()
	}
	return n
}

func (s Step) size() int64 {
	if s.Span.Content.IsZero() {
		return int64(len(s.Literal))
	}
	return s.Span.Length
}

const (
	recipeVersion = 1
	stepLiteral   = 1
	stepSpan      = 2
)

var errRecipe = errors.New("not a recipe of this version")

func (r Recipe) encode() []byte {
	b := []byte{recipeVersion}
	for _, s := range r {
		if !s.Span.Content.IsZero() {
			b = append(append(b, stepSpan), s.Span.Content[:]...)
			b = binary.AppendUvarint(b, uint64(s.Span.Offset))
			b = binary.AppendUvarint(b, uint64(s.Span.Length))
		} else if len(s.Literal) > 0 {
			b = binary.AppendUvarint(append(b, stepLiteral), uint64(len(s.Literal)))
			b = append(b, s.Literal...)
		}
	}
	return b
}

func decodeRecipe(b []byte) (Recipe, error) {
	if len(b) == 0 || b[0] != recipeVersion {
		return nil, errRecipe
	}
	var r Recipe
	for b = b[1:]; len(b) > 0; {
		var s Step
		var err error
		switch kind := b[0]; kind {
		case stepLiteral:
			s.Literal, b, err = takeLiteral(b[1:])
		case stepSpan:
			s.Span, b, err = takeSpan(b[1:])
		default:
			err = fmt.Errorf("%w: step %d", errRecipe, kind)
		}
		if err != nil {
			return nil, err
		}
		r = append(r, s)
	}
	return r, nil
}

func takeLiteral(b []byte) (literal, rest []byte, err error) {
	n, b, err := takeNumber(b)
	if err != nil || n == 0 || n > int64(len(b)) {
		return nil, nil, errRecipe
	}
	return b[:n:n], b[n:], nil
}

func takeSpan(b []byte) (Span, []byte, error) {
	var s Span
	if len(b) < len(s.Content) {
		return s, nil, errRecipe
	}
	b = b[copy(s.Content[:], b):]
	if s.Content.IsZero() {
		return s, nil, errRecipe
	}
	var err error
	if s.Offset, b, err = takeNumber(b); err != nil {
		return s, nil, err
	}
	s.Length, b, err = takeNumber(b)
	return s, b, err
}

func takeNumber(b []byte) (int64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 || v >= 1<<62 {
		return 0, nil, errRecipe
	}
	return int64(v), b[n:], nil
}

// contents lists the contents that the recipe refers to, each once.
func (r Recipe) contents() []ID {
	var ids []ID
	seen := map[ID]bool{}
	for _, s := range r {
		if id := s.Span.Content; !id.IsZero() && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

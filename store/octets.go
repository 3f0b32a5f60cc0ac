package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sort"
)

// Octets reads a stored message, exactly as it was written. Close it; no transaction stays open meanwhile.
type Octets struct {
	parts []octetPart
	size  int64
}

// octetPart is a run of the message that begins at the offset start.
type octetPart struct {
	start, length int64
	from          octetSource
	offset        int64
}

// octetSource is a content that is open.
type octetSource struct {
	io.ReaderAt
	memory []byte       // all of it, if it is short
	close  func() error // nil: nothing is to be closed
}

// inMemory is the source of octets at hand.
func inMemory(b []byte) octetSource { return octetSource{ReaderAt: bytes.NewReader(b), memory: b} }

// Close lets go of what it holds.
func (s octetSource) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// Size is the message's length.
func (o *Octets) Size() int64 { return o.size }

// ReadAt reads from any place (io.ReaderAt).
func (o *Octets) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		i := sort.Search(len(o.parts), func(i int) bool { return o.parts[i].start+o.parts[i].length > at })
		if i == len(o.parts) || at < 0 {
			return n, io.EOF
		}
		part := o.parts[i]
		want := min(int64(len(p)-n), part.start+part.length-at)
		m, err := part.from.ReadAt(p[n:n+int(want)], part.offset+at-part.start)
		n += m
		if int64(m) < want {
			return n, fmt.Errorf("reading a stored message: %w", err)
		}
	}
	return n, nil
}

// Section reads a part of the message.
func (o *Octets) Section(off, n int64) io.Reader { return io.NewSectionReader(o, off, n) }

// Reader reads the whole message.
func (o *Octets) Reader() io.Reader { return o.Section(0, o.size) }

// Close lets go of the files that are open for it.
func (o *Octets) Close() error {
	var errs []error
	for _, p := range o.parts {
		errs = append(errs, p.from.Close())
	}
	o.parts = nil
	return errors.Join(errs...)
}

func (o *Octets) add(from octetSource, offset, length int64) {
	if length > 0 {
		o.parts = append(o.parts, octetPart{start: o.size, length: length, from: from, offset: offset})
		o.size += length
	}
}

// Open reads the message with the given id, with lead (which may be empty) before it.
func (s *Store) Open(ctx context.Context, message ID, lead []byte) (*Octets, error) {
	m, err := s.stored(ctx, message)
	if err != nil {
		return nil, err
	}
	b, err := s.recipe(ctx, m.recipe)
	if err != nil {
		return nil, err
	}
	o := &Octets{}
	o.add(inMemory(lead), 0, int64(len(lead)))
	return o, s.cook(ctx, o, b)
}

// OpenSpan reads a span alone.
func (s *Store) OpenSpan(ctx context.Context, span Span) (*Octets, error) {
	o := &Octets{}
	return o, s.cook(ctx, o, Recipe{{Span: span}})
}

func (s *Store) recipe(ctx context.Context, id ID) (Recipe, error) {
	c, err := s.place(ctx, id)
	if err != nil {
		return nil, err
	}
	from, err := s.engine.open(ctx, c)
	if err != nil {
		return nil, err
	}
	if from.close != nil {
		return nil, errors.Join(&DamageError{Content: id, Reason: "it is a long content where a recipe is expected"}, from.Close())
	}
	r, err := decodeRecipe(from.memory)
	if err != nil {
		return nil, &DamageError{Content: id, Reason: err.Error()}
	}
	return r, nil
}

// cook adds what the recipe names to o; after an error o is closed.
func (s *Store) cook(ctx context.Context, o *Octets, r Recipe) error {
	for _, step := range r {
		if step.Span.Content.IsZero() {
			o.add(inMemory(step.Literal), 0, int64(len(step.Literal)))
			continue
		}
		if err := s.addSpan(ctx, o, step.Span); err != nil {
			return errors.Join(err, o.Close())
		}
	}
	return nil
}

func (s *Store) addSpan(ctx context.Context, o *Octets, span Span) error {
	c, err := s.place(ctx, span.Content)
	if err != nil {
		return err
	}
	if span.Offset+span.Length > c.size {
		return &DamageError{Content: span.Content, Reason: "a recipe asks for more octets than it has"}
	}
	if span.Length == 0 {
		return nil
	}
	from, err := s.engine.open(ctx, c)
	if err != nil {
		return err
	}
	o.add(from, span.Offset, span.Length)
	return nil
}

func (s *Store) place(ctx context.Context, id ID) (placed, error) {
	if c, ok := s.memory.places.get(id); ok {
		return c, nil
	}
	c, err := s.engine.place(ctx, id)
	if err != nil {
		return c, fmt.Errorf("content %s: %w", id, notFound(err))
	}
	return c, nil
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

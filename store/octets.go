package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
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
	from          io.ReaderAt
	offset        int64
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
		if f, ok := p.from.(*os.File); ok {
			errs = append(errs, f.Close())
		}
	}
	o.parts = nil
	return errors.Join(errs...)
}

func (o *Octets) add(from io.ReaderAt, offset, length int64) {
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
	o.add(bytes.NewReader(lead), 0, int64(len(lead)))
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
	b, err := c.octets(s)
	if err != nil {
		return nil, err
	}
	r, err := decodeRecipe(b)
	if err != nil {
		return nil, &DamageError{Content: id, Reason: err.Error()}
	}
	return r, nil
}

// cook adds what the recipe names to o; after an error o is closed.
func (s *Store) cook(ctx context.Context, o *Octets, r Recipe) error {
	for _, step := range r {
		if step.Span.Content.IsZero() {
			o.add(bytes.NewReader(step.Literal), 0, int64(len(step.Literal)))
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
	if c.at.segment == 0 {
		f, err := s.openFile(c)
		if err != nil {
			return err
		}
		o.add(f, span.Offset, span.Length)
		return nil
	}
	b, err := c.octets(s)
	if err != nil {
		return err
	}
	o.add(bytes.NewReader(b), span.Offset, span.Length)
	return nil
}

// openFile opens a content that is a file of its own.
func (s *Store) openFile(c placed) (*os.File, error) {
	f, err := os.Open(s.contentPath(c.id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &DamageError{Content: c.id, Reason: err.Error()}
	}
	if err != nil {
		return nil, fmt.Errorf("opening a content: %w", err)
	}
	st, err := f.Stat()
	if err == nil && st.Size() != c.size {
		err = &DamageError{Content: c.id, Reason: fmt.Sprintf("its file has %d octets of %d", st.Size(), c.size)}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// placed is a durable content.
type placed struct {
	id     ID
	size   int64
	sha256 []byte
	at     position
}

func (s *Store) place(ctx context.Context, id ID) (placed, error) {
	if c, ok := s.memory.places.get(id); ok {
		return c, nil
	}
	c := placed{id: id}
	err := s.read.QueryRowContext(ctx, `SELECT size, sha256, segment, place FROM content WHERE id = $1`, id[:]).
		Scan(&c.size, &c.sha256, &c.at.segment, &c.at.offset)
	if err != nil {
		return c, fmt.Errorf("content %s: %w", id, notFound(err))
	}
	return c, nil
}

// octets reads a content that lives in a segment.
func (c placed) octets(s *Store) ([]byte, error) {
	if c.at.segment == 0 {
		return nil, &DamageError{Content: c.id, Reason: "it is a file where a frame is expected"}
	}
	return s.segments.read(c.at, c.id, c.size)
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

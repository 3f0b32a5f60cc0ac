package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// chunkSize is the length of a long content's chunks, but the last: a part of the schema.
const chunkSize = 64 << 10

func (e *postgresEngine) spool(id ID) (*os.File, error) {
	return os.OpenFile(filepath.Join(e.dir, spoolDir, id.String()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// seal uploads the file in one transaction. An upload that nobody knows the end of is left to the sweeper.
func (e *postgresEngine) seal(ctx context.Context, c *Content) error {
	// However long it takes to come, a server that stands still must not keep the place of others.
	ctx, cancel := context.WithTimeout(ctx, e.patience+time.Duration(c.Size>>18)*time.Second)
	defer cancel()
	select {
	case e.uploads <- struct{}{}:
		defer func() { <-e.uploads }()
	case <-ctx.Done():
		return fmt.Errorf("%w: too many long contents are on their way: %w", ErrUnavailable, ctx.Err())
	}
	chunks := &chunkSource{content: c, part: -1}
	err := pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		// However slow the network is: its user waits, not the database.
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO upload (content) VALUES ($1)`, c.ID[:]); err != nil {
			return err
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"chunk"}, []string{"content", "part", "octets"}, chunks)
		return err
	})
	switch {
	case err == nil:
		c.uploaded = true
		return nil
	case chunks.err != nil:
		return chunks.err
	case outcomeOf(err, false) == refused:
		return meaning(err)
	}
	return fmt.Errorf("%w: storing %d octets: %w", ErrUnavailable, c.Size, err)
}

// chunkSource gives a file's chunks to COPY, one after the other.
type chunkSource struct {
	content *Content
	part    int64
	octets  [chunkSize]byte
	n       int
	err     error
}

// Next reads a chunk.
func (s *chunkSource) Next() bool {
	s.part++
	if s.err != nil || s.part*chunkSize >= s.content.Size {
		return false
	}
	n, err := s.content.file.ReadAt(s.octets[:], s.part*chunkSize)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = fmt.Errorf("%w: %w", ErrSpool, err)
	}
	s.n = n
	return s.err == nil
}

// Values are the chunk's row.
func (s *chunkSource) Values() ([]any, error) {
	return []any{s.content.ID[:], s.part, s.octets[:s.n]}, nil
}

// Err is what could not be read.
func (s *chunkSource) Err() error { return s.err }

// release removes the file, which has served, and what was uploaded for nothing.
func (e *postgresEngine) release(c *Content) {
	e.store.dropFile(c.file)
	if c.kept.Load() || !c.uploaded {
		return
	}
	ctx, cancel := context.WithTimeout(e.life, tryPatience)
	defer cancel()
	if _, err := e.pool.Exec(ctx, dropUploads(`content = $1`), c.ID[:]); err != nil && e.life.Err() == nil {
		e.store.log.Warn("octets that no fact names are left for a day", "content", c.ID, "error", err)
	}
}

// dropUploads removes uploads with their chunks. A fact that is about to name them finds its upload gone, and is refused.
func dropUploads(where string) string {
	return `WITH gone AS (DELETE FROM upload WHERE ` + where + ` RETURNING content) DELETE FROM chunk WHERE content IN (SELECT content FROM gone)`
}

// shortOctets are what a content's own row has.
func shortOctets(c *Content) []byte {
	if c.uploaded {
		return nil
	}
	return nonNil(c.mem)
}

func (e *postgresEngine) place(ctx context.Context, id ID) (placed, error) {
	c := placed{id: id}
	err := e.read.QueryRowContext(ctx, `SELECT size, sha256, octets FROM content WHERE id = $1`, id[:]).Scan(&c.size, &c.sha256, &c.octets)
	return c, err
}

func (e *postgresEngine) open(ctx context.Context, c placed) (octetSource, error) {
	if c.octets == nil {
		return octetSource{ReaderAt: &chunks{engine: e, ctx: ctx, content: c, part: -1}, close: func() error { return nil }}, nil
	}
	if int64(len(c.octets)) != c.size {
		return octetSource{}, &DamageError{Content: c.id, Reason: fmt.Sprintf("its row has %d octets of %d", len(c.octets), c.size)}
	}
	return inMemory(c.octets), nil
}

// chunks reads a long content, a chunk at a time. It is for one reader.
type chunks struct {
	engine  *postgresEngine
	ctx     context.Context
	content placed
	part    int64
	octets  []byte
}

// ReadAt reads from any place (io.ReaderAt); one place after the other costs a query a chunk.
func (c *chunks) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= c.content.size {
			return n, io.EOF
		}
		if err := c.load(at / chunkSize); err != nil {
			return n, err
		}
		n += copy(p[n:], c.octets[at%chunkSize:])
	}
	return n, nil
}

func (c *chunks) load(part int64) error {
	if part == c.part {
		return nil
	}
	c.part = -1
	err := c.engine.read.QueryRowContext(c.ctx, `SELECT octets FROM chunk WHERE content = $1 AND part = $2`, c.content.id[:], part).Scan(&c.octets)
	if errors.Is(err, sql.ErrNoRows) {
		return &DamageError{Content: c.content.id, Reason: fmt.Sprintf("chunk %d is missing", part)}
	}
	if err != nil {
		return fmt.Errorf("reading a content: %w", err)
	}
	if want := min(chunkSize, c.content.size-part*chunkSize); int64(len(c.octets)) != want {
		return &DamageError{Content: c.content.id, Reason: fmt.Sprintf("chunk %d has %d octets of %d", part, len(c.octets), want)}
	}
	c.part = part
	return nil
}

// remember keeps what a commit has made durable, as reading it would give it.
func (e *postgresEngine) remember(b *batch) {
	for _, c := range b.contents {
		if !c.uploaded && len(c.mem) <= rememberedOctets {
			e.store.memory.places.put(c.ID, placed{id: c.ID, size: c.Size, sha256: bytes.Clone(c.SHA256[:]), octets: bytes.Clone(nonNil(c.mem))})
		}
	}
}

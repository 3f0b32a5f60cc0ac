package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync/atomic"
)

// memoryLimit is how much of a message waits in memory; what is longer goes into a file of its own while it arrives.
const memoryLimit = 256 << 10

// Spool takes a message's octets as they arrive. Write, then Seal or Discard. It is not safe for concurrent use.
type Spool struct {
	store *Store
	id    ID
	mem   []byte
	file  *os.File
	sum   hash.Hash
	size  int64
	err   error
}

// NewSpool begins a spool.
func (s *Store) NewSpool() *Spool {
	return &Spool{store: s, id: NewID(), sum: sha256.New()}
}

// Write takes octets. An error is ErrSpool and final.
func (sp *Spool) Write(p []byte) (int, error) {
	if sp.err != nil {
		return 0, sp.err
	}
	if sp.file == nil && len(sp.mem)+len(p) > memoryLimit {
		sp.err = sp.spill()
	}
	if sp.err == nil && sp.file != nil {
		if _, err := sp.file.Write(p); err != nil {
			sp.err = fmt.Errorf("%w: %w", ErrSpool, err)
		}
	}
	if sp.err != nil {
		return 0, sp.err
	}
	if sp.file == nil {
		sp.mem = append(sp.mem, p...)
	}
	sp.sum.Write(p)
	sp.size += int64(len(p))
	return len(p), nil
}

func (sp *Spool) spill() error {
	f, err := sp.store.engine.spool(sp.id)
	if err == nil {
		sp.file = f
		_, err = f.Write(sp.mem)
		sp.mem = nil
	}
	if err != nil && !errors.Is(err, ErrUnknown) {
		err = fmt.Errorf("%w: %w", ErrSpool, err)
	}
	return err
}

// Size is the number of octets taken so far.
func (sp *Spool) Size() int64 { return sp.size }

// SHA256 is the digest of the octets taken so far.
func (sp *Spool) SHA256() (digest [sha256.Size]byte) {
	sp.sum.Sum(digest[:0])
	return digest
}

// Seal ends the spool: a long content becomes durable here, before any instant is read. It is stored with the fact that names
// it; it is the caller's to Release. After an error nothing is left.
func (sp *Spool) Seal(ctx context.Context) (*Content, error) {
	defer sp.Discard()
	if sp.err != nil {
		return nil, sp.err
	}
	c := &Content{ID: sp.id, Size: sp.size, mem: sp.mem, store: sp.store}
	sp.sum.Sum(c.SHA256[:0])
	if sp.file == nil {
		return c, nil
	}
	c.file = sp.file
	if err := sp.store.engine.seal(ctx, c); err != nil {
		return nil, err
	}
	sp.file = nil
	return c, nil
}

// Discard drops the octets; after Seal it does nothing.
func (sp *Spool) Discard() {
	if sp.file != nil {
		sp.store.dropFile(sp.file)
		sp.file = nil
	}
	sp.mem, sp.err = nil, ErrClosed
}

// Content is a run of octets that is stored once. Others refer to it by Span.
type Content struct {
	ID     ID
	Size   int64
	SHA256 [sha256.Size]byte

	store *Store
	mem   []byte      // the octets, when they are short
	file  *os.File    // the open file, when they are long
	kept  atomic.Bool // a fact names it

	uploaded bool // PostgreSQL: the octets are in the database
}

// newContent makes a content of octets in memory, for recipes.
func newContent(octets []byte) *Content {
	return &Content{ID: NewID(), Size: int64(len(octets)), SHA256: sha256.Sum256(octets), mem: octets}
}

// ReadAt reads the octets before the content is durable; afterwards use Store.Open.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	if c.file != nil {
		return c.file.ReadAt(p, off)
	}
	return bytes.NewReader(c.mem).ReadAt(p, off)
}

// Section reads a part of the content.
func (c *Content) Section(off, n int64) io.Reader {
	if c.file == nil && off >= 0 && n >= 0 && off <= c.Size && n <= c.Size-off {
		return bytes.NewReader(c.mem[off : off+n]) // it writes itself, without a buffer
	}
	return io.NewSectionReader(c, off, n)
}

// Release lets go of the content: what no fact names is removed.
func (c *Content) Release() {
	if c.file == nil {
		return
	}
	c.store.engine.release(c)
	c.file = nil
}

func (s *Store) dropFile(f *os.File) {
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		s.log.Warn("a spooled file could not be removed", "file", f.Name(), "error", err)
	}
}

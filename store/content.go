package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
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
	f, err := sp.store.create(sp.store.contentPath(sp.id))
	if err == nil {
		sp.file = f
		_, err = f.Write(sp.mem)
		sp.mem = nil
	}
	if errors.As(err, new(unsyncedError)) {
		return sp.store.fail(err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSpool, err)
	}
	return nil
}

// contentDirs are the directories of contents/ that are there durably.
type contentDirs struct {
	mu   sync.Mutex
	made map[string]bool
}

// create makes the file of a long content. Nobody puts a file into a directory whose own name is not durable yet.
func (s *Store) create(path string) (*os.File, error) {
	if err := s.dirs.make(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// unsyncedError is a name that may not be durable: a second sync may say what is not true, so the process has to end.
type unsyncedError struct{ error }

func (d *contentDirs) make(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made[dir] {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return unsyncedError{err}
	}
	if d.made == nil {
		d.made = map[string]bool{}
	}
	d.made[dir] = true
	return nil
}

// Size is the number of octets taken so far.
func (sp *Spool) Size() int64 { return sp.size }

// Seal ends the spool: a file is synced with its directory here, before any instant is read. The content becomes durable
// with the fact that names it; it is the caller's to Release. After an error nothing is left.
func (sp *Spool) Seal() (*Content, error) {
	defer sp.Discard()
	if sp.err != nil {
		return nil, sp.err
	}
	c := &Content{ID: sp.id, Size: sp.size, mem: sp.mem, store: sp.store}
	sp.sum.Sum(c.SHA256[:0])
	if sp.file == nil {
		return c, nil
	}
	dir, err := os.Open(filepath.Dir(sp.file.Name()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpool, err)
	}
	if err := errors.Join(syncData(sp.file), syncDirFile(dir), dir.Close()); err != nil {
		// After a failed fsync the kernel may have dropped the octets and will not say so again (design.md 4).
		return nil, sp.store.fail(fmt.Errorf("syncing %s: %w", sp.file.Name(), err))
	}
	c.file, sp.file = sp.file, nil
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
	mem   []byte   // the octets, when they are short
	file  *os.File // the open file, when they are long
	kept  bool     // a fact names it
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
	if c.kept {
		c.file.Close()
	} else {
		c.store.dropFile(c.file)
	}
	c.file = nil
}

// contentPath is where a long content lives. The last octet of the id is random, so the directories fill evenly.
func (s *Store) contentPath(id ID) string {
	return filepath.Join(s.dir, contentsDir, hex.EncodeToString(id[15:]), id.String())
}

func (s *Store) dropFile(f *os.File) {
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		s.log.Warn("a spooled file could not be removed", "file", f.Name(), "error", err)
	}
}

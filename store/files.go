package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// contentFiles are the long contents of the embedded engine, a file each.
type contentFiles struct {
	dir string

	mu   sync.Mutex
	made map[string]bool // directories that are there durably
}

// path is where a long content lives. The last octet of the id is random, so the directories fill evenly.
func (d *contentFiles) path(id ID) string {
	return filepath.Join(d.dir, hex.EncodeToString(id[15:]), id.String())
}

// unsyncedError is a name that may not be durable: a second sync may say what is not true, so the process has to end.
type unsyncedError struct{ error }

// make makes a directory. Nobody puts a file into one whose own name is not durable yet.
func (d *contentFiles) make(dir string) error {
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

func (e *sqliteEngine) spool(id ID) (*os.File, error) {
	path := e.files.path(id)
	err := e.files.make(filepath.Dir(path))
	if errors.As(err, new(unsyncedError)) {
		return nil, e.store.fail(err)
	}
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// seal syncs the file with its directory.
func (e *sqliteEngine) seal(_ context.Context, c *Content) error {
	dir, err := os.Open(filepath.Dir(c.file.Name()))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSpool, err)
	}
	if err := errors.Join(syncData(c.file), syncDirFile(dir), dir.Close()); err != nil {
		// After a failed fsync the kernel may have dropped the octets and will not say so again (design.md 4).
		return e.store.fail(fmt.Errorf("syncing %s: %w", c.file.Name(), err))
	}
	return nil
}

func (e *sqliteEngine) release(c *Content) {
	if c.kept.Load() {
		c.file.Close()
	} else {
		e.store.dropFile(c.file)
	}
}

func (e *sqliteEngine) place(ctx context.Context, id ID) (placed, error) {
	c := placed{id: id}
	err := e.read.QueryRowContext(ctx, `SELECT size, sha256, segment, place FROM content WHERE id = $1`, id[:]).
		Scan(&c.size, &c.sha256, &c.at.segment, &c.at.offset)
	return c, err
}

func (e *sqliteEngine) open(_ context.Context, c placed) (octetSource, error) {
	if c.at.segment == 0 {
		f, err := e.files.open(c)
		if err != nil {
			return octetSource{}, err
		}
		return octetSource{ReaderAt: f, close: f.Close}, nil
	}
	b, err := e.segments.read(c.at, c.id, c.size)
	return inMemory(b), err
}

func (d *contentFiles) open(c placed) (*os.File, error) {
	f, err := os.Open(d.path(c.id))
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

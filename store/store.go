package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// The names in a data directory.
const (
	databaseName = "store.db"
	lockName     = "lock"
	segmentsDir  = "segments"
	contentsDir  = "contents"
	lostDir      = "lost+found"
)

// Options say how a store is opened.
type Options struct {
	Dir string // the data directory; made if it is not there
	// Now is the law's clock (design.md 7); Jumped a channel that is closed when that clock jumps. Both are required.
	Now    func() time.Time
	Jumped func() <-chan struct{}
	// Fatal is called once when the outcome of a write is unknown or a sync failed: the process has to end, recovery
	// decides. It should not return, and must not call Close; if it returns, every later commit is refused.
	Fatal func(error)
	Log   *slog.Logger
	// ReadOnly opens a snapshot beside a running owner: no lock, no recovery, nothing can be written.
	ReadOnly bool
	// Fault is for tests of crashes: it is told of each place of a commit, from one goroutine, and an error of it is a
	// failed write there. nil in production.
	Fault func(Place) error
}

// Place is a moment in the commit of a group of facts.
type Place string

// The places of a commit, in their order.
const (
	AfterOctets Place = "octets" // the octets are synced; told only if there are any
	AfterRows   Place = "rows"   // the rows are written, not yet committed
	AfterCommit Place = "commit" // the commit has returned, nobody has been told
)

// Store is one provider's data. It is safe for concurrent use.
type Store struct {
	dir      string
	now      func() time.Time
	jumped   func() <-chan struct{}
	fatal    func(error)
	fault    func(Place) error
	log      *slog.Logger
	lock     *os.File
	segments *segments
	engine   engine
	read     *reader

	failing sync.Once
	failed  atomic.Bool // nothing is stored any more
	work    workers
	watch   watchers
	known   knownLogins
	dirs    contentDirs
	memory  memory
}

// Open opens the data directory, takes its lock, and puts in order what a crash left behind (see the package comment).
// What it cannot put in order it leaves untouched and refuses with an error that says what to do.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{dir: o.Dir, now: o.Now, jumped: o.Jumped, fatal: o.Fatal, fault: o.Fault, log: o.Log, work: newWorkers(), memory: newMemory()}
	s.watch.init()
	s.known.init()
	if o.ReadOnly {
		return s, s.openSnapshot(ctx)
	}
	if err := s.prepareDir(); err != nil {
		return nil, err
	}
	if err := s.openOwned(ctx); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

func (s *Store) openOwned(ctx context.Context) error {
	e, err := openSQLite(ctx, s, filepath.Join(s.dir, databaseName))
	if err != nil {
		return err
	}
	s.engine, s.read = e, newReader(e.reader())
	id, err := s.identity(ctx)
	if err != nil {
		return errors.Join(err, e.abandon())
	}
	s.segments = newSegments(s.dir, id)
	t, err := s.recover(ctx)
	if err == nil {
		err = e.start(ctx, t)
	}
	if err != nil {
		return errors.Join(err, s.segments.close(), e.abandon())
	}
	return nil
}

func (s *Store) openSnapshot(ctx context.Context) error {
	path := filepath.Join(s.dir, databaseName)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%s holds no store: %w", s.dir, err)
	}
	db, err := openReaders(path)
	if err != nil {
		return err
	}
	// One connection in one transaction sees one state, whatever the owner does meanwhile.
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `BEGIN`); err != nil {
		return errors.Join(fmt.Errorf("reading %s: %w", path, err), db.Close())
	}
	s.read = newReader(db)
	id, err := s.identity(ctx)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.segments = newSegments(s.dir, id)
	return nil
}

func (s *Store) identity(ctx context.Context) (ID, error) {
	var text string
	if err := s.read.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'store'`).Scan(&text); err != nil {
		return ID{}, fmt.Errorf("reading the store's identity: %w", err)
	}
	return ParseID(text)
}

// prepareDir makes the directory and its parts, and takes the lock. A directory that is neither empty nor ours is refused.
func (s *Store) prepareDir() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("the data directory cannot be made: %w", err)
	}
	if err := s.refuseForeign(); err != nil {
		return err
	}
	lock, err := LockFile(filepath.Join(s.dir, lockName))
	if err != nil {
		return fmt.Errorf("the data directory cannot be taken: %w", err)
	}
	s.lock = lock
	for _, name := range []string{segmentsDir, contentsDir, lostDir} {
		if err := os.MkdirAll(filepath.Join(s.dir, name), 0o700); err != nil {
			return errors.Join(fmt.Errorf("preparing the data directory: %w", err), lock.Close())
		}
	}
	if err := errors.Join(syncDir(s.dir), syncDir(filepath.Dir(s.dir))); err != nil {
		return errors.Join(err, lock.Close())
	}
	return nil
}

func (s *Store) refuseForeign() error {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("the data directory cannot be read: %w", err)
	}
	ours, octets, others := false, false, ""
	for _, n := range names {
		switch n.Name() {
		case databaseName:
			ours = true
		case segmentsDir:
			octets = true
		case lockName, contentsDir, lostDir:
		default:
			others = n.Name()
		}
	}
	if !ours && octets && others != "" {
		return fmt.Errorf("%s is missing, but its messages are there: restore it from a copy", filepath.Join(s.dir, databaseName))
	}
	if !ours && others != "" {
		return fmt.Errorf("%s is no data directory of this program (it holds %s): name an empty or new one", s.dir, others)
	}
	return nil
}

// fail ends the store's life: what is on the disk is no longer known.
func (s *Store) fail(err error) error {
	s.failed.Store(true)
	s.failing.Do(func() {
		s.fatal(err)
	})
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

func (s *Store) commit(ctx context.Context, b *batch) error {
	if s.engine == nil {
		return fmt.Errorf("this store was opened for reading only")
	}
	var now time.Time
	if len(b.tasks) > 0 {
		now = s.now()
	}
	expected := s.work.expect(b, now)
	if err := s.engine.commit(ctx, b); err != nil {
		s.work.forget(expected)
		return err
	}
	s.memory.remember(b)
	s.work.settle(b, now)
	s.watch.signal(b.folders...)
	return nil
}

// Dir is the data directory.
func (s *Store) Dir() string { return s.dir }

// Newest is the instant of the newest fact, zero if there is none. A clock that is behind it must not issue.
func (s *Store) Newest(ctx context.Context) (time.Time, error) {
	var at sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT at FROM fact ORDER BY no DESC LIMIT 1`).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !at.Valid {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the newest fact: %w", err)
	}
	return fromMicros(at.Int64), nil
}

// Close ends the store after the commits under way. Workers must have been stopped before.
func (s *Store) Close() error {
	var errs []error
	if s.engine != nil {
		errs = append(errs, s.engine.close())
	} else {
		errs = append(errs, s.read.db.Close())
	}
	errs = append(errs, s.segments.close())
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Facts is the number of facts so far.
func (s *Store) Facts(ctx context.Context) (n int64, err error) {
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(no), 0) FROM fact`).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting facts: %w", err)
	}
	return n, nil
}

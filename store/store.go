package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a store is opened.
type Options struct {
	Dir string // the data directory; made if it is not there
	// Database is the URL of a PostgreSQL database; empty means that all data are in Dir. Its search_path may name the schema that
	// holds the tables, which is made if it is not there. Any number of processes may open one, each with a Dir of its own.
	Database string
	// Now is the law's clock (design.md 7); Jumped a channel that is closed when that clock jumps. Both are required.
	Now    func() time.Time
	Jumped func() <-chan struct{}
	// Fatal is called once when the outcome of a write is unknown or a sync failed: the process has to end, recovery
	// decides. It should not return, and must not call Close; if it returns, every later commit is refused.
	Fatal func(error)
	Log   *slog.Logger
	// ReadOnly opens a snapshot beside a running owner: no lock, no recovery, nothing can be written.
	ReadOnly bool
	// Fault is for tests of crashes: it is told of each place of a commit, and an error of it is a failed write there. With
	// all data in Dir it is called from one goroutine. nil in production.
	Fault func(Place) error
	// Around, of a sandbox only, stands before the work on tasks: it may do something else. nil in production.
	Around func(kind TaskKind, do func(context.Context, Task) error) func(context.Context, Task) error
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
	dir    string
	now    func() time.Time
	jumped func() <-chan struct{}
	fatal  func(error)
	fault  func(Place) error
	around func(TaskKind, func(context.Context, Task) error) func(context.Context, Task) error
	log    *slog.Logger
	alone  bool
	engine engine
	read   *reader

	failing sync.Once
	failed  atomic.Bool // nothing is stored any more
	work    workers
	watch   watchers
	known   knownLogins
	memory  memory
}

// Open opens the data directory, takes its lock, and puts in order what a crash left behind (see the package comment); or it
// opens the database. What it cannot put in order it leaves untouched and refuses with an error that says what to do.
func Open(ctx context.Context, o Options) (*Store, error) { return open(ctx, o, false) }

// open opens a store; alone, for a move, nobody else may use it, and it may be one that was moved or is being moved to.
func open(ctx context.Context, o Options, alone bool) (*Store, error) {
	s := &Store{alone: alone, dir: o.Dir, now: o.Now, jumped: o.Jumped, fatal: o.Fatal, fault: o.Fault, around: o.Around, log: o.Log, work: newWorkers(paceOf(o)), memory: newMemory()}
	s.watch.init()
	s.known.init()
	var err error
	switch {
	case o.Database != "":
		s.engine, err = openPostgres(ctx, s, o)
	case o.ReadOnly:
		s.engine, err = openSQLiteSnapshot(ctx, s)
	default:
		s.engine, err = openSQLite(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	s.read = s.engine.reader()
	return s, nil
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
	now := s.now()
	expected := s.work.expect(b, now, s.engine.token())
	b.writeTasks()
	return s.engine.commit(b, func(err error) {
		if err != nil {
			s.work.forget(expected)
			return
		}
		s.memory.remember(b)
		kinds := s.work.settle(b, now)
		s.watch.signal(b.folders...)
		s.engine.hint(b.folders, kinds)
	})
}

// Where names the place of the data in messages: a directory, or a database without its password.
func (s *Store) Where() string { return s.engine.where() }

// Dir is the data directory.
func (s *Store) Dir() string { return s.dir }

// Newest is the instant of the newest fact, zero if there is none. A clock that is behind it must not issue.
func (s *Store) Newest(ctx context.Context) (time.Time, error) {
	var at *int64
	// Facts without a number come first on PostgreSQL, and there are none on SQLite. The order of numbers may differ a little from
	// that of instants.
	err := s.read.QueryRowContext(ctx, `SELECT max(at) FROM (SELECT at FROM fact ORDER BY no DESC LIMIT 1000) AS newest`).Scan(&at)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the newest fact: %w", err)
	}
	if at == nil {
		return time.Time{}, nil
	}
	return fromMicros(*at), nil
}

// Close ends the store after the commits under way. Workers must have been stopped before.
func (s *Store) Close() error { return s.engine.close() }

// Facts is the number of facts so far.
func (s *Store) Facts(ctx context.Context) (n int64, err error) {
	if err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(no), 0) + (SELECT count(*) FROM fact WHERE no IS NULL) FROM fact`).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting facts: %w", err)
	}
	return n, nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine is the embedded engine: one writer goroutine, group commit, octets in segments before rows in SQLite.
type sqliteEngine struct {
	store    *Store
	dir      string
	lock     *os.File
	segments *segments
	files    *contentFiles
	readers  *sql.DB
	read     *reader
	writers  *sql.DB // nil in a snapshot
	requests chan *request

	// The writer goroutine's own.
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	group   int64
	number  int64    // of the last fact
	checked position // recovery begins here
	logged  int      // batches since the last checkpoint of the log

	closing sync.Once
	gate    sync.RWMutex // held for reading while a request is handed over
	closed  bool
	done    chan struct{}
}

type request struct {
	b    *batch
	done chan error
}

const (
	maxGroup       = 512      // batches that share a sync
	maxGroupOctets = 16 << 20 // and the octets that they may have
	checkEvery     = 64 << 20 // octets between two checkpoints of the segments
)

func sqliteDSN(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + q.Encode()
}

func newSQLiteEngine(s *Store) *sqliteEngine {
	return &sqliteEngine{
		store: s, dir: s.dir, files: &contentFiles{dir: filepath.Join(s.dir, contentsDir)},
		requests: make(chan *request), stmts: map[string]*sql.Stmt{}, done: make(chan struct{}),
	}
}

// openSQLite becomes the owner of the directory, and puts in order what a crash left behind.
func openSQLite(ctx context.Context, s *Store) (*sqliteEngine, error) {
	e := newSQLiteEngine(s)
	var err error
	if e.lock, err = takeDir(s.dir, e.refuseForeign, segmentsDir, contentsDir, lostDir); err != nil {
		return nil, err
	}
	if err := e.openOwned(ctx); err != nil {
		return nil, errors.Join(err, UnlockFile(e.lock))
	}
	return e, nil
}

func (e *sqliteEngine) openOwned(ctx context.Context) error {
	if err := e.openDatabase(ctx); err != nil {
		return err
	}
	id, err := identity(ctx, e.read)
	if err != nil {
		return errors.Join(err, e.abandon())
	}
	if !e.store.alone {
		if err := refuseMarked(e.where(), e.read.QueryRowContext(ctx, findMarks).Scan); err != nil {
			return errors.Join(err, e.abandon())
		}
	}
	e.segments = newSegments(e.dir, id)
	t, err := e.recover(ctx)
	if err == nil {
		err = e.start(ctx, t)
	}
	if err != nil {
		return errors.Join(err, e.segments.close(), e.abandon())
	}
	return nil
}

func (e *sqliteEngine) openDatabase(ctx context.Context) error {
	path := filepath.Join(e.dir, databaseName)
	err := makePrivate(path)
	if err != nil {
		return err
	}
	// synchronous FULL: a commit returns after the log is on the disk.
	if e.writers, err = sql.Open("sqlite", sqliteDSN(path, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(10000)", "cache_size(-65536)", "temp_store(2)", "wal_autocheckpoint(0)")); err != nil {
		return err
	}
	e.writers.SetMaxOpenConns(1)
	if e.conn, err = e.writers.Conn(ctx); err != nil {
		return errors.Join(unopened(path, err), e.writers.Close())
	}
	if err := migrateSQLite(ctx, e.conn); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), e.conn.Close(), e.writers.Close())
	}
	if e.readers, err = openReaders(path); err != nil {
		return errors.Join(err, e.conn.Close(), e.writers.Close())
	}
	e.read = newReader(e.readers)
	return nil
}

// openSQLiteSnapshot reads beside an owner.
func openSQLiteSnapshot(ctx context.Context, s *Store) (*sqliteEngine, error) {
	e := newSQLiteEngine(s)
	path := filepath.Join(s.dir, databaseName)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%s holds no store: %w", s.dir, err)
	}
	var err error
	if e.readers, err = openReaders(path); err != nil {
		return nil, err
	}
	// One connection in one transaction sees one state, whatever the owner does meanwhile.
	e.readers.SetMaxOpenConns(1)
	if _, err := e.readers.ExecContext(ctx, `BEGIN`); err != nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", path, err), e.readers.Close())
	}
	e.read = newReader(e.readers)
	if err := knownSchema(ctx, e.read); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), e.readers.Close())
	}
	id, err := identity(ctx, e.read)
	if err != nil {
		return nil, errors.Join(err, e.readers.Close())
	}
	e.segments = newSegments(s.dir, id)
	return e, nil
}

// identity is the name that a store drew for itself when it was made.
func identity(ctx context.Context, r *reader) (ID, error) {
	var text string
	if err := r.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'store'`).Scan(&text); err != nil {
		return ID{}, fmt.Errorf("reading the store's identity: %w", err)
	}
	return ParseID(text)
}

// makePrivate makes sure that nobody else reads the database; SQLite gives its log the same mode.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return fmt.Errorf("closing the database to others: %w", err)
	}
	return nil
}

// unopened tells what to do about a database that SQLite does not understand.
func unopened(path string, err error) error {
	if se := (*sqlite.Error)(nil); errors.As(err, &se) && (se.Code() == sqlite3.SQLITE_NOTADB || se.Code()&0xff == sqlite3.SQLITE_CORRUPT) {
		return fmt.Errorf("%s is damaged: restore it from a copy: %w", path, err)
	}
	return fmt.Errorf("opening %s: %w", path, err)
}

func openReaders(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "query_only(1)", "busy_timeout(10000)", "cache_size(-16384)"))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	return db, nil
}

func (e *sqliteEngine) reader() *reader { return e.read }

// token: there is no other process.
func (e *sqliteEngine) token() string { return "" }

func (e *sqliteEngine) hint([]ID, []TaskKind) {}

func (e *sqliteEngine) where() string { return e.dir }

func (e *sqliteEngine) settle(context.Context) error { return nil }

// mark: the directory's lock has kept others away.
func (e *sqliteEngine) mark(_ context.Context, name, value string) error {
	b := plainBatch()
	b.do(`DELETE FROM meta WHERE name = $1`, name)
	if value != "" {
		b.do(`INSERT INTO meta (name, value) VALUES ($1, $2)`, name, value)
	}
	return e.commit(b, func(error) {})
}

// start begins the writer, after recovery.
func (e *sqliteEngine) start(ctx context.Context, t tail) error {
	e.group, e.checked = t.group, t.checked
	err := e.conn.QueryRowContext(ctx, `SELECT coalesce(max(no), 0) FROM fact`).Scan(&e.number)
	if err != nil {
		return fmt.Errorf("reading the last fact's number: %w", err)
	}
	go e.write()
	return nil
}

func (e *sqliteEngine) commit(b *batch, settled func(error)) error {
	if e.writers == nil {
		settled(errReadOnly)
		return errReadOnly
	}
	r := &request{b: b, done: make(chan error, 1)}
	e.gate.RLock()
	if e.closed {
		e.gate.RUnlock()
		settled(ErrClosed)
		return ErrClosed
	}
	e.requests <- r
	e.gate.RUnlock()
	err := <-r.done // never given up: what is handed over has an outcome
	settled(err)
	return err
}

var errReadOnly = errors.New("this store was opened for reading only")

func (e *sqliteEngine) close() error {
	if e.writers == nil {
		return errors.Join(e.readers.Close(), e.segments.close())
	}
	e.closing.Do(func() {
		e.gate.Lock()
		e.closed = true
		e.gate.Unlock()
		close(e.requests)
	})
	<-e.done
	// An open statement would keep the connection, and with it the write-ahead log, for ever.
	var errs []error
	for _, st := range e.stmts {
		errs = append(errs, st.Close())
	}
	clear(e.stmts)
	if !e.store.failed.Load() {
		errs = append(errs, e.copyLog())
	}
	return errors.Join(append(errs, e.abandon(), e.segments.close(), UnlockFile(e.lock))...)
}

// claim reads: what is in the table is this process's.
func (e *sqliteEngine) claim(ctx context.Context, w wanted) ([]Task, error) {
	where, args := `WHERE kind = $1 AND due <= $2`, []any{string(w.kind), w.now, w.most}
	for i, target := range w.full {
		where += fmt.Sprintf(` AND target <> $%d`, i+4)
		args = append(args, target)
	}
	return readTasks(ctx, e.read, where+` ORDER BY due LIMIT $3`, args...)
}

// abandon closes an engine whose writer was never started.
func (e *sqliteEngine) abandon() error {
	return errors.Join(e.readers.Close(), e.conn.Close(), e.writers.Close())
}

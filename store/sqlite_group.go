package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// write is the one writer: it takes what has come together while the disk was busy and commits it as one group.
func (e *sqliteEngine) write() {
	defer close(e.done)
	for r := range e.requests {
		group, octets := []*request{r}, r.b.octets()
	gather:
		for len(group) < maxGroup && octets < maxGroupOctets {
			select {
			case next, ok := <-e.requests:
				if !ok {
					break gather
				}
				group, octets = append(group, next), octets+next.b.octets()
			default:
				break gather
			}
		}
		if e.store.failed.Load() {
			answer(group, ErrClosed)
		} else if err := e.commitGroup(group); err != nil {
			// A row may name these files: they stay, whoever releases them.
			keep(group, nil)
			e.store.fail(err)
			answer(group, ErrUnknown)
		} else if err := e.checkpoint(len(group)); err != nil {
			e.store.fail(err)
		}
	}
}

// logBatches is how many batches the write-ahead log takes before it is copied into the database: about 4000 pages.
const logBatches = 256

// checkpoint copies the log into the database now and then. SQLite would do so by itself, but says nothing when it fails.
func (e *sqliteEngine) checkpoint(batches int) error {
	if e.logged += batches; e.logged < logBatches {
		return nil
	}
	e.logged = 0
	return e.copyLog()
}

// copyLog waits for no reader: what one still needs stays in the log until the next time.
func (e *sqliteEngine) copyLog() error {
	var busy, logged, copied int
	err := e.conn.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &logged, &copied)
	if err != nil {
		return fmt.Errorf("copying the log into %s: %w", filepath.Join(e.dir, databaseName), err)
	}
	if logged > longLog && copied < logged {
		e.store.log.Warn("the database's log grows while somebody reads a snapshot (ceralacca check)", "pages", logged, "not copied", logged-copied)
	}
	return nil
}

// longLog is a log of which operators are told, in pages of 4 KiB.
const longLog = 64 << 10

func answer(group []*request, err error) {
	for _, r := range group {
		r.done <- err
	}
}

// keep marks the contents of those batches that were not refused.
func keep(group []*request, results []error) {
	for i, r := range group {
		if results == nil || results[i] == nil {
			r.b.keep(true)
		}
	}
}

func (e *sqliteEngine) reached(place Place) error {
	if e.store.fault == nil {
		return nil
	}
	return e.store.fault(place)
}

func (b *batch) octets() (n int64) {
	for _, c := range b.contents {
		n += int64(len(c.mem))
	}
	return n
}

// commitGroup makes octets durable, then rows, and then answers each request. An error means that the outcome is unknown.
func (e *sqliteEngine) commitGroup(group []*request) error {
	results := make([]error, len(group))
	var contents []*Content
	for i, r := range group {
		if r.b.instant.stale() {
			results[i] = ErrStale
			continue
		}
		for _, c := range r.b.contents {
			if c.file == nil {
				contents = append(contents, c)
			}
		}
	}
	places, err := e.appendContents(contents)
	if err != nil {
		return err
	}
	if err := e.commitRows(group, results, places, len(contents) > 0); err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Join(e.dir, databaseName), err)
	}
	keep(group, results)
	e.store.memory.placed(group, results, places)
	for i, r := range group {
		r.done <- results[i]
	}
	return nil
}

func (e *sqliteEngine) appendContents(contents []*Content) (map[ID]position, error) {
	if len(contents) == 0 {
		return nil, nil
	}
	at, err := e.segments.append(e.group+1, contents)
	if err != nil {
		return nil, err
	}
	places := make(map[ID]position, len(contents))
	for i, c := range contents {
		places[c.ID] = at[i]
	}
	return places, e.reached(AfterOctets)
}

func (e *sqliteEngine) commitRows(group []*request, results []error, places map[ID]position, marked bool) error {
	if err := e.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := e.runGroup(group, results, places); err != nil {
		return err
	}
	if marked {
		e.group++
		if err := e.saveTail(); err != nil {
			return err
		}
	}
	if err := e.reached(AfterRows); err != nil {
		return err
	}
	if err := e.exec(`COMMIT`); err != nil {
		return err
	}
	return e.reached(AfterCommit)
}

// runGroup runs the batches of a group. Refusals are rare, and a savepoint costs as much as two statements: so all are run
// without one, and only if one is refused the group is run anew, each in its savepoint, so that it alone is undone.
func (e *sqliteEngine) runGroup(group []*request, results []error, places map[ID]position) error {
	number := e.number
	refused, err := e.runPlain(group, results, places)
	if err != nil || !refused {
		return err
	}
	e.number = number
	if err := e.exec(`ROLLBACK`); err != nil {
		return err
	}
	if err := e.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for i, r := range group {
		if results[i] != nil {
			continue
		}
		err := e.commitBatch(r.b, places)
		if isFatal(err) {
			return err
		}
		results[i] = err
	}
	return nil
}

// runPlain runs the batches until one is refused.
func (e *sqliteEngine) runPlain(group []*request, results []error, places map[ID]position) (refused bool, err error) {
	for i, r := range group {
		if results[i] != nil {
			continue
		}
		if err := e.runBatch(r.b, places); err != nil {
			if isFatal(err) {
				return false, err
			}
			return true, nil
		}
	}
	return false, nil
}

func (e *sqliteEngine) saveTail() error {
	end := e.segments.end
	if end.segment != e.checked.segment || end.offset-e.checked.offset > checkEvery {
		e.checked = end
	}
	return e.exec(`UPDATE tail SET grp = $1, segment = $2, place = $3, checked_segment = $4, checked_place = $5`,
		e.group, end.segment, end.offset, e.checked.segment, e.checked.offset)
}

// commitBatch runs one batch within the group; what it did is undone if it fails.
func (e *sqliteEngine) commitBatch(b *batch, places map[ID]position) error {
	if err := e.exec(`SAVEPOINT batch`); err != nil {
		return fatalError{err}
	}
	err := e.runBatch(b, places)
	if isFatal(err) {
		return err
	}
	if err != nil {
		if undo := e.exec(`ROLLBACK TO batch`); undo != nil {
			return fatalError{undo}
		}
	}
	if end := e.exec(`RELEASE batch`); end != nil {
		return fatalError{end}
	}
	return err
}

func (e *sqliteEngine) runBatch(b *batch, places map[ID]position) error {
	if b.record != nil {
		err := e.exec(`INSERT INTO fact (id, no, at, salt, record) VALUES ($1, $2, $3, $4, $5)`,
			b.fact[:], e.number+1, micros(b.instant.At), b.salt[:], b.record)
		if err != nil {
			return classify(err)
		}
	}
	for _, c := range b.contents {
		at := places[c.ID] // the zero place for a file of its own
		err := e.exec(`INSERT INTO content (id, size, sha256, segment, place) VALUES ($1, $2, $3, $4, $5)`,
			c.ID[:], c.Size, c.SHA256[:], at.segment, at.offset)
		if err != nil {
			return classify(err)
		}
	}
	for _, st := range b.stmts {
		if err := e.run(st); err != nil {
			return classify(err)
		}
	}
	if b.record != nil {
		e.number++
	}
	return nil
}

func (e *sqliteEngine) exec(text string, args ...any) error {
	return e.run(stmt{sql: text, args: args})
}

// run runs a statement on the writer's connection; each text is prepared once.
func (e *sqliteEngine) run(s stmt) error {
	st := e.stmts[s.sql]
	if st == nil {
		var err error
		if st, err = e.conn.PrepareContext(context.Background(), s.sql); err != nil {
			return fmt.Errorf("preparing %q: %w", s.sql, err)
		}
		e.stmts[s.sql] = st
	}
	if err := s.runOn(st); err != nil {
		return fmt.Errorf("running %q: %w", s.sql, err)
	}
	return nil
}

func (s stmt) runOn(st *sql.Stmt) error {
	if s.into != nil {
		return st.QueryRow(s.args...).Scan(s.into)
	}
	done, err := st.Exec(s.args...)
	if err != nil || !s.must {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return ErrConflict
}

// fatalError is a failure of the database itself.
type fatalError struct{ error }

func (f fatalError) Unwrap() error { return f.error }

func isFatal(err error) bool {
	var f fatalError
	return errors.As(err, &f)
}

// classify tells a refusal by a constraint (this batch alone) from a failure of the database (the process ends).
func classify(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	if se.Code() == sqlite3.SQLITE_CONSTRAINT_NOTNULL {
		return err // a fault of the caller: no other fact was there first
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return err
	}
	return fatalError{err}
}

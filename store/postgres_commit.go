package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// unknownPatience is how long a caller waits for a commit whose outcome is not known (design.md 3).
const unknownPatience = 60 * time.Second

// commit runs the batch until its outcome is known, if need be after its caller was sent away with ErrUnknown.
func (e *postgresEngine) commit(b *batch, settled func(error)) error {
	if err := e.begin(); err != nil {
		settled(err)
		return err
	}
	b.keep(true) // whoever releases them meanwhile
	known := make(chan error, 1)
	go func() {
		defer e.commits.Done()
		defer e.lanes.enter(b.folders)()
		err := e.untilKnown(b)
		if err == nil {
			e.remember(b)
		}
		if !errors.Is(err, ErrUnknown) {
			b.keep(err == nil)
			settled(err)
		}
		known <- err
	}()
	timer := time.NewTimer(unknownPatience)
	defer timer.Stop()
	select {
	case err := <-known:
		return err
	case <-timer.C:
		return fmt.Errorf("%w: the database does not answer", ErrUnknown)
	}
}

func (e *postgresEngine) begin() error {
	if e.snapshot != nil {
		return errReadOnly
	}
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.closed || e.store.failed.Load() {
		return ErrClosed
	}
	e.commits.Add(1)
	return nil
}

// untilKnown tries until the batch is committed or refused. What certainly left nothing is tried again for as long as the
// instant may still be certified; what may have been committed, until that is known.
func (e *postgresEngine) untilKnown(b *batch) error {
	begun, unknown := time.Now(), false
	for try := 0; ; try++ {
		err := e.try(b, unknown, e.patience<<min(try, 4))
		switch o := outcomeOf(err, unknown); {
		case o == committed:
			return nil
		case o == doneBefore && unknown:
			// Run again, it found itself; or it was refused, and an earlier run is found when that is buried.
			return e.bury(b, ErrConflict)
		case o == refused || o == doneBefore:
			if unknown {
				return e.bury(b, meaning(err))
			}
			return meaning(err)
		case o == notKnown:
			if errors.Is(err, ErrUnknown) {
				return err // of a test: the process ends
			}
			if !unknown {
				e.store.log.Warn("the outcome of a commit is not known: it is run again", "error", err)
			}
			unknown = true
		case !unknown && time.Since(begun) > maxAge:
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if unknown && time.Since(begun) > unknownLimit {
			return e.store.fail(fmt.Errorf("for %v the database has not told the outcome of a commit: %w", unknownLimit, err))
		}
		pause(e.life, min(10*time.Millisecond<<min(try, 7), time.Second))
		if e.life.Err() != nil && unknown {
			return fmt.Errorf("%w: the process ends", ErrUnknown)
		}
		if e.life.Err() != nil {
			return ErrClosed
		}
	}
}

// unknownLimit is well within the day for which ids are kept in once.
const unknownLimit = 12 * time.Hour

// bury makes sure that a batch that was refused when it was run again is not committed by an earlier run that still hangs
// somewhere, and finds out if it was. That it was is believed when a commit of ours behind it has returned: with a synchronous
// standby, that standby then has both.
func (e *postgresEngine) bury(b *batch, refusal error) error {
	for try := 0; ; try++ {
		buried, err := e.tryBury(b)
		switch {
		case err == nil && buried:
			return refusal
		case err == nil:
			return nil
		}
		pause(e.life, min(10*time.Millisecond<<min(try, 7), time.Second))
		if e.life.Err() != nil {
			return fmt.Errorf("%w: the process ends", ErrUnknown)
		}
	}
}

func (e *postgresEngine) tryBury(b *batch) (buried bool, err error) {
	ctx, cancel := context.WithTimeout(e.life, e.patience)
	defer cancel()
	conn, err := e.service.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	forgetWarning(conn)
	// A run that is under way holds the row: this waits for its end.
	err = conn.QueryRow(ctx, `INSERT INTO once (id, buried) VALUES ($1, true)
		ON CONFLICT (id) DO UPDATE SET at = clock_timestamp() RETURNING buried`, b.fact[:]).Scan(&buried)
	return buried, errors.Join(err, warning(conn))
}

// A server that gives up waiting for its synchronous standby says COMMIT all the same, after a warning (class 01): the commit is
// there alone, and its outcome not known. Nothing else that we run warns.
const warned = "warned"

func noteWarning(conn *pgconn.PgConn, n *pgconn.Notice) {
	if strings.HasPrefix(n.Code, "01") {
		conn.CustomData()[warned] = n.Message
	}
}

func forgetWarning(conn *pgxpool.Conn) { delete(conn.Conn().PgConn().CustomData(), warned) }

func warning(conn *pgxpool.Conn) error {
	if text, ok := conn.Conn().PgConn().CustomData()[warned]; ok {
		return fmt.Errorf("the database warned: %v", text)
	}
	return nil
}

// try sends the batch in one round trip. nil: it is durable.
func (e *postgresEngine) try(b *batch, unknown bool, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(e.life, patience)
	defer cancel()
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return unsentError{err}
	}
	defer conn.Release()
	if !unknown && b.instant.stale() { // a connection may be long in coming
		return ErrStale
	}
	b.forgetRead()
	forgetWarning(conn)
	if err := e.reached(AfterOctets, AfterRows); err != nil {
		return err
	}
	done := false
	if err := conn.SendBatch(ctx, pipelined(b, &done)).Close(); err != nil {
		if errors.As(err, new(pgx.ErrPreprocessingBatch)) && conn.Conn().IsClosed() {
			return unsentError{err} // it broke while statements were prepared
		}
		e.afterRefusal(ctx, conn, err)
		return err
	}
	if !done {
		return errors.New("the database did not commit") // and did not say why
	}
	if err := warning(conn); err != nil {
		return err
	}
	if err := e.reached(AfterCommit); err != nil {
		return err
	}
	if b.record != nil {
		wake(e.fresh)
	}
	return nil
}

// forgetRead drops what an earlier run has read: it may have been undone.
func (b *batch) forgetRead() {
	for _, st := range b.stmts {
		if st.into != nil {
			*st.into = 0
		}
	}
}

// afterRefusal ends the transaction of a batch that was refused, so that the connection can be used again; connections to a
// server that has become a standby are all given up.
func (e *postgresEngine) afterRefusal(ctx context.Context, conn *pgxpool.Conn, err error) {
	rollBack(ctx, conn, err)
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.Code == codeReadOnly {
		e.pool.Reset()
		e.service.Reset()
		e.readers.SetMaxIdleConns(0)
		e.readers.SetMaxIdleConns(int(e.most))
	}
}

// rollBack ends the transaction of a batch that was refused, so that the connection can be used again.
func rollBack(ctx context.Context, conn *pgxpool.Conn, err error) {
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && !conn.Conn().IsClosed() {
		_, _ = conn.Exec(ctx, `ROLLBACK`) // if that fails the pool throws the connection away
	}
}

// reached tells tests of crashes where the commit is. Their error ends the process, which is what a crash is.
func (e *postgresEngine) reached(places ...Place) error {
	if e.store.fault == nil {
		return nil
	}
	for _, p := range places {
		if err := e.store.fault(p); err != nil {
			return e.store.fail(err)
		}
	}
	return nil
}

// pipelined is the batch as one transaction. What locks rows comes last, so that a process that stops while its octets are on
// their way keeps nobody waiting.
func pipelined(b *batch, done *bool) *pgx.Batch {
	p := &pgx.Batch{}
	p.Queue(`BEGIN`)
	p.Queue(`INSERT INTO once (id) VALUES ($1)`, b.fact[:])
	if b.record != nil {
		p.Queue(`INSERT INTO fact (id, at, salt, record) VALUES ($1, $2, $3, $4)`, b.fact[:], micros(b.instant.At), b.salt[:], b.record)
	}
	for _, c := range b.contents {
		if c.uploaded {
			p.Queue(mustForm(`DELETE FROM upload WHERE content = $1`), c.ID[:])
		}
		p.Queue(`INSERT INTO content (id, size, sha256, octets) VALUES ($1, $2, $3, $4)`, c.ID[:], c.Size, c.SHA256[:], shortOctets(c))
	}
	for _, st := range b.stmts {
		queue := func(text string) *pgx.QueuedQuery { return p.Queue(text, postgresArgs(st.args)...) }
		switch {
		case st.into != nil:
			queue(st.sql).QueryRow(func(row pgx.Row) error { return row.Scan(st.into) })
		case st.must:
			queue(mustForm(st.sql))
		default:
			queue(st.sql)
		}
	}
	p.Queue(`COMMIT`).Exec(func(tag pgconn.CommandTag) error {
		*done = tag.String() == "COMMIT"
		return nil
	})
	return p
}

// mustForm makes a statement that has to change a row fail the batch if it changes none.
func mustForm(text string) string {
	return `WITH changed AS (` + text + ` RETURNING 1) INSERT INTO guard SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM changed)`
}

func postgresArgs(args []any) []any {
	all := make([]any, len(args))
	for i, a := range args {
		all[i] = postgresArg(a)
	}
	return all
}

// postgresArg gives strings what the database wants of them: UTF-8 without NUL. What strangers wrote otherwise is told by its
// octets, the same for the same.
func postgresArg(a any) any {
	s, ok := a.(string)
	if !ok || utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return a
	}
	var b strings.Builder
	for i, r := range s {
		if r == 0 || r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			fmt.Fprintf(&b, "\\x%02x", s[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A process has a lease, by the database's clock. While it lasts nobody takes its tasks; one that was frozen past it finishes
// nothing that another process has taken since, for a task's row then has another token.
const (
	leaseTime  = 15 * time.Second
	leaseEvery = 3 * time.Second
	keepOnce   = "1 day" // the ids of batches, and uploads that no fact names
	sweepFirst = 3 * time.Minute
	sweepEvery = time.Hour
)

func (e *postgresEngine) token() string { return e.node }

// lease is what this process knows of its own.
type lease struct {
	mu    sync.Mutex
	since time.Time // it has lasted without a gap; zero: it was never had
}

// ripe tells whether the lease has lasted for a whole term without a gap. Until then others' leases may have lapsed for the
// same reason as ours, an outage of the database, and what they have claimed is left to them.
func (l *lease) ripe() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.since.IsZero() && time.Since(l.since) >= leaseTime
}

// renewed notes that the lease was had again, after a gap or not, and tells whether there was one.
func (l *lease) renewed(lasted bool) (gap bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gap = !l.since.IsZero() && !lasted
	if gap || l.since.IsZero() {
		l.since = time.Now()
	}
	return gap
}

// renew makes the lease last, and finds out whether it had ended and whether there are other processes.
func (e *postgresEngine) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTime/3)
	defer cancel()
	var lasted, alone bool
	err := e.service.QueryRow(ctx, `WITH old AS (SELECT until >= clock_timestamp() AS lasted FROM node WHERE token = $1)
		INSERT INTO node (token, until, program) VALUES ($1, clock_timestamp() + make_interval(secs => $2), $3)
		ON CONFLICT (token) DO UPDATE SET until = excluded.until
		RETURNING coalesce((SELECT lasted FROM old), false), NOT EXISTS (SELECT 1 FROM node n WHERE n.token <> $1 AND n.until > clock_timestamp())`,
		e.node, leaseTime.Seconds(), programVersion()).Scan(&lasted, &alone)
	if err != nil {
		return err
	}
	e.hints.alone(alone)
	if e.lease.renewed(lasted) {
		e.store.log.Warn("this process was taken for dead: its tasks may have been taken over")
		e.store.work.disown()
	}
	return nil
}

func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// keepLease renews the lease and, now and then, sweeps.
func (e *postgresEngine) keepLease() {
	tick := time.NewTicker(leaseEvery)
	defer tick.Stop()
	failing, sweepAt := false, time.Now().Add(sweepFirst)
	for {
		select {
		case <-tick.C:
		case <-e.life.Done():
			return
		}
		err := e.renew(e.life)
		if err != nil && !failing && e.life.Err() == nil {
			e.store.log.Error("the database cannot be reached", "database", e.where(), "error", err)
		}
		if err == nil && failing {
			e.store.log.Info("the database can be reached again", "database", e.where())
		}
		failing = err != nil
		wake(e.fresh) // of a process that ended
		if !failing && time.Now().After(sweepAt) {
			sweepAt = time.Now().Add(sweepEvery)
			e.running.Go(func() {
				if err := e.sweep(e.life); err != nil && e.life.Err() == nil {
					e.store.log.Warn("what is no longer needed could not be removed", "error", err)
				}
			})
		}
	}
}

// sweep removes, in portions, ids of batches that are old, octets that no fact names, and processes that are gone.
func (e *postgresEngine) sweep(ctx context.Context) error {
	for _, text := range []string{
		`DELETE FROM once WHERE id IN (SELECT id FROM once WHERE at < clock_timestamp() - interval '` + keepOnce + `' ORDER BY at LIMIT 5000 FOR UPDATE SKIP LOCKED)`,
		dropUploads(`content IN (SELECT content FROM upload WHERE at < clock_timestamp() - interval '` + keepOnce + `' LIMIT 1 FOR UPDATE SKIP LOCKED)`),
		`DELETE FROM node WHERE until < clock_timestamp() - interval '1 hour'`,
	} {
		for {
			tag, err := e.service.Exec(ctx, text)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return nil
}

// leave gives back what this process has claimed.
func (e *postgresEngine) leave() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.life), leaseTime/3)
	defer cancel()
	err := e.number(ctx)
	for _, text := range []string{`UPDATE task SET token = '' WHERE token = $1`, `DELETE FROM node WHERE token = $1`} {
		_, again := e.service.Exec(ctx, text, e.node)
		err = errors.Join(err, again)
	}
	if err != nil {
		return fmt.Errorf("leaving %s: %w", e.where(), err)
	}
	return nil
}

// claim takes tasks that nobody has, or that a process had which is gone, or whose lease has ended while ours lasted. What
// another process is taking at the moment is passed over.
func (e *postgresEngine) claim(ctx context.Context, w wanted) ([]Task, error) {
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	mine := `false`
	args := []any{string(w.kind), w.now, w.most, e.node, nonNilStrings(w.full), e.lease.ripe()}
	if w.held != nil {
		mine = `token = $4 AND NOT id = ANY($7)`
		args = append(args, idOctets(w.held))
	}
	found, err := e.service.Query(ctx, `WITH free AS (
			SELECT id FROM task WHERE kind = $1 AND due <= $2 AND NOT target = ANY($5)
			AND (token = '' OR token <> $4 AND token NOT IN (SELECT token FROM node WHERE NOT $6 OR until > clock_timestamp()) OR `+mine+`)
			ORDER BY due LIMIT $3 FOR UPDATE SKIP LOCKED)
		UPDATE task SET token = $4 FROM free WHERE task.id = free.id RETURNING `+taskColumns, args...)
	if err != nil {
		return nil, judgeRead(fmt.Errorf("taking tasks: %w", err))
	}
	defer found.Close()
	var ts []Task
	for found.Next() {
		t, err := scanTask(found.Scan)
		if err != nil {
			return nil, fmt.Errorf("taking tasks: %w", err)
		}
		ts = append(ts, t)
	}
	if err := found.Err(); err != nil {
		return nil, judgeRead(fmt.Errorf("taking tasks: %w", err))
	}
	// They come as they were updated.
	sortByDue(ts)
	return ts, nil
}

func idOctets(ids []ID) [][]byte {
	all := make([][]byte, len(ids))
	for i := range ids {
		all[i] = ids[i][:]
	}
	return all
}

func nonNilStrings(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// numberFacts gives numbers to facts that have none, in a process that has committed some.
func (e *postgresEngine) numberFacts() {
	for {
		select {
		case <-e.fresh:
		case <-e.life.Done():
			return
		}
		if err := e.number(e.life); err != nil && e.life.Err() == nil {
			e.store.log.Warn("facts could not be numbered: trying again", "error", err)
			wake(e.fresh)
		}
		pause(e.life, numberEvery) // and take many at a time
	}
}

const (
	numberEvery = 100 * time.Millisecond
	numberMost  = 1000
)

// number numbers what there is. Who holds the row of sequence is the only one: each transaction sees all the numbers that were
// given before it, so none is given twice and none is left out. The order is that of these transactions, and within one that in
// which the facts' own began: what was caused by a fact began after that was committed, so it never has a smaller number.
func (e *postgresEngine) number(ctx context.Context) error {
	for {
		var some bool // an idle process writes nothing
		if err := e.service.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM fact WHERE no IS NULL)`).Scan(&some); err != nil || !some {
			return err
		}
		n, err := e.numberSome(ctx)
		if err != nil {
			return fmt.Errorf("numbering facts: %w", err)
		}
		if n < numberMost {
			return nil
		}
	}
}

// numberSome is one round trip: a process that stops in the middle of it keeps nobody waiting.
func (e *postgresEngine) numberSome(ctx context.Context) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	b := &pgx.Batch{}
	b.Queue(`BEGIN`)
	b.Queue(`SELECT no FROM sequence WHERE one = 1 FOR UPDATE`)
	// A statement of its own: it sees what was committed before the row was ours.
	b.Queue(`WITH numbered AS (
			SELECT id, (SELECT no FROM sequence) + row_number() OVER (ORDER BY began DESC, at, id) AS no
			FROM (SELECT id, at, age(xmin) AS began FROM fact WHERE no IS NULL ORDER BY began DESC, at, id LIMIT $1) AS new)
		UPDATE fact SET no = numbered.no FROM numbered WHERE fact.id = numbered.id`, numberMost).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	b.Queue(`UPDATE sequence SET no = (SELECT coalesce(max(no), 0) FROM fact) WHERE one = 1`)
	b.Queue(`COMMIT`)
	conn, err := e.service.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		rollBack(ctx, conn, err)
		return 0, err
	}
	return n, nil
}

func (e *postgresEngine) settle(ctx context.Context) error { return e.number(ctx) }

// mark writes in the session that holds the lock: if that has ended others may have come in, and the mark is not written. The
// numbers of facts go on behind those that a move has brought.
func (e *postgresEngine) mark(ctx context.Context, name, value string) error {
	err := e.reached(AfterOctets, AfterRows)
	if err == nil {
		err = pgx.BeginFunc(ctx, e.holder, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `DELETE FROM meta WHERE name = $1`, name); err != nil {
				return err
			}
			if value != "" {
				if _, err := tx.Exec(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2)`, name, value); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, `UPDATE sequence SET no = (SELECT coalesce(max(no), 0) FROM fact)`)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("%s may have been used by others meanwhile: run the same command again: %w", e.where(), err)
	}
	return e.reached(AfterCommit)
}

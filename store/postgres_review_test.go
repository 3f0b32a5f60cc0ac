package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// What a review found once.

// TestInstantWaitsForNoConnection: an instant that got old while all connections were taken is not certified (design.md 3).
func TestInstantWaitsForNoConnection(t *testing.T) {
	t.Parallel()
	w := newPgWorldAt(t, postgrestest.URL(t), "&pool_max_conns=2")
	a := w.acceptance(w.instant(), newPEC().Bracketed(), []byte("Buongiorno.\r\n"))
	a.Instant.drawn = time.Now().Add(-maxAge + 50*time.Millisecond)
	var held []*pgxpool.Conn
	for range 2 {
		c, err := w.engine().pool.Acquire(w.ctx())
		w.must(err)
		held = append(held, c)
	}
	done := later(func() error { return w.Accept(w.ctx(), a) })
	time.AfterFunc(200*time.Millisecond, func() {
		for _, c := range held {
			c.Release()
		}
	})
	if err := <-done; !errors.Is(err, ErrStale) {
		t.Errorf("got %v, want %v", err, ErrStale)
	}
}

// TestOldWorkerSettlesNothing: a worker began before its process was taken for dead; another process has put the task off since,
// and this one has it again. What the old worker says of it is a conflict (attacks.md 40).
func TestOldWorkerSettlesNothing(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.accepted()
	other := w.process(w.url)
	tasks, err := w.engine().claim(w.ctx(), wanted{kind: TaskRelay, now: micros(w.now()), most: 10})
	w.must(err)
	old := tasks[0]
	w.sql(`UPDATE task SET token = '' WHERE kind = 'relay'`)
	tasks, err = other.engine.claim(w.ctx(), wanted{kind: TaskRelay, now: micros(w.now()), most: 10})
	w.must(err)
	done := other.relayed(other.instant(), tasks[0], RelayDone)
	done.Due = w.now()
	w.must(other.Relayed(w.ctx(), done))
	if _, err = w.engine().claim(w.ctx(), wanted{kind: TaskRelay, now: micros(w.now()), most: 10}); err != nil {
		t.Fatal(err)
	}
	w.refused(ErrConflict, func() error { return w.Relayed(w.ctx(), w.relayed(w.instant(), old, RelayFailed)) })
}

// TestClaimsAreBounded: a process takes as much as its queue has room for, however often it is invited.
func TestClaimsAreBounded(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.owe(1)
	w.sql(`INSERT INTO task SELECT decode(md5(i::text), 'hex'), kind, due, since, attempts, message, provider, pec_id, sender, 't' || i || '@x.test', 'u' || i, '', fact, trouble
		FROM task, generate_series(1, 5000) AS i`)
	w.sql(`UPDATE task SET token = ''`)
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	q := w.Store.work.queues[TaskDeliver]
	begun := make(chan struct{}, 8)
	ended := later(func() error {
		return w.Work(ctx, TaskDeliver, 4, atOnce, func(ctx context.Context, _ Task) error {
			begun <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
	})
	for range 4 {
		<-begun
	}
	for range 20 {
		q.invite()
		w.sql(`SELECT pg_sleep(0.02)`)
	}
	if n := q.count(); n > q.pace.queue+pastFull {
		t.Errorf("%d tasks are claimed, %d is the bound", n, q.pace.queue+pastFull)
	}
	cancel()
	<-ended
}

// TestMoveLosesItsLock: others came in while data were moved, for the session that kept them away had ended. The old place stays
// the one that counts.
func TestMoveLosesItsLock(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.accepted()
	w.must(w.Close())
	from, to := options(t, t.TempDir(), w.clock), options(t, t.TempDir(), w.clock)
	from.Database = w.url
	cut := false
	_, err := Move(t.Context(), from, to, func(string, int64) {
		if !cut {
			cut = true
			w.sql(`SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
				WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.objid::bigint = (hashtext(current_schema())::bigint & 4294967295)`)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "may have been used by others") || !cut {
		t.Fatalf("got %v, cut: %t", err, cut)
	}
	if _, err := Open(t.Context(), to); err == nil {
		t.Error("the new place opens")
	}
	s, err := Open(t.Context(), from)
	w.must(err)
	w.must(s.Close())
}

// TestTwoMoves: a move to one place that was cut short, then one to another that ended: the first place never opens.
func TestTwoMoves(t *testing.T) {
	t.Parallel()
	w := busyWorld(t, openSQLiteDir)
	w.must(w.Close())
	from := options(t, w.Dir(), w.clock)
	first, second := options(t, t.TempDir(), w.clock), options(t, t.TempDir(), w.clock)
	first.Database, second.Database = postgrestest.URL(t), postgrestest.URL(t)
	commits, cut := 0, first
	cut.Fatal = func(error) {}
	cut.Fault = func(p Place) error {
		if p == AfterCommit {
			if commits++; commits == 4 {
				return errCut
			}
		}
		return nil
	}
	if _, err := Move(t.Context(), from, cut, quiet); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	if _, err := Move(t.Context(), from, second, quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := Move(t.Context(), from, first, quiet); err == nil || !strings.Contains(err.Error(), "were moved to") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(t.Context(), first); err == nil {
		t.Error("the first place opens")
	}
}

// TestDoneIsBelievedBehindTheStandby: while a synchronous standby is away a batch may be found done although the standby does
// not have it. Nothing is said until a commit behind it has returned.
func TestDoneIsBelievedBehindTheStandby(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	w := newPgWorldAt(t, server.URL(), "")
	w.inbox(w.mario)
	a := w.acceptance(w.instant(), newPEC().Bracketed(), []byte("Buongiorno.\r\n"))
	w.sql(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	w.sql(`SELECT pg_reload_conf()`)
	s := w.session()
	s.until("nobody", `SELECT current_setting('synchronous_standby_names')`)
	a.Instant = w.instant()
	done := later(func() error { return w.Accept(w.ctx(), a) })
	for range 3 {
		// The wait is given up by the server, as it is when a connection breaks: the commit stays, here alone.
		s.until("true", `SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
	}
	select {
	case err := <-done:
		t.Fatalf("it was told %v while the standby was away", err)
	default:
	}
	s.exec(`ALTER SYSTEM RESET synchronous_standby_names`)
	s.exec(`SELECT pg_reload_conf()`)
	w.must(<-done)
	if n := w.count("submission"); n != 1 {
		t.Errorf("%d submissions", n)
	}
}

// TestFlagsSetBeforeAMoveAreMoved: what a session was told is set is not lost by another's MOVE.
func TestFlagsSetBeforeAMoveAreMoved(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.addFolders(w.mario, "x")
	inbox, x := w.inbox(w.mario), w.folder(w.mario, "x").ID
	w.append(w.mario, inbox, "one")
	s, watch := w.session(), w.session()
	s.exec(`BEGIN`)
	s.exec(fmt.Sprintf(`UPDATE mailbox SET used = used WHERE id = decode('%x', 'hex')`, w.mario.ID[:]))
	done := later(func() error { _, _, err := w.CopyTo(w.ctx(), inbox, x, []uint32{1}, true); return err })
	watch.until("1", `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE mailbox SET fact%'
		AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'mailbox'::regclass)`)
	w.must(w.SetFlags(w.ctx(), inbox, []uint32{1}, func([]string) []string { return []string{`\Seen`} }))
	s.exec(`COMMIT`)
	w.must(<-done)
	if flags := w.entries(x)[0].Flags; len(flags) != 1 || flags[0] != `\Seen` {
		t.Errorf("the flags are %q", flags)
	}
}

// TestManyAreMovedAtOnce: a folder of thousands, in portions: order, flags and UIDs as with one.
func TestManyAreMovedAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB, Options) *Store{"SQLite": openSQLiteDir, "PostgreSQL": openPostgresSchema} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open)
			w.addFolders(w.mario, "x")
			inbox, x := w.inbox(w.mario), w.folder(w.mario, "x").ID
			w.append(w.mario, inbox, "one")
			for n := 1; n < 2*uidPortion+50; n *= 2 {
				_, _, err := w.CopyTo(w.ctx(), inbox, inbox, w.uids(inbox), false)
				w.must(err)
			}
			w.append(w.mario, x, "there before")
			before := w.uids(inbox)
			source, copied, err := w.CopyTo(w.ctx(), inbox, x, before, true)
			w.must(err)
			if len(source) != len(before) || len(copied) != len(before) || len(w.uids(inbox)) != 0 {
				t.Fatalf("%d of %d were moved to %d, %d are left", len(source), len(before), len(copied), len(w.uids(inbox)))
			}
			for i, uid := range w.uids(x)[1:] {
				if copied[i] != uid || uid != uint32(i+2) {
					t.Fatalf("entry %d: UID %d, told %d", i, uid, copied[i])
				}
			}
			w.sameUsed()
		})
	}
}

// sameUsed sees that what a mailbox uses is what its entries have.
func (w *world) sameUsed() {
	w.Helper()
	var used, size int64
	w.must(w.read.QueryRowContext(w.ctx(), `SELECT used, (SELECT coalesce(sum(e.size), 0) FROM entry e JOIN folder f ON f.id = e.folder WHERE f.mailbox = mailbox.id) FROM mailbox WHERE id = $1`, w.mario.ID[:]).Scan(&used, &size))
	if used != size {
		w.Errorf("used is %d, the entries have %d", used, size)
	}
}

// TestSchemaNames: one schema, so that the lock on it is the lock on its tables.
func TestSchemaNames(t *testing.T) {
	t.Parallel()
	for path, good := range map[string]bool{"": true, "pec": true, "pec_2": true, "a,b": false, "$user": false, "Pec": false, "2pec": false, `"x"`: false} {
		if err := CheckDatabase("postgres://u@h/d?search_path=" + path); (err == nil) != good {
			t.Errorf("%q: %v", path, err)
		}
	}
}

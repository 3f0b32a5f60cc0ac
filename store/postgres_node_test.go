package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// Several processes on one database.

// TestProcessesShareWork: three processes write tasks and do them; each task is done once, by whichever process.
func TestProcessesShareWork(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	processes := []*world{w.world, w.process(w.url), w.process(w.url)}
	const each = 40
	total := each * len(processes)
	ran := make(chan pec.ID, 4*total)
	var writers sync.WaitGroup
	for _, p := range processes {
		defer p.working(4, atOnce, func(ctx context.Context, t Task) error {
			ran <- t.PEC
			if err := p.Done(ctx, t); err != nil {
				w.Errorf("a task was taken that another process has: %v", err)
			}
			return nil
		})()
		writers.Go(func() { p.owe(each) })
	}
	times := map[pec.ID]int{}
	for _, id := range await(w.world, ran, total) {
		times[id]++
	}
	writers.Wait()
	if len(times) != total || len(ran) != 0 {
		t.Errorf("%d of %d tasks ran, %d too often", len(times), total, len(ran))
	}
	w.session().until("0", `SELECT count(*) FROM task`)
}

// stalled is a process whose workers wait until they are let go.
type stalled struct {
	*world
	began  chan Task
	letGo  chan struct{}
	tried  chan error
	settle func()
}

// stall has a process begin tasks, which it does not finish before it is let go.
func stall(p *world, parallel int) *stalled {
	s := &stalled{world: p, began: make(chan Task, 2000), letGo: make(chan struct{}), tried: make(chan error, 2000)}
	s.settle = p.working(parallel, atOnce, func(ctx context.Context, t Task) error {
		s.began <- t
		select {
		case <-s.letGo:
		case <-ctx.Done():
			return ctx.Err()
		}
		err := p.Done(ctx, t)
		s.tried <- err
		return err
	})
	return s
}

// owe leaves n messages to be delivered, which may be taken at once.
func (w *world) owe(n int) {
	w.Helper()
	for range n {
		b := plainBatch()
		b.instant.At = w.now()
		m := w.message(KindDSN, newPEC(), Recipe{Literal([]byte("owed"))})
		w.must(b.message(m))
		b.deliver(m.ID, "", mario, mario, alfa, m.PEC)
		w.must(w.commit(w.ctx(), b))
	}
}

// doAll has a process do n tasks.
func doAll(p *world, n int) {
	p.Helper()
	done := make(chan Task, n)
	end := p.working(2, atOnce, func(ctx context.Context, t Task) error {
		err := p.Done(ctx, t)
		if err == nil {
			done <- t
		}
		return err
	})
	await(p, done, n)
	end()
}

// ripen makes a process one that has had its lease for a whole term.
func ripen(p *world) {
	l := &p.engine.(*postgresEngine).lease
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = l.since.Add(-leaseTime)
}

// TestLapsedLease: a process that was frozen past its lease loses its tasks, and finishes none of them. attacks.md 40.
func TestLapsedLease(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.owe(6)
	a, b, s := stall(w.world, 2), w.process(w.url), w.session()
	await(w.world, a.began, 2)
	w.proxy.Hang(true)
	s.exec(`UPDATE node SET until = clock_timestamp() - interval '1 second' WHERE token = '` + w.engine().node + `'`)
	ripen(b)
	doAll(b, 6)
	before := s.rows()
	close(a.letGo)
	w.proxy.Hang(false)
	for _, err := range await(w.world, a.tried, 2) {
		if !errors.Is(err, ErrConflict) {
			t.Errorf("a task of another process was finished: %v", err)
		}
	}
	w.must(w.engine().renew(w.ctx()))
	if got := added(before, s.rows()); len(got) != 0 {
		t.Errorf("it changed something: %v", got)
	}
	w.owe(3) // and it takes part again
	for done := 0; done < 3; {
		if err := await(w.world, a.tried, 1)[0]; err == nil {
			done++
		} else if !errors.Is(err, ErrConflict) { // what it had waiting
			t.Error(err)
		}
	}
	a.settle()
}

// TestLeaseHolds: nobody takes the tasks of a process that lives, however long they take.
func TestLeaseHolds(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.owe(2)
	a := stall(w.world, 2)
	await(w.world, a.began, 2)
	b := w.process(w.url)
	taken, err := b.engine.claim(w.ctx(), wanted{kind: TaskDeliver, now: micros(w.now()), most: 10})
	w.must(err)
	if len(taken) != 0 {
		t.Errorf("another process took %+v", taken)
	}
	a.settle()
}

// TestClosingGivesBack: a process that ends in order leaves its tasks to others at once.
func TestClosingGivesBack(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	b := w.process(w.url)
	w.owe(5)
	a := stall(w.world, 2)
	await(w.world, a.began, 2)
	w.wantSQL("5", `SELECT count(*) FROM task WHERE token <> ''`)
	a.settle()
	w.must(w.Close())
	w.wantSQL("5", `SELECT count(*) FROM task WHERE token = ''`)
	w.wantSQL("1", `SELECT count(*) FROM node`)
	doAll(b, 5)
}

// TestQueueLeavesTheRest: what one process cannot hold is for another.
func TestQueueLeavesTheRest(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.owe(1)
	const more = 30
	most := paceOf(Options{Database: w.url}).queue
	w.sql(fmt.Sprintf(`INSERT INTO task SELECT decode(md5(i::text), 'hex'), kind, due, since, attempts, message, provider, pec_id, sender, target, turn, token, fact, trouble
		FROM task, generate_series(2, %d) AS i`, most+more))
	a := stall(w.world, 1)
	await(w.world, a.began, 1)
	w.wantSQL(fmt.Sprint(most), `SELECT count(*) FROM task WHERE token <> ''`)
	doAll(w.process(w.url), more)
	w.wantSQL(fmt.Sprint(most), `SELECT count(*) FROM task`)
	a.settle()
}

// TestHints: a process hears at once of what another changes and of tasks that another leaves, also after its connection was lost.
func TestHints(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t) // it hears, through the proxy
	a := w.process(w.url)
	inbox := w.inbox(w.mario)
	w.must(a.engine.(*postgresEngine).renew(w.ctx())) // it knows now that it is not alone
	told, end := w.Watch(inbox)
	defer end()
	w.untilTold(a, told)
	w.proxy.Cut()
	w.untilTold(a, told) // everybody looks after an interruption
	w.untilTold(a, told)
	q := w.work.queues[TaskDeliver]
	q.mu.Lock()
	q.pace.look = 0 // it looks only when told
	q.mu.Unlock()
	ran := make(chan Task, 2)
	defer w.working(1, atOnce, func(ctx context.Context, t Task) error {
		ran <- t
		return w.Done(ctx, t)
	})()
	for range 2 {
		a.owe(1)
		await(w.world, ran, 1)
	}
}

// untilTold changes mario's INBOX until a session of the world is told; what was told before does not count.
func (w *pgWorld) untilTold(by *world, told <-chan struct{}) {
	w.Helper()
	select {
	case <-told:
	default:
	}
	by.append(by.mario, by.inbox(by.mario), "changed")
	await(w.world, told, 1)
}

// TestPasswordOfAnotherProcess: what a process remembers of a log-in does not outlive the password.
func TestPasswordOfAnotherProcess(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	a := w.process(w.url)
	w.must(a.SetPassword(w.ctx(), mario, secret))
	w.login(secret, nil)
	w.login(secret, nil)
	w.must(a.SetPassword(w.ctx(), mario, secret+" is new"))
	w.login(secret, ErrLogin)
	w.login(secret+" is new", nil)
	w.must(a.SetEnabled(w.ctx(), mario, false))
	w.login(secret+" is new", ErrLogin)
}

// TestForgottenLease: a process that was frozen for so long that others have forgotten it knows that it was taken for dead.
func TestForgottenLease(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.owe(6)
	a := stall(w.world, 2)
	await(w.world, a.began, 2)
	w.proxy.Hang(true)
	w.sql(`DELETE FROM node WHERE token = '` + w.engine().node + `'`)
	doAll(w.process(w.url), 6)
	w.proxy.Hang(false)
	w.must(w.engine().renew(w.ctx()))
	if n := w.work.queues[TaskDeliver].count(); n > 2 {
		t.Errorf("it still thinks that it has %d tasks, and would begin them", n)
	}
	close(a.letGo)
	for _, err := range await(w.world, a.tried, 2) {
		if !errors.Is(err, ErrConflict) {
			t.Error(err)
		}
	}
	a.settle()
}

package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// countErrors is a Fault that harms nothing and tells of the errors that a server answers with.
func countErrors(told chan<- struct{}) postgrestest.Fault {
	return func(m postgrestest.Message) postgrestest.Action {
		if m.From == postgrestest.FromServer && m.Kind == 'E' {
			select {
			case told <- struct{}{}:
			default:
			}
		}
		return postgrestest.Pass
	}
}

// TestOppositeOrder: copies between two folders in both directions, by two processes, and deposits and appends into them. No
// error reaches anybody.
func TestOppositeOrder(t *testing.T) {
	t.Parallel()
	w := newPgWorldAt(t, postgrestest.URL(t), "&deadlock_timeout=10ms")
	other := w.process(w.url)
	w.addFolders(w.mario, "x", "y")
	x, y, inbox := w.folder(w.mario, "x").ID, w.folder(w.mario, "y").ID, w.inbox(w.mario)
	for _, f := range []ID{x, y} {
		w.append(w.mario, f, "one")
		w.append(w.mario, f, "two")
	}
	tasks := make([]Task, 20)
	for i := range tasks {
		tasks[i] = w.owed(mario)
	}
	const times = 20
	var all sync.WaitGroup
	for i, way := range [][2]ID{{x, y}, {y, x}, {x, y}, {y, x}} {
		store := []*world{w.world, other}[i/2]
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			for range times {
				if source, copied, err := store.CopyTo(w.ctx(), way[0], way[1], []uint32{1, 2}, false); err != nil || len(source) != 2 || copied[0]+1 != copied[1] {
					w.Errorf("%v became %v: %v", source, copied, err)
				}
				if err := store.SetFlags(w.ctx(), way[0], []uint32{uint32(3 + r.IntN(times))}, func([]string) []string { return []string{fmt.Sprintf("$%d", r.IntN(9))} }); err != nil {
					w.tolerate(err)
				}
				_, _, err := store.CopyTo(w.ctx(), way[0], way[1], []uint32{uint32(3 + r.IntN(times))}, true)
				w.tolerate(err) // another may have moved it
			}
		})
	}
	all.Go(func() {
		for _, t := range tasks {
			at := w.instant()
			if err := w.Deposit(w.ctx(), Deposit{Instant: at, Record: record(at, "deposited", t.PEC, mario), Task: t, Inbox: InboxEntry{Mailbox: w.mario.ID, Folder: inbox}, Size: 4}); err != nil {
				w.Error(err)
			}
		}
	})
	all.Wait()
	w.consistent(w.mario)
	if n := len(w.entries(inbox)); n != len(tasks) {
		t.Errorf("%d entries were deposited, want %d", n, len(tasks))
	}
	w.numbered(int64(len(tasks)))
}

// appending appends to a folder, and goes on when the database was out of reach for too long on a busy machine.
func (w *world) appending(folder ID) <-chan error {
	octets := []byte("Subject: text\r\n\r\ntext")
	c := w.content(octets)
	return later(func() (err error) {
		for {
			if _, err = w.Append(w.ctx(), w.mario.ID, folder, c, structure(octets), nil, time.Time{}); !outage(err) {
				return err
			}
		}
	})
}

// TestDeadlock: a commit that is the victim of a deadlock is run again.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	w := newPgWorldAt(t, postgrestest.URL(t), "&deadlock_timeout=500ms")
	inbox, s, watch := w.inbox(w.mario), w.session(), w.session()
	errs := make(chan struct{}, 1)
	w.proxy.Arm(countErrors(errs))
	s.exec(`SET deadlock_timeout = '1h'; BEGIN; UPDATE folder SET subscribed = 1`)
	done := w.appending(inbox) // has the mailbox, waits for the folder
	watch.until("1", `SELECT count(*) FROM pg_stat_activity WHERE `+s.text(`pg_backend_pid()`)+` = ANY(pg_blocking_pids(pid))`)
	s.exec(`UPDATE mailbox SET quota = 0; COMMIT`)
	await(w.world, errs, 1)
	w.must(<-done)
	if es := w.entries(inbox); len(es) != 1 || es[0].UID != 1 {
		t.Errorf("%+v", es)
	}
	w.consistent(w.mario)
}

// TestLockTimeout: a commit that waits too long for a row gives up, and is run again.
func TestLockTimeout(t *testing.T) {
	t.Parallel()
	w := newPgWorldAt(t, postgrestest.URL(t), "&lock_timeout=10ms")
	inbox, s := w.inbox(w.mario), w.session()
	errs := make(chan struct{}, 1)
	s.exec(`BEGIN; UPDATE mailbox SET quota = 0`)
	w.proxy.Arm(countErrors(errs))
	done := w.appending(inbox)
	await(w.world, errs, 2)
	s.exec(`COMMIT`)
	w.must(<-done)
	if es := w.entries(inbox); len(es) != 1 || es[0].UID != 1 {
		t.Errorf("%+v", es)
	}
	w.consistent(w.mario)
}

// TestHarassedCommits: while processes commit, statements are cancelled, sessions terminated, connections cut anywhere. What
// returned nil is there once, and nothing else is.
func TestHarassedCommits(t *testing.T) {
	t.Parallel()
	for name, harass := range map[string]func(w *pgWorld, s session, application string){
		"cancelled": func(_ *pgWorld, s session, application string) {
			s.exec(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND application_name = '` + application + `'`)
		},
		"terminated": func(_ *pgWorld, s session, application string) {
			s.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND application_name = '` + application + `'`)
		},
		"cut": func(w *pgWorld, s session, _ string) { w.proxy.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			application := "harassed_" + NewID().String()
			w := newPgWorldAt(t, postgrestest.URL(t), "&application_name="+application)
			w.inbox(w.mario)
			w.harassed(func(s session) { harass(w, s, application) })
		})
	}
}

// harassed commits from some goroutines; after every third commit all others are harassed.
func (w *pgWorld) harassed(harass func(session)) {
	const workers, each = 4, 15
	var all sync.WaitGroup
	var done atomic.Int64
	happened := make(chan struct{}, workers*each)
	for i := range workers {
		all.Go(func() {
			for k := range each {
				a := w.acceptance(w.instant(), fmt.Sprintf("<%d.%d@host>", i, k), []byte("Buongiorno.\r\n"))
				a.Instant = w.instant()
				err := w.Accept(w.ctx(), a)
				if err == nil {
					done.Add(1)
				} else if !outage(err) {
					w.Error(err)
				}
				happened <- struct{}{}
			}
		})
	}
	s := w.session()
	for i := range workers * each {
		<-happened
		if i%3 == 0 {
			harass(s)
		}
	}
	all.Wait()
	n, rows := int(done.Load()), s.rows()
	for table, want := range map[string]int{"fact": n, "submission": n, "envelope": n, "content": 3 * n, "message": 2 * n, "entry": n, "task": 3 * n, "guard": 0} {
		if rows[table] != want {
			w.Errorf("%d rows of %s, want %d", rows[table], table, want)
		}
	}
	if n < workers*each/2 {
		w.Errorf("only %d commits of %d were done", n, workers*each)
	}
	reads := w.process(w.url)
	reads.consistent(w.mario)
	reads.numbered(int64(n))
}

// TestCutWork: workers do tasks while their connections are cut at any message. Each task is done once.
func TestCutWork(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	const tasks = 40
	for range tasks {
		w.owed(mario)
	}
	inbox := w.inbox(w.mario)
	r := rand.New(rand.NewPCG(1, 2))
	w.proxy.Arm(func(m postgrestest.Message) postgrestest.Action {
		if r.IntN(120) > 0 {
			return postgrestest.Pass
		}
		return []postgrestest.Action{postgrestest.CutBefore, postgrestest.CutWithin, postgrestest.CutAfter}[r.IntN(3)]
	})
	deposited := make(chan Task, 2*tasks)
	end := w.working(4, atOnce, func(ctx context.Context, t Task) error {
		at := w.instant()
		err := w.Deposit(ctx, Deposit{Instant: at, Record: record(at, "deposited", t.PEC, mario), Task: t, Inbox: InboxEntry{Mailbox: w.mario.ID, Folder: inbox}, Size: 4})
		if err == nil {
			deposited <- t
		}
		return err
	})
	times := map[ID]int{}
	for _, t := range await(w.world, deposited, tasks) {
		times[t.ID]++
	}
	w.proxy.Disarm()
	end()
	reads := w.process(w.url)
	if len(times) != tasks || len(deposited) != 0 || reads.count("task") != 0 || len(reads.entries(inbox)) != tasks {
		t.Errorf("%d of %d tasks done, %d too often, %d left, %d entries", len(times), tasks, len(deposited), reads.count("task"), len(reads.entries(inbox)))
	}
	reads.consistent(w.mario)
	reads.numbered(tasks)
}

package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// never is a test's bound for what must happen at once.
const never = 20 * time.Second

func atOnce(Task) time.Duration { return 0 }

// working runs workers until the returned function ends them.
func (w *world) working(parallel int, retry func(Task) time.Duration, do func(context.Context, Task) error) (end func()) {
	ctx, cancel := context.WithCancel(w.ctx())
	var all sync.WaitGroup
	all.Go(func() {
		if err := w.Work(ctx, TaskDeliver, parallel, retry, do); !errors.Is(err, context.Canceled) {
			w.Errorf("the work ended with %v", err)
		}
	})
	return func() {
		cancel()
		all.Wait()
	}
}

// await takes n values from a channel.
func await[T any](w *world, from <-chan T, n int) (got []T) {
	w.Helper()
	limit := time.NewTimer(never)
	defer limit.Stop()
	for range n {
		select {
		case v := <-from:
			got = append(got, v)
		case <-limit.C:
			w.Fatalf("%d of %d came", len(got), n)
		}
	}
	return got
}

// tasksRunOnce: many tasks, written while workers finish others; none runs twice, none is left. Two loops of one kind are
// at it, which the program never has, so that looks, claims and ends of tasks meet in every order.
func tasksRunOnce(w *world) {
	const tasks = 300
	ran := make(chan pec.ID, 4*tasks)
	do := func(ctx context.Context, t Task) error {
		ran <- t.PEC
		if err := w.Done(ctx, t); err != nil {
			w.Errorf("a task was claimed that somebody else had finished: %v", err)
		}
		return nil
	}
	end := w.working(8, atOnce, do)
	end2 := w.working(3, atOnce, do)
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for k := range tasks / 4 {
				b := plainBatch()
				b.instant.At = w.now()
				m := w.message(KindDSN, pec.ID(fmt.Sprintf("%d.%d@alfa.test", i, k)), Recipe{Literal([]byte("x"))})
				w.tolerate(b.message(m))
				b.deliver(m.ID, "", mario, mario, alfa, m.PEC)
				w.tolerate(w.commit(w.ctx(), b))
			}
		})
	}
	times := map[pec.ID]int{}
	for _, id := range await(w, ran, tasks) {
		times[id]++
	}
	writers.Wait()
	end()
	end2()
	if len(times) != tasks || len(ran) != 0 || w.count("task") != 0 {
		w.Errorf("%d of %d tasks ran, %d runs too many, %d are left", len(times), tasks, len(ran), w.count("task"))
	}
	if n := w.work.queues[TaskDeliver].count(); n != 0 {
		w.Errorf("%d claims are left", n)
	}
}

// attacks.md 18: one target that stalls takes its share of the workers at most, and a longer queue for it hides nobody else's mail.
func TestOneTargetLeavesWorkersToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	for range 100 { // more than there are workers, and all before the other
		w.accepted()
	}
	last := w.acceptance(w.instant(), "<last@host>", []byte("Buongiorno.\r\n"))
	last.Relays[0].Target = "other"
	w.must(w.Accept(w.ctx(), last))
	release, started := make(chan struct{}), make(chan Task, 100)
	ctx, stop := context.WithCancel(w.ctx())
	ended := make(chan error, 1)
	go func() {
		ended <- w.Work(ctx, TaskRelay, 64, Backoff, func(ctx context.Context, t Task) error {
			started <- t
			select {
			case <-release:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
	}()
	running := map[string]int{}
	deadline := time.After(20 * time.Second)
	for len(running) < 2 {
		select {
		case task := <-started:
			running[task.Target]++
		case <-deadline:
			t.Fatalf("only these run: %v", running)
		}
	}
	for target, n := range running {
		if n > perTarget(TaskRelay) {
			t.Errorf("%d tasks run for %s", n, target)
		}
	}
	stop()
	close(release)
	<-ended
}

func tasksRunWhenDue(w *world) {
	first, later := w.owed(mario), w.owed(mario)
	w.must(w.Postpone(w.ctx(), later, w.now().Add(time.Hour), "later"))
	ran := make(chan Task)
	defer w.working(2, atOnce, func(ctx context.Context, t Task) error {
		ran <- t
		return w.Done(ctx, t)
	})()
	if t := await(w, ran, 1)[0]; t.ID != first.ID {
		w.Errorf("%+v ran first", t)
	}
	if ts, err := w.Unfinished(w.ctx()); err != nil || len(ts) > 1 || len(ts) == 1 && ts[0].ID != first.ID {
		w.Errorf("unfinished: %+v, %v", ts, err)
	}
	w.clock.jump(time.Hour)
	t := await(w, ran, 1)[0]
	if t.ID != later.ID || t.Attempts != 1 || t.Trouble != "later" || !t.Since.Equal(later.Since) {
		w.Errorf("%+v ran second", t)
	}
}

// trickClock does something in the middle of the n-th reading.
type trickClock struct {
	*lawClock
	mu    sync.Mutex
	reads int
	at    int
	trick func()
}

func (c *trickClock) Now() time.Time {
	now := c.lawClock.Now()
	c.mu.Lock()
	c.reads++
	do := c.reads == c.at
	c.mu.Unlock()
	if do {
		c.trick()
	}
	return now
}

// jumpIsNeverMissed: a jump between any two readings of the clock by a worker wakes it.
func jumpIsNeverMissed(w *world) {
	for at := 1; at <= 2; at++ {
		w.tricked(at, func() { w.clock.jump(time.Hour) })
	}
}

// momentIsNeverMissed: the same without a jump, when a task becomes due between two readings.
func momentIsNeverMissed(w *world) {
	w.tricked(1, func() {
		w.clock.mu.Lock()
		defer w.clock.mu.Unlock()
		w.clock.now = w.clock.now.Add(time.Hour)
	})
}

// tricked runs workers on a clock that passes an hour in the middle of a reading, of which a look at the table has two; a
// task that is due then has to run.
func (w *world) tricked(at int, trick func()) {
	w.Helper()
	task := w.owed(mario)
	w.must(w.Postpone(w.ctx(), task, w.clock.Now().Add(time.Hour), ""))
	<-w.work.queues[TaskDeliver].wake // of the task itself: only the clock may wake the workers
	clock := &trickClock{lawClock: w.clock, at: at, trick: trick}
	w.now = clock.Now
	ran := make(chan Task)
	end := w.working(2, atOnce, func(ctx context.Context, t Task) error {
		ran <- t
		return w.Done(ctx, t)
	})
	await(w, ran, 1)
	end()
	w.now = w.clock.Now
}

func tasksAreRetried(w *world) {
	task := w.owed(mario)
	ran := make(chan Task)
	pauses := make(chan int, 10)
	retry := func(t Task) time.Duration {
		pauses <- t.Attempts
		return time.Hour
	}
	defer w.working(2, retry, func(ctx context.Context, t Task) error {
		ran <- t
		if t.Attempts < 3 {
			return fmt.Errorf("trouble %d", t.Attempts)
		}
		return w.Done(ctx, t)
	})()
	for i := range 4 {
		t := await(w, ran, 1)[0]
		want := ""
		if i > 0 {
			want = fmt.Sprintf("trouble %d", i-1)
		}
		if t.ID != task.ID || t.Attempts != i || t.Trouble != want {
			w.Errorf("attempt %d: %+v", i, t)
		}
		if i == 3 {
			break
		}
		if got := await(w, pauses, 1)[0]; got != i {
			w.Errorf("the pause after attempt %d was asked for %d", i, got)
		}
		w.untilPostponed(task, i+1)
		w.clock.jump(time.Hour)
	}
}

// untilPostponed waits until a task's row has so many attempts.
func (w *world) untilPostponed(t Task, attempts int) {
	w.Helper()
	for limit := time.Now().Add(never); ; {
		ts, err := readTasks(w.ctx(), w.read, `WHERE id = $1`, t.ID[:])
		w.must(err)
		if len(ts) == 1 && ts[0].Attempts == attempts {
			return
		}
		if time.Now().After(limit) {
			w.Fatalf("the task is %+v", ts)
		}
	}
}

// conflictsAreDecidedAgain: at once, without a pause, until that has been tried often.
func conflictsAreDecidedAgain(w *world) {
	w.owed(mario)
	ran := make(chan Task, 100)
	paused := make(chan Task, 100)
	retry := func(t Task) time.Duration {
		select {
		case paused <- t:
		default:
		}
		return 0
	}
	end := w.working(2, retry, func(ctx context.Context, t Task) error {
		ran <- t
		switch {
		case t.Attempts < 6:
			return fmt.Errorf("deciding: %w", ErrConflict)
		case t.Attempts < 12:
			return fmt.Errorf("deciding: %w", ErrStale)
		}
		return w.Done(ctx, t)
	})
	await(w, ran, 13)
	end()
	if w.count("task") != 0 {
		w.Error("the task is left")
	}
	for len(paused) > 1 {
		<-paused
	}
	if t := <-paused; t.Attempts != 11 {
		w.Errorf("the last pause was asked for after %d attempts", t.Attempts)
	}
}

func TestBackoff(t *testing.T) {
	last := time.Duration(0)
	for attempts := range 100 {
		pause := Backoff(Task{Attempts: attempts})
		if pause < last || pause < time.Second || pause > 10*time.Minute {
			t.Fatalf("attempt %d: %v after %v", attempts, pause, last)
		}
		last = pause
	}
	if Backoff(Task{}) != time.Second || last != 10*time.Minute {
		t.Errorf("from %v to %v", Backoff(Task{}), last)
	}
}

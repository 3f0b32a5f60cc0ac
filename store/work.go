package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// workers hold the claims of this process in memory.
type workers struct{ queues map[TaskKind]*queue }

func newWorkers(p pace) workers {
	w := workers{queues: map[TaskKind]*queue{}}
	for _, k := range []TaskKind{TaskRelay, TaskReceive, TaskDeliver, TaskFollowUp, TaskOverdue} {
		w.queues[k] = newQueue(perTarget(k), p)
	}
	return w
}

// expect claims the new tasks of a batch that are due, before its commit.
func (w workers) expect(b *batch, now time.Time, token string) (expected []Task) {
	for i, t := range b.tasks {
		t.token = token
		if !t.Due.After(now) && w.queues[t.Kind].expect(t) {
			b.tasks[i] = t
			expected = append(expected, t)
		}
	}
	return expected
}

// forget is for a commit that failed.
func (w workers) forget(expected []Task) {
	for _, t := range expected {
		w.queues[t.Kind].forget(t)
	}
}

// disown drops what waits here: other processes may have it by now.
func (w workers) disown() {
	for _, q := range w.queues {
		q.disown()
	}
}

// settle tells the queues what a commit has done. It returns the kinds of due tasks that are for whoever looks at the table.
func (w workers) settle(b *batch, now time.Time) (open []TaskKind) {
	for _, t := range b.finished {
		w.queues[t.Kind].finished(t)
	}
	for _, t := range b.postponed {
		w.queues[t.Kind].postponed(t)
	}
	for _, t := range b.tasks {
		if t.Due.After(now) {
			w.queues[t.Kind].later(t.Due)
		} else if !w.queues[t.Kind].offer(t) {
			open = append(open, t.Kind)
		}
	}
	return open
}

// Work does the tasks of a kind, at most parallel at a time, until the context ends; then it waits for those under way.
// Holders take turns, and a target has perTarget(kind) workers at most.
// do commits a fact that finishes its task, or returns an error: then the task is postponed by retry(attempts so far). While the
// table cannot be read nothing new is begun. After a failed write it returns ErrClosed.
func (s *Store) Work(ctx context.Context, kind TaskKind, parallel int, retry func(Task) time.Duration, do func(context.Context, Task) error) error {
	if s.around != nil {
		do = s.around(kind, do)
	}
	q := s.work.queues[kind]
	q.employ(1)
	defer q.employ(-1)
	free := make(chan struct{}, parallel)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		// The channel first, the clock once: a jump or a moment between two readings would leave a due task asleep.
		jumped, now := s.jumped(), s.now()
		if err := s.fill(ctx, q, kind, now); errors.Is(err, ErrClosed) {
			return err
		} else if err != nil && ctx.Err() == nil {
			s.log.Error("the tasks that are due cannot be read: trying again", "task", kind, "error", err)
			pause(ctx, time.Second)
		}
		for len(free) < parallel && ctx.Err() == nil {
			t, ok := q.take()
			if !ok {
				break
			}
			free <- struct{}{}
			running.Go(func() {
				defer func() { <-free; q.give(t) }()
				s.attempt(ctx, t, retry, do)
			})
		}
		if err := q.wait(ctx, s.now(), jumped); err != nil {
			return err
		}
	}
}

// pause waits, not longer than the context.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// fill looks at the table if there is a reason.
func (s *Store) fill(ctx context.Context, q *queue, kind TaskKind, now time.Time) error {
	if s.failed.Load() {
		return ErrClosed
	}
	q.looking.Lock()
	defer q.looking.Unlock()
	w, yes := q.startLook(now)
	if !yes {
		return nil
	}
	w.kind = kind
	found, err := s.engine.claim(ctx, w)
	if err == nil {
		var next time.Time
		if next, err = s.nextDue(ctx, kind, now); err == nil {
			q.endLook(found, len(found) == w.most, next)
			return nil
		}
	}
	q.failLook()
	return err
}

// nextDue is when the next task comes due that is not due now; zero if there is none.
func (s *Store) nextDue(ctx context.Context, kind TaskKind, now time.Time) (time.Time, error) {
	var due *int64
	err := s.read.QueryRowContext(ctx, `SELECT min(due) FROM task WHERE kind = $1 AND due > $2`, string(kind), micros(now)).Scan(&due)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the next due time: %w", err)
	}
	if due == nil {
		return time.Time{}, nil
	}
	return fromMicros(*due), nil
}

// wait waits for a reason to go on: new or finished work, a jump of the law's clock, the next due time.
func (q *queue) wait(ctx context.Context, now time.Time, jumped <-chan struct{}) error {
	timer := time.NewTimer(q.until(now))
	defer timer.Stop()
	select {
	case <-q.wake:
	case <-jumped:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (s *Store) attempt(ctx context.Context, t Task, retry func(Task) time.Duration, do func(context.Context, Task) error) {
	err := do(ctx, t)
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrUnknown) || errors.Is(err, ErrClosed) {
		return
	}
	wait := retry(t)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrStale) {
		wait = 0 // decide again at once
		if t.Attempts > 10 {
			wait = retry(t)
		}
	}
	s.log.Warn("a task could not be done and will be tried again", "task", t.Kind, "id", t.PEC, "target", t.Target, "attempts", t.Attempts+1, "pause", wait, "error", err)
	if err := s.Postpone(ctx, t, s.now().Add(wait), err.Error()); err != nil && !errors.Is(err, ErrConflict) && ctx.Err() == nil {
		s.log.Error("a task could not be postponed", "task", t.Kind, "error", err)
	}
}

// Backoff is the pause after an attempt that led to no fact: a second at first, doubled up to ten minutes.
func Backoff(t Task) time.Duration {
	return min(time.Second<<min(t.Attempts, 20), 10*time.Minute)
}

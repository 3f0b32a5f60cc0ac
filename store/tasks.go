package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// TaskKind says whose duty a task is.
type TaskKind string

// The four kinds of tasks (design.md 3).
const (
	TaskRelay    TaskKind = "relay"     // dispatch: send to another provider, or outside
	TaskReceive  TaskKind = "receive"   // incoming: what we send to ourselves
	TaskDeliver  TaskKind = "deliver"   // delivery: into a mailbox
	TaskFollowUp TaskKind = "follow-up" // access: tell the sender what failed
)

// Task is work that follows from a fact. It was written with the fact and goes with the fact that finishes it.
type Task struct {
	ID       ID
	Kind     TaskKind
	Due      time.Time
	Since    time.Time // the instant of the fact that caused it
	Attempts int
	Message  ID
	Provider string // directory entry and PEC id of the certified message that it is about
	PEC      pec.ID
	Sender   pec.Address // reverse path of what is to be sent or delivered; "" is the null path
	Target   string      // relay: directory entry or external domain; deliver, follow-up: the recipient
	Trouble  string      // what went wrong last
	token    string
}

func (b *batch) task(t Task) {
	b.do(`INSERT INTO task (id, kind, due, since, attempts, message, provider, pec_id, sender, target, token, fact, trouble)
		VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, '', $10, '')`,
		t.ID[:], string(t.Kind), micros(t.Due), micros(t.Since), t.Message[:], t.Provider, string(t.PEC),
		string(t.Sender), t.Target, b.fact[:])
	b.wake = append(b.wake, t.Kind)
}

// finish ends a task in the batch, guarded by its claim.
func (b *batch) finish(t Task) {
	b.claim(t)
	b.do(`DELETE FROM task WHERE id = $1`, t.ID[:])
}

// claim makes the batch fail unless the task is still there under this claim. With one process the claim itself is held in
// memory and the token is empty; the guard then says that nobody has finished the task.
func (b *batch) claim(t Task) {
	b.do(`UPDATE task SET done = $1 WHERE id = $2 AND token = $3`, b.fact[:], t.ID[:], t.token)
	b.require(`SELECT 1 FROM task WHERE id = $1 AND done = $2`, t.ID[:], b.fact[:])
}

// Postpone puts a task off after an attempt that led to no fact.
func (s *Store) Postpone(ctx context.Context, t Task, due time.Time, trouble string) error {
	b := plainBatch()
	b.claim(t)
	b.postpone(t, due, trouble)
	return s.commit(ctx, b)
}

// postpone puts a task off that the batch has claimed.
func (b *batch) postpone(t Task, due time.Time, trouble string) {
	b.do(`UPDATE task SET done = NULL, due = $1, attempts = attempts + 1, trouble = $2 WHERE id = $3`, micros(due), clip(trouble), t.ID[:])
	b.wake = append(b.wake, t.Kind)
}

// clip bounds a text that comes from elsewhere.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 1000)], "?")
}

func (s *Store) tasks(ctx context.Context, where string, args ...any) ([]Task, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, kind, due, since, attempts, message, provider, pec_id, sender, target, token, trouble FROM task `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("reading tasks: %w", err)
	}
	defer rows.Close()
	var ts []Task
	for rows.Next() {
		var t Task
		var due, since int64
		if err := rows.Scan(&t.ID, &t.Kind, &due, &since, &t.Attempts, &t.Message, &t.Provider, &t.PEC, &t.Sender, &t.Target, &t.token, &t.Trouble); err != nil {
			return nil, fmt.Errorf("reading tasks: %w", err)
		}
		t.Due, t.Since = fromMicros(due), fromMicros(since)
		ts = append(ts, t)
	}
	return ts, rows.Err()
}

// Tasks lists all the work that is not finished, by due time.
func (s *Store) Tasks(ctx context.Context) ([]Task, error) {
	return s.tasks(ctx, `ORDER BY due`)
}

// Unfinished lists the tasks that are due now or under way. An empty list means that nothing happens until time passes
// or somebody calls.
func (s *Store) Unfinished(ctx context.Context) ([]Task, error) {
	return s.tasks(ctx, `WHERE due <= $1 ORDER BY due`, micros(s.now()))
}

// workers hold the claims of this process in memory: on the embedded engine it is the only one.
type workers struct {
	looking sync.Mutex // one looks at the table at a time

	mu       sync.Mutex
	signals  map[TaskKind]chan struct{}
	claimed  map[ID]bool
	released map[ID]bool    // given back since the last look began
	targets  map[string]int // tasks under way, by kind and target
}

// perTarget is how many tasks for one target run at a time: one peer that stalls, or one holder's burst, leaves workers to
// the others (attacks.md 18).
const perTarget = 8

func targetOf(t Task) string { return string(t.Kind) + " " + t.Target }

func (w *workers) init() {
	w.claimed, w.released, w.targets = map[ID]bool{}, map[ID]bool{}, map[string]int{}
	w.signals = map[TaskKind]chan struct{}{}
	for _, k := range []TaskKind{TaskRelay, TaskReceive, TaskDeliver, TaskFollowUp} {
		w.signals[k] = make(chan struct{}, 1)
	}
}

func (w *workers) signal(kinds ...TaskKind) {
	for _, k := range kinds {
		select {
		case w.signals[k] <- struct{}{}:
		default:
		}
	}
}

// look begins a look at the table: what is given back from now on may be gone from it, or have changed.
func (w *workers) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.released = map[ID]bool{}
}

// take claims those tasks that nobody has and that nobody gave back since the look began; whoever gave one back has
// signalled, so it is looked at again. more tells that some were passed over because their target has enough.
func (w *workers) take(ts []Task, limit int) (free []Task, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range ts {
		switch {
		case w.claimed[t.ID] || w.released[t.ID] || len(free) == limit:
		case t.Target != "" && w.targets[targetOf(t)] == perTarget:
			more = true
		default:
			w.claimed[t.ID] = true
			w.targets[targetOf(t)]++
			free = append(free, t)
		}
	}
	return free, more
}

// busy lists the targets of a kind that have enough under way.
func (w *workers) busy(kind TaskKind) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var full []string
	for target, n := range w.targets {
		if name, ok := strings.CutPrefix(target, string(kind)+" "); ok && name != "" && n == perTarget {
			full = append(full, name)
		}
	}
	return full
}

func (w *workers) give(t Task) {
	w.mu.Lock()
	delete(w.claimed, t.ID)
	w.released[t.ID] = true
	if w.targets[targetOf(t)]--; w.targets[targetOf(t)] == 0 {
		delete(w.targets, targetOf(t))
	}
	w.mu.Unlock()
	w.signal(t.Kind)
}

func (w *workers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.claimed)
}

// Work does the tasks of a kind, at most parallel at a time, until the context ends; then it waits for those under way.
// do commits a fact that finishes its task, or returns an error: then the task is postponed by retry(attempts so far). After
// a failed write it returns ErrClosed.
func (s *Store) Work(ctx context.Context, kind TaskKind, parallel int, retry func(Task) time.Duration, do func(context.Context, Task) error) error {
	free := make(chan struct{}, parallel)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		// The channel first, the clock once: a jump or a moment between two readings would leave a due task asleep.
		jumped, now := s.jumped(), s.now()
		next, err := s.claimDue(ctx, kind, now, parallel-len(free))
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, t := range next {
			free <- struct{}{}
			running.Go(func() {
				defer func() { <-free; s.work.give(t) }()
				s.attempt(ctx, t, retry, do)
			})
		}
		if err := s.waitWork(ctx, kind, now, jumped, len(free) == parallel); err != nil {
			return err
		}
	}
}

func (s *Store) claimDue(ctx context.Context, kind TaskKind, now time.Time, room int) ([]Task, error) {
	if s.failed.Load() {
		return nil, ErrClosed
	}
	if room <= 0 {
		return nil, nil
	}
	s.work.looking.Lock()
	defer s.work.looking.Unlock()
	s.work.look()
	var claimed []Task
	for more := true; more && len(claimed) < room; {
		ts, err := s.engine.due(ctx, kind, micros(now), room+s.work.count(), s.work.busy(kind))
		if err != nil {
			for _, t := range claimed {
				s.work.give(t)
			}
			return nil, err
		}
		var free []Task
		free, more = s.work.take(ts, room-len(claimed))
		claimed = append(claimed, free...)
	}
	return claimed, nil
}

// waitWork waits for a reason to look again: new or finished work, a jump of the law's clock, the next due time.
func (s *Store) waitWork(ctx context.Context, kind TaskKind, now time.Time, jumped <-chan struct{}, full bool) error {
	wait := time.Hour
	if !full {
		var err error
		if wait, err = s.untilDue(ctx, kind, now); err != nil && ctx.Err() == nil {
			return err
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-s.work.signals[kind]:
	case <-jumped:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// untilDue is the time from now to the next task that was not due then; those that were are claimed or will signal.
func (s *Store) untilDue(ctx context.Context, kind TaskKind, now time.Time) (time.Duration, error) {
	var due *int64
	err := s.read.QueryRowContext(ctx, `SELECT min(due) FROM task WHERE kind = $1 AND due > $2`, string(kind), micros(now)).Scan(&due)
	if err != nil {
		return 0, fmt.Errorf("reading the next due time: %w", err)
	}
	if due == nil {
		return time.Hour, nil
	}
	return fromMicros(*due).Sub(s.now()), nil
}

func (s *Store) attempt(ctx context.Context, t Task, retry func(Task) time.Duration, do func(context.Context, Task) error) {
	err := do(ctx, t)
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrUnknown) || errors.Is(err, ErrClosed) {
		return
	}
	pause := retry(t)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrStale) {
		pause = 0 // decide again at once
		if t.Attempts > 10 {
			pause = retry(t)
		}
	}
	s.log.Warn("a task could not be done and will be tried again", "task", t.Kind, "id", t.PEC, "target", t.Target, "attempts", t.Attempts+1, "pause", pause, "error", err)
	if err := s.Postpone(ctx, t, s.now().Add(pause), err.Error()); err != nil && !errors.Is(err, ErrConflict) && ctx.Err() == nil {
		s.log.Error("a task could not be postponed", "task", t.Kind, "error", err)
	}
}

// Backoff is the pause after an attempt that led to no fact: a second at first, doubled up to ten minutes.
func Backoff(t Task) time.Duration {
	return min(time.Second<<min(t.Attempts, 20), 10*time.Minute)
}

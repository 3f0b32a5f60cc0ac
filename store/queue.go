package store

import (
	"sync"
	"time"
)

// queue holds the tasks of one kind that this process has claimed: those that wait for a worker and those under way. What a
// commit of this process makes due comes in without being read back from the table; the table is looked at when the
// process starts, when the clock jumps, when something becomes due later, and when more was due than the queue may hold.
type queue struct {
	looking sync.Mutex // one looks at the table at a time
	wake    chan struct{}

	mu       sync.Mutex
	claims   map[ID]*claim
	waiting  turns
	released map[ID]bool // given back since the last look began: what that look sees of them is old
	look     bool        // the table has to be looked at
	more     bool        // the table has due tasks that are not here
	next     time.Time   // when the next task comes due that is not here; zero: none is known
}

// claim is a task of the queue.
type claim struct {
	task  Task
	state claimState
	after *Task // what a commit made of it: put off
}

type claimState int

const (
	claimExpected claimState = iota // its commit is under way
	claimWaiting
	claimRunning
	claimFinished
)

const (
	// maxQueued bounds a queue, where a task has some hundred octets, and a look.
	maxQueued = 1 << 16
	// maxWait bounds a wait: the law's clock may be set without a jump being told.
	maxWait = time.Minute
)

func newQueue(perTarget int) *queue {
	return &queue{claims: map[ID]*claim{}, waiting: newTurns(perTarget), look: true, wake: make(chan struct{}, 1)}
}

// stir makes a worker look whether there is something to do.
func (q *queue) stir() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// expect claims a task before the commit that writes it, so that no look at the table can take it first. false: there is
// no room, it stays in the table.
func (q *queue) expect(t Task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.more || len(q.claims) >= maxQueued {
		return false
	}
	q.claims[t.ID] = &claim{task: t}
	return true
}

// forget drops an expected task whose commit failed.
func (q *queue) forget(t Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.claims, t.ID)
}

// offer is told of a task that a commit has written and that is due.
func (q *queue) offer(t Task) {
	q.mu.Lock()
	if c := q.claims[t.ID]; c != nil && c.state == claimExpected {
		c.state = claimWaiting
		q.waiting.add(c)
	} else {
		q.more = true
	}
	q.mu.Unlock()
	q.stir()
}

// later is told that a task in the table comes due.
func (q *queue) later(due time.Time) {
	q.mu.Lock()
	q.due(due)
	q.mu.Unlock()
	q.stir()
}

func (q *queue) due(at time.Time) {
	if q.next.IsZero() || at.Before(q.next) {
		q.next = at
	}
}

// postponed is told that a commit has put a task off. Its worker still has it; one that only waits is given back.
func (q *queue) postponed(t Task) {
	q.mu.Lock()
	c := q.claims[t.ID]
	running := c != nil && c.state >= claimRunning
	if running {
		c.after = &t
	} else {
		q.drop(t.ID, c)
		q.due(t.Due)
	}
	q.mu.Unlock()
	if !running {
		q.stir()
	}
}

// finished is told that a commit has ended a task.
func (q *queue) finished(t Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.claims[t.ID]
	if c != nil && c.state >= claimRunning {
		c.state = claimFinished
		return
	}
	q.drop(t.ID, c)
}

// drop forgets what no worker has.
func (q *queue) drop(id ID, c *claim) {
	if c != nil {
		c.state = claimFinished // it may lie among those that wait: take passes it over
		delete(q.claims, id)
	}
	q.release(id)
}

func (q *queue) release(id ID) {
	if q.released != nil {
		q.released[id] = true
	}
}

// take gives a worker the next task in turn. Its target has a worker more until it is given back.
func (q *queue) take() (Task, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.waiting.take()
	if c == nil {
		return Task{}, false
	}
	c.state = claimRunning
	return c.task, true
}

// give takes a task back from its worker. What was put off and is due already waits again; what no commit has settled is
// looked up in the table.
func (q *queue) give(t Task, now time.Time) {
	q.mu.Lock()
	c := q.claims[t.ID]
	q.waiting.ended(c)
	switch {
	case c.state == claimFinished:
		delete(q.claims, t.ID)
	case c.after == nil:
		delete(q.claims, t.ID)
		q.look = true
	case c.after.Due.After(now):
		delete(q.claims, t.ID)
		q.due(c.after.Due)
	default:
		again := &claim{task: *c.after, state: claimWaiting}
		q.claims[t.ID] = again
		q.waiting.add(again)
	}
	q.release(t.ID)
	q.mu.Unlock()
	q.stir()
}

// startLook tells whether the table has to be looked at. If so, full are the targets to leave out, and the caller ends the
// look with endLook or failLook.
func (q *queue) startLook(now time.Time) (full []string, yes bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	room := len(q.claims) < maxQueued/2
	yes = q.look || q.more && (room || q.waiting.empty()) || !q.next.IsZero() && !q.next.After(now)
	if !yes {
		return nil, false
	}
	if !room {
		// What fills the queue is for targets that have all their workers: others must get past them.
		full = q.waiting.full()
	}
	q.look, q.more, q.next, q.released = false, len(full) > 0, time.Time{}, map[ID]bool{}
	return full, true
}

// endLook claims what a look has found and nobody has, and remembers what it has not seen: more that is due, and when the
// next comes due.
func (q *queue) endLook(found []Task, more bool, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range found {
		if q.claims[t.ID] == nil && !q.released[t.ID] {
			c := &claim{task: t, state: claimWaiting}
			q.claims[t.ID] = c
			q.waiting.add(c)
		}
	}
	q.released = nil
	q.more = q.more || more
	if !next.IsZero() {
		q.due(next)
	}
}

// failLook is for a look that could not be made.
func (q *queue) failLook() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look, q.released = true, nil
}

// count is how many tasks are claimed.
func (q *queue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.claims)
}

// until is how long to wait before the next task comes due, within bounds.
func (q *queue) until(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next.IsZero() {
		return maxWait
	}
	return min(q.next.Sub(now), maxWait)
}

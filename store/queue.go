package store

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// queue holds the tasks of one kind that this process has claimed: those that wait for a worker and those under way. What a
// commit of this process makes due comes in without being read back from the table; the table is looked at when the
// process starts, when the clock jumps, when something becomes due later, when more was due than the queue may hold, and, where
// there may be other processes, when one says so and now and then unasked.
type queue struct {
	looking sync.Mutex // one looks at the table at a time
	wake    chan struct{}
	pace    pace

	mu       sync.Mutex
	working  int // Work runs so often
	claims   map[ID]*claim
	waiting  turns
	released map[ID]bool // given back since the last look began: what that look sees of them is old
	look     bool        // the table has to be looked at
	lookedAt time.Time   // when it was, by the machine's clock
	more     bool        // the table has due tasks that are not here
	stray    bool        // it may have some that this process claimed and that are not here
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

// maxWait bounds a wait: the law's clock may be set without a jump being told.
const maxWait = time.Minute

// pastFull is how many tasks a look takes where others may take them too, although the queue is full.
const pastFull = 64

func newQueue(perTarget int, p pace) *queue {
	return &queue{pace: p, claims: map[ID]*claim{}, waiting: newTurns(perTarget), look: true, wake: make(chan struct{}, 1)}
}

// employ says that one more, or one less, works on what is here.
func (q *queue) employ(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.working += n
}

// stir makes a worker look whether there is something to do.
func (q *queue) stir() { wake(q.wake) }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// expect claims a task before the commit that writes it, so that no look at the table can take it first. false: there is
// no room, or nobody here to do it: it stays in the table.
func (q *queue) expect(t Task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.working == 0 || q.more || len(q.claims) >= q.pace.queue {
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

// offer is told of a task that a commit has written and that is due. false: it is for whoever looks at the table.
func (q *queue) offer(t Task) (taken bool) {
	q.mu.Lock()
	if c := q.claims[t.ID]; c != nil && c.state == claimExpected {
		c.state = claimWaiting
		q.waiting.add(c)
		taken = true
	} else {
		q.more = true
	}
	q.mu.Unlock()
	q.stir()
	return taken
}

// invite is told that the table has due tasks of another process.
func (q *queue) invite() {
	q.mu.Lock()
	q.look = true
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

// disown gives back what waits for a worker, to be claimed again if nobody else has.
func (q *queue) disown() {
	q.mu.Lock()
	for id, c := range q.claims {
		if c.state == claimWaiting {
			q.drop(id, c)
		}
	}
	q.look, q.stray = true, true
	q.mu.Unlock()
	q.stir()
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

// give takes a task back from its worker. What was put off is in the table again; what no commit has settled is looked up
// there.
func (q *queue) give(t Task) {
	q.mu.Lock()
	c := q.claims[t.ID]
	q.waiting.ended(c)
	delete(q.claims, t.ID)
	switch {
	case c.state == claimFinished:
	case c.after != nil:
		q.due(c.after.Due)
	default:
		q.look, q.stray = true, true
	}
	q.release(t.ID)
	q.mu.Unlock()
	q.stir()
}

// startLook tells whether the table has to be looked at, and what for. If so, the caller ends the look with endLook or failLook.
func (q *queue) startLook(now time.Time) (w wanted, yes bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	room := len(q.claims) < q.pace.queue/2
	// Past what fills the queue without being able to run, once a second is enough.
	past := !room && q.waiting.empty() && time.Since(q.lookedAt) >= time.Second
	yes = q.look || q.more && (room || past) || !q.next.IsZero() && !q.next.After(now) || q.pace.look > 0 && time.Since(q.lookedAt) >= q.pace.look
	if !yes {
		return w, false
	}
	w.now, w.most = micros(now), q.pace.queue
	if !room {
		// What fills the queue is for targets that have all their workers: others must get past them.
		w.full = q.waiting.full()
	}
	if q.pace.look > 0 {
		// What is found is claimed for good: as much as there is room for, and a little past what fills it.
		if w.most = q.pace.queue - len(q.claims); w.most < pastFull {
			w.most = pastFull
		}
		if len(w.full) == 0 && !room && !q.waiting.empty() {
			return w, false
		}
	}
	if q.stray {
		w.held = slices.AppendSeq(make([]ID, 0, len(q.claims)), maps.Keys(q.claims)) // not nil
	}
	q.look, q.more, q.stray, q.next, q.released, q.lookedAt = false, len(w.full) > 0, false, time.Time{}, map[ID]bool{}, time.Now()
	return w, true
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
		} else if t.token != "" {
			q.look, q.stray = true, true // the table may say that this process has it
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
	q.look, q.stray, q.released = true, true, nil
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
	most := maxWait
	if q.pace.look > 0 {
		most = max(0, q.pace.look-time.Since(q.lookedAt))
	}
	if q.more && q.waiting.empty() {
		most = min(most, time.Second)
	}
	if q.next.IsZero() {
		return most
	}
	return min(q.next.Sub(now), most)
}

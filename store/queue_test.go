package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// eight workers are what a target may have in these tests.
const eight = 8

const testQueued = 1 << 12

func newTestQueue() *queue {
	q := newQueue(eight, pace{queue: testQueued})
	q.employ(1)
	return q
}

func aTask(sender, target string) Task {
	return Task{ID: NewID(), Kind: TaskDeliver, Turn: sender, Target: target}
}

func (q *queue) put(ts ...Task) {
	for _, t := range ts {
		q.expect(t)
		q.offer(t)
	}
}

// looked makes a look that sees what is given.
func (q *queue) looked(t *testing.T, now time.Time, found ...Task) {
	t.Helper()
	if _, yes := q.startLook(now); !yes {
		t.Fatal("there is no reason to look")
	}
	q.endLook(found, false, time.Time{})
}

func wantTask(t *testing.T, q *queue, want Task) {
	t.Helper()
	if got, ok := q.take(); !ok || got.ID != want.ID {
		t.Fatalf("taken: %+v, %t; want %+v", got, ok, want)
	}
}

func wantNone(t *testing.T, q *queue) {
	t.Helper()
	if got, ok := q.take(); ok {
		t.Fatalf("taken: %+v", got)
	}
}

func TestWhatIsExpectedIsNotFoundFirst(t *testing.T) {
	q, a := newTestQueue(), aTask("s", "t")
	q.expect(a)
	q.looked(t, time.Now(), a) // its rows are there already
	wantNone(t, q)
	q.offer(a)
	wantTask(t, q, a)
	wantNone(t, q)
}

func TestWhatFailedToCommitIsForgotten(t *testing.T) {
	q, a := newTestQueue(), aTask("s", "t")
	q.expect(a)
	q.forget(a)
	if n := q.count(); n != 0 {
		t.Errorf("%d claims", n)
	}
	wantNone(t, q)
}

func TestWhatIsGivenBackDuringALookIsNotTaken(t *testing.T) {
	q, a, b, now := newTestQueue(), aTask("s", "t"), aTask("s", "t"), time.Now()
	q.put(a)
	wantTask(t, q, a)
	if _, yes := q.startLook(now); !yes {
		t.Fatal("there is no reason to look")
	}
	q.finished(a)
	q.give(a)
	q.endLook([]Task{a, b}, false, time.Time{})
	wantTask(t, q, b)
	wantNone(t, q)
}

// What a worker gives back and no commit has settled is looked up: it may be there still.
func TestWhatIsNotSettledIsLookedUp(t *testing.T) {
	q, a, now := newTestQueue(), aTask("s", "t"), time.Now()
	q.looked(t, now)
	q.put(a)
	wantTask(t, q, a)
	q.give(a)
	q.looked(t, now, a)
	wantTask(t, q, a)
}

// attacks.md 18: a task that is put off and comes due before its worker is done with it waits again.
func TestWhatIsPutOffComesAgain(t *testing.T) {
	now := time.Now()
	for _, due := range []time.Duration{-time.Hour, time.Hour} {
		q, a := newTestQueue(), aTask("s", "t")
		q.looked(t, now)
		q.put(a)
		wantTask(t, q, a)
		later := a
		later.Due, later.Attempts = now.Add(due), 1
		q.postponed(later)
		if _, yes := q.startLook(now); yes {
			t.Error("a look, while a worker has it")
		}
		q.give(a)
		wantNone(t, q)
		if later.Due.Before(now) {
			q.looked(t, now, later)
		} else {
			q.looked(t, later.Due, later)
		}
		if got, ok := q.take(); !ok || got.Attempts != 1 {
			t.Errorf("due in %v: taken %+v, %t", due, got, ok)
		}
	}
}

// What waits here and is settled elsewhere, as operators may, is not run.
func TestWhatIsSettledElsewhereIsNotRun(t *testing.T) {
	q, a, b, c, now := newTestQueue(), aTask("s", "t"), aTask("s", "t"), aTask("s", "t"), time.Now()
	q.put(a, b, c)
	q.finished(a)
	later := b
	later.Due = now.Add(time.Hour)
	q.postponed(later)
	wantTask(t, q, c)
	wantNone(t, q)
	if n := q.count(); n != 1 {
		t.Errorf("%d claims, want c alone", n)
	}
	if wait := q.until(now); wait > time.Hour {
		t.Errorf("nobody waits for b: %v", wait)
	}
}

// attacks.md 39: a holder's burst delays nobody else's mail by more than a turn.
func TestSendersTakeTurns(t *testing.T) {
	q := newTestQueue()
	for i := range 1000 {
		q.put(aTask("burst", fmt.Sprint("t", i)))
	}
	other := aTask("other", "t5")
	q.put(other)
	for i := range 2 {
		if got, _ := q.take(); got.ID == other.ID {
			return
		} else if i == 1 {
			t.Errorf("taken second: %+v", got)
		}
	}
}

// Within a sender's tasks, the targets take turns: fifty letters to one do not delay one to another.
func TestTargetsTakeTurns(t *testing.T) {
	q := newTestQueue()
	for range 5 {
		q.put(aTask("s", "many"))
	}
	q.put(aTask("s", "one"))
	q.take()
	if got, _ := q.take(); got.Target != "one" {
		t.Errorf("taken second: %+v", got)
	}
}

// What does not fit stays in the table, and is found there when there is room. attacks.md 39.
func TestAFullQueueLeavesTasksInTheTable(t *testing.T) {
	q, now := newTestQueue(), time.Now()
	q.looked(t, now)
	first := make([]Task, testQueued)
	for i := range first {
		first[i] = aTask("s", fmt.Sprint("t", i%1000))
	}
	q.put(first...)
	left := aTask("other", "t")
	q.put(left)
	if q.count() != testQueued {
		t.Fatalf("%d claims", q.count())
	}
	if _, yes := q.startLook(now); yes {
		t.Error("a look at a full queue that has work")
	}
	for range testQueued/2 + 1 {
		a, ok := q.take()
		if !ok {
			t.Fatal("nothing is left")
		}
		q.finished(a)
		q.give(a)
	}
	q.looked(t, now, left)
	q.take()
	wantTask(t, q, left)
}

// What fills the queue while its target stalls lets others past. attacks.md 18.
func TestAStalledTargetDoesNotFillTheQueue(t *testing.T) {
	q, now := newTestQueue(), time.Now()
	q.looked(t, now)
	for range testQueued {
		q.put(aTask("s", "stalled"))
	}
	for range eight {
		q.take()
	}
	wantNone(t, q)
	other := aTask("other", "t")
	q.put(other)
	wantNone(t, q)
	if _, yes := q.startLook(now); yes {
		t.Error("a look past what is full, a moment after another")
	}
	if wait := q.until(now); wait > time.Second {
		t.Errorf("the next look past what is full is in %v", wait)
	}
	q.lookedAt = q.lookedAt.Add(-2 * time.Second)
	w, yes := q.startLook(now)
	if !yes || len(w.full) != 1 || w.full[0] != "stalled" {
		t.Fatalf("a look: %t, without %v", yes, w.full)
	}
	q.endLook([]Task{other}, false, time.Time{})
	wantTask(t, q, other)
}

// What this process claimed in the table and does not have is asked for again, together with what it has.
func TestStrayClaimsAreAskedFor(t *testing.T) {
	q, a, b, now := newTestQueue(), aTask("s", "t"), aTask("s", "u"), time.Now()
	q.looked(t, now)
	q.put(a, b)
	wantTask(t, q, a)
	q.give(a) // no commit has settled it
	w, yes := q.startLook(now)
	if !yes || len(w.held) != 1 || w.held[0] != b.ID {
		t.Fatalf("a look: %t, held %v", yes, w.held)
	}
	q.failLook()
	if w, yes = q.startLook(now); !yes || len(w.held) != 1 {
		t.Fatalf("a look after one that failed: %t, held %v", yes, w.held)
	}
	q.endLook([]Task{a}, false, time.Time{})
	wantTask(t, q, b)
	wantTask(t, q, a)
}

// Who works on nothing of a kind claims nothing of it; who is one of several looks unasked.
func TestSharedQueue(t *testing.T) {
	q, a, now := newQueue(eight, pace{queue: testQueued, look: time.Hour}), aTask("s", "t"), time.Now()
	if q.expect(a) || q.offer(a) {
		t.Error("a task is claimed by whom nobody works for")
	}
	q.employ(1)
	q.looked(t, now, a)
	wantTask(t, q, a)
	q.finished(a)
	q.give(a)
	if _, yes := q.startLook(now); yes {
		t.Error("a look without a reason")
	}
	if wait := q.until(now); wait > time.Hour || wait < time.Minute {
		t.Errorf("the next look is in %v", wait)
	}
	q.invite()
	q.looked(t, now)
	q.lookedAt = q.lookedAt.Add(-2 * time.Hour)
	q.looked(t, now)
}

// TestQueueLosesNothing: tasks come by commits and by looks, are finished, put off or given up, in any order; the table is a
// model, alone or shared with another process. None has two workers, no target more than it may have, and in the end all have
// run.
func TestQueueLosesNothing(t *testing.T) {
	for name, token := range map[string]string{"alone": "", "shared": "me"} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				m := &queueModel{T: r, queue: newTestQueue(), now: time.Unix(0, 0), token: token, table: map[ID]Task{}, running: map[ID]Task{}, perTarget: map[string]int{}}
				r.Repeat(map[string]func(*rapid.T){
					"commit": m.commit, "take": m.takeOne, "finish": m.finish, "postpone": m.postpone, "fail": m.fail, "look": m.lookOnce,
					"lose": m.loseLook, "other": m.other, "pass": m.pass,
				})
				m.leave()
				for range 10_000 {
					if len(m.table) == 0 {
						return
					}
					m.lookOnce(r)
					m.takeOne(r)
					m.finish(r)
					m.now = m.now.Add(time.Second)
				}
				r.Fatalf("%d tasks are left", len(m.table))
			})
		})
	}
}

type queueModel struct {
	*rapid.T
	queue     *queue
	now       time.Time
	token     string
	table     map[ID]Task
	running   map[ID]Task
	perTarget map[string]int
}

func (m *queueModel) commit(r *rapid.T) {
	a := aTask(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "sender"), rapid.SampledFrom([]string{"", "x", "y"}).Draw(r, "target"))
	a.Due = m.now.Add(time.Duration(rapid.IntRange(0, 5).Draw(r, "due")) * time.Second)
	claimed := a
	claimed.token = m.token
	expected := !a.Due.After(m.now) && m.queue.expect(claimed)
	if expected && rapid.IntRange(0, 9).Draw(r, "refused") == 0 {
		m.queue.forget(claimed)
		return
	}
	if expected {
		a = claimed
	}
	m.table[a.ID] = a
	if a.Due.After(m.now) {
		m.queue.later(a.Due)
	} else {
		m.queue.offer(a)
	}
}

func (m *queueModel) takeOne(r *rapid.T) {
	a, ok := m.queue.take()
	if !ok {
		return
	}
	if _, twice := m.running[a.ID]; twice {
		r.Fatalf("%v has two workers", a.ID)
	}
	if row, there := m.table[a.ID]; !there || row.Attempts != a.Attempts || row.Due.After(m.now) || row.token != m.token || a.token != m.token {
		r.Fatalf("taken: %+v, the row: %+v, %t", a, row, there)
	}
	m.running[a.ID] = a
	if m.perTarget[a.Target]++; a.Target != "" && m.perTarget[a.Target] > eight {
		r.Fatalf("%d workers for %s", m.perTarget[a.Target], a.Target)
	}
}

// back gives back one of those that run, after a commit made something of it.
func (m *queueModel) back(commit func(Task)) {
	for id, a := range m.running {
		commit(a)
		delete(m.running, id)
		m.perTarget[a.Target]--
		m.queue.give(a)
		return
	}
}

func (m *queueModel) finish(*rapid.T) {
	m.back(func(a Task) {
		delete(m.table, a.ID)
		m.queue.finished(a)
	})
}

func (m *queueModel) postpone(r *rapid.T) {
	wait := time.Duration(rapid.IntRange(0, 5).Draw(r, "wait")) * time.Second
	m.back(func(a Task) {
		a.Due, a.Attempts, a.token = m.now.Add(wait), a.Attempts+1, ""
		m.table[a.ID] = a
		m.queue.postponed(a)
	})
}

func (m *queueModel) fail(*rapid.T) { m.back(func(Task) {}) }

// claim is what an engine does.
func (m *queueModel) claim(w wanted) (found []Task, next time.Time) {
	for id, a := range m.table {
		switch {
		case a.Due.After(m.now):
			if next.IsZero() || a.Due.Before(next) {
				next = a.Due
			}
		case a.token == m.token && m.token != "" && (w.held == nil || slices.Contains(w.held, id)), a.token != "" && a.token != m.token:
		default:
			a.token = m.token
			m.table[id] = a
			found = append(found, a)
		}
	}
	return found, next
}

func (m *queueModel) lookOnce(*rapid.T) {
	w, yes := m.queue.startLook(m.now)
	if !yes {
		return
	}
	if len(w.full) > 0 {
		m.Fatalf("%v are left out of a small queue", w.full)
	}
	found, next := m.claim(w)
	m.queue.endLook(found, false, next)
}

// loseLook claims in the table, and hears nothing of it.
func (m *queueModel) loseLook(*rapid.T) {
	if w, yes := m.queue.startLook(m.now); yes {
		m.claim(w)
		m.queue.failLook()
	}
}

// other is a second process, which takes what it can.
func (m *queueModel) other(*rapid.T) {
	if m.token == "" {
		return
	}
	for id, a := range m.table {
		if a.token == "" && !a.Due.After(m.now) {
			a.token = "other"
			m.table[id] = a
			return
		}
	}
}

// leave is the end of the second process.
func (m *queueModel) leave() {
	for id, a := range m.table {
		if a.token == "other" {
			a.token = ""
			m.table[id] = a
		}
	}
	m.queue.invite()
}

func (m *queueModel) pass(*rapid.T) { m.now = m.now.Add(time.Second) }

package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// TaskKind says whose duty a task is.
type TaskKind string

// The kinds of tasks (design.md 3).
const (
	TaskRelay    TaskKind = "relay"     // dispatch: send to another provider, or outside
	TaskReceive  TaskKind = "receive"   // incoming: what we send to ourselves
	TaskDeliver  TaskKind = "deliver"   // delivery: into a mailbox
	TaskFollowUp TaskKind = "follow-up" // access: tell the sender what failed
	TaskOverdue  TaskKind = "overdue"   // access: tell the sender of silence
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
	Turn     string      // key of the holder on whose account it is: who sent the message that it is about. Holders take turns
	Trouble  string      // what went wrong last
	token    string
}

func (b *batch) task(t Task) {
	t.Turn = cmp.Or(t.Turn, t.Sender.Key())
	b.tasks = append(b.tasks, t)
}

// writeTasks writes the rows of the new tasks, when it is known which of them this process claims.
func (b *batch) writeTasks() {
	for _, t := range b.tasks {
		b.do(`INSERT INTO task (id, kind, due, since, attempts, message, provider, pec_id, sender, target, turn, token, fact, trouble)
			VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10, $11, $12, '')`,
			t.ID[:], string(t.Kind), micros(t.Due), micros(t.Since), t.Message[:], t.Provider, string(t.PEC),
			string(t.Sender), t.Target, t.Turn, t.token, b.fact[:])
	}
}

// finish ends a task in the batch, which fails unless the task is still there under this claim: a process that was taken for
// dead finishes nothing, nor does a worker whose task somebody else has put off since. Where there is one process only the token
// is empty, and the guard says that nobody has settled the task.
func (b *batch) finish(t Task) {
	b.must(`DELETE FROM task WHERE id = $1 AND token = $2 AND attempts = $3`, t.ID[:], t.token, t.Attempts)
	b.finished = append(b.finished, t)
}

// Postpone puts a task off after an attempt that led to no fact.
func (s *Store) Postpone(ctx context.Context, t Task, due time.Time, trouble string) error {
	b := plainBatch()
	b.postpone(t, due, trouble)
	return s.commit(ctx, b)
}

// postpone puts a task off, guarded like finish, and gives the claim back.
func (b *batch) postpone(t Task, due time.Time, trouble string) {
	t.Due, t.Trouble = fromMicros(micros(due)), clip(trouble)
	b.must(`UPDATE task SET due = $1, attempts = attempts + 1, trouble = $2, token = '' WHERE id = $3 AND token = $4 AND attempts = $5`, micros(due), t.Trouble, t.ID[:], t.token, t.Attempts)
	t.Attempts++
	b.postponed = append(b.postponed, t)
}

// clip bounds a text that comes from elsewhere.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 1000)], "?")
}

const taskColumns = `task.id, kind, due, since, attempts, message, provider, pec_id, sender, target, turn, token, trouble`

func readTasks(ctx context.Context, r *reader, where string, args ...any) ([]Task, error) {
	found, err := r.QueryContext(ctx, `SELECT `+taskColumns+` FROM task `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("reading tasks: %w", err)
	}
	defer found.Close()
	var ts []Task
	for found.Next() {
		t, err := scanTask(found.Scan)
		if err != nil {
			return nil, fmt.Errorf("reading tasks: %w", err)
		}
		ts = append(ts, t)
	}
	return ts, found.Err()
}

func scanTask(scan func(...any) error) (Task, error) {
	var t Task
	var due, since int64
	err := scan(&t.ID, &t.Kind, &due, &since, &t.Attempts, &t.Message, &t.Provider, &t.PEC, &t.Sender, &t.Target, &t.Turn, &t.token, &t.Trouble)
	t.Due, t.Since = fromMicros(due), fromMicros(since)
	return t, err
}

// Tasks lists all the work that is not finished, by due time.
func (s *Store) Tasks(ctx context.Context) ([]Task, error) {
	return readTasks(ctx, s.read, `ORDER BY due`)
}

// Unfinished lists the tasks that are due now or under way. An empty list means that nothing happens until time passes
// or somebody calls.
func (s *Store) Unfinished(ctx context.Context) ([]Task, error) {
	return readTasks(ctx, s.read, `WHERE due <= $1 ORDER BY due`, micros(s.now()))
}

func sortByDue(ts []Task) {
	slices.SortStableFunc(ts, func(a, b Task) int { return a.Due.Compare(b.Due) })
}

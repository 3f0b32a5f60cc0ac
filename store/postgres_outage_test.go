package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
)

// TestDatabaseGone: the database is stopped as by a power cut and comes back. What was answered is there, and nothing else.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	w := newPgWorldAt(t, server.URL(), "")
	w.owe(8)
	w.inbox(w.mario)
	a := stall(w.world, 4)
	await(w.world, a.began, 4)
	c := w.submitters(3)
	await(w.world, c.done, 10)
	server.Stop(t)
	close(a.letGo)
	w.outOfReach() // meanwhile the submitters know nothing, or fail
	server.Restart(t)
	c.untilEach(w.world, 3)
	accepted := c.end()
	for done := 0; done < 8; {
		if err := await(w.world, a.tried, 1)[0]; err == nil {
			done++
		} else if !outage(err) {
			t.Error(err)
		}
	}
	a.settle()
	w.session().until("0", `SELECT count(*) FROM task WHERE kind = 'deliver'`)
	slices.Sort(accepted)
	w.wantSQL(strings.Join(accepted, "\n"), `SELECT pec_id FROM submission ORDER BY pec_id`)
	reads := w.process(w.url)
	reads.consistent(w.mario)
	reads.numbered(int64(len(accepted)))
	w.frozen(server)
}

// outOfReach sees what is answered while the database is not there.
func (w *pgWorld) outOfReach() {
	w.Helper()
	task := Task{ID: NewID(), Kind: TaskDeliver}
	long := w.NewSpool()
	if _, err := long.Write(noise(1, 2*memoryLimit)); err != nil {
		w.Fatal(err)
	}
	for what, try := range map[string]func() error{
		"a fact without an instant": func() error { return w.Postpone(w.ctx(), task, w.now(), "") },
		"a query":                   func() error { _, err := w.Mailboxes(w.ctx()); return err },
		"a query for one row":       func() error { _, err := w.Mailbox(w.ctx(), mario); return err },
		"a log-in":                  func() error { _, err := w.Authenticate(w.ctx(), string(mario), secret); return err },
		"a long content":            func() error { _, err := long.Seal(w.ctx()); return err },
		"a look at the tasks":       func() error { _, err := w.engine().claim(w.ctx(), wanted{kind: TaskRelay, most: 1}); return err },
	} {
		if err := try(); !errors.Is(err, ErrUnavailable) {
			w.Errorf("%s: %v, want %v", what, err, ErrUnavailable)
		}
	}
}

// submitters submit without end, and tell what became of it.
type submitters struct {
	done     chan struct{}
	accepted chan int // by whom
	end      func() []string
}

func (w *pgWorld) submitters(n int) *submitters {
	c := &submitters{done: make(chan struct{}, 1), accepted: make(chan int, 1)}
	ctx, cancel := context.WithCancel(w.ctx())
	var all sync.WaitGroup
	var mu sync.Mutex
	var accepted []string
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				a := w.acceptance(w.instant(), newPEC().Bracketed(), []byte("Buongiorno.\r\n"))
				a.Instant = w.instant()
				err := w.Accept(w.ctx(), a)
				if err == nil {
					mu.Lock()
					accepted = append(accepted, string(a.Envelope.PEC))
					mu.Unlock()
					wake(c.done)
					tell(c.accepted, i)
				} else if !outage(err) {
					w.Error(err)
				}
			}
		})
	}
	c.end = func() []string {
		cancel()
		all.Wait()
		return accepted
	}
	return c
}

// tell puts the newest value into a channel that has room for one.
func tell(c chan int, i int) {
	select {
	case c <- i:
	default:
	}
}

// untilEach waits until n submitters have been accepted.
func (c *submitters) untilEach(w *world, n int) {
	w.Helper()
	<-c.accepted // it may be old
	for seen := map[int]bool{}; len(seen) < n; {
		seen[await(w, c.accepted, 1)[0]] = true
	}
}

// frozen: a server that stands still in the middle of a commit, and goes on.
func (w *pgWorld) frozen(server *postgrestest.Server) {
	w.Helper()
	commit := prepareAccept(w.world)
	s := w.session()
	before := s.rows()
	sent := make(chan struct{}, 1)
	w.proxy.Arm(func(m postgrestest.Message) postgrestest.Action {
		if m.From == postgrestest.FromClient {
			wake(sent)
		}
		return postgrestest.Pass
	})
	server.Freeze(w)
	select {
	case <-sent: // before
	default:
	}
	at := w.instant()
	done := later(func() error { return commit(at) })
	await(w.world, sent, 1)
	server.Thaw(w)
	w.must(<-done)
	w.proxy.Disarm()
	if got := added(before, s.rows()); got["fact"] != 1 || got["once"] != 1 {
		w.Errorf("added %v", got)
	}
}

// TestClosingInDoubt: the store is closed while nobody knows whether a commit was done. Its caller is not told that it was, nor
// that it was not.
func TestClosingInDoubt(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	at, done := w.inDoubt(postgrestest.FromServer)
	closed := later(w.Close)
	if err := <-done; !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want %v", err, ErrUnknown)
	}
	w.proxy.Disarm()
	w.must(<-closed)
	if err := w.Note(w.ctx(), at, record(at, pec.EventRepeated, "x@alfa.test")); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v, want %v", err, ErrClosed)
	}
	next := w.process(w.url)
	next.numbered(int64(next.count("once")) - 2) // but for the mailboxes: it was done
}

// TestNobodyToReach: a database that cannot be reached when the store is opened.
func TestNobodyToReach(t *testing.T) {
	t.Parallel()
	proxy := postgrestest.NewProxy(t, postgrestest.URL(t))
	proxy.Refuse(true)
	o := options(t, t.TempDir(), newClock())
	o.Database = proxy.URL()
	for _, readOnly := range []bool{false, true} {
		o.ReadOnly = readOnly
		if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "postgres at 127.0.0.1") {
			t.Errorf("read only %t: %v", readOnly, err)
		}
	}
	o.ReadOnly = false
	proxy.Refuse(false)
	s := openSQLiteDir(t, o)
	if n, err := s.Facts(t.Context()); n != 0 || err != nil {
		t.Errorf("%d facts, %v", n, err)
	}
}

// TestStaleAfterRerun: the re-run of an unknown outcome is never refused for its age (design.md 3).
func TestStaleAfterRerun(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	at, done := w.inDoubt(postgrestest.FromClient)
	for !at.stale() {
		pause(w.ctx(), maxAge/20)
	}
	w.proxy.Disarm()
	w.must(<-done)
	w.refused(ErrStale, func() error { return w.Note(w.ctx(), at, record(at, pec.EventRepeated, "x@alfa.test")) })
	w.numbered(int64(w.count("once")) - 2) // but for the mailboxes
}

// inDoubt commits a fact whose messages are swallowed of a side, on a connection that has its statements. Until the proxy is
// disarmed nobody learns what became of it: every other connection is cut.
func (w *pgWorld) inDoubt(side postgrestest.Side) (Instant, <-chan error) {
	w.Helper()
	for {
		d := &doubt{side: side, befallen: make(chan struct{}), exchanges: map[int]*exchange{}}
		w.proxy.Arm(d.fault)
		at := w.instant()
		done := later(func() error { return w.Note(w.ctx(), at, record(at, pec.EventRepeated, "x@alfa.test")) })
		select {
		case <-d.befallen:
			return at, done
		case err := <-done:
			w.must(err)
		}
	}
}

// doubt swallows a side of the first commit on a connection that has its statements, and cuts whatever comes after.
type doubt struct {
	side      postgrestest.Side
	exchanges map[int]*exchange // by connection
	befallen  chan struct{}     // closed when it has
}

// exchange is what a client sends up to a Sync, and the answers.
type exchange struct {
	first    byte   // the kind of its first message
	messages [2]int // by side
	synced   bool
}

// A commit has more messages than anything else that begins so, a lease's renewal for one.
const leastOfCommit = 8

func (d *doubt) fault(m postgrestest.Message) postgrestest.Action {
	select {
	case <-d.befallen:
		return postgrestest.CutBefore
	default:
	}
	x := d.exchanges[m.Conn]
	if m.From == postgrestest.FromClient && (x == nil || x.synced) {
		x = &exchange{first: m.Kind}
		d.exchanges[m.Conn] = x
	}
	if x == nil {
		return postgrestest.Pass // the answer to what came before
	}
	x.messages[m.From]++
	x.synced = x.synced || m.From == postgrestest.FromClient && m.Kind == 'S'
	commit := x.first == 'B' && x.messages[postgrestest.FromClient] >= leastOfCommit
	if m.From != d.side || !commit || x.messages[d.side] != leastOfCommit {
		return postgrestest.Pass
	}
	close(d.befallen)
	return postgrestest.Swallow
}

// TestSaidUnavailable: an instant that grows old while the database cannot be reached is not the caller's fault.
func TestSaidUnavailable(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.proxy.Refuse(true)
	at := w.instant()
	if err := w.Note(w.ctx(), at, record(at, pec.EventRepeated, "x@alfa.test")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

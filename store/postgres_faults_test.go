package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
)

// TestRefusedConnectionsEnd: a connection that is refused while it is made does not stay, with its lock on the schema.
func TestRefusedConnectionsEnd(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.must(w.Close())
	w.older()
	application := "refused_" + NewID().String()
	o := optionsAt(t, w.url+"&application_name="+application)
	o.ReadOnly = true
	refusesOptions(t, o, "are of an older program (schema 1, this program has ")
	w.session().until("0", `SELECT count(*) FROM pg_stat_activity WHERE application_name = '`+application+`'`)
	w.process(w.url).accepted()
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

// TestNumbersOfTheDead: what a process committed and could not number is numbered by the next one, though nothing else happens.
func TestNumbersOfTheDead(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.accepted()
	w.must(w.Close())
	w.sql(`UPDATE fact SET no = NULL; UPDATE sequence SET no = 0`)
	w.process(w.url)
	w.session().until("1", `SELECT count(no) FROM fact`)
}

// TestUserOfASchema: the user of the database need not be allowed to make schemas where there is one.
func TestUserOfASchema(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	user := "u_" + NewID().String()
	postgrestest.Query(t, url, `CREATE USER `+user+`; CREATE SCHEMA `+schemaOf(t, url)+` AUTHORIZATION `+user)
	t.Cleanup(func() { postgrestest.Query(t, url, `DROP OWNED BY `+user+` CASCADE; DROP USER `+user) })
	s := openSQLiteDir(t, optionsAt(t, strings.Replace(url, "//postgres@", "//"+user+"@", 1)))
	if n, err := s.Facts(t.Context()); n != 0 || err != nil {
		t.Errorf("%d facts, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSnapshotOfNothing: a database that nobody has filled.
func TestSnapshotOfNothing(t *testing.T) {
	t.Parallel()
	o := optionsAt(t, postgrestest.URL(t))
	o.ReadOnly = true
	refusesOptions(t, o, "start it once")
}

// TestSealDoesNotHang: a database that answers no more keeps a long content's client waiting for a while, not for ever.
func TestSealDoesNotHang(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	sp := w.NewSpool()
	if _, err := sp.Write(noise(1, 2*memoryLimit)); err != nil {
		t.Fatal(err)
	}
	w.proxy.Hang(true)
	done := later(func() error { _, err := sp.Seal(context.Background()); return err })
	select {
	case err := <-done:
		if !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	case <-time.After(2 * tryPatience):
		t.Error("it hangs")
	}
	w.proxy.Hang(false)
}

// TestSaidUnavailable: an instant that grows old while the database cannot be reached is not the caller's fault.
func TestSaidUnavailable(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.proxy.Refuse(true)
	at := w.instant()
	if err := w.Repeated(w.ctx(), at, record(at, pec.EventRepeated, "x@alfa.test")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// loseAnswers is a Fault that swallows, once, what answers a batch with many statements.
func loseAnswers() postgrestest.Fault {
	statements, lost := map[int]int{}, false
	return func(m postgrestest.Message) postgrestest.Action {
		if m.Kind == 'B' && m.From == postgrestest.FromClient {
			statements[m.Conn]++
		}
		if m.From == postgrestest.FromServer && statements[m.Conn] > 100 && !lost {
			lost = true
			return postgrestest.Swallow
		}
		return postgrestest.Pass
	}
}

// TestUIDsOfTheRunThatCounts: a first run had answered with UIDs and was then undone; a second was done, and nobody heard of it.
// What the caller gets are not the first one's UIDs.
func TestUIDsOfTheRunThatCounts(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	inbox := w.inbox(w.mario)
	w.addFolders(w.mario, "x")
	x := w.folder(w.mario, "x").ID
	for range 5 { // doubled until the answers to a copy fill more than the server keeps back
		w.append(w.mario, inbox, "some")
	}
	for range 5 {
		w.copy(inbox, inbox, false, w.uids(inbox)...)
	}
	g, s := w.makeGate(`CONSTRAINT TRIGGER hang AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED`), w.session()
	var copied []uint32
	uids := w.uids(inbox)
	done := later(func() (err error) {
		_, copied, err = w.CopyTo(w.ctx(), inbox, x, uids, false)
		return err
	})
	s.until("1", g.hanging)
	w.proxy.Refuse(true)
	s.exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted`)
	s.exec(fmt.Sprintf(`UPDATE folder SET uidnext = 1001 WHERE id = '\x%s'`, x))
	w.proxy.Arm(loseAnswers())
	w.proxy.Refuse(false)
	s.until(fmt.Sprint(len(uids)), fmt.Sprintf(`SELECT count(*) FROM entry WHERE uid > 1000 AND folder = '\x%s'`, x))
	w.proxy.Disarm()
	w.must(<-done)
	if n := s.rows()["entry"]; n != 2*len(uids) {
		t.Fatalf("%d entries, want %d", n, 2*len(uids))
	}
	if i := slices.IndexFunc(copied, func(uid uint32) bool { return uid > 0 && uid <= 1000 }); i >= 0 {
		t.Errorf("copy %d of %d is said to have UID %d", i, len(copied), copied[i])
	}
}

func (w *world) uids(folder ID) []uint32 {
	w.Helper()
	uids, err := w.UIDs(w.ctx(), folder)
	w.must(err)
	return uids
}

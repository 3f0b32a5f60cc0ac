package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// gate is a place at which the first transaction that comes by hangs until it is let go, as one does whose process is frozen.
type gate struct {
	session // holds it shut
	hanging string
}

// makeGate shuts a gate in a table: who inserts there first hangs, from then on even when it is cancelled. timing says when.
func (w *pgWorld) makeGate(timing string) gate {
	w.Helper()
	s := w.session()
	s.exec(`CREATE TABLE gate (); CREATE SEQUENCE passed`)
	s.exec(`CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 SET statement_timeout = 0 AS $$ BEGIN
		IF nextval('passed') > 1 THEN RETURN NEW; END IF;
		LOOP
			BEGIN
				LOCK TABLE gate IN SHARE MODE;
				RETURN NEW;
			EXCEPTION WHEN query_canceled THEN NULL; END;
		END LOOP;
	END $$`)
	s.exec(`CREATE ` + timing + ` FOR EACH ROW EXECUTE FUNCTION hang()`)
	s.exec(`BEGIN; LOCK TABLE gate`)
	return gate{s, `SELECT count(*) FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted`}
}

// open lets go of who hangs.
func (g gate) open() { g.exec(`COMMIT`) }

// TestRefusedRerunIsBuried: the first run of a commit hangs, and its connection is lost. It is run again, and refused, for the
// state has changed. When the state is again what it was, and the first run wakes up, it must not be done. attacks.md 40.
func TestRefusedRerunIsBuried(t *testing.T) {
	t.Parallel()
	for _, prepare := range []func(*world) func(Instant) error{prepareDelivery, preparePostpone} {
		w := newPgWorld(t)
		commit := prepare(w.world)
		g, s := w.makeGate(`TRIGGER hang BEFORE INSERT ON once`), w.session()
		before := s.rows()
		at := w.instant()
		done := later(func() error { return commit(at) })
		s.until("1", g.hanging)
		s.exec(`UPDATE task SET token = 'another process'`)
		w.proxy.Cut()
		if err := <-done; !errors.Is(err, ErrConflict) {
			t.Fatalf("got %v, want %v", err, ErrConflict)
		}
		if n := s.text(g.hanging); n != "1" {
			t.Fatalf("%s transactions hang: this shows nothing", n)
		}
		s.exec(`UPDATE task SET token = ''`)
		g.open()
		w.proxy.Settle()
		if got := added(before, s.rows()); !maps.Equal(got, map[string]int{"once": 1}) {
			t.Errorf("what was refused was done: %v", got)
		}
		if s.text(`SELECT count(*) FROM once WHERE buried`) == "0" {
			t.Error("nothing is buried")
		}
		w.must(commit(w.instant())) // a new fact, on the state that is again what it was
	}
}

// TestRerunWaitsForTheFirst: the first run hangs in the middle, with the batch's id taken. What it does then counts.
func TestRerunWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(g gate, s session){
		"it commits": func(g gate, _ session) { g.open() },
		"it is terminated": func(g gate, s session) {
			s.exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPgWorld(t)
			g, s := w.makeGate(`TRIGGER hang BEFORE INSERT ON issued`), w.session()
			commit := prepareAccept(w.world)
			before := s.rows()
			at := w.instant()
			done := later(func() error { return commit(at) })
			s.until("1", g.hanging)
			w.proxy.Cut()
			s.until("true", `SELECT count(*) > 0 FROM pg_locks w JOIN pg_stat_activity a ON a.pid = w.pid
				WHERE w.locktype = 'transactionid' AND NOT w.granted AND a.query LIKE 'INSERT INTO once%'
				AND pg_blocking_pids(w.pid) && (SELECT array_agg(pid) FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted)`)
			end(g, s)
			w.must(<-done)
			want := cutFacts()["accept"].rows
			if got := added(before, s.rows()); !maps.Equal(got, want) {
				t.Errorf("added %v, want %v", got, want)
			}
		})
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

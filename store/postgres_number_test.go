package store

import (
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// TestNumbersOfManyProcesses: an acceptance, its taking in charge and its delivery are facts of three processes. They are
// numbered without a gap, each after its cause.
func TestNumbersOfManyProcesses(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	processes := []*world{w.world, w.process(w.url), w.process(w.url)}
	for _, p := range processes {
		p.inbox(p.mario)
		p.inbox(p.luigi)
	}
	const chains, each = 3, 6
	var all sync.WaitGroup
	causes := make(chan [3]ID, chains*each)
	for i := range chains {
		all.Go(func() {
			for range each {
				causes <- chain(processes[i], processes[(i+1)%chains], processes[(i+2)%chains])
			}
		})
	}
	all.Wait()
	close(causes)
	w.numbered(3 * chains * each)
	facts, err := w.FactsBetween(w.ctx(), 1, 1<<40)
	w.must(err)
	number := map[ID]int64{}
	for i, f := range facts {
		if number[f.ID] = f.No; f.No != int64(i)+1 {
			t.Errorf("fact %d has number %d", i+1, f.No)
		}
	}
	for c := range causes {
		if a, b, c := number[c[0]], number[c[1]], number[c[2]]; a == 0 || a >= b || b >= c {
			t.Errorf("accepted is fact %d, taken in charge %d, delivered %d", a, b, c)
		}
	}
	if fresh, err := w.NewFacts(w.ctx()); err != nil || len(fresh) > 0 {
		t.Errorf("%d have no number, %v", len(fresh), err)
	}
}

// chain has three processes do what follows from one another, each a moment later, and gives the facts.
func chain(first, second, third *world) (facts [3]ID) {
	next := func(p *world) Instant {
		p.clock.jump(time.Microsecond)
		return p.instant()
	}
	a := first.acceptance(next(first), newPEC().Bracketed(), []byte("Buongiorno.\r\n"))
	first.tolerate(first.Accept(first.ctx(), a))
	id := a.Envelope.PEC
	own, at := second.task(TaskReceive, id), next(second)
	charge := Charge{
		Instant: at, Record: record(at, pec.EventTakenInCharge, id, luigi), Envelope: a.Envelope, Digest: []byte("digest"), Recipients: []pec.Address{luigi}, Task: &own,
	}
	first.tolerate(second.TakeCharge(second.ctx(), charge))
	d := third.deposit(next(third), third.task(TaskDeliver, id), third.luigi)
	first.tolerate(third.Deposit(third.ctx(), d))
	return [3]ID{ID(a.Record.Fact), ID(charge.Record.Fact), ID(d.Record.Fact)}
}

// TestNumbersGoOn: more facts than are numbered at a time, and a store that closes before they are.
func TestNumbersGoOn(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.accepted()
	w.number()
	w.sql(`INSERT INTO fact (id, at, salt, record) SELECT decode(md5(i::text), 'hex'), i, salt, record FROM fact, generate_series(1, 2500) AS i`)
	w.must(w.Close())
	w.wantSQL("2501|2501|1|2501", `SELECT count(no), count(DISTINCT no), min(no), max(no) FROM fact`)
	w.wantSQL("2501", `SELECT no FROM sequence`)
	w.wantSQL("t", `SELECT bool_and(no = at + 1) FROM fact WHERE no > 1`)
}

// TestNumbersFollowCauses: a process whose clock is behind takes its cause's instant (Instant), and its ids come before.
func TestNumbersFollowCauses(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	s := w.session()
	s.exec(`BEGIN; SELECT no FROM sequence FOR UPDATE`)
	at := w.instant()
	cause, effect := record(at, pec.EventRepeated, "a@alfa.test"), record(at, pec.EventRepeated, "b@alfa.test")
	cause.Fact[0], effect.Fact[0] = 2, 1
	w.must(w.Note(w.ctx(), at, cause))
	w.must(w.Note(w.ctx(), at, effect))
	s.exec(`COMMIT`)
	w.numbered(2)
	fs, err := w.FactsBetween(w.ctx(), 1, 3)
	w.must(err)
	if fs[0].ID != ID(cause.Fact) {
		t.Error("the effect is numbered before its cause")
	}
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

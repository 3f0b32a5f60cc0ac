package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// concurrentFolder: sessions deposit, append, flag, copy, move and expunge in one folder at the same time, while one looks
// only at what changed since its last look. attacks.md 27.
func concurrentFolder(w *world) {
	inbox := w.inbox(w.mario)
	var tasks []Task
	for range 30 {
		tasks = append(tasks, w.owed(mario))
	}
	var writers sync.WaitGroup
	for i := range 6 {
		writers.Go(func() { w.disturb(inbox, uint64(i)) })
	}
	writers.Go(func() {
		for _, t := range tasks {
			at := w.instant()
			w.tolerate(w.Deposit(w.ctx(), Deposit{Instant: at, Record: record(at, pec.EventDeposited, t.PEC, mario), Task: t, Inbox: InboxEntry{Mailbox: w.mario.ID, Folder: inbox}, Size: 4}))
		}
	})
	var stop atomic.Bool
	var view *folderView
	done := make(chan struct{})
	go func() {
		defer close(done)
		view = w.follow(inbox, &stop)
	}()
	writers.Wait()
	stop.Store(true)
	<-done
	view.compare(w, inbox)
	w.usedIsSum(w.mario)
	w.numbered(30)
}

func (w *world) tolerate(err error) {
	if err != nil && !errors.Is(err, ErrConflict) {
		w.Error(err)
	}
}

// disturb does what sessions do, at random.
func (w *world) disturb(folder ID, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for range 25 {
		uids, err := w.UIDs(w.ctx(), folder)
		w.tolerate(err)
		some := slices.DeleteFunc(uids, func(uint32) bool { return r.IntN(4) > 0 })
		switch r.IntN(5) {
		case 0:
			w.append(w.mario, folder, "appended")
		case 1:
			w.tolerate(w.SetFlags(w.ctx(), folder, some, func([]string) []string { return []string{fmt.Sprintf("$%d", r.IntN(9))} }))
		case 2, 3:
			source, copied, err := w.CopyTo(w.ctx(), folder, folder, some, r.IntN(2) == 0)
			w.tolerate(err)
			if len(source) != len(copied) || !slices.IsSorted(copied) {
				w.Errorf("%v became %v", source, copied)
			}
		case 4:
			w.tolerate(w.Expunge(w.ctx(), folder, some[:len(some)/2]))
		}
	}
}

// folderView is what a session knows of a folder that only ever asks for changes.
type folderView struct {
	entries map[uint32]Entry
	modseq  int64
	highest uint32
}

// follow keeps a view up to date until stop is set, and once more then.
func (w *world) follow(folder ID, stop *atomic.Bool) *folderView {
	v := &folderView{entries: map[uint32]Entry{}}
	for last := false; ; {
		modseq, _, err := w.State(w.ctx(), folder)
		w.tolerate(err)
		if modseq < v.modseq {
			w.Errorf("the mod-sequence went from %d to %d", v.modseq, modseq)
		}
		changes, err := w.Entries(w.ctx(), folder, v.modseq)
		w.tolerate(err)
		v.apply(w, changes)
		v.modseq = modseq
		if last {
			return v
		}
		last = stop.Load()
	}
}

func (v *folderView) apply(w *world, changes []Entry) {
	highest := v.highest
	for _, e := range changes {
		old, known := v.entries[e.UID]
		if !known && e.UID <= v.highest {
			w.Errorf("UID %d is new after %d", e.UID, v.highest)
		}
		if known && (e.ModSeq < old.ModSeq || e.Message != old.Message) {
			w.Errorf("%+v became %+v", old, e)
		}
		v.entries[e.UID], highest = e, max(highest, e.UID)
	}
	v.highest = highest
}

// compare sees that no change was missed: what is there is known as it is.
func (v *folderView) compare(w *world, folder ID) {
	all := w.entries(folder)
	for _, e := range all {
		known, ok := v.entries[e.UID]
		if !ok || known.ModSeq != e.ModSeq || !slices.Equal(known.Flags, e.Flags) {
			w.Errorf("%+v is known as %+v (%t)", e, known, ok)
		}
	}
	if len(all) == 0 {
		w.Error("the folder is empty: this test shows nothing")
	}
}

// sessionsAreTold: a token comes after each kind of change, and after nothing else.
func sessionsAreTold(w *world) {
	service := w.addMailbox(newAddress(), true)
	for _, m := range []Mailbox{w.mario, service} {
		w.append(m, w.inbox(m), "one")
		w.append(m, w.inbox(m), "two")
	}
	inbox := w.inbox(w.mario)
	w.addFolders(w.mario, "x", "y")
	x, y := w.folder(w.mario, "x").ID, w.folder(w.mario, "y").ID
	deposit := prepareDeposit(w)
	for _, c := range []struct {
		name   string
		folder ID
		change func() error
	}{
		{"deposit", inbox, func() error { return deposit(w.instant()) }},
		{"append", inbox, func() error { w.append(w.mario, inbox, "three"); return nil }},
		{"flags", inbox, func() error {
			return w.SetFlags(w.ctx(), inbox, []uint32{1}, func([]string) []string { return []string{"$a"} })
		}},
		{"copy", x, func() error { w.copy(inbox, x, false, 1); return nil }},
		{"move from", inbox, func() error { w.copy(inbox, x, true, 1); return nil }},
		{"move to", x, func() error { w.copy(inbox, x, true, 2); return nil }},
		{"expunge", x, func() error { return w.Expunge(w.ctx(), x, []uint32{1}) }},
		{"remove", y, func() error { return w.RemoveFolder(w.ctx(), y) }},
		{"prune", w.inbox(service), func() error { w.clock.jump(time.Hour); return w.PruneService(w.ctx(), time.Minute) }},
	} {
		told, end := w.Watch(c.folder)
		other, endOther := w.Watch(NewID())
		w.must(c.change())
		select {
		case <-told:
		default:
			w.Errorf("%s: nobody was told", c.name)
		}
		select {
		case <-other:
			w.Errorf("%s: a session of another folder was told", c.name)
		default:
		}
		end()
		endOther()
	}
	if len(w.watch.lists) != 0 {
		w.Errorf("%d watches are left", len(w.watch.lists))
	}
}

// commitsShareGroups: results are right for each, and a conflict undoes its own batch only.
func commitsShareGroups(w *world) {
	const workers, each = 64, 4
	var all sync.WaitGroup
	var accepted, refused atomic.Int64
	for i := range workers {
		all.Go(func() {
			for k := range each {
				id := pec.ID(fmt.Sprintf("%d.%d@beta.test", i/2, k)) // two workers want the same
				at := w.instant()
				switch err := w.TakeCharge(w.ctx(), w.charge(at, id, "digest", mario, luigi)); {
				case err == nil:
					accepted.Add(1)
				case errors.Is(err, ErrConflict):
					refused.Add(1)
				default:
					w.Error(err)
				}
			}
		})
	}
	all.Wait()
	if accepted.Load() != workers*each/2 || refused.Load() != workers*each/2 {
		w.Errorf("%d accepted, %d refused, want %d each", accepted.Load(), refused.Load(), workers*each/2)
	}
	n := int(accepted.Load())
	for table, want := range map[string]int{"fact": n, "envelope": n, "arrival": 2 * n, "content": 3 * n, "message": 2 * n, "task": 3 * n, "guard": 0} {
		if got := w.count(table); got != want {
			w.Errorf("%d rows of %s, want %d", got, table, want)
		}
	}
	w.numbered(int64(n))
	w.everythingReads(w.TB)
}

// everythingReads opens every message that there is and returns how many.
func (w *world) everythingReads(t testing.TB) int {
	t.Helper()
	ids := w.messages()
	for _, id := range ids {
		o, err := w.Open(w.ctx(), id, nil)
		if err != nil {
			t.Errorf("message %s: %v", id, err)
			continue
		}
		if _, err := o.ReadAt(make([]byte, o.Size()), 0); err != nil {
			t.Errorf("message %s: %v", id, err)
		}
		o.Close()
	}
	return len(ids)
}

func (w *world) messages() (ids []ID) {
	w.Helper()
	rows, err := w.read.QueryContext(w.ctx(), `SELECT id FROM message ORDER BY id`)
	w.must(err)
	defer rows.Close()
	for rows.Next() {
		var id ID
		w.must(rows.Scan(&id))
		ids = append(ids, id)
	}
	w.must(rows.Err())
	return ids
}

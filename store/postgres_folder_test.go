package store

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// TestFolderOfManyProcesses: two processes deposit, append, copy and expunge in one folder. A third one, which only asks for
// changes, sees UIDs and mod-sequences in their order, and misses nothing. attacks.md 27.
func TestFolderOfManyProcesses(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	inbox := w.inbox(w.mario)
	const deposits = 15
	var writers sync.WaitGroup
	for i, p := range []*world{w.world, w.process(w.url)} {
		var tasks []Task
		for range deposits {
			tasks = append(tasks, p.owed(mario))
		}
		writers.Go(func() { p.disturb(inbox, uint64(i)) })
		writers.Go(func() {
			for _, t := range tasks {
				at := p.instant()
				w.tolerate(p.Deposit(w.ctx(), Deposit{Instant: at, Record: record(at, pec.EventDeposited, t.PEC, mario), Task: t, Inbox: InboxEntry{Mailbox: w.mario.ID, Folder: inbox}, Size: 4}))
			}
		})
	}
	reader := w.process(w.url)
	var stop atomic.Bool
	var view *folderView
	var reading sync.WaitGroup
	reading.Go(func() { view = reader.follow(inbox, &stop) })
	reading.Go(func() { reader.unbroken(inbox, &stop) })
	writers.Wait()
	stop.Store(true)
	reading.Wait()
	view.compare(reader, inbox)
	w.consistent(w.mario)
	w.numbered(2 * deposits)
}

// unbroken asks for what there is, until stop is set: no UID comes after a greater one, and nothing changes at or below a
// mod-sequence that was told before.
func (w *world) unbroken(folder ID, stop *atomic.Bool) {
	var highest uint32
	known := map[uint32]Entry{}
	for !stop.Load() {
		modseq, _, err := w.State(w.ctx(), folder)
		w.tolerate(err)
		entries, err := w.Entries(w.ctx(), folder, 0)
		w.tolerate(err)
		before := highest
		for _, e := range entries {
			old, seen := known[e.UID]
			if !seen && e.UID <= before {
				w.Errorf("UID %d comes after %d", e.UID, before)
			}
			if seen && old.ModSeq != e.ModSeq && e.ModSeq <= old.ModSeq {
				w.Errorf("%+v became %+v", old, e)
			}
			known[e.UID], highest = e, max(highest, e.UID)
		}
		again, err := w.Entries(w.ctx(), folder, modseq)
		w.tolerate(err)
		for _, e := range again {
			if e.ModSeq <= modseq {
				w.Errorf("%+v is not after %d", e, modseq)
			}
		}
	}
}

package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

func mailboxOf(i, k int) pec.Address { return pec.Address(fmt.Sprintf("m%d.%d@alfa.test", i, k)) }

// TestGroup: in one group, each batch has its own outcome, and one that is refused undoes itself alone.
func TestGroup(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	w.said("one")
	e, before := w.engine(), w.count("message")
	var group []*request
	want := make([]error, 0, 12)
	add := func(id string, at Instant, statement string, err error) {
		b := newBatch(at, record(at, pec.EventHeld, pec.ID(id)))
		c := w.content([]byte(id))
		b.content(c)
		w.must(b.message(w.message(KindHeld, pec.ID(id), Recipe{{Span: Span{Content: c.ID, Length: c.Size}}})))
		if statement != "" {
			b.do(statement)
		}
		group, want = append(group, &request{b, make(chan error, 1)}), append(want, err)
	}
	for i := range 3 {
		add(fmt.Sprintf("good%d", i), w.instant(), "", nil)
		add(fmt.Sprintf("guard%d", i), w.instant(), `INSERT INTO guard VALUES (1)`, ErrConflict)
		add(fmt.Sprintf("late%d", i), w.late(), "", ErrStale)
		add("same", w.instant(), `INSERT INTO meta (name, value) VALUES ('same', '')`, map[bool]error{true: nil, false: ErrConflict}[i == 0])
	}
	groups := e.group
	if err := e.commitGroup(group); err != nil {
		t.Fatal(err)
	}
	for i, r := range group {
		if err := <-r.done; !errors.Is(err, want[i]) || (err == nil) != (want[i] == nil) {
			t.Errorf("batch %d: %v, want %v", i, err, want[i])
		}
		if kept := r.b.contents[0].kept.Load(); kept != (want[i] == nil) {
			t.Errorf("batch %d: its content is kept: %t", i, kept)
		}
	}
	if e.group != groups+1 {
		t.Errorf("%d groups, want one", e.group-groups)
	}
	if got := w.count("message") - before; got != 4 {
		t.Errorf("%d messages, want 4", got)
	}
	w.numbered(4)
	w.everythingReads(t)
	w.must(w.Close())
	opens(t, w.Dir(), before+4)
}

// TestGroupsGather: what comes while the disk is busy shares the next sync.
func TestGroupsGather(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	const others = 100
	groups := 0
	var waiting, all sync.WaitGroup
	waiting.Add(others)
	w.fault = func(place Place) error {
		if place == AfterRows {
			if groups++; groups == 1 {
				waiting.Wait()
			}
		}
		return nil
	}
	all.Go(func() { w.owed(mario) })
	for i := range others {
		all.Go(func() {
			waiting.Done()
			if _, err := w.AddMailbox(w.ctx(), mailboxOf(i, 0), false, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := w.count("mailbox"); got != others+2 || groups >= others {
		t.Errorf("%d mailboxes in %d groups", got, groups)
	}
}

// BenchmarkCommit measures facts with octets, alone and together.
func BenchmarkCommit(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d workers", workers), func(b *testing.B) {
			w := newWorld(b, openSQLiteDir)
			body := noise(1, 5000)
			next := make(chan int)
			go func() {
				defer close(next)
				for i := range b.N {
					next <- i
				}
			}()
			var all sync.WaitGroup
			b.ResetTimer()
			for range workers {
				all.Go(func() {
					for i := range next {
						w.must(w.Accept(w.ctx(), w.acceptance(w.instant(), fmt.Sprintf("<%d@host>", i), body)))
					}
				})
			}
			all.Wait()
		})
	}
}

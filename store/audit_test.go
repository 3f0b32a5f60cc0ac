package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// audits: what the checker reads is what was committed.
func audits(w *world) {
	a, receipt := w.delivered()
	id := a.Envelope.PEC
	w.must(w.Hear(w.ctx(), w.heard(w.instant(), pec.NonDelivery, id, "digest")))
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), "b@beta.test", "digest", mario)))
	for name, c := range map[string]struct {
		list func() ([]Audited, error)
		want []Audited
	}{
		"envelopes": {func() ([]Audited, error) { return w.Envelopes(w.ctx()) }, []Audited{{alfa, id, "", "sent", ID{}}, {beta, "b@beta.test", "", "taken", ID{}}}},
		"tracking":  {func() ([]Audited, error) { return w.AllTracking(w.ctx()) }, []Audited{{alfa, id, luigi.Key(), StatePending, ID{}}, {alfa, id, comune.Key(), StateFailed, ID{}}}},
		"issued": {func() ([]Audited, error) { return w.IssuedSteps(w.ctx()) }, []Audited{
			{alfa, id, "", "accept accettazione", ID{}}, {alfa, id, luigi.Key(), "outcome avvenuta-consegna", ID{}}, {beta, "b@beta.test", mario.Key(), "take presa-in-carico", ID{}},
		}},
		"heard":    {func() ([]Audited, error) { return w.HeardReceipts(w.ctx()) }, []Audited{{alfa, id, comune.Key(), string(pec.NonDelivery), ID{}}}},
		"deposits": {func() ([]Audited, error) { return w.Deposits(w.ctx()) }, []Audited{{alfa, id, luigi.Key(), "deposited", ID{}}}},
	} {
		got, err := c.list()
		w.must(err)
		w.sameRows(name, got, c.want)
	}
	w.auditedRecords()
	w.strayTasks(receipt)
}

// sameRows compares rows in any order but for their messages, of which those must be there that the kind of row has.
func (w *world) sameRows(name string, got, want []Audited) {
	w.Helper()
	for i := range got {
		if hasMessage := name == "envelopes" || name == "issued" || name == "heard"; hasMessage == got[i].Message.IsZero() {
			w.Errorf("%s: %+v names a message: %t, want %t", name, got[i], !got[i].Message.IsZero(), hasMessage)
		}
		got[i].Message = ID{}
	}
	order := func(a, b Audited) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		w.Errorf("%s: %+v, want %+v", name, got, want)
	}
}

func (w *world) auditedRecords() {
	w.Helper()
	if fresh, err := w.NewFacts(w.ctx()); err != nil || len(fresh) > 0 && fresh[0].No != 0 {
		w.Errorf("facts without numbers: %v, %v", fresh, err)
	}
	w.number()
	n, err := w.Facts(w.ctx())
	w.must(err)
	first, err := w.FactsBetween(w.ctx(), 1, 3)
	w.must(err)
	rest, err := w.FactsBetween(w.ctx(), 3, n+10)
	w.must(err)
	events := 0
	for i, f := range slices.Concat(first, rest) {
		r, err := pec.ParseRecord(f.Record)
		if err != nil || ID(r.Fact) != f.ID || f.No != int64(i+1) {
			w.Errorf("fact %d: number %d, record of %x, %v", i+1, f.No, r.Fact, err)
		}
		events += len(r.Events)
	}
	index, err := w.EventIndex(w.ctx())
	if err != nil || len(first) != 2 || len(first)+len(rest) != int(n) || len(index) != events {
		w.Errorf("%d and %d facts of %d, %d events of %d, %v", len(first), len(rest), n, len(index), events, err)
	}
	ids, err := w.MessageIDs(w.ctx())
	if err != nil || !slices.Equal(ids, w.messages()) {
		w.Errorf("messages: %v, %v", ids, err)
	}
	if n, err := w.EntryCount(w.ctx()); n != 2 || err != nil {
		w.Errorf("%d entries, %v", n, err)
	}
	w.must(w.VerifyContents(w.ctx(), func(id ID, err error) { w.Errorf("content %s: %v", id, err) }))
}

// strayTasks: one that was put off is not.
func (w *world) strayTasks(t Task) {
	w.Helper()
	relay := w.task(TaskRelay, t.PEC)
	w.must(w.Postpone(w.ctx(), t, w.now().Add(time.Hour), "later"))
	w.must(w.Relayed(w.ctx(), w.relayed(w.instant(), relay, RelayPending)))
	if ids, err := w.StrayTasks(w.ctx()); len(ids) != 0 || err != nil {
		w.Errorf("stray: %v, %v", ids, err)
	}
	stray := w.owed(mario) // of a batch without a fact
	if ids, err := w.StrayTasks(w.ctx()); len(ids) != 1 || ids[0] != stray.ID || err != nil {
		w.Errorf("stray: %v, want %s, %v", ids, stray.ID, err)
	}
}

// TestVerifyContents finds a flipped bit wherever a content lies, and names it.
func TestVerifyContents(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	w.said("one")
	before := w.end().offset
	short, long := w.content([]byte("short")), w.content(noise(1, memoryLimit+1))
	w.kept(Recipe{{Span: Span{Content: short.ID, Length: 5}}, {Span: Span{Content: long.ID, Length: long.Size}}}, short, long)
	alter(t, w.Dir(), w.segment(1), flipAt(before+frameHeader))
	path := pathOf(w.Store, long.ID)
	octets, err := os.ReadFile(path)
	w.must(err)
	w.must(os.WriteFile(path, flipAt(memoryLimit)(octets), 0o600))
	bad := map[ID]bool{}
	w.must(w.VerifyContents(w.ctx(), func(id ID, err error) {
		var damage *DamageError
		if bad[id] = true; !errors.As(err, &damage) || damage.Content != id {
			t.Errorf("content %s: %v", id, err)
		}
	}))
	if len(bad) != 2 || !bad[short.ID] || !bad[long.ID] {
		t.Errorf("bad: %v", bad)
	}
}

// TestSnapshot: what is read from a store that is opened for reading is one state, whatever its owner does meanwhile.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	w.accepted()
	o := options(t, w.Dir(), w.clock)
	o.ReadOnly = true
	snapshot, err := Open(t.Context(), o)
	w.must(err)
	beside := &world{TB: t, Store: snapshot, clock: w.clock}
	before := beside.dump()
	w.accepted()
	w.must(w.SetEnabled(w.ctx(), mario, false))
	if after := beside.dump(); after != before {
		t.Errorf("the snapshot moved:\n%s", difference(before, after))
	}
	beside.numbered(1)
	w.must(snapshot.Close())
	w.numbered(2)
}

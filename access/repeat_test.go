package access

import (
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// design.md 3: the same submission again gets the same id, and nothing is issued.
func TestRepeats(t *testing.T) {
	base := letter(luigi, anna)
	for name, c := range map[string]struct {
		message string
		to      []pec.Address
		after   time.Duration
		same    bool
	}{
		"the same":                {base, []pec.Address{luigi, anna}, 0, true},
		"in another order":        {base, []pec.Address{anna, luigi}, time.Hour, true},
		"doubled, in other case":  {base, []pec.Address{luigi, anna, "Luigi@PEC.beta.test"}, 0, true},
		"within five days":        {base, []pec.Address{luigi, anna}, 5*24*time.Hour - time.Microsecond, true},
		"after five days":         {base, []pec.Address{luigi, anna}, 5 * 24 * time.Hour, false},
		"to fewer":                {base, []pec.Address{luigi}, 0, false},
		"with another client id":  {replaceOnce(base, "<1@client.test>", "<2@client.test>"), []pec.Address{luigi, anna}, 0, false},
		"with another octet":      {replaceOnce(base, "Ciao!", "Ciao."), []pec.Address{luigi, anna}, 0, false},
		"with a header in change": {replaceOnce(base, "Prova", "prova"), []pec.Address{luigi, anna}, 0, false},
	} {
		w := newWorld(t)
		first := w.accept(base, luigi, anna)
		tasks := len(w.ok(w.Store.Tasks(t.Context())).([]store.Task))
		w.pass(c.after)
		second := w.accept(c.message, c.to...)
		if (second == first) != c.same {
			t.Errorf("%s: %s, first %s", name, second, first)
		}
		again := len(w.ok(w.Store.Tasks(t.Context())).([]store.Task))
		if c.same && again != tasks || !c.same && again == tasks {
			t.Errorf("%s: %d tasks, first %d", name, again, tasks)
		}
		want := pec.EventAccepted
		if c.same {
			want = pec.EventRepeated
		}
		if r := w.record(); w.facts() != 2 || r.Events[0].Kind != want || r.Events[0].ID != second {
			t.Errorf("%s: the record is %+v", name, r.Events)
		}
	}
}

// Another holder's submission is never a repeat, whatever its octets.
func TestRepeatsAreTheHoldersOwn(t *testing.T) {
	w := newWorld(t)
	first := w.accept(letter(luigi), luigi)
	s := w.submission(letter(luigi), luigi)
	s.Mailbox = w.mailbox("Mario@comune.alfa.test")
	s.Mailbox.Address = mario // as though two mailboxes bore the address that From has
	if second, err := w.Submit(t.Context(), s); err != nil || second == first {
		t.Errorf("%s (%v), first %s", second, err, first)
	}
}

// The same submission on several connections at the same time is accepted once, and all are told the same id.
func TestRepeatsAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	ids := make([]pec.ID, 4)
	errs := make([]error, len(ids))
	var sending sync.WaitGroup
	for i := range ids {
		sending.Go(func() { ids[i], errs[i] = w.Submit(t.Context(), w.submission(letter(luigi), luigi)) })
	}
	sending.Wait()
	for i, id := range ids {
		if errs[i] != nil || id != ids[0] {
			t.Errorf("connection %d: %s, %v; the first one: %s", i, id, errs[i], ids[0])
		}
	}
	if deliver, relay := w.tasks(store.TaskDeliver), w.tasks(store.TaskRelay); len(deliver) != 1 || len(relay) != 1 {
		t.Errorf("%d acceptances and %d relays", len(deliver), len(relay))
	}
	if n := w.facts(); n != int64(len(ids)) {
		t.Errorf("%d facts, want one for each connection", n)
	}
}

package access

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// design.md 3: the same submission again gets the same id, and nothing is issued.
func TestRepeats(t *testing.T) {
	w := newWorld(t)
	same := func(s string) string { return s }
	edit := func(old, new string) func(string) string {
		return func(s string) string { return replaceOnce(s, old, new) }
	}
	both := []pec.Address{luigi, anna}
	for name, c := range map[string]struct {
		change func(string) string
		to     []pec.Address
		after  time.Duration
		want   pec.EventKind
	}{
		"the same":                {same, both, 0, pec.EventRepeated},
		"in another order":        {same, []pec.Address{anna, luigi}, time.Hour, pec.EventRepeated},
		"doubled, in other case":  {same, []pec.Address{luigi, anna, "Luigi@PEC.beta.test"}, 0, pec.EventRepeated},
		"within five days":        {same, both, 5*24*time.Hour - time.Microsecond, pec.EventRepeated},
		"after five days":         {same, both, 5 * 24 * time.Hour, pec.EventAccepted},
		"to fewer":                {same, []pec.Address{luigi}, 0, pec.EventAccepted},
		"with another client id":  {edit("@client.test", "@other.test"), both, 0, pec.EventAccepted},
		"with another octet":      {edit("Ciao!", "Ciao."), both, 0, pec.EventAccepted},
		"with a header in change": {edit("Prova", "prova"), both, 0, pec.EventAccepted},
	} {
		message := edit("<1@client.test>", fmt.Sprintf("<%x@client.test>", name))(letter(luigi, anna))
		first := w.accept(message, luigi, anna)
		tasks, facts := len(w.ok(w.Store.Tasks(t.Context())).([]store.Task)), w.facts()
		w.pass(c.after)
		second := w.accept(c.change(message), c.to...)
		repeated := c.want == pec.EventRepeated
		if (second == first) != repeated {
			t.Errorf("%s: %s, first %s", name, second, first)
		}
		if again := len(w.ok(w.Store.Tasks(t.Context())).([]store.Task)); (again == tasks) != repeated {
			t.Errorf("%s: %d tasks, first %d", name, again, tasks)
		}
		if r := w.record(); w.facts() != facts+1 || r.Events[0].Kind != c.want || r.Events[0].ID != second {
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
	if acceptances, relay := w.entries(mario), w.tasks(store.TaskRelay); len(acceptances) != 1 || len(relay) != 1 {
		t.Errorf("%d acceptances and %d relays", len(acceptances), len(relay))
	}
	if n := w.facts(); n != int64(len(ids)) {
		t.Errorf("%d facts, want one for each connection", n)
	}
}

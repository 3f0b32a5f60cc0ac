package check

import (
	"strings"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// rows checks what the tables must say about each other.
func (c *checker) rows() error {
	issued, err := c.store.IssuedSteps(c.ctx)
	if err != nil {
		return err
	}
	steps := map[recipientOf]map[string]string{}
	for _, x := range issued {
		step, kind, _ := strings.Cut(x.Kind, " ")
		if steps[keyOf(x)] == nil {
			steps[keyOf(x)] = map[string]string{}
		}
		steps[keyOf(x)][step] = kind
	}
	heard, err := c.outcomesHeard()
	if err != nil {
		return err
	}
	if err := c.acceptances(steps); err != nil {
		return err
	}
	if err := c.outcomes(steps, heard); err != nil {
		return err
	}
	if err := c.notices(steps); err != nil {
		return err
	}
	unwatched, err := c.store.Unwatched(c.ctx)
	if err != nil {
		return err
	}
	for _, u := range unwatched {
		c.violation("%s for %s is pending, and nothing looks after its silence", u.PEC, u.Recipient)
	}
	return c.rest(steps)
}

// outcomesHeard is what was heard for each recipient: two outcomes are a violation.
func (c *checker) outcomesHeard() (map[recipientOf]string, error) {
	rows, err := c.store.HeardReceipts(c.ctx)
	heard := map[recipientOf]string{}
	for _, h := range rows {
		if h.Kind != string(pec.Delivered) && h.Kind != string(pec.NonDelivery) {
			continue
		}
		if other := heard[keyOf(h)]; other != "" {
			c.violation("%s for %s has two outcomes: %s and %s", h.PEC, h.Recipient, other, h.Kind)
		}
		heard[keyOf(h)] = h.Kind
	}
	return heard, err
}

// acceptances: one acceptance or one non-acceptance for each message that we sent.
func (c *checker) acceptances(steps map[recipientOf]map[string]string) error {
	envelopes, err := c.store.Envelopes(c.ctx)
	for _, e := range envelopes {
		kind := steps[recipientOf{e.Provider, e.PEC, ""}]["accept"]
		if e.Kind == "sent" && kind != string(pec.Acceptance) {
			c.violation("%s was sent and has %q where an acceptance is due", e.PEC, kind)
		}
		if e.Kind == "taken" && kind != "" {
			c.violation("%s was taken in charge and has an acceptance of ours", e.PEC)
		}
	}
	return err
}

// outcomes: a recipient that is settled was settled by one receipt, heard or issued by us.
func (c *checker) outcomes(steps map[recipientOf]map[string]string, heard map[recipientOf]string) error {
	tracking, err := c.store.AllTracking(c.ctx)
	for _, t := range tracking {
		own := steps[keyOf(t)]["outcome"]
		said := heard[keyOf(t)]
		var want string
		switch t.Kind {
		case store.StateDelivered:
			want = string(pec.Delivered)
		case store.StateFailed:
			want = string(pec.NonDelivery)
		}
		if want != "" && said != want && own != want {
			c.violation("%s for %s is %s, but no %s was heard or issued", t.PEC, t.Recipient, t.Kind, want)
		}
		if want == "" && said != "" {
			c.violation("%s for %s is pending, but %s was heard", t.PEC, t.Recipient, said)
		}
	}
	return err
}

// notices: each overdue notice that tracking knows was issued, and each that was issued tracking knows.
func (c *checker) notices(steps map[recipientOf]map[string]string) error {
	noticed, err := c.store.Noticed(c.ctx)
	marks := map[recipientOf]map[string]bool{}
	for _, n := range noticed {
		if marks[keyOf(n)] == nil {
			marks[keyOf(n)] = map[string]bool{}
		}
		marks[keyOf(n)][n.Kind] = true
		if steps[keyOf(n)][n.Kind] != string(pec.Overdue) {
			c.violation("%s for %s has the mark %s, but no such notice was issued", n.PEC, n.Recipient, n.Kind)
		}
	}
	for k, kinds := range steps {
		for step, kind := range kinds {
			if kind == string(pec.Overdue) && !marks[k][step] {
				c.violation("the notice %s was issued for %s to %s, but tracking does not know it", step, k.id, k.recipient)
			}
		}
	}
	return err
}

// rest: a delivery receipt only for what was deposited, and a fact for each task.
func (c *checker) rest(steps map[recipientOf]map[string]string) error {
	deposits, err := c.store.Deposits(c.ctx)
	if err != nil {
		return err
	}
	deposited := map[recipientOf]bool{}
	for _, d := range deposits {
		deposited[keyOf(d)] = true
	}
	for k, kinds := range steps {
		if kinds["outcome"] == string(pec.Delivered) && !deposited[k] {
			c.violation("a delivery receipt was issued for %s to %s, which was not deposited", k.id, k.recipient)
		}
	}
	stray, err := c.store.StrayTasks(c.ctx)
	if err != nil {
		return err
	}
	for _, id := range stray {
		c.violation("task %s has no fact, or is finished and still there", id)
	}
	c.report.Entries, err = c.store.EntryCount(c.ctx)
	return err
}

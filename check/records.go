package check

import (
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// recipientOf names a recipient of a certified message.
type recipientOf struct {
	provider  string
	id        pec.ID
	recipient string
}

func keyOf(a store.Audited) recipientOf { return recipientOf{a.Provider, a.PEC, a.Recipient} }

// derived is what follows from the records alone.
type derived struct {
	state    map[recipientOf]string
	deposits map[recipientOf]bool
	taken    map[recipientOf]bool // in charge, by ourselves
	index    map[recipientOf]map[string]int
}

// records reads every record in its order, and compares what follows from them with tracking, deposits and the index.
func (c *checker) records() error {
	d := &derived{state: map[recipientOf]string{}, deposits: map[recipientOf]bool{}, taken: map[recipientOf]bool{}, index: map[recipientOf]map[string]int{}}
	// Those without a number first: meanwhile they may get one.
	fresh, err := c.store.NewFacts(c.ctx)
	if err != nil {
		return err
	}
	waiting := map[store.ID]store.Fact{}
	for _, f := range fresh {
		waiting[f.ID] = f
	}
	const step = 1000
	for from := int64(1); ; from += step {
		facts, err := c.store.FactsBetween(c.ctx, from, from+step)
		if err != nil {
			return err
		}
		for i, f := range facts {
			if f.No != from+int64(i) {
				c.violation("fact %d is missing: the next one is %d", from+int64(i), f.No)
			}
			c.record(d, f)
			delete(waiting, f.ID)
		}
		c.report.Facts += len(facts)
		if len(facts) < step {
			break
		}
	}
	for _, f := range waiting {
		c.record(d, f)
	}
	c.report.Facts += len(waiting)
	return c.compare(d)
}

func (c *checker) record(d *derived, f store.Fact) {
	r, err := pec.ParseRecord(f.Record)
	if err != nil {
		c.violation("the record of fact %d cannot be read: %v", f.No, err)
		return
	}
	if store.ID(r.Fact) != f.ID {
		c.violation("the record of fact %d names another fact", f.No)
	}
	for _, e := range r.Events {
		d.apply(e)
	}
}

// apply is what an event does to tracking and deposits.
func (d *derived) apply(e pec.Event) {
	k := recipientOf{e.Provider, e.ID, e.Recipient.Key()}
	d.count(k, string(e.Kind), 1)
	switch e.Kind {
	case pec.EventAccepted:
		for _, r := range e.Recipients {
			if r.Type == pec.Certified {
				d.state[recipientOf{e.Provider, e.ID, r.Address.Key()}] = store.StatePending
			}
		}
	case pec.EventHeard:
		for _, r := range e.Recipients {
			d.settle(recipientOf{e.Provider, e.ID, r.Address.Key()}, pec.Kind(e.Detail))
		}
	case pec.EventTakenInCharge:
		for _, r := range e.Recipients {
			d.taken[recipientOf{e.Provider, e.ID, r.Address.Key()}] = true
		}
	case pec.EventDelivered:
		d.deposits[k] = true
	case pec.EventNonDelivery:
		// One that access issues to our own sender settles at once; delivery's, for a recipient that we took in charge, is
		// heard later.
		if !d.taken[k] {
			d.settle(k, pec.NonDelivery)
		}
	}
}

func (d *derived) settle(k recipientOf, kind pec.Kind) {
	if d.state[k] != store.StatePending {
		return
	}
	switch kind {
	case pec.Delivered:
		d.state[k] = store.StateDelivered
	case pec.NonDelivery:
		d.state[k] = store.StateFailed
	}
}

func (d *derived) count(k recipientOf, kind string, by int) {
	if d.index[k] == nil {
		d.index[k] = map[string]int{}
	}
	d.index[k][kind] += by
}

func (c *checker) compare(d *derived) error {
	tracking, err := c.store.AllTracking(c.ctx)
	if err != nil {
		return err
	}
	c.report.Recipients = len(tracking)
	for _, t := range tracking {
		if want := d.state[keyOf(t)]; want != t.Kind {
			c.violation("%s for %s is %q, but its records say %q", t.PEC, t.Recipient, t.Kind, want)
		}
		delete(d.state, keyOf(t))
	}
	for k := range d.state {
		c.violation("%s for %s is in the records but not in tracking", k.id, k.recipient)
	}
	deposits, err := c.store.Deposits(c.ctx)
	if err != nil {
		return err
	}
	for _, x := range deposits {
		if !d.deposits[keyOf(x)] {
			c.violation("%s lies in the mailbox of %s, but no record says so", x.PEC, x.Recipient)
		}
		delete(d.deposits, keyOf(x))
	}
	for k := range d.deposits {
		c.violation("%s was delivered to %s by the records, but not deposited", k.id, k.recipient)
	}
	return c.compareIndex(d)
}

func (c *checker) compareIndex(d *derived) error {
	index, err := c.store.EventIndex(c.ctx)
	if err != nil {
		return err
	}
	for _, e := range index {
		d.count(keyOf(e), e.Kind, -1)
	}
	for k, kinds := range d.index {
		for kind, n := range kinds {
			if n != 0 {
				c.violation("the index and the records differ by %d on %q of %s for %q", n, kind, k.id, k.recipient)
			}
		}
	}
	return nil
}

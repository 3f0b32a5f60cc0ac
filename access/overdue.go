package access

import (
	"context"
	"errors"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Overdue issues the notices that are owed about recipients whose provider stays silent, the first before the final one, and
// puts the task off until another may be owed (RFC 6109 3.1.6; norms.md 35-42). After an outage past both, both are issued.
func (p *Point) Overdue(ctx context.Context, t store.Task) error {
	m, err := p.sent(ctx, t)
	if err != nil {
		return err
	}
	tracking, err := p.Store.Tracking(ctx, t.Provider, t.PEC)
	if err != nil {
		return err
	}
	var next time.Time
	for _, x := range tracking {
		due, err := p.overdue(ctx, t, m, x)
		if err != nil {
			return err
		}
		if !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	if next.IsZero() {
		return p.Store.Done(ctx, t)
	}
	return p.Store.Postpone(ctx, t, next, "")
}

// overdue issues what is owed about one recipient and returns when more may be.
func (p *Point) overdue(ctx context.Context, t store.Task, m *sent, x store.Tracking) (next time.Time, err error) {
	progress, now := x.Progress(), p.Store.Instant(t.Since).At
	first, final := progress.Overdue(now)
	if first {
		if err := p.notify(ctx, t, m, x.Recipient, false); err != nil {
			return next, err
		}
		progress.First = true
	}
	if final {
		if err := p.notify(ctx, t, m, x.Recipient, true); err != nil {
			return next, err
		}
		progress.Final = true
	}
	return progress.NextOverdue(now), nil
}

// notify issues one notice into the sender's mailbox.
func (p *Point) notify(ctx context.Context, t store.Task, m *sent, about pec.Address, final bool) error {
	at := p.Store.Instant(t.Since)
	data := m.data
	data.Kind, data.Reason, data.At, data.ReceiptType = pec.Overdue, pec.ReasonOther, at.At, ""
	data.DeliveredTo, data.Detail = recipientOf(m.data, about), pec.OverdueDetail(m.unit.Name, final)
	issued, err := m.unit.Issue(pec.Composition{Data: data, MessageID: m.unit.NewID(at.At), To: m.Sender}, nil)
	if err != nil {
		return err
	}
	n := store.Notice{
		Instant: at, Task: t, Recipient: data.DeliveredTo, Final: final, Receipt: issued.Message(t.Provider, t.PEC, store.Span{}),
		Signing: m.unit.Address, Sender: m.Sender,
		Record: eventRecord(m.unit, issued.Certificate, at, pec.EventOverdue, data, issued.Generated()),
	}
	if n.Inbox, err = p.inboxOf(ctx, m, &n.Record, pec.Overdue, issued.MessageID); err != nil {
		return err
	}
	if err := p.Store.Notify(ctx, n); err != nil {
		return err
	}
	p.Log.Warn("overdue: the sender is told", "id", t.PEC, "recipient", data.DeliveredTo, "final", final)
	return nil
}

// inboxOf is where a notice of ours to the sender comes to lie by its own commit, and the event that says so. nil: the mailbox is
// there no more.
func (p *Point) inboxOf(ctx context.Context, m *sent, r *pec.Record, kind pec.Kind, id pec.ID) (*store.InboxEntry, error) {
	in, err := p.Store.InboxEntry(ctx, m.unit.Address, m.Sender, "")
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	r.Events = append(r.Events, pec.Deposited(m.Provider, m.PEC, m.unit.Address, m.Sender, kind, string(id)))
	return &in, err
}

// recipientOf is a recipient as the sender wrote it; tracking knows its key.
func recipientOf(data pec.CertData, key pec.Address) pec.Address {
	for _, r := range data.Recipients {
		if r.Address.Key() == key.Key() {
			return r.Address
		}
	}
	return key
}

package delivery

import (
	"context"
	"crypto"
	"errors"
	"log/slog"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Point is the delivery point of a provider.
type Point struct {
	Store     *store.Store
	Units     issuance.Units
	Directory func() *directory.Directory // the snapshot in force
	Parallel  int                         // deliveries at a time
	BriefHash crypto.Hash                 // of brief receipts: SHA-1 by the written rule, or SHA-256 (norms.md 84)
	Log       *slog.Logger
}

// Work does the deliver tasks until the context ends.
func (p *Point) Work(ctx context.Context) error {
	return p.Store.Work(ctx, store.TaskDeliver, p.Parallel, store.Backoff, p.Deliver)
}

// Deliver puts the task's message into the mailbox of its target.
func (p *Point) Deliver(ctx context.Context, t store.Task) error {
	m, err := p.Store.Message(ctx, t.Message)
	if err != nil {
		return err
	}
	box, err := p.Store.Mailbox(ctx, pec.Address(t.Target))
	missing := errors.Is(err, store.ErrNotFound)
	if err != nil && !missing {
		return err
	}
	switch certified := m.Kind == string(pec.Transport); {
	case certified && (missing || box.Service): // the service mailbox is no holder's (norms.md 144)
		return p.Refuse(ctx, t, NoMailbox)
	case certified:
		return p.certified(ctx, t, m, box)
	case missing:
		return p.undeliverable(ctx, t)
	default:
		return p.plain(ctx, t, m, box)
	}
}

// plain deposits a receipt or a report: nothing answers it (norms.md 58).
func (p *Point) plain(ctx context.Context, t store.Task, m store.Message, box store.Mailbox) error {
	d, err := p.deposit(ctx, t, m, box)
	if err != nil {
		return err
	}
	d.Instant = p.Store.Instant(t.Since)
	d.Record = p.record(d.Instant, pec.Deposited(t.Provider, t.PEC, t.Sender, box.Address, pec.Kind(m.Kind), m.MessageID))
	if err := p.Store.Deposit(ctx, d); err != nil {
		return err
	}
	p.Log.Info("deposited", "id", t.PEC, "kind", m.Kind, "to", t.Target)
	return nil
}

func (p *Point) undeliverable(ctx context.Context, t store.Task) error {
	at := p.Store.Instant(t.Since)
	reason := "there is no mailbox " + t.Target + " for what is owed to it"
	p.Log.Warn("held", "reason", reason, "id", t.PEC)
	ev := pec.Event{Kind: pec.EventHeld, ID: t.PEC, Provider: t.Provider, Sender: t.Sender, Recipient: pec.Address(t.Target), Detail: reason}
	return p.Store.Undeliverable(ctx, at, p.record(at, ev), t, reason)
}

// deposit prepares the entry of a task's message; instant and record are its caller's.
func (p *Point) deposit(ctx context.Context, t store.Task, m store.Message, box store.Mailbox) (store.Deposit, error) {
	in, err := p.Store.InboxEntryOf(ctx, box, t.Sender, pec.Address(t.Target), m.Trace)
	return store.Deposit{Task: t, Inbox: in, Size: m.Size}, err
}

func (p *Point) record(at store.Instant, e pec.Event) pec.Record {
	unit := p.Units[0]
	if u, ok := p.Units.ByDomain(e.Recipient.Domain()); ok {
		unit = u
	}
	return pec.Record{Fact: store.NewID(), At: at.At, Unit: string(unit.Address), Events: []pec.Event{e}}
}

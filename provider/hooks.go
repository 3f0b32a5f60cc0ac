package provider

import (
	"context"
	"io"
	"net"

	"github.com/ceralacca/ceralacca/delivery"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/smtpd"
	"github.com/ceralacca/ceralacca/store"
)

// Receive is what is done with a message that came to port 25; see smtpd.Config.
type Receive func(ctx context.Context, tx *smtpd.Transaction, body io.Reader) (reply string, err error)

// Work is what is done for a task; see store.Work.
type Work func(context.Context, store.Task) error

// Hooks let a sandbox do wrong what a provider does right, so that others can test how they bear it (design.md 9). All are nil in
// production, and honoured only with sandbox = true.
type Hooks struct {
	Port25  func(net.Listener) net.Listener                      // stands before the port that other providers send to
	Receive func(Receive) Receive                                // stands before what is done with what came there
	Task    func(p *Provider, kind store.TaskKind, do Work) Work // stands before the work on tasks
	Forge   func(*issuance.Unit)                                 // is shown each unit, to make it issue what it must not
}

// install puts the hooks into a store's options and the units; those of port 25 are put where it is wired.
func (p *Provider) install(h Hooks, o *store.Options) {
	if h.Task != nil {
		o.Around = func(kind store.TaskKind, do func(context.Context, store.Task) error) func(context.Context, store.Task) error {
			return h.Task(p, kind, do)
		}
	}
	if h.Forge != nil {
		for _, u := range p.Units {
			h.Forge(u)
		}
	}
}

// RefuseAsFull answers a deliver task as if its mailbox were full.
func (p *Provider) RefuseAsFull(ctx context.Context, t store.Task) error {
	return p.delivery.Refuse(ctx, t, delivery.MailboxFull)
}

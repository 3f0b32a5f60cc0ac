package incoming

import (
	"context"
	"errors"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// hear takes a receipt about a message of ours: it advances tracking and goes to the mailbox that it is for.
func (p *Point) hear(ctx context.Context, g *genuine) error {
	unit, e, err := p.subject(ctx, g)
	if err != nil {
		return err
	}
	about := pec.Distinct(g.Data.TakenFor)
	if g.Data.Kind != pec.TakenInCharge {
		about = []pec.Address{g.Data.DeliveredTo}
	}
	// Tracking is read before what was heard: if the same receipt comes twice at a time, the one that finds the other's mark
	// in tracking finds the other itself too.
	refusal := p.checkReceipt(ctx, g, unit, about)
	known, err := p.Store.HeardBefore(ctx, g.signer.Key(), unit.Entry, g.Data.ID, g.Data.Kind, about, g.digest)
	switch {
	case err != nil:
		return err
	case known:
		return p.arrivedAgain(ctx, g)
	case refusal != nil:
		return refusal
	}
	h, err := p.heard(ctx, g, unit, e, about)
	if err != nil {
		return err
	}
	if err := p.Store.Hear(ctx, h); err != nil {
		return err
	}
	p.Log.Info("heard", "id", g.Data.ID, "kind", g.Data.Kind, "from", g.signer.Provider)
	return nil
}

// subject finds the message of ours that the receipt is about.
func (p *Point) subject(ctx context.Context, g *genuine) (*issuance.Unit, store.Envelope, error) {
	switch g.Data.Kind {
	case pec.TakenInCharge, pec.Delivered, pec.NonDelivery:
	default:
		return nil, store.Envelope{}, lies("a %s from another provider means nothing to us", g.Data.Kind)
	}
	for _, u := range p.Units {
		e, err := p.Store.Envelope(ctx, u.Entry, g.Data.ID)
		if err == nil {
			return u, e, nil
		}
		if !notFound(err) {
			return nil, e, err
		}
	}
	return nil, store.Envelope{}, lies("%s is no message of ours", g.Data.ID)
}

// checkReceipt refuses receipts that lie (attacks.md 15): from a provider that is not the recipient's, for recipients
// that were not there, to another mailbox, or against an outcome that is known.
func (p *Point) checkReceipt(ctx context.Context, g *genuine, unit *issuance.Unit, about []pec.Address) error {
	tracking, err := p.Store.Tracking(ctx, unit.Entry, g.Data.ID)
	if err != nil {
		return err
	}
	known := map[string]store.Tracking{}
	for _, t := range tracking {
		known[t.Recipient.Key()] = t
	}
	for _, r := range about {
		if _, managed := g.checked.Managed(r.Domain()); !managed {
			return lies("%s is not the provider of %s", g.signer.Provider, r)
		}
		t, ok := known[r.Key()]
		switch taken := g.Data.Kind == pec.TakenInCharge; {
		case !ok:
			return lies("%s was no certified recipient of %s", r, g.Data.ID)
		case taken && !t.TakenAt.IsZero():
			return lies("%s was taken in charge already", r)
		case !taken && t.State != store.StatePending:
			return lies("the outcome for %s is known already: %s", r, t.State)
		}
	}
	if len(about) == 0 {
		return lies("the receipt names no recipient")
	}
	return nil
}

func (p *Point) heard(ctx context.Context, g *genuine, unit *issuance.Unit, e store.Envelope, about []pec.Address) (store.Heard, error) {
	to := e.Sender
	if !g.Data.Kind.ForUser() {
		to = unit.Service
	}
	if len(g.recipients) != 1 || g.recipients[0].Key() != to.Key() {
		return store.Heard{}, lies("the receipt is for %s and was sent to %v", to, g.recipients)
	}
	if g.Data.Sender.Key() != e.Sender.Key() {
		return store.Heard{}, lies("%s was sent by %s, not by %s", g.Data.ID, e.Sender, g.Data.Sender)
	}
	if err := sameClientID(g, e); err != nil {
		return store.Heard{}, err
	}
	h := store.Heard{
		Issuer: g.signer.Key(), Provider: unit.Entry, PEC: g.Data.ID, Kind: g.Data.Kind, Recipients: about, Digest: g.digest,
		Sender: g.from, To: to, Task: g.task, Content: g.content,
	}
	cause := e.At
	if g.task != nil {
		h.Known, cause = g.task.Message, g.task.Since
	} else {
		m, err := p.heardMessage(ctx, g, unit, e, &h)
		if err != nil {
			return h, err
		}
		h.Message = &m
	}
	h.Instant = p.Store.Instant(cause)
	h.Record = p.record(h.Instant, heardEvent(g, unit, about), []pec.Address{to})
	err := p.placeHeard(ctx, g, &h)
	return h, err
}

// sameClientID compares the identifiers by which programs match receipts with the one that the message was sent with (attacks.md 14):
// a receipt about one message must not read as if it were about another. What a receipt leaves out is borne (quirks.md C8).
func sameClientID(g *genuine, e store.Envelope) error {
	h, err := pec.ParseHeader(e.Header)
	sent := pec.BareID(h.Get(pec.HeaderReference))
	if err != nil || sent == "" {
		return err
	}
	for _, said := range []string{string(g.Data.ClientID), g.Header.Get(pec.HeaderReference)} {
		if said = pec.BareID(said); said != "" && said != sent {
			return lies("%s was sent with the identifier %q, the receipt speaks of %q", g.Data.ID, sent, said)
		}
	}
	return nil
}

// placeHeard puts the receipt into its mailbox by the same commit. If there is none any more, delivery holds it.
func (p *Point) placeHeard(ctx context.Context, g *genuine, h *store.Heard) error {
	trace := ""
	if h.Message != nil {
		trace = h.Message.Trace
	}
	in, err := p.Store.InboxEntry(ctx, h.Sender, h.To, trace)
	if notFound(err) {
		return nil
	}
	h.Inbox = &in
	h.Record.Events = append(h.Record.Events, pec.Deposited(h.Provider, h.PEC, h.Sender, h.To, h.Kind, pec.BareID(g.Header.Get("Message-ID"))))
	return err
}

// heardMessage stores a receipt; the original that a complete one encloses is a reference to the one that was sent.
func (p *Point) heardMessage(ctx context.Context, g *genuine, unit *issuance.Unit, e store.Envelope, h *store.Heard) (store.NewMessage, error) {
	m := g.stored(string(g.Data.Kind))
	m.Provider, m.PEC, m.Signed = unit.Entry, g.Data.ID, g.digest
	m.MessageID = pec.BareID(g.Header.Get("Message-ID"))
	if g.Original == nil || len(g.Original.Children) == 0 {
		return m, nil
	}
	inner := g.Original.Children[0]
	recipe, sharing, err := p.Store.Shared(ctx, e, g.content, inner.Body, inner.End-inner.Body)
	if err != nil {
		return m, err
	}
	if sharing == store.Other && g.Data.Kind == pec.Delivered && g.Data.ReceiptType == pec.Complete {
		return m, lies("the receipt encloses another message than %s", g.Data.ID)
	}
	m.Recipe = recipe
	if sharing == store.Shared {
		h.Content = nil
	}
	return m, nil
}

func heardEvent(g *genuine, unit *issuance.Unit, about []pec.Address) pec.Event {
	ev := g.event(pec.EventHeard)
	ev.ID, ev.Provider, ev.ClientID, ev.Subject, ev.Checks = g.Data.ID, unit.Entry, g.Data.ClientID, g.Data.Subject, g.checks()
	ev.Sender, ev.Recipients, ev.Detail = g.Data.Sender, nil, string(g.Data.Kind)
	for _, r := range about {
		ev.Recipients = append(ev.Recipients, pec.Recipient{Address: r, Type: pec.Certified})
	}
	if len(about) == 1 {
		ev.Recipient = about[0]
	}
	return ev
}

func notFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

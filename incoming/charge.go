package incoming

import (
	"context"
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// takeCharge takes a transport envelope in charge for the recipients that are new, and sends the receipt to the sending
// provider's service mailbox (RFC 6109 3.2.1).
func (p *Point) takeCharge(ctx context.Context, g *genuine) error {
	if err := p.checkTransport(g); err != nil {
		return err
	}
	arrival, err := p.Store.Arrivals(ctx, g.signer.Key(), g.Data.ID, g.digest, g.recipients)
	if err != nil {
		return err
	}
	if len(arrival.New) > 0 {
		if err := p.chargeNew(ctx, g, arrival.New); err != nil {
			return err
		}
	}
	if len(arrival.Altered) > 0 {
		g.altered = arrival.Altered
		p.Log.Error("a provider signed two messages with one identifier", "id", g.Data.ID, "from", g.signer.Provider, "recipients", len(g.altered))
		return malformed("%s was taken in charge before with other octets", g.Data.ID)
	}
	if len(arrival.New) == 0 {
		return p.arrivedAgain(ctx, g)
	}
	return nil
}

// chargeNew takes in charge for recipients that never got this message; others of the same transaction stay as they are.
func (p *Point) chargeNew(ctx context.Context, g *genuine, to []pec.Address) error {
	c, err := p.charge(ctx, g, to)
	if err != nil {
		return err
	}
	if err := p.Store.TakeCharge(ctx, c); err != nil {
		return err
	}
	g.known, g.kept = c.Envelope.Message, c.Content != nil
	p.Log.Info("taken in charge", "id", g.Data.ID, "from", g.signer.Provider, "recipients", len(c.Recipients))
	return nil
}

// checkTransport is the part of formal correctness that needs the directory and the SMTP paths (norms.md 53, 106).
func (p *Point) checkTransport(g *genuine) error {
	entry, managed := g.checked.Managed(g.Data.Sender.Domain())
	if !managed {
		return malformed("the sender's domain %s is not one of %s", g.Data.Sender.Domain(), g.signer.Provider)
	}
	g.signer = entry // environments of one provider may share a certificate: the sender's is meant
	if g.from.Key() != g.Data.Sender.Key() {
		return malformed("the reverse path %s is not the sender %s", g.from, g.Data.Sender)
	}
	listed := map[string]bool{}
	for _, r := range g.Data.Recipients {
		listed[r.Address.Key()] = true
	}
	for _, r := range g.recipients {
		if _, ours := p.Units.ByDomain(r.Domain()); !ours {
			return malformed("%s takes no certified mail", r)
		}
		if !listed[r.Key()] {
			return malformed("the recipient %s is not in the certification data", r)
		}
	}
	return nil
}

func (p *Point) arrivedAgain(ctx context.Context, g *genuine) error {
	at := p.Store.Instant(time.Time{})
	p.Log.Info("arrived again", "id", g.Data.ID, "kind", g.Data.Kind, "from", g.signer.Provider)
	ev := g.event(pec.EventArrivedAgain)
	ev.ID, ev.Provider, ev.ClientID, ev.Subject, ev.Checks = g.Data.ID, g.signer.Key(), g.Data.ClientID, g.Data.Subject, g.checks()
	return p.Store.ArrivedAgain(ctx, at, p.record(at, ev, g.recipients), g.task)
}

func (p *Point) charge(ctx context.Context, g *genuine, to []pec.Address) (store.Charge, error) {
	c := store.Charge{Digest: g.digest, Recipients: to, Task: g.task}
	var err error
	if g.task != nil {
		c.Instant = p.Store.Instant(g.task.Since)
		if c.Envelope, err = p.Store.EnvelopeOf(ctx, g.task.Message); err != nil {
			return c, err
		}
		c.Record = p.record(c.Instant, takenEvent(g, to), to)
		return c, nil
	}
	c.Instant = p.Store.Instant(time.Time{})
	if err := p.arrived(ctx, g, &c); err != nil {
		return c, err
	}
	ev := takenEvent(g, to)
	c.Record = p.record(c.Instant, ev, to)
	for _, unit := range p.Units {
		own := slices.DeleteFunc(slices.Clone(to), func(a pec.Address) bool { return !slices.Contains(unit.Domains, a.Domain()) })
		if len(own) == 0 {
			continue
		}
		issued, err := p.takenReceipt(g, unit, c.Instant, own)
		if err != nil {
			return c, err
		}
		c.Receipts = append(c.Receipts, p.taken(g, unit, issued, own))
		c.Record.Events[0].Generated = append(c.Record.Events[0].Generated, issued.Generated())
		c.Record.Certificate = issued.Certificate
	}
	return c, nil
}

// taken is a unit's receipt and its way to the service mailbox of the sending provider.
func (p *Point) taken(g *genuine, unit *issuance.Unit, issued *issuance.Issued, own []pec.Address) store.TakenReceipt {
	m := issued.Message(g.signer.Key(), g.Data.ID, store.Span{})
	return store.TakenReceipt{Message: m, Recipients: own, Relay: store.NewRelay{
		Message: m.ID, Target: g.signer.Key(), Sender: unit.Address, For: g.Data.Sender, Recipients: []pec.Address{pec.Address(g.signer.ServiceMailbox)},
	}}
}

// arrived prepares the stored envelope; if the same octets came before for other recipients, the stored one is used.
func (p *Point) arrived(ctx context.Context, g *genuine, c *store.Charge) error {
	known, err := p.Store.EnvelopeWith(ctx, g.signer.Key(), g.Data.ID, g.digest)
	if err == nil {
		c.Envelope = known
		return nil
	}
	if !notFound(err) {
		return err
	}
	m := g.stored(string(pec.Transport))
	m.Provider, m.PEC, m.MessageID, m.Signed = g.signer.Key(), g.Data.ID, string(g.Data.ID), g.digest
	inner := g.Original.Children[0]
	c.Content, c.Transport = g.content, &m
	c.Envelope = store.Envelope{
		Provider: g.signer.Key(), PEC: g.Data.ID, Message: m.ID, CertData: g.Data.XML(), Header: inner.Header, Sender: g.Data.Sender,
		Body: store.Span{Content: g.content.ID, Offset: inner.Body, Length: inner.End - inner.Body}, EightBit: g.read.Parts.EightBit, At: c.Instant.At,
	}
	return nil
}

func takenEvent(g *genuine, to []pec.Address) pec.Event {
	ev := g.event(pec.EventTakenInCharge)
	ev.ID, ev.Provider, ev.ClientID, ev.Subject, ev.Checks = g.Data.ID, g.signer.Key(), g.Data.ClientID, g.Data.Subject, g.checks()
	ev.Recipients = nil
	for _, r := range to {
		ev.Recipients = append(ev.Recipients, pec.Recipient{Address: r, Type: pec.Certified})
	}
	return ev
}

func (p *Point) takenReceipt(g *genuine, unit *issuance.Unit, at store.Instant, own []pec.Address) (*issuance.Issued, error) {
	data := g.Data
	data.Kind, data.Reason, data.At, data.ReceiptType, data.TakenFor = pec.TakenInCharge, pec.ReasonNone, at.At, "", own
	data.DeliveredTo, data.Detail = "", "" // an envelope that has them is borne, a receipt of ours is not
	return unit.Issue(pec.Composition{Data: data, MessageID: unit.NewID(at.At), To: pec.Address(g.signer.ServiceMailbox)}, nil)
}

package incoming

import (
	"bytes"
	"context"
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
	if len(arrival.Altered) > 0 {
		return failed(checkFormal, "%s was taken in charge before with other octets", g.Data.ID)
	}
	if len(arrival.New) == 0 {
		return p.arrivedAgain(ctx, g)
	}
	c, err := p.charge(ctx, g, arrival.New)
	if err != nil {
		return err
	}
	if err := p.Store.TakeCharge(ctx, c); err != nil {
		return err
	}
	p.Log.Info("taken in charge", "id", g.Data.ID, "from", g.signer.Provider, "recipients", len(c.Recipients))
	return nil
}

// checkTransport is the part of formal correctness that needs the directory and the SMTP paths (norms.md 53, 106).
func (p *Point) checkTransport(g *genuine) error {
	entry, ok := g.dir.Domain(g.Data.Sender.Domain())
	if !ok || !entry.Holds(g.cert) {
		return failed(checkFormal, "the sender's domain %s is not one of %s", g.Data.Sender.Domain(), g.signer.Provider)
	}
	g.signer = entry // environments of one provider may share a certificate: the sender's is meant
	if g.from.Key() != g.Data.Sender.Key() {
		return failed(checkFormal, "the reverse path %s is not the sender %s", g.from, g.Data.Sender)
	}
	listed := map[string]bool{}
	for _, r := range g.Data.Recipients {
		listed[r.Address.Key()] = true
	}
	for _, r := range g.recipients {
		if _, ours := p.Units.ByDomain(r.Domain()); !ours {
			return failed(checkFormal, "%s takes no certified mail", r)
		}
		if !listed[r.Key()] {
			return failed(checkFormal, "the recipient %s is not in the certification data", r)
		}
	}
	return nil
}

func (p *Point) arrivedAgain(ctx context.Context, g *genuine) error {
	at := p.Store.Instant(time.Time{})
	p.Log.Info("arrived again", "id", g.Data.ID, "kind", g.Data.Kind, "from", g.signer.Provider)
	ev := pec.Event{Kind: pec.EventArrivedAgain, ID: g.Data.ID, Provider: g.signer.Key(), Sender: g.Data.Sender, Subject: g.Data.Subject}
	return p.Store.ArrivedAgain(ctx, at, p.record(at, ev, g.recipients), g.task)
}

func (p *Point) charge(ctx context.Context, g *genuine, to []pec.Address) (store.Charge, error) {
	unit, _ := p.Units.ByDomain(to[0].Domain())
	c := store.Charge{Digest: g.digest, Recipients: to, Task: g.task}
	var err error
	if g.task != nil {
		c.Instant = p.Store.Instant(g.task.Since)
		if c.Envelope, err = p.Store.Envelope(ctx, g.signer.Key(), g.Data.ID); err != nil {
			return c, err
		}
		c.Record = p.record(c.Instant, takenEvent(g, to), to)
		return c, nil
	}
	c.Instant = p.Store.Instant(time.Time{})
	if err := p.arrived(ctx, g, &c); err != nil {
		return c, err
	}
	issued, err := p.takenReceipt(g, unit, c)
	if err != nil {
		return c, err
	}
	receipt := issued.Message(g.signer.Key(), g.Data.ID, store.Span{})
	c.Receipt = &receipt
	c.Relay = store.NewRelay{Message: receipt.ID, Target: g.signer.Key(), Sender: unit.Address, Recipients: []pec.Address{pec.Address(g.signer.ServiceMailbox)}}
	ev := takenEvent(g, to)
	ev.Generated = []pec.Generated{issued.Generated()}
	c.Record = p.record(c.Instant, ev, to)
	c.Record.Certificate = issued.Certificate
	return c, nil
}

// arrived prepares the stored envelope; if it came before for other recipients, the stored one is used. With other octets it
// is another message: these recipients must not get the one that is stored.
func (p *Point) arrived(ctx context.Context, g *genuine, c *store.Charge) error {
	known, err := p.Store.Envelope(ctx, g.signer.Key(), g.Data.ID)
	if err == nil {
		c.Envelope = known
		stored, err := p.Store.Message(ctx, known.Message)
		if err == nil && !bytes.Equal(stored.Signed, g.digest) {
			err = failed(checkFormal, "%s came before, for others, with other octets", g.Data.ID)
		}
		return err
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
		Body: store.Span{Content: g.content.ID, Offset: inner.Body, Length: inner.End - inner.Body}, EightBit: g.parts.EightBit, At: c.Instant.At,
	}
	return nil
}

func takenEvent(g *genuine, to []pec.Address) pec.Event {
	ev := pec.Event{Kind: pec.EventTakenInCharge, ID: g.Data.ID, Provider: g.signer.Key(), ClientID: g.Data.ClientID, Sender: g.Data.Sender, Subject: g.Data.Subject}
	for _, r := range to {
		ev.Recipients = append(ev.Recipients, pec.Recipient{Address: r, Type: pec.Certified})
	}
	return ev
}

func (p *Point) takenReceipt(g *genuine, unit *issuance.Unit, c store.Charge) (*issuance.Issued, error) {
	data := g.Data
	data.Kind, data.Reason, data.At, data.ReceiptType, data.TakenFor = pec.TakenInCharge, pec.ReasonNone, c.Instant.At, "", c.Recipients
	data.DeliveredTo, data.Detail = "", "" // an envelope that has them is borne, a receipt of ours is not
	return unit.Issue(pec.Composition{Data: data, MessageID: unit.NewID(c.Instant.At), To: pec.Address(g.signer.ServiceMailbox)}, nil)
}

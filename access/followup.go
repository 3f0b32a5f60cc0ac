package access

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// FollowUp tells the sender that a recipient's relay failed for good. The task's target is the recipient.
func (p *Point) FollowUp(ctx context.Context, t store.Task) error {
	e, err := p.Store.Envelope(ctx, t.Provider, t.PEC)
	if err != nil {
		return err
	}
	data, err := pec.ParseCertData(e.CertData)
	if err != nil {
		return fmt.Errorf("reading our own certification data of %s: %w", t.PEC, err)
	}
	unit, ok := p.Units.ByEntry(t.Provider)
	if !ok {
		return fmt.Errorf("%s was sent by %s, which is no unit of ours any more", t.PEC, t.Provider)
	}
	reply, err := p.Store.RelayReply(ctx, e.Message, pec.Address(t.Target))
	if err != nil {
		return err
	}
	state, err := p.state(ctx, t)
	switch {
	case err != nil:
		return err
	case state == "":
		return p.report(ctx, t, e, data, unit, reply)
	case state == store.StatePending:
		return p.nonDelivery(ctx, t, e, data, unit, reply)
	}
	return p.Store.Done(ctx, t) // a receipt came first: the recipient's outcome is known
}

// state is what tracking knows of the task's recipient; external recipients have none.
func (p *Point) state(ctx context.Context, t store.Task) (string, error) {
	tracking, err := p.Store.Tracking(ctx, t.Provider, t.PEC)
	for _, x := range tracking {
		if x.Recipient.Key() == pec.Address(t.Target).Key() {
			return x.State, nil
		}
	}
	return "", err
}

// nonDelivery issues errore-consegna to our own sender for a certified recipient whose provider refused the envelope
// (RFC 6109 3.3.3; design.md 3, giving up).
func (p *Point) nonDelivery(ctx context.Context, t store.Task, e store.Envelope, data pec.CertData, unit *issuance.Unit, reply string) error {
	at := p.Store.Instant(t.Since)
	data.Kind, data.Reason, data.At, data.ReceiptType = pec.NonDelivery, pec.ReasonOther, at.At, ""
	data.DeliveredTo, data.Detail = pec.Address(t.Target), pec.DetailOf(statusOf(reply), unit.Name, "il gestore del destinatario ha rifiutato il messaggio")
	issued, err := unit.Issue(pec.Composition{Data: data, MessageID: unit.NewID(at.At), To: e.Sender}, nil)
	if err != nil {
		return err
	}
	return p.Store.Refuse(ctx, store.Refusal{
		Instant: at, Task: t, Receipt: issued.Message(t.Provider, t.PEC, store.Span{}), Own: true, Signing: unit.Address, Sender: e.Sender,
		Record: eventRecord(unit, issued.Certificate, at, pec.EventNonDelivery, data, issued.Generated()),
	})
}

// report puts our own unsigned report into the sender's mailbox: an external recipient has no receipts (norms.md 42).
func (p *Point) report(ctx context.Context, t store.Task, e store.Envelope, data pec.CertData, unit *issuance.Unit, reply string) error {
	at := p.Store.Instant(t.Since)
	id := unit.NewID(at.At)
	octets, err := pec.ComposeDSN(pec.DSN{
		At: at.At, MessageID: id, From: "postmaster@" + pec.Address(unit.Address.Domain()), To: e.Sender, ReportingMTA: p.Hostname,
		Subject: data.Subject, Returned: e.Header, Boundary: store.NewID().String(),
		Failures: []pec.Failure{{Recipient: pec.Address(t.Target), Status: statusOf(reply), Diagnostic: reply}},
	})
	if err != nil {
		return err
	}
	scan := pec.NewScanner(nil)
	scan.Write(octets)
	data.Kind, data.DeliveredTo, data.Detail = pec.Transport, pec.Address(t.Target), reply
	return p.Store.Report(ctx, store.Report{
		Instant: at, Task: t, Sender: e.Sender,
		Record: eventRecord(unit, [32]byte{}, at, pec.EventDSN, data),
		Message: store.NewMessage{
			ID: store.NewID(), Kind: store.KindDSN, Provider: t.Provider, PEC: t.PEC, MessageID: string(id),
			Recipe: store.Recipe{store.Literal(octets)}, Structure: scan.Finish(),
		},
	})
}

func eventRecord(unit *issuance.Unit, certificate [32]byte, at store.Instant, kind pec.EventKind, data pec.CertData, generated ...pec.Generated) pec.Record {
	return pec.Record{Fact: store.NewID(), At: at.At, Unit: string(unit.Address), Certificate: certificate, Events: []pec.Event{{
		Kind: kind, ID: data.ID, Provider: unit.Entry, ClientID: data.ClientID, Sender: data.Sender, Recipients: data.Recipients,
		Subject: data.Subject, Recipient: data.DeliveredTo, Detail: data.Detail, Generated: generated,
	}}}
}

var permanent = regexp.MustCompile(`^5\.[0-9]{1,3}\.[0-9]{1,3}$`)

// statusOf is the enhanced status code (RFC 3463) of a reply, or a general one.
func statusOf(reply string) string {
	words := strings.Fields(reply)
	for _, w := range words[:min(2, len(words))] {
		if permanent.MatchString(w) {
			return w
		}
	}
	return "5.0.0"
}

// Work does the follow-ups until the context ends.
func (p *Point) Work(ctx context.Context) error {
	return p.Store.Work(ctx, store.TaskFollowUp, 2, store.Backoff, p.FollowUp)
}

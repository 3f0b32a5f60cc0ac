package access

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// sent is a message of one of our holders, about which more has to be said.
type sent struct {
	store.Envelope
	data pec.CertData
	unit *issuance.Unit
}

// sent reads the message that a task is about.
func (p *Point) sent(ctx context.Context, t store.Task) (*sent, error) {
	e, err := p.Store.Envelope(ctx, t.Provider, t.PEC)
	if err != nil {
		return nil, err
	}
	data, err := pec.ParseCertData(e.CertData)
	if err != nil {
		return nil, fmt.Errorf("reading our own certification data of %s: %w", t.PEC, err)
	}
	unit, ok := p.Units.ByEntry(t.Provider)
	if !ok {
		return nil, fmt.Errorf("%s was sent by %s, which is no unit of ours any more", t.PEC, t.Provider)
	}
	return &sent{e, data, unit}, nil
}

// FollowUp tells the sender that a recipient's relay failed for good. The task's target is the recipient.
func (p *Point) FollowUp(ctx context.Context, t store.Task) error {
	m, err := p.sent(ctx, t)
	if err != nil {
		return err
	}
	reply, err := p.Store.RelayReply(ctx, m.Message, pec.Address(t.Target))
	if err != nil {
		return err
	}
	tracking, err := p.Store.Tracking(ctx, t.Provider, t.PEC)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tracking, func(x store.Tracking) bool { return x.Recipient.Key() == pec.Address(t.Target).Key() })
	switch {
	case i < 0: // external
		return p.report(ctx, t, m, reply)
	case tracking[i].State == store.StatePending && tracking[i].Final.IsZero():
		return p.nonDelivery(ctx, t, m, reply)
	}
	// A receipt came first, or the final notice: a refusal that is noticed after it says nothing new (design.md 3).
	return p.Store.Done(ctx, t)
}

// nonDelivery issues errore-consegna to our own sender for a certified recipient whose provider refused the envelope
// (RFC 6109 3.3.3; design.md 3, giving up).
func (p *Point) nonDelivery(ctx context.Context, t store.Task, m *sent, reply string) error {
	at, data := p.Store.Instant(t.Since), m.data
	data.Kind, data.At, data.ReceiptType, data.DeliveredTo = pec.NonDelivery, at.At, "", pec.Address(t.Target)
	data.Reason, data.Detail = refusal(reply, m.unit.Name)
	issued, err := m.unit.Issue(pec.Composition{Data: data, MessageID: m.unit.NewID(at.At), To: m.Sender}, nil)
	if err != nil {
		return err
	}
	r := store.Refusal{
		Instant: at, Task: t, Receipt: issued.Message(t.Provider, t.PEC, store.Span{}), Own: true, Signing: m.unit.Address, Sender: m.Sender,
		Record: eventRecord(m.unit, issued.Certificate, at, pec.EventNonDelivery, data, issued.Generated()),
	}
	if r.Inbox, err = p.inboxOf(ctx, m, &r.Record, pec.NonDelivery, issued.MessageID); err != nil {
		return err
	}
	return p.Store.Refuse(ctx, r)
}

// report puts our own unsigned report into the sender's mailbox: an external recipient has no receipts (norms.md 42).
func (p *Point) report(ctx context.Context, t store.Task, m *sent, reply string) error {
	at, data := p.Store.Instant(t.Since), m.data
	id := m.unit.NewID(at.At)
	octets, err := pec.ComposeDSN(pec.DSN{
		At: at.At, MessageID: id, From: "postmaster@" + pec.Address(m.unit.Address.Domain()), To: m.Sender, ReportingMTA: p.Hostname,
		Subject: data.Subject, Returned: m.Header, Boundary: store.NewID().String(),
		Failures: []pec.Failure{{Recipient: pec.Address(t.Target), Status: statusOf(reply), Diagnostic: reply}},
	})
	if err != nil {
		return err
	}
	scan := pec.NewScanner(nil)
	scan.Write(octets)
	data.Kind, data.DeliveredTo, data.Detail = pec.Transport, pec.Address(t.Target), reply
	return p.Store.Report(ctx, store.Report{
		Instant: at, Task: t, Sender: m.Sender,
		Record: eventRecord(m.unit, [32]byte{}, at, pec.EventDSN, data),
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

// refusal is what a peer's permanent reply means for a sender: the class and the description of a non-delivery (field-notes.md 8).
// The texts are ours: a peer's own words would stand under our signature.
func refusal(reply, issuer string) (pec.Reason, string) {
	status, reason, text := statusOf(reply), pec.ReasonOther, "il gestore del destinatario ha rifiutato il messaggio"
	switch status {
	case "5.1.1", "5.1.6", "5.1.10":
		reason, text = pec.ReasonNoRecipient, "indirizzo non valido"
	case "5.1.2":
		reason, text = pec.ReasonNoDomain, "dominio del destinatario inesistente"
	case "5.2.1":
		text = "casella disabilitata"
	case "5.2.2":
		text = "casella piena"
	case "5.3.4":
		text = "il messaggio supera le dimensioni ammesse dal gestore del destinatario"
	case "5.5.0", "5.5.1", "5.5.2", "5.5.4":
		text = "errore di protocollo con il gestore del destinatario"
	case "5.7.10", "5.7.11":
		text = "il gestore del destinatario rifiuta la connessione cifrata"
	}
	return reason, pec.DetailOf(status, issuer, text)
}

// Work does the follow-ups and the notices until the context ends.
func (p *Point) Work(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Store.Work(ctx, store.TaskFollowUp, 2, store.Backoff, p.FollowUp) })
	g.Go(func() error { return p.Store.Work(ctx, store.TaskOverdue, 4, store.Backoff, p.Overdue) })
	return g.Wait()
}

package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// accept issues the acceptance and the transport envelope under one instant, and commits.
func (p *Point) accept(ctx context.Context, s Submission, o *original) (pec.ID, error) {
	dir := p.Directory()
	unit, err := p.unitOf(dir, s.Mailbox.Address)
	if err != nil {
		return "", err
	}
	routes, err := p.route(dir, s.Recipients)
	if err != nil {
		return "", err
	}
	at := p.Store.Instant(time.Time{})
	e := p.envelope(unit, s, o, at, routes.recipients)
	data := certData(s, o, unit, e, routes.recipients)
	transport, receipt, err := issue(unit, o, e, data)
	if err == nil && transport.Structure.Truncated {
		err = pec.ErrTruncated
	}
	if err != nil {
		return "", err
	}
	sent := transport.Message(e.Provider, e.PEC, e.Body)
	e.Message, e.CertData = sent.ID, data.XML()
	a := store.Acceptance{
		Instant: at, Record: record(unit, o, data, transport, receipt), Key: o.key, Content: o.content, Envelope: e,
		Transport: sent, Receipt: receipt.Message(e.Provider, e.PEC, store.Span{}),
		Certified: routes.certified(), Relays: routes.relays(sent.ID, e.Sender),
	}
	if a.Inbox, err = p.Store.InboxEntryOf(ctx, s.Mailbox, unit.Address, e.Sender, ""); err != nil {
		return "", err
	}
	if err := p.Store.Accept(ctx, a); err != nil {
		return "", err
	}
	p.Log.Info("accepted", "id", e.PEC, "sender", e.Sender, "recipients", len(routes.recipients), "size", o.content.Size)
	return e.PEC, nil
}

// tooComplex refuses what readers of the envelope, ourselves among them, would not look at whole (attacks.md 6).
func tooComplex() pec.FormalError {
	return pec.FormalError{
		Rule: "attacks.md 6", Enhanced: "5.6.0",
		Italian: "il messaggio ha troppe parti, livelli o intestazioni", English: "the message has too many parts, levels or header octets",
	}
}

// unitOf finds the unit of a sender; its domain must be in the distributed directory (norms.md 130).
func (p *Point) unitOf(dir *directory.Directory, sender pec.Address) (*issuance.Unit, error) {
	unit, ok := p.Units.ByDomain(sender.Domain())
	entry, listed := dir.Domain(sender.Domain())
	if !ok || !listed || entry.Key() != unit.Entry {
		return nil, fmt.Errorf("%w: %s", ErrNoDirectory, sender.Domain())
	}
	return unit, nil
}

// envelope prepares what the store keeps of the transport envelope.
func (p *Point) envelope(unit *issuance.Unit, s Submission, o *original, at store.Instant, rs []pec.Recipient) store.Envelope {
	id := unit.NewID(at.At)
	body := o.structure.Root.Body
	return store.Envelope{
		Provider: unit.Entry, PEC: id, Sender: s.Mailbox.Address, Mailbox: s.Mailbox.ID, At: at.At, EightBit: o.structure.EightBit,
		Header: pec.Rewrite(o.header, p.received(s, id, at.At), id),
		Body:   store.Span{Content: o.content.ID, Offset: body, Length: o.content.Size - body},
	}
}

// received is our trace line on top of the original; no "for", so that no recipient learns of another (design.md 5).
func (p *Point) received(s Submission, id pec.ID, at time.Time) []byte {
	return fmt.Appendf(nil, "Received: from %s ([%s])\r\n\tby %s with ESMTPSA id %s;\r\n\t%s\r\n",
		pec.TraceWord(s.Hello), s.Remote, p.Hostname, id, pec.Date(at))
}

func certData(s Submission, o *original, unit *issuance.Unit, e store.Envelope, rs []pec.Recipient) pec.CertData {
	return pec.CertData{
		Kind: pec.Transport, Reason: pec.ReasonNone, Sender: e.Sender, Recipients: rs, ReplyTo: o.ReplyToRaw, Subject: o.Subject,
		Issuer: unit.Name, At: e.At, ID: e.PEC, ClientID: o.ClientID, ReceiptType: o.ReceiptType,
	}
}

// issue signs the envelope and the acceptance at the same time: two cores, one instant.
func issue(unit *issuance.Unit, o *original, e store.Envelope, data pec.CertData) (transport, receipt *issuance.Issued, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		acceptance := data
		acceptance.Kind, acceptance.ReceiptType = pec.Acceptance, ""
		receipt, err = unit.Issue(pec.Composition{Data: acceptance, MessageID: unit.NewID(e.At), To: e.Sender}, nil)
		done <- err
	}()
	transport, err = unit.Issue(pec.Composition{Data: data, MessageID: e.PEC, Original: e.Header, EightBit: e.EightBit},
		o.content.Section(e.Body.Offset, e.Body.Length))
	if receiptErr := <-done; err == nil {
		err = receiptErr
	}
	return transport, receipt, err
}

func record(unit *issuance.Unit, o *original, data pec.CertData, transport, receipt *issuance.Issued) pec.Record {
	return pec.Record{
		Fact: store.NewID(), At: data.At, Unit: string(unit.Address), Certificate: transport.Certificate,
		Events: []pec.Event{{
			Kind: pec.EventAccepted, ID: data.ID, Provider: unit.Entry, ClientID: data.ClientID, Sender: data.Sender,
			Recipients: data.Recipients, Subject: data.Subject, OriginalSHA256: &o.content.SHA256,
			Generated: []pec.Generated{receipt.Generated(), transport.Generated()},
		}, pec.Deposited(unit.Entry, data.ID, unit.Address, data.Sender, pec.Acceptance, string(receipt.MessageID))},
	}
}

// routes is where the recipients of a message are: by provider, at home, outside.
type routes struct {
	recipients []pec.Recipient
	local      []pec.Address
	targets    []string // entries and external domains in the order of their first recipient
	byTarget   map[string][]pec.Address
}

// route looks up every recipient in one snapshot of the directory (RFC 6109 2.2.1; norms.md 20, 32).
func (p *Point) route(dir *directory.Directory, to []pec.Address) (*routes, error) {
	r := &routes{byTarget: map[string][]pec.Address{}}
	for _, a := range to {
		entry, certified := dir.Domain(a.Domain())
		unit, ours := p.Units.ByDomain(a.Domain())
		switch {
		case dir.Ambiguous(a.Domain()):
			// Two providers claim it: neither "certified" nor "ordinary" would be true (norms.md 126).
			return nil, fmt.Errorf("%w: %s is claimed by several providers", ErrNoDirectory, a.Domain())
		case ours && (!certified || entry.Key() != unit.Entry):
			return nil, fmt.Errorf("%w: %s", ErrNoDirectory, a.Domain())
		case ours:
			r.local = append(r.local, a)
		case certified:
			r.add(entry.Key(), a)
		default:
			r.recipients = append(r.recipients, pec.Recipient{Address: a, Type: pec.External})
			r.add(a.Domain(), a)
			continue
		}
		r.recipients = append(r.recipients, pec.Recipient{Address: a, Type: pec.Certified})
	}
	return r, nil
}

func (r *routes) add(target string, a pec.Address) {
	if !slices.Contains(r.targets, target) {
		r.targets = append(r.targets, target)
	}
	r.byTarget[target] = append(r.byTarget[target], a)
}

func (r *routes) certified() []pec.Address {
	var as []pec.Address
	for _, x := range r.recipients {
		if x.Type == pec.Certified {
			as = append(as, x.Address)
		}
	}
	return as
}

// relays is one per receiving provider, one per external domain, and one to ourselves.
func (r *routes) relays(message store.ID, sender pec.Address) []store.NewRelay {
	var rs []store.NewRelay
	if len(r.local) > 0 {
		rs = append(rs, store.NewRelay{Message: message, Local: true, Sender: sender, Recipients: r.local})
	}
	for _, t := range r.targets {
		rs = append(rs, store.NewRelay{Message: message, Target: t, Sender: sender, Recipients: r.byTarget[t]})
	}
	return rs
}

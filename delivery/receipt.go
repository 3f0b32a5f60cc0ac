package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// subject is the certified message that a receipt is about.
type subject struct {
	store.Envelope
	data pec.CertData
	unit *issuance.Unit // of the recipient: who issues
	at   store.Instant
}

func (p *Point) subject(ctx context.Context, t store.Task) (*subject, error) {
	e, err := p.Store.EnvelopeOf(ctx, t.Message)
	if err != nil {
		return nil, err
	}
	s := &subject{Envelope: e}
	if s.data, err = pec.ParseCertData(e.CertData); err != nil {
		return nil, fmt.Errorf("reading the stored certification data of %s: %w", t.PEC, err)
	}
	unit, ok := p.Units.ByDomain(pec.Address(t.Target).Domain())
	if !ok {
		return nil, fmt.Errorf("%s is in no domain of ours any more", t.Target)
	}
	s.unit, s.data.DeliveredTo = unit, pec.Address(t.Target)
	// What an envelope may lack or have besides is borne; a receipt of ours is strict.
	s.data.ReceiptType, s.data.TakenFor, s.data.Detail = pec.ParseReceiptType(string(s.data.ReceiptType)), nil, ""
	return s, nil
}

// stamp reads the instant of all that is issued, when nothing is left to do but to issue.
func (s *subject) stamp(at store.Instant) { s.at, s.data.At = at, at.At }

// certified deposits a transport envelope together with its delivery receipt (RFC 6109 3.3.2; norms.md 77-82, 87).
func (p *Point) certified(ctx context.Context, t store.Task, m store.Message, box store.Mailbox) error {
	d, err := p.deposit(ctx, t, m, box)
	if err != nil {
		return err
	}
	switch {
	case !box.Enabled:
		return p.Refuse(ctx, t, MailboxDisabled)
	case box.Suspended:
		return p.Refuse(ctx, t, MailboxSuspended)
	case !box.Room(d.Size + int64(len(d.Inbox.Lead))):
		return p.Refuse(ctx, t, MailboxFull)
	}
	s, err := p.subject(ctx, t)
	if err != nil {
		return err
	}
	short, err := p.shorten(ctx, s)
	if err != nil {
		return err
	}
	s.stamp(p.Store.Instant(t.Since))
	issued, recipe, err := p.deliveryReceipt(ctx, s, short)
	if err != nil {
		return err
	}
	receipt := issued.Message(t.Provider, t.PEC, store.Span{})
	receipt.Recipe = recipe
	d.Instant, d.Receipt = s.at, &receipt
	if d.Relay, err = p.relay(s, receipt.ID); err != nil {
		return err
	}
	d.Record = s.record(pec.EventDelivered, issued)
	if err := p.Store.Deposit(ctx, d); err != nil {
		return err
	}
	p.Log.Info("delivered", "id", t.PEC, "to", t.Target)
	return nil
}

// deliveryReceipt issues the receipt that the sender asked for: concise to carbon copies and where it was asked for, with a shortened
// original if there is one, otherwise with the whole (RFC 6109 3.3.2.1 to 3.3.2.3).
func (p *Point) deliveryReceipt(ctx context.Context, s *subject, short []pec.Piece) (*issuance.Issued, store.Recipe, error) {
	s.data.Kind, s.data.Reason = pec.Delivered, pec.ReasonNone
	c := pec.Composition{Data: s.data, MessageID: s.unit.NewID(s.at.At), To: s.Sender}
	if !s.encloses() {
		issued, err := s.unit.Issue(c, nil)
		if err != nil {
			return nil, nil, err
		}
		return issued, store.Enclosing(issued.Before, store.Span{}, issued.After), nil
	}
	if short == nil {
		short = []pec.Piece{{Length: s.Body.Length}}
	}
	body, err := p.Store.OpenSpan(ctx, s.Body)
	if err != nil {
		return nil, nil, err
	}
	c.Original, c.EightBit = s.Header, s.EightBit
	issued, err := s.unit.Issue(c, assembled(short, body))
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, nil, err
	}
	return issued, s.recipe(issued, short), nil
}

// encloses tells whether the receipt has the original.
func (s *subject) encloses() bool {
	return s.data.ReceiptType != pec.Concise && pec.Role(s.Header, s.data.DeliveredTo) && s.enclosable()
}

// enclosable tells whether a receipt can bear the original: a peer may have let one through whose header is none, or has
// two identifiers. What cannot be enclosed was delivered all the same, and the concise receipt says so.
func (s *subject) enclosable() bool {
	h, err := pec.ParseHeader(s.Header)
	ids := h.Values("Message-ID")
	return err == nil && len(ids) == 1 && ids[0] == s.PEC.Bracketed() && bytes.HasSuffix(s.Header, []byte("\r\n\r\n"))
}

// relay sends a receipt to the original sender, by its reverse path (RFC 6109 2.1; norms.md 80).
func (p *Point) relay(s *subject, receipt store.ID) (store.NewRelay, error) {
	r := store.NewRelay{Message: receipt, Sender: s.unit.Address, For: s.Sender, Recipients: []pec.Address{s.Sender}}
	if _, ours := p.Units.ByDomain(s.Sender.Domain()); ours {
		r.Local = true
		return r, nil
	}
	entry, ok := p.Directory().Domain(s.Sender.Domain())
	if !ok {
		// The directory changed since the message was taken in charge: its signer's entry is who it is owed to.
		r.Target = s.Provider
		return r, nil
	}
	r.Target = entry.Key()
	return r, nil
}

// Obstacle is why an envelope does not get into a mailbox, in the words of the non-delivery (field-notes.md 8).
type Obstacle string

// The obstacles.
const (
	NoMailbox        Obstacle = "indirizzo non valido"
	MailboxDisabled  Obstacle = "casella disabilitata"
	MailboxSuspended Obstacle = "casella sospesa"
	MailboxFull      Obstacle = "casella piena"
)

// class is the class of the error and its code (RFC 3463).
func (o Obstacle) class() (pec.Reason, string) {
	switch o {
	case NoMailbox:
		return pec.ReasonNoRecipient, "5.1.1"
	case MailboxFull:
		return pec.ReasonOther, "5.2.2"
	}
	return pec.ReasonOther, "5.2.1"
}

// Refuse issues the non-delivery receipt at once: nothing is queued for a mailbox that may have room later (RFC 6109 3.3.3; norms.md
// 88).
func (p *Point) Refuse(ctx context.Context, t store.Task, why Obstacle) error {
	s, err := p.subject(ctx, t)
	if err != nil {
		return err
	}
	s.stamp(p.Store.Instant(t.Since))
	reason, code := why.class()
	s.data.Kind, s.data.Reason, s.data.ReceiptType = pec.NonDelivery, reason, ""
	s.data.Detail = pec.DetailOf(code, s.unit.Name, string(why))
	issued, err := s.unit.Issue(pec.Composition{Data: s.data, MessageID: s.unit.NewID(s.at.At), To: s.Sender}, nil)
	if err != nil {
		return err
	}
	receipt := issued.Message(t.Provider, t.PEC, store.Span{})
	r := store.Refusal{Instant: s.at, Task: t, Receipt: receipt, Record: s.record(pec.EventNonDelivery, issued)}
	if r.Relay, err = p.relay(s, receipt.ID); err != nil {
		return err
	}
	if err := p.Store.Refuse(ctx, r); err != nil {
		return err
	}
	p.Log.Info("not delivered", "id", t.PEC, "to", t.Target, "reason", why)
	return nil
}

func (s *subject) record(kind pec.EventKind, issued *issuance.Issued) pec.Record {
	return pec.Record{
		Fact: store.NewID(), At: s.at.At, Unit: string(s.unit.Address), Certificate: issued.Certificate,
		Events: []pec.Event{{
			Kind: kind, ID: s.PEC, Provider: s.Provider, ClientID: s.data.ClientID, Sender: s.Sender, Recipients: s.data.Recipients,
			Subject: s.data.Subject, Recipient: s.data.DeliveredTo, Detail: s.data.Detail, Generated: []pec.Generated{issued.Generated()},
		}},
	}
}

package access

import (
	"context"
	"errors"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// notAccept issues the signed notice that a message is not accepted, into its sender's mailbox, and returns what the client is
// told at SMTP (RFC 6109 3.1.2; norms.md 12-14). The same submission with the same faults within five days has the same notice.
// Any error but *Refused means that nothing was issued and that the client may try again.
func (p *Point) notAccept(ctx context.Context, s Submission, o *original, faults []pec.FormalError) error {
	key := refusalKey(s, o, faults)
	id, err := p.noticeBefore(ctx, s, o, key)
	if errors.Is(err, store.ErrNotFound) {
		id, err = p.noticeInTurn(ctx, s, o, key, faults)
	}
	if errors.Is(err, store.ErrConflict) { // the same submission on another connection was first
		id, err = p.noticeBefore(ctx, s, o, key)
	}
	if err != nil {
		return err
	}
	return &Refused{Faults: faults, Notice: id}
}

// refusalKey is that of a refused submission, which is never one of an accepted one: when a limit was raised the same octets may
// be accepted. The octets hold the client's id.
func refusalKey(s Submission, o *original, faults []pec.FormalError) store.SubmissionKey {
	marked := s.Recipients[:len(s.Recipients):len(s.Recipients)]
	for _, f := range faults {
		marked = append(marked, pec.Address("fault "+f.Rule+" "+f.Enhanced))
	}
	return store.SubmissionKey{Mailbox: s.Mailbox.ID, SHA256: o.sha256, Recipients: store.RecipientsDigest(marked)}
}

func (p *Point) noticeBefore(ctx context.Context, s Submission, o *original, key store.SubmissionKey) (pec.ID, error) {
	id, err := p.Store.Submitted(ctx, key)
	if err != nil {
		return "", err
	}
	return id, p.again(ctx, s, o, id)
}

// noticeInTurn issues when it is the sender's turn, if the mailbox's budget has the one signature (attacks.md 10, 39).
func (p *Point) noticeInTurn(ctx context.Context, s Submission, o *original, key store.SubmissionKey, faults []pec.FormalError) (pec.ID, error) {
	sender := s.Mailbox.Address.Key()
	leave, err := p.Signing.Enter(ctx, "from "+sender, 1)
	if err != nil {
		return "", err
	}
	defer leave()
	if !p.Budget.Spend(sender, 1) {
		return "", ErrBudget
	}
	id, err := p.notice(ctx, s, o, key, faults)
	if err != nil {
		p.Budget.Refund(sender, 1)
	}
	return id, err
}

func (p *Point) notice(ctx context.Context, s Submission, o *original, key store.SubmissionKey, faults []pec.FormalError) (pec.ID, error) {
	dir := p.Directory()
	unit, err := p.unitOf(dir, s.Mailbox.Address)
	if err != nil {
		return "", err
	}
	at := p.Store.Instant(time.Time{})
	data := pec.CertData{
		Kind: pec.NonAcceptance, Reason: pec.ReasonOther, Sender: s.Mailbox.Address, Recipients: typed(dir, s.Recipients), ReplyTo: o.ReplyToRaw,
		Subject: o.Subject, Issuer: unit.Name, At: at.At, ID: unit.NewID(at.At), ClientID: o.ClientID,
		Detail: pec.DetailOf(faults[0].Enhanced, unit.Name, pec.Description(faults)),
	}
	issued, err := unit.Issue(pec.Composition{Data: data, MessageID: unit.NewID(at.At), To: data.Sender}, nil)
	if err != nil {
		return "", err
	}
	n := store.NonAcceptance{
		Instant: at, Key: key, Provider: unit.Entry, PEC: data.ID, Notice: issued.Message(unit.Entry, data.ID, store.Span{}),
		Record: eventRecord(unit, issued.Certificate, at, pec.EventNotAccepted, data, issued.Generated()),
	}
	n.Record.Events[0].OriginalSHA256 = &o.sha256
	n.Record.Events = append(n.Record.Events, pec.Deposited(unit.Entry, data.ID, unit.Address, data.Sender, pec.NonAcceptance, string(issued.MessageID)))
	if n.Inbox, err = p.Store.InboxEntryOf(ctx, s.Mailbox, unit.Address, data.Sender, ""); err != nil {
		return "", err
	}
	if err := p.Store.NotAccept(ctx, n); err != nil {
		return "", err
	}
	p.Log.Info("not accepted", "id", data.ID, "sender", data.Sender, "faults", pec.Description(faults))
	return data.ID, nil
}

// typed says of each recipient whether its domain is a provider's (norms.md 20).
func typed(dir *directory.Directory, to []pec.Address) []pec.Recipient {
	rs := make([]pec.Recipient, len(to))
	for i, a := range to {
		rs[i] = pec.Recipient{Address: a, Type: pec.External}
		if _, certified := dir.Domain(a.Domain()); certified {
			rs[i].Type = pec.Certified
		}
	}
	return rs
}

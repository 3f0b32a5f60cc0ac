package incoming

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
	"github.com/ceralacca/ceralacca/verify"
)

// NotCertified is ErrOrdinary for a message that looks like PEC and failed a check (attacks.md 16): the peer is told which.
type NotCertified struct {
	Check verify.Check
	Err   error
}

func (e *NotCertified) Error() string {
	return ErrOrdinary.Error() + ": " + string(e.Check) + ": " + e.Err.Error()
}

// Is makes it ErrOrdinary.
func (e *NotCertified) Is(target error) bool { return target == ErrOrdinary }

// ordinary decides on what no provider signed: it goes, enclosed, to those recipients who take it. Everybody else's was refused at
// RCPT already, unless its path spoke of a provider, or was null: then the operators have it for them.
func (p *Point) ordinary(ctx context.Context, m *message, why *failure) error {
	if m.takers == nil {
		if err := p.findTakers(ctx, m); err != nil {
			return err
		}
	}
	if len(m.takers) > 0 {
		return p.wrap(ctx, m, nil, why, m.takers)
	}
	return p.refuse(ctx, m, why)
}

// refuse refuses ordinary mail. An imitation of PEC is a warning and, within bounds, an event (attacks.md 16, 39); a full mailbox may
// have room later.
func (p *Point) refuse(ctx context.Context, m *message, why *failure) error {
	if m.full {
		return ErrFull
	}
	// The message is read as far as it goes: what makes it no message of PEC is for the checks to say.
	if parsed, _ := pec.ParseMessage(m.read.Parts); !parsed.LooksLikePEC() {
		return ErrOrdinary
	}
	p.Log.Warn("refused: it looks like certified mail and is none", "reason", why.Error(), "sender", m.from, "recipients", len(m.recipients), "peer", m.peer)
	if !p.Refusals.Spend(m.network, 1) {
		return &NotCertified{why.check, why.err}
	}
	at, ev := p.Store.Instant(time.Time{}), m.event(pec.EventRefused)
	ev.Detail, ev.Checks = why.Error(), passedBefore(why.check)
	if err := p.Store.Note(ctx, at, p.record(at, ev, m.recipients)); err != nil {
		return err
	}
	return &NotCertified{why.check, why.err}
}

// findTakers finds the recipients of ordinary mail who take it: by their mailbox's policy or their domain's (norms.md 60), or because
// it reports on a message that they sent. The others are left.
func (p *Point) findTakers(ctx context.Context, m *message) error {
	m.takers, m.left, m.full = []pec.Address{}, nil, false
	var ids []pec.ID
	if m.from == "" {
		ids, _ = pec.ReadDSN(m.read.Parts)
	}
	for _, r := range m.recipients {
		about, err := p.reportFor(ctx, ids, r)
		if err != nil {
			return err
		}
		takes, full, err := p.takesOrdinary(ctx, r, about != "", m.read.Parts.Size)
		if err != nil {
			return err
		}
		m.report, m.full = cmp.Or(m.report, about), m.full || full
		if takes && !full {
			m.takers = append(m.takers, r)
		} else {
			m.left = append(m.left, r)
		}
	}
	return nil
}

// enveloped is what an anomaly envelope may add to a message, for the question whether there is room.
const enveloped = 64 << 10

// takesOrdinary tells whether a recipient takes ordinary mail, and whether there is no room for it. A report to an address that signs is
// for the operators.
func (p *Point) takesOrdinary(ctx context.Context, to pec.Address, report bool, size int64) (takes, full bool, err error) {
	box, err := p.Store.Mailbox(ctx, to)
	if notFound(err) {
		return report && p.signingAddress(to), false, nil
	}
	if err != nil {
		return false, false, err
	}
	takes = p.policy(box) == store.OrdinaryAnomaly || report && box.Open() && !box.Service
	return takes, takes && !box.Room(size+enveloped), nil
}

// policy is a mailbox's for ordinary mail. One that is closed, and a provider's own, take none.
func (p *Point) policy(box store.Mailbox) store.Ordinary {
	switch {
	case box.Service || !box.Open():
		return store.OrdinaryRefuse
	case box.Ordinary != store.OrdinaryAsDomain:
		return box.Ordinary
	case p.Ordinary != nil:
		return p.Ordinary(box.Address.Domain())
	}
	return store.OrdinaryRefuse
}

// reportFor finds the message of ours, sent or issued by a recipient, that a DSN to it returns the header of; "" if there is none.
func (p *Point) reportFor(ctx context.Context, ids []pec.ID, to pec.Address) (pec.ID, error) {
	for _, id := range ids {
		for _, u := range p.Units {
			if ours, err := p.reportsOn(ctx, u, id, to); err != nil || ours {
				return id, err
			}
		}
	}
	return "", nil
}

func (p *Point) reportsOn(ctx context.Context, u *issuance.Unit, id pec.ID, to pec.Address) (bool, error) {
	if to.Key() == u.Address.Key() { // about a receipt of ours
		return p.Store.Issued(ctx, string(id))
	}
	e, err := p.Store.Envelope(ctx, u.Entry, id)
	if notFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for what is reported on: %w", err)
	}
	return to.Key() == e.Sender.Key(), nil
}

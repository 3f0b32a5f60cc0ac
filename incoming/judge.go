package incoming

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/store"
	"github.com/ceralacca/ceralacca/verify"
)

// failure is a check of RFC 6109 2.2.2 that a message did not pass.
type failure struct {
	check   verify.Check
	err     error
	young   bool // the certificate is in no directory that we have, and else a provider's: it may be new
	revoked bool // the certificate was a provider's
	lie     bool // a receipt that a provider signed contradicts what is known, or matches nothing (attacks.md 15)
}

func (f *failure) Error() string { return string(f.check) + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// malformed is the failure of what a provider signed and is not right.
func malformed(format string, args ...any) error {
	return &failure{check: verify.Form, err: fmt.Errorf(format, args...)}
}

// lies is the failure of a receipt that is well formed and not true.
func lies(format string, args ...any) error {
	return &failure{check: verify.Form, err: fmt.Errorf(format, args...), lie: true}
}

// genuine is a message that passed all four checks.
type genuine struct {
	*message
	pec.Message
	checked *verify.Result
	signer  *directory.Entry // the entry that the certificate was found in
	digest  []byte           // SHA-256 of the signed octets

	altered []pec.Address // who got other octets under the same id before
}

// judge runs the checks in one snapshot of the directory (norms.md 123) and does what the message's kind asks. What no
// provider signed and does not look like PEC is ordinary mail, whoever else signed it.
func (p *Point) judge(ctx context.Context, m *message) error {
	g, err := p.verify(m)
	leave, busy := p.Signing.Enter(ctx, turnOf(m, g, err == nil), p.signatures(m))
	if busy != nil {
		return busy
	}
	defer leave()
	if err == nil {
		err = p.act(ctx, g)
		if errors.Is(err, store.ErrConflict) && m.task == nil {
			err = p.act(ctx, g) // the same, or one about the same, came on another connection: decide again
		}
	}
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	if err := p.failed(ctx, m, g, f); !errors.Is(err, store.ErrConflict) || m.task != nil {
		return err
	}
	m.takers = nil // a mailbox has changed, or the same came on another connection: decide again
	if err := p.failed(ctx, m, g, f); !errors.Is(err, store.ErrConflict) || len(m.takers) == 0 {
		return err
	}
	return ErrFull // there is less room than it seemed
}

// act does what the kind of a message that passed all checks asks.
func (p *Point) act(ctx context.Context, g *genuine) error {
	switch g.Data.Kind {
	case pec.Transport:
		return p.takeCharge(ctx, g)
	case pec.VirusDetected: // the sender is not told yet: an operator is
		return p.hold(ctx, g.message, g, &failure{check: verify.Form, err: fmt.Errorf("%s found a virus in %s: tell its sender (RFC 6109 3.2.4)", g.signer.Provider, g.Data.ID)})
	}
	return p.hear(ctx, g)
}

// turnOf is the key under which a message waits: the provider that signed it if that is certain.
func turnOf(m *message, g *genuine, passed bool) string {
	switch {
	case m.task != nil:
		return "own " + m.from.Key()
	case passed:
		return "peer " + g.signer.Key() + " at " + m.network // anybody may send again what it signed
	}
	return "network " + m.network
}

// signatures is what a message costs before its 250: an envelope a taking in charge by each unit, an anomaly an envelope by each.
// What costs none counts as one, for its commit.
func (p *Point) signatures(m *message) int {
	if m.task != nil {
		return 1
	}
	units := map[*issuance.Unit]bool{}
	for _, r := range m.recipients {
		if u, ours := p.Units.ByDomain(r.Domain()); ours {
			units[u] = true
		}
	}
	return max(1, len(units))
}

// failed decides on what did not pass (RFC 6109 2.2.2). What a provider signed must reach its recipients, in an anomaly envelope;
// all else is ordinary mail. Our own message whose signature or origin we do not recognise waits: the directory or the keys are
// at fault, not the message. One that is not right is for the operators.
func (p *Point) failed(ctx context.Context, m *message, g *genuine, f *failure) error {
	switch {
	case m.task != nil && f.check != verify.Form:
		return f
	case m.task != nil:
		return p.hold(ctx, m, g, f)
	case f.young && p.Stale != nil && p.Stale():
		return ErrStale // a new certificate is in the directory before its first use, but not in our copy
	case f.check != verify.Form && !f.revoked:
		return p.ordinary(ctx, m, f)
	}
	to := m.recipients
	if g != nil && g.altered != nil {
		to = g.altered
	}
	return p.wrap(ctx, m, g, f, to)
}

// verify makes the four checks in one snapshot of the directory (norms.md 123), at the instant of arrival. What they leave in doubt
// has failed: only a revocation list that could not be had is borne, or asked to be waited for, by the operators' choice.
func (p *Point) verify(m *message) (*genuine, error) {
	dir := p.Directory()
	trust := verify.Trust{
		Anchors: p.Anchors, At: p.Store.Instant(time.Time{}).At, Revocation: p.Revocation,
		Directory: func(time.Time) (*directory.Directory, bool) { return dir, true },
	}
	if p.AllowSHA1 {
		trust.SHA1Signed = trust.At.Add(time.Hour)
	}
	r, err := trust.Verify(m.read, m.octets())
	if err != nil {
		return nil, err // a disk that fails is no failure of the message
	}
	g := &genuine{message: m, Message: *r.Message, checked: r, signer: r.Entry, digest: r.Digest}
	err = p.passed(r, m)
	var f *failure
	if errors.As(err, &f) && (f.check != verify.Form && !f.revoked || !g.HasData) {
		return nil, err // nothing of it is known to be a provider's word
	}
	return g, err
}

// checks names what it passed, for the records.
func (g *genuine) checks() string {
	all := passedBefore("")
	if g.checked.Revocation.State == revocation.Unknown {
		all += ", revocation not known"
	}
	return all
}

// octets are those of the arrival, while they are at hand.
func (m *message) octets() io.ReaderAt {
	if m.content == nil {
		return nil
	}
	return m.content
}

// passed says what is wrong with a message by the result of its checks.
func (p *Point) passed(r *verify.Result, m *message) error {
	switch {
	case r.Fault != nil:
		young := r.Fault.Reason == verify.NotListed && r.Path != nil
		return &failure{check: r.Fault.Check, err: r.Fault.Err, young: young, revoked: r.Fault.Reason == verify.Revoked}
	case len(r.Doubts) > 0:
		doubt := r.Doubts[0]
		return &failure{check: doubt.Check, err: errors.New(doubt.What), revoked: doubt.Reason == verify.Compromised}
	case !r.Message.HasData: // an anomaly envelope does not travel between providers
		return malformed("%w", pec.ErrNoCertData)
	case r.Revocation.State == revocation.Unknown && p.WaitForRevocation && m.task == nil:
		return ErrUnrevoked
	}
	if r.Revocation.State == revocation.Unknown && m.task == nil {
		p.Log.Info("believed though it is not known whether the certificate was revoked", "why", r.Revocation.Why, "signer", r.Signature.Certificate.Subject, "peer", m.peer)
	}
	if r.Signature.Weak {
		p.Log.Warn("a weak signature is borne", "digest", r.Signature.Hash, "signer", r.Signature.Certificate.Subject, "peer", m.peer)
	}
	return nil
}

// hold keeps what failed a check and can be given to nobody: 250 at SMTP, one warning, no answer.
func (p *Point) hold(ctx context.Context, m *message, g *genuine, f *failure) error {
	at := p.Store.Instant(time.Time{})
	ev := m.event(pec.EventHeld)
	ev.Detail, ev.Checks = f.Error(), passedBefore(f.check)
	if g != nil {
		ev.ID, ev.Provider, ev.ClientID, ev.Subject = g.Data.ID, g.signer.Key(), g.Data.ClientID, g.Data.Subject
	}
	if m.report != "" {
		ev.ID, ev.Detail = m.report, "a delivery report on "+string(m.report)
	}
	h := store.Held{Reason: ev.Detail, Sender: string(m.from), Peer: m.peer}
	for _, r := range m.recipients {
		h.Recipients = append(h.Recipients, string(r))
	}
	nm, content := store.NewMessage{ID: m.known}, m.content
	if !m.known.IsZero() {
		content = nil
	} else if content != nil {
		nm = m.stored(store.KindHeld)
		nm.PEC, nm.Provider = ev.ID, ev.Provider
	}
	p.Log.Warn("held", "reason", ev.Detail, "sender", m.from, "recipients", len(m.recipients), "peer", m.peer, "id", ev.ID)
	return p.Store.Hold(ctx, at, p.record(at, ev, m.recipients), h, content, nm, m.task)
}

// event begins the event of an arrival: who it is from and for, and the octets that were signed.
func (m *message) event(kind pec.EventKind) pec.Event {
	ev := pec.Event{Kind: kind, Sender: m.from}
	for _, r := range m.recipients {
		ev.Recipients = append(ev.Recipients, pec.Recipient{Address: r, Type: pec.Certified})
	}
	if m.read.Signed != nil {
		if digest, ok := m.read.Signed.Digest(crypto.SHA256); ok {
			ev.ReceivedSHA256 = (*[32]byte)(digest)
		}
	}
	return ev
}

// passedBefore names the checks before the one that failed; all of them if none did.
func passedBefore(failed verify.Check) string {
	var names []string
	for _, check := range verify.Checks() {
		if check == failed {
			break
		}
		names = append(names, string(check))
	}
	return strings.Join(names, ", ")
}

// stored is the arrival as a message: one span of its content.
func (m *message) stored(kind string) store.NewMessage {
	return store.NewMessage{
		ID: store.NewID(), Kind: kind, Structure: m.read.Parts, Trace: m.trace,
		Recipe: store.Recipe{{Span: store.Span{Content: m.content.ID, Length: m.content.Size}}},
	}
}

// record is the record of a fact here; the unit is that of the first recipient, or the first one.
func (p *Point) record(at store.Instant, e pec.Event, to []pec.Address) pec.Record {
	unit := p.Units[0]
	if i := slices.IndexFunc(to, func(a pec.Address) bool { _, ok := p.Units.ByDomain(a.Domain()); return ok }); i >= 0 {
		unit, _ = p.Units.ByDomain(to[i].Domain())
	}
	return pec.Record{Fact: store.NewID(), At: at.At, Unit: string(unit.Address), Events: []pec.Event{e}}
}

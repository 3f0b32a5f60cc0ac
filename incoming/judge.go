package incoming

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// The four checks of RFC 6109 2.2.2, as they are named in the records and the log.
const (
	checkExistence = "signature exists"
	checkOrigin    = "signature origin"
	checkValidity  = "signature validity"
	checkFormal    = "formal correctness"
)

// failure is a check that a message did not pass.
type failure struct {
	check string
	err   error
	young bool // the certificate is in no directory that we have, and else a provider's: it may be new
	lie   bool // a receipt that a provider signed contradicts what is known, or matches nothing (attacks.md 15)
}

func (f *failure) Error() string { return f.check + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failed(check, format string, args ...any) error {
	return &failure{check: check, err: fmt.Errorf(format, args...)}
}

// lies is the failure of a receipt that is well formed and not true.
func lies(format string, args ...any) error {
	return &failure{check: checkFormal, err: fmt.Errorf(format, args...), lie: true}
}

// genuine is a message that passed all four checks.
type genuine struct {
	*message
	pec.Message
	cert   *x509.Certificate
	signer *directory.Entry // the entry that the certificate was found in
	digest []byte           // SHA-256 of the signed octets
	dir    *directory.Directory

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
		return p.hold(ctx, g.message, g, &failure{check: checkFormal, err: fmt.Errorf("%s found a virus in %s: tell its sender (RFC 6109 3.2.4)", g.signer.Provider, g.Data.ID)})
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
	case m.task != nil && f.check != checkFormal:
		return f
	case m.task != nil:
		return p.hold(ctx, m, g, f)
	case f.young && p.Stale != nil && p.Stale():
		return ErrStale // a new certificate is in the directory before its first use, but not in our copy
	case f.check != checkFormal:
		return p.ordinary(ctx, m, f)
	}
	to := m.recipients
	if g != nil && g.altered != nil {
		to = g.altered
	}
	return p.wrap(ctx, m, g, f, to)
}

// verify runs the four checks in their order.
func (p *Point) verify(m *message) (*genuine, error) {
	if m.noSign != nil {
		return nil, failed(checkExistence, "%w", m.noSign)
	}
	sig, digest, err := p.signature(m)
	if err != nil {
		return nil, err
	}
	dir := p.Directory()
	signer, ok := dir.Signer(sig.Certificate)
	if !ok {
		return nil, &failure{
			check: checkOrigin, err: fmt.Errorf("the certificate %q is no provider's in the directory", sig.Certificate.Subject), young: p.validity(sig) == nil,
		}
	}
	if err := p.validity(sig); err != nil {
		return nil, err
	}
	parsed, err := pec.ParseMessage(m.parts)
	if err != nil {
		return nil, failed(checkFormal, "%w", err)
	}
	g := &genuine{message: m, Message: *parsed, cert: sig.Certificate, signer: signer, digest: digest, dir: dir}
	if err := parsed.Consistent(pec.Address(smime.Email(sig.Certificate))); err != nil {
		return g, failed(checkFormal, "%w", err)
	}
	return g, nil
}

// signature verifies the CMS signature over the octets that arrived. The origin is checked before the validity, but a
// signature has to be read for its certificate to be known.
func (p *Point) signature(m *message) (*smime.Signature, []byte, error) {
	sig, err := p.verified(m)
	if errors.Is(err, errUnread) {
		return nil, nil, err // a disk that fails is no failure of the message
	}
	if err != nil {
		check := checkValidity
		if errors.Is(err, smime.ErrNotSigned) || errors.Is(err, smime.ErrMalformed) {
			check = checkExistence
		}
		return nil, nil, failed(check, "%w", err)
	}
	if sig.Hash == crypto.SHA1 && !p.AllowSHA1 {
		return nil, nil, failed(checkValidity, "the digest is SHA-1, which this provider does not take")
	}
	if sig.Weak {
		p.Log.Warn("a weak signature is borne", "digest", sig.Hash, "signer", sig.Certificate.Subject, "peer", m.peer)
	}
	digest, ok := m.signed.Digest(crypto.SHA256)
	if !ok {
		return nil, nil, failed(checkValidity, "the signed octets have no SHA-256")
	}
	return sig, digest, nil
}

var errUnread = errors.New("reading the signed octets again")

// verified runs the signature over the digest that was made as the octets passed; only for a rare algorithm are they read
// once more.
func (p *Point) verified(m *message) (*smime.Signature, error) {
	sig, err := m.signed.Verify()
	var need *smime.NeedDigest
	if !errors.As(err, &need) || m.content == nil || !need.Hash.Available() {
		return sig, err
	}
	sum := need.Hash.New()
	if _, err := io.Copy(sum, m.content.Section(need.Start, need.End-need.Start)); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnread, err)
	}
	sd, err := smime.Parse(m.signed.Signature)
	if err != nil {
		return nil, err
	}
	return sd.Verify(sum.Sum(nil))
}

// validity checks the certificate's path and dates now, at the instant of arrival.
func (p *Point) validity(sig *smime.Signature) error {
	if _, err := sig.Chain(p.Roots, p.Store.Instant(time.Time{}).At); err != nil {
		return failed(checkValidity, "%w", err)
	}
	return nil
}

// hold keeps what failed a check and can be given to nobody: 250 at SMTP, one warning, no answer.
func (p *Point) hold(ctx context.Context, m *message, g *genuine, f *failure) error {
	at := p.Store.Instant(time.Time{})
	ev := m.event(pec.EventHeld)
	ev.Detail, ev.Checks = f.Error(), passed(f.check)
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
	if m.signed != nil {
		if digest, ok := m.signed.Digest(crypto.SHA256); ok {
			ev.ReceivedSHA256 = (*[32]byte)(digest)
		}
	}
	return ev
}

// passed names the checks before the one that failed; all of them if none did.
func passed(failed string) string {
	all := []string{checkExistence, checkOrigin, checkValidity, checkFormal}
	if i := slices.Index(all, failed); i >= 0 {
		all = all[:i]
	}
	return strings.Join(all, ", ")
}

// stored is the arrival as a message: one span of its content.
func (m *message) stored(kind string) store.NewMessage {
	return store.NewMessage{
		ID: store.NewID(), Kind: kind, Structure: m.parts, Trace: m.trace,
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

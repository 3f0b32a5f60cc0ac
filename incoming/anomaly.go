package incoming

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
	"github.com/ceralacca/ceralacca/verify"
)

// The reasons as people read them (norms.md 64; field-notes.md 8); the records have the check and its error.
const (
	reasonUnsigned  = "il messaggio non è firmato digitalmente da un gestore di posta certificata"
	reasonRevoked   = "il certificato del gestore che ha firmato il messaggio risulta revocato"
	reasonUntrusted = "la firma digitale del messaggio non risulta attendibile"
	reasonMalformed = "il messaggio proviene da un gestore di posta certificata, ma non è formalmente corretto"
	reasonLie       = "la ricevuta non corrisponde ad alcun messaggio inviato, o contraddice quanto già noto"
	reasonReport    = "avviso di mancato recapito di un sistema di posta ordinaria"
)

// people is the reason for people.
func (f *failure) people(report bool) string {
	switch {
	case report:
		return reasonReport
	case f.lie:
		return reasonLie
	case f.revoked:
		return reasonRevoked
	case f.check == verify.Form:
		return reasonMalformed
	case f.check == verify.Existence:
		return reasonUnsigned
	}
	return reasonUntrusted
}

// wrapping is an arrival on its way into anomaly envelopes.
type wrapping struct {
	*Point
	m        *message
	g        *genuine // nil if no provider signed it
	why      *failure
	ordinary bool
	fact     store.Anomaly
	missing  []string // recipients without a mailbox
}

// wrap puts an arrival, enclosed, into the mailboxes of recipients: one envelope a unit (RFC 6109 2.2.2, 3.2.2). What came before is
// an event. Where there is no mailbox, or what came cannot be enclosed, the operators have it.
func (p *Point) wrap(ctx context.Context, m *message, g *genuine, why *failure, to []pec.Address) error {
	w := &wrapping{Point: p, m: m, g: g, why: why, ordinary: why.check != verify.Form && !why.revoked}
	w.fact = store.Anomaly{Instant: p.Store.Instant(time.Time{}), SHA256: m.content.SHA256, Ordinary: w.ordinary}
	if !m.kept {
		w.fact.Content = m.content
	}
	fresh, err := w.fresh(ctx, to)
	if err != nil {
		return err
	}
	var left []pec.Address
	if w.ordinary {
		if left, err = w.fresh(ctx, m.left); err != nil {
			return err
		}
	}
	switch {
	case len(fresh) == 0 && len(left) == 0:
		return w.again(ctx)
	case len(fresh) == 0: // who takes it has it; the operators have it for the others
		others := *m
		others.recipients = left
		return p.hold(ctx, &others, g, why)
	}
	for _, r := range left {
		w.missing = append(w.missing, string(r))
	}
	err = w.enclose(ctx, fresh)
	switch truncated := errors.Is(err, pec.ErrTruncated); {
	case truncated && w.ordinary && m.report == "":
		m.full = false // room would not help
		return p.refuse(ctx, m, why)
	case truncated, err == nil && len(w.fact.Envelopes) == 0:
		return p.hold(ctx, m, g, why)
	}
	if err != nil {
		return err
	}
	return w.commit(ctx)
}

// fresh are the recipients that have not got the same octets before.
func (w *wrapping) fresh(ctx context.Context, to []pec.Address) (fresh []pec.Address, err error) {
	for _, r := range to {
		before, err := w.Store.Wrapped(ctx, w.m.content.SHA256, r)
		if err != nil {
			return nil, err
		}
		if !before {
			fresh = append(fresh, r)
		}
	}
	return fresh, nil
}

func (w *wrapping) again(ctx context.Context) error {
	at := w.Store.Instant(time.Time{})
	ev := w.event(pec.EventArrivedAgain)
	w.Log.Info("arrived again", "id", ev.ID, "sender", w.m.from, "peer", w.m.peer)
	return w.Store.ArrivedAgain(ctx, at, w.record(at, ev, w.m.recipients), nil)
}

// event is that of the whole arrival.
func (w *wrapping) event(kind pec.EventKind) pec.Event {
	ev := w.m.event(kind)
	ev.Detail, ev.Checks = w.why.Error(), passedBefore(w.why.check)
	if w.g != nil {
		ev.ID, ev.Provider, ev.ClientID, ev.Subject = w.g.Data.ID, w.g.signer.Key(), w.g.Data.ClientID, w.g.Data.Subject
	}
	if w.m.report != "" {
		ev.ID, ev.Detail = w.m.report, "a delivery report on "+string(w.m.report)
	}
	return ev
}

// enclose makes an envelope for each unit that has mailboxes among the recipients.
func (w *wrapping) enclose(ctx context.Context, to []pec.Address) error {
	w.fact.Record = w.record(w.fact.Instant, w.event(w.kind()), to)
	for _, unit := range w.Units {
		inboxes := map[pec.Address]store.InboxEntry{}
		for _, r := range to {
			if u, ours := w.Units.ByDomain(r.Domain()); !ours || u != unit {
				continue
			}
			in, err := w.Store.InboxEntry(ctx, w.m.from, r, w.m.trace)
			if notFound(err) {
				w.missing = append(w.missing, string(r))
				continue
			}
			if err != nil {
				return err
			}
			inboxes[r] = in
		}
		if len(inboxes) > 0 {
			if err := w.envelope(unit, inboxes); err != nil {
				return err
			}
		}
	}
	for _, r := range to {
		if _, ours := w.Units.ByDomain(r.Domain()); !ours { // a signing address
			w.missing = append(w.missing, string(r))
		}
	}
	return nil
}

// kind tells receipts that lie from all else: each is an event of its own kind, which operators count (attacks.md 15).
func (w *wrapping) kind() pec.EventKind {
	if w.why.lie {
		return pec.EventUnmatched
	}
	return pec.EventAnomaly
}

// envelope issues one envelope for recipients of a unit (norms.md 61-63). It names whom the provider that signed says it is for, or
// whom the message itself names: blind copies stay blind.
func (w *wrapping) envelope(unit *issuance.Unit, inboxes map[pec.Address]store.InboxEntry) error {
	root := w.m.read.Parts.Root
	h, _ := pec.ParseHeader(root.Header) // an anomaly's may be none
	read := pec.ReadOriginal(h)
	data := pec.CertData{Kind: pec.Anomaly, Sender: w.m.from, Subject: read.Subject, At: w.fact.Instant.At, Detail: w.why.people(w.m.report != "")}
	for r := range inboxes {
		if !w.ordinary && !w.why.revoked || slices.ContainsFunc(slices.Concat(read.To, read.Cc), func(a pec.Address) bool { return a.Key() == r.Key() }) {
			data.Recipients = append(data.Recipients, pec.Recipient{Address: r, Type: pec.Certified})
		}
	}
	slices.SortFunc(data.Recipients, func(a, b pec.Recipient) int { return compare(a.Address, b.Address) })
	body := store.Span{Content: w.m.content.ID, Offset: root.Body, Length: w.m.content.Size - root.Body}
	issued, err := unit.Issue(pec.Composition{Data: data, MessageID: unit.NewID(data.At), Original: root.Header, EightBit: w.m.read.Parts.EightBit},
		w.m.content.Section(body.Offset, body.Length))
	if err != nil {
		return err
	}
	if w.m.read.Parts.Truncated || issued.Structure.Truncated {
		return pec.ErrTruncated
	}
	ev := &w.fact.Record.Events[0]
	ev.Generated = append(ev.Generated, issued.Generated())
	w.fact.Record.Certificate = issued.Certificate
	provider, id := unit.Entry, ev.ID
	if w.g != nil {
		provider = w.g.signer.Key()
	}
	w.fact.Envelopes = append(w.fact.Envelopes, store.AnomalyEnvelope{Message: issued.Message(provider, id, body), Inboxes: inboxes})
	return nil
}

func compare(a, b pec.Address) int {
	switch {
	case a.Key() < b.Key():
		return -1
	case a.Key() > b.Key():
		return 1
	}
	return 0
}

func (w *wrapping) commit(ctx context.Context) error {
	ev := &w.fact.Record.Events[0]
	ev.Recipients = nil
	for _, e := range w.fact.Envelopes {
		for _, r := range slices.SortedFunc(maps.Keys(e.Inboxes), compare) {
			ev.Recipients = append(ev.Recipients, pec.Recipient{Address: r, Type: pec.Certified})
		}
	}
	if len(w.missing) > 0 {
		w.fact.Held = &store.Held{Reason: ev.Detail, Sender: string(w.m.from), Recipients: w.missing, Peer: w.m.peer}
		held := *ev
		held.Kind, held.Generated, held.Recipients = pec.EventHeld, nil, nil
		for _, r := range w.missing {
			held.Recipients = append(held.Recipients, pec.Recipient{Address: pec.Address(r), Type: pec.Certified})
		}
		w.fact.Record.Events = append(w.fact.Record.Events, held)
		ev = &w.fact.Record.Events[0]
	}
	if err := w.Store.Wrap(ctx, w.fact); err != nil {
		return err
	}
	w.Log.Warn("enclosed in an anomaly envelope", "reason", ev.Detail, "sender", w.m.from, "recipients", len(w.m.recipients), "peer", w.m.peer, "id", ev.ID)
	return nil
}

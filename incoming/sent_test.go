package incoming

import (
	"strings"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// sent commits a message of mario's as the access point does.
func (w *world) sent(from pec.Address, to ...pec.Address) pec.ID {
	return w.sentWith(letterBody, from, to...)
}

func (w *world) sentWith(body string, from pec.Address, to ...pec.Address) pec.ID {
	w.t.Helper()
	at := w.Store.Instant(w.now())
	unit := alfa().unit
	id := unit.NewID(at.At)
	c := alfa().envelope(id, from, to...)
	c.Data.At = at.At
	spool := w.Store.NewSpool()
	w.ok(spool.Write([]byte("header\r\n\r\n" + body)))
	content := w.ok(spool.Seal(w.t.Context())).(*store.Content)
	defer content.Release()
	span := store.Span{Content: content.ID, Offset: content.Size - int64(len(body)), Length: int64(len(body))}
	transport := must(unit.Issue(c, strings.NewReader(body)))
	data := c.Data
	data.Kind, data.ReceiptType, data.Issuer = pec.Acceptance, "", unit.Name
	receipt := must(unit.Issue(pec.Composition{Data: data, MessageID: unit.NewID(at.At), To: from}, nil))
	c.Data.Issuer = unit.Name
	message := transport.Message(unit.Entry, id, span)
	a := store.Acceptance{
		Instant: at, Key: store.SubmissionKey{Mailbox: w.box.ID, ClientID: pec.ClientID(id)}, Content: content, Transport: message,
		Receipt: receipt.Message(unit.Entry, id, store.Span{}), Inbox: w.ok(w.Store.InboxEntryOf(w.t.Context(), w.box, unit.Address, from, "")).(store.InboxEntry),
		Envelope: store.Envelope{
			Provider: unit.Entry, PEC: id, Message: message.ID, CertData: c.Data.XML(), Header: c.Original, Body: span, Sender: from, Mailbox: w.box.ID, At: at.At,
		},
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: string(unit.Address), Events: []pec.Event{{
			Kind: pec.EventAccepted, ID: id, Provider: unit.Entry, Sender: from, Recipients: c.Data.Recipients,
		}}},
	}
	targets := map[string]*store.NewRelay{}
	for _, r := range c.Data.Recipients {
		if r.Type == pec.Certified {
			a.Certified = append(a.Certified, r.Address)
		}
		target, local := r.Address.Domain(), false
		if entry, ok := w.dir.Domain(target); ok {
			target, local = entry.Key(), entry.Key() == unit.Entry
		}
		if targets[target] == nil {
			targets[target] = &store.NewRelay{Message: message.ID, Target: target, Local: local, Sender: from}
		}
		targets[target].Recipients = append(targets[target].Recipients, r.Address)
	}
	for _, r := range targets {
		if r.Local {
			r.Target = ""
		}
		a.Relays = append(a.Relays, *r)
	}
	if err := w.Store.Accept(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// tracked is what is known of a recipient of a message of ours.
func (w *world) tracked(id pec.ID, r pec.Address) store.Tracking {
	w.t.Helper()
	for _, t := range w.ok(w.Store.Tracking(w.t.Context(), alfa().entry.Key(), id)).([]store.Tracking) {
		if t.Recipient.Key() == r.Key() {
			return t
		}
	}
	return store.Tracking{}
}

// relayed is the state of a recipient's relay.
func (w *world) relayed(id pec.ID, r pec.Address) string {
	w.t.Helper()
	for _, t := range append(w.tasks(store.TaskRelay), w.tasks(store.TaskReceive)...) {
		for _, x := range w.ok(w.Store.Relays(w.t.Context(), t)).([]store.Relay) {
			if t.PEC == id && x.Recipient.Key() == r.Key() {
				return x.State
			}
		}
	}
	return ""
}

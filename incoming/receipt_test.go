package incoming

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/store"
)

// RFC 6109 3.1.6, 3.2.1, 3.3.2, 3.3.3; design.md 3: right receipts advance tracking and go to whom they are for.
// norms.md 72
func TestReceiptsAreHeard(t *testing.T) {
	for kind, c := range map[pec.Kind]struct {
		to    pec.Address
		state string
		relay string
	}{
		pec.TakenInCharge: {ricevute, store.StatePending, store.RelayPending},
		pec.Delivered:     {mario, store.StateDelivered, store.RelayCancelled}, // before our own "relayed"
		pec.NonDelivery:   {mario, store.StateFailed, store.RelayCancelled},
	} {
		w := newWorld(t)
		id := w.sent(mario, luigi, sara)
		w.pass(time.Hour)
		octets := beta().issue(beta().receipt(kind, id, luigi, luigi, sara))
		if err := w.receive(octets, beta().unit.Address, c.to); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		x := w.tracked(id, luigi)
		if x.State != c.state || x.TakenAt.IsZero() == (kind == pec.TakenInCharge) || x.OutcomeAt.IsZero() != (kind == pec.TakenInCharge) {
			t.Errorf("%s: tracking is %+v", kind, x)
		}
		if y := w.tracked(id, sara); y.State != store.StatePending || !y.TakenAt.IsZero() {
			t.Errorf("%s: tracking of another is %+v", kind, y)
		}
		if w.relayed(id, luigi) != c.relay || w.relayed(id, sara) != store.RelayPending {
			t.Errorf("%s: the relays are %s and %s", kind, w.relayed(id, luigi), w.relayed(id, sara))
		}
		w.wantDelivery(string(kind), octets, c.to)
		if r := w.record(); r.Events[0].Kind != pec.EventHeard || r.Events[0].Detail != string(kind) || r.Events[0].Recipients[0].Address != luigi {
			t.Errorf("%s: the record is %+v", kind, r)
		}
		w.wantAgain(string(kind), octets, id, c.to)
	}
}

// wantDelivery checks that a receipt is the last in a mailbox, with its own octets behind its trace, and that the record says so.
func (w *world) wantDelivery(what string, octets []byte, to pec.Address) {
	w.t.Helper()
	entries := w.entries(to)
	if len(entries) == 0 {
		w.t.Fatalf("%s: nothing is delivered", what)
	}
	last := entries[len(entries)-1]
	o := w.ok(w.Store.Open(w.t.Context(), last.Message, nil)).(*store.Octets)
	defer o.Close()
	stored := make([]byte, o.Size())
	w.ok(o.ReadAt(stored, 0))
	lead := "Return-Path: <" + string(beta().unit.Address) + ">\r\nDelivered-To: " + string(to) + "\r\nReceived: from mx.peer.test ([192.0.2.2])\r\n\tby mx.pec.alfa.test with ESMTPS;"
	if string(stored) != string(octets) || !strings.HasPrefix(string(last.Lead), lead) {
		w.t.Errorf("%s: the mailbox has %+v", what, last)
	}
	if r := w.record(); len(r.Events) != 2 || r.Events[1].Kind != pec.EventDeposited || r.Events[1].Recipient != to || !strings.HasPrefix(r.Events[1].Detail, what+" ") {
		w.t.Errorf("%s: the record is %+v", what, r)
	}
}

// wantAgain replays a receipt, which must change nothing but be noted (attacks.md 15).
func (w *world) wantAgain(what string, octets []byte, id pec.ID, to pec.Address) {
	w.t.Helper()
	before, facts := w.state(id), w.facts()
	if err := w.receive(octets, beta().unit.Address, to); err != nil {
		w.t.Errorf("%s again: %v", what, err)
	}
	if after := w.state(id); after != before || w.facts() != facts+1 || w.record().Events[0].Kind != pec.EventArrivedAgain || len(w.warnings.list) > 0 {
		w.t.Errorf("%s again: %+v became %+v", what, before, after)
	}
}

// A taking in charge may name several, and one of them twice.
func TestTakingInChargeOfSeveral(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, luigi, sara)
	c := beta().receipt(pec.TakenInCharge, id, luigi, luigi, sara)
	c.Data.TakenFor = []pec.Address{luigi, "SARA@studio.beta.test", "Luigi@pec.beta.test"}
	if err := w.receive(beta().issue(c), beta().unit.Address, ricevute); err != nil {
		t.Fatal(err)
	}
	if w.tracked(id, luigi).TakenAt.IsZero() || w.tracked(id, sara).TakenAt.IsZero() || len(w.warnings.list) > 0 {
		t.Errorf("tracking is %+v, warned of %q", w.tracked(id, sara), w.warnings.list)
	}
	// After the outcome it is a mark all the same.
	if err := w.receive(beta().issue(beta().receipt(pec.Delivered, id, luigi, luigi, sara)), beta().unit.Address, mario); err != nil || w.tracked(id, luigi).State != store.StateDelivered {
		t.Error(err)
	}
}

// attacks.md 15: a receipt that lies changes nothing and is put aside.
// norms.md 72, 73
func TestForgedReceiptsArePutAside(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, luigi, sara, gino, carla)
	foreign := w.foreign()
	all := []pec.Address{luigi, sara, gino, carla, "eva@pec.beta.test"}
	signed := func(h *house, kind pec.Kind, id pec.ID, about pec.Address) []byte {
		return h.issue(h.receipt(kind, id, about, all...))
	}
	for name, c := range map[string]struct {
		octets []byte
		to     []pec.Address
		want   string
	}{
		"never sent":                   {signed(beta(), pec.Delivered, "x@pec.alfa.test", luigi), []pec.Address{mario}, "x@pec.alfa.test is no message of ours"},
		"sent by another provider":     {signed(beta(), pec.Delivered, foreign, luigi), []pec.Address{mario}, "is no message of ours"},
		"wrong provider":               {signed(gamma(), pec.Delivered, id, luigi), []pec.Address{mario}, "Gamma PEC S.p.A. is not the provider of luigi"},
		"wrong provider, refusing":     {signed(beta(), pec.NonDelivery, id, gino), []pec.Address{mario}, "Beta PEC S.p.A. is not the provider of gino"},
		"wrong provider, taking":       {signed(gamma(), pec.TakenInCharge, id, luigi), []pec.Address{ricevute}, "Gamma PEC S.p.A. is not the provider of luigi"},
		"recipient that was not there": {signed(beta(), pec.Delivered, id, "eva@pec.beta.test"), []pec.Address{mario}, "eva@pec.beta.test was no certified recipient"},
		"recipient outside":            {signed(beta(), pec.Delivered, id, carla), []pec.Address{mario}, "is not the provider of carla@posta.test"},
		"taken for one too many": {beta().issue(func() pec.Composition {
			c := beta().receipt(pec.TakenInCharge, id, luigi, all...)
			c.Data.TakenFor = []pec.Address{luigi, "eva@pec.beta.test"}
			return c
		}()), []pec.Address{ricevute}, "eva@pec.beta.test was no certified recipient"},
		"to another's mailbox":         {signed(beta(), pec.Delivered, id, luigi), []pec.Address{anna}, "the receipt is for mario@pec.alfa.test"},
		"to two mailboxes":             {signed(beta(), pec.Delivered, id, luigi), []pec.Address{mario, anna}, "the receipt is for mario@pec.alfa.test"},
		"delivered to the service":     {signed(beta(), pec.Delivered, id, luigi), []pec.Address{ricevute}, "the receipt is for mario@pec.alfa.test"},
		"taken, to the holder":         {signed(beta(), pec.TakenInCharge, id, luigi), []pec.Address{mario}, "the receipt is for ricevute@pec.alfa.test"},
		"an acceptance":                {signed(beta(), pec.Acceptance, id, luigi), []pec.Address{mario}, "a accettazione from another provider"},
		"a receipt said to be another": {edit(signed(beta(), pec.NonDelivery, id, luigi), "X-Ricevuta: errore-consegna", "X-Ricevuta: avvenuta-consegna"), []pec.Address{mario}, "formal correctness"},
		"signed by nobody known":       {mallory().issue(mallory().receipt(pec.Delivered, id, luigi, all...)), []pec.Address{mario}, checkOrigin},
		"with another's identifier": {beta().issue(func() pec.Composition {
			c := beta().receipt(pec.Delivered, id, luigi, all...)
			c.Data.ClientID = "<2@client.test>"
			return c
		}()), []pec.Address{mario}, `the receipt speaks of "2@client.test"`},
		"referring to another in its header": {edit(signed(beta(), pec.Delivered, id, luigi), "X-Riferimento-Message-ID: <1@", "X-Riferimento-Message-ID: <2@"), []pec.Address{mario}, `the receipt speaks of "2@client.test"`},
		"with another original":              {beta().issueWith(beta().receipt(pec.Delivered, id, luigi, all...), "Mai spedito\r\n"), []pec.Address{mario}, "the receipt encloses another message"},
		"an octet altered":                   {edit(signed(beta(), pec.Delivered, id, luigi), "Ciao!", "Addio"), []pec.Address{mario}, checkValidity},
	} {
		want := w.wantLie
		if c.want == "formal correctness" || strings.HasPrefix(c.want, "signature ") {
			want = w.wantAside
		}
		want(name, c.want, c.octets, id, beta().unit.Address, c.to...)
	}
}

// foreign is the id of a message that Beta sent and we took in charge.
func (w *world) foreign() pec.ID {
	w.t.Helper()
	const id = pec.ID("m1@pec.beta.test")
	if err := w.receive(beta().issue(beta().envelope(id, luigi, mario)), luigi, mario); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// design.md 3: the first valid outcome wins; what contradicts it, and what says it again in other octets, is put aside.
func TestSecondOutcomesArePutAside(t *testing.T) {
	for _, first := range []pec.Kind{pec.Delivered, pec.NonDelivery} {
		w := newWorld(t)
		id := w.sent(mario, luigi, sara)
		if err := w.receive(beta().issue(beta().receipt(first, id, luigi, luigi, sara)), beta().unit.Address, mario); err != nil {
			t.Fatal(err)
		}
		for _, second := range []pec.Kind{pec.Delivered, pec.NonDelivery} {
			octets := beta().issue(beta().receipt(second, id, luigi, luigi, sara))
			w.wantLie(string(first)+" then "+string(second), "the outcome for luigi@pec.beta.test is known already", octets, id, beta().unit.Address, mario)
		}
		if want := map[pec.Kind]string{pec.Delivered: store.StateDelivered, pec.NonDelivery: store.StateFailed}[first]; w.tracked(id, luigi).State != want {
			t.Errorf("after %s tracking is %s", first, w.tracked(id, luigi).State)
		}
	}
	w := newWorld(t)
	id := w.sent(mario, luigi, sara)
	if err := w.receive(beta().issue(beta().receipt(pec.TakenInCharge, id, luigi, luigi, sara)), beta().unit.Address, ricevute); err != nil {
		t.Fatal(err)
	}
	octets := beta().issue(beta().receipt(pec.TakenInCharge, id, luigi, luigi, sara))
	w.wantLie("taken twice", "luigi@pec.beta.test was taken in charge already", octets, id, beta().unit.Address, ricevute)
}

// design.md 4, contents once: what a complete receipt brings back is a reference to what was sent, if it is the same.
func TestReturnedOriginalIsStoredOnce(t *testing.T) {
	w := newWorld(t)
	body := strings.Repeat("0123456789\r\n", 40_000)
	id := w.sentWith(body, mario, luigi, sara)
	for _, back := range []struct {
		about pec.Address
		body  string
	}{{luigi, body}, {sara, strings.Replace(body, "0", "1", 1)}} {
		octets := beta().issueWith(beta().receipt(pec.Delivered, id, back.about, luigi, sara), back.body)
		if err := w.receive(octets, beta().unit.Address, mario); err != nil {
			t.Fatal(err)
		}
		if back.about == luigi {
			w.wantDelivery(string(pec.Delivered), octets, mario)
		}
	}
	if n := w.longContents(); n != 2 { // what was sent, and the one that came back changed
		t.Errorf("%d long contents, want 2", n)
	}
}

// longContents counts those that are too long for a row or a segment.
func (w *world) longContents() (n int) {
	w.t.Helper()
	if w.database != "" {
		return w.ok(strconv.Atoi(postgrestest.Query(w.t, w.database, `SELECT count(DISTINCT content) FROM chunk`))).(int)
	}
	w.ok(nil, filepath.WalkDir(filepath.Join(w.Store.Dir(), "contents"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// RFC 6109 3.2.4 has its own issue: until then a peer's virus notice is for the operators, and no lie.
func TestVirusNoticeIsHeld(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, luigi)
	c := beta().receipt(pec.VirusDetected, id, luigi, luigi)
	c.To, c.Data.DeliveredTo = ricevute, luigi
	c.Data.Reason, c.Data.Detail = pec.ReasonVirus, "5.7.1 - Beta PEC S.p.A. - Eicar-Test-Signature"
	w.ok(nil, w.receive(beta().issue(c), beta().unit.Address, ricevute))
	held := w.ok(w.Store.HeldMessages(t.Context(), 1)).([]store.Held)
	if len(held) != 1 || !strings.Contains(held[0].Reason, "Beta PEC S.p.A. found a virus in "+string(id)) || len(w.entries(ricevute)) != 0 || w.tracked(id, luigi).State != store.StatePending {
		t.Errorf("held: %+v", held)
	}
}

// quirks.md A10: the last line end of the original may have become the boundary's; it is the same message.
func TestReceiptWithoutTheLastLineEnd(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, luigi)
	octets := beta().issueWith(beta().receipt(pec.Delivered, id, luigi, luigi), strings.TrimSuffix(letterBody, "\r\n"))
	if err := w.receive(octets, beta().unit.Address, mario); err != nil || w.tracked(id, luigi).State != store.StateDelivered {
		t.Errorf("%v, tracking is %s", err, w.tracked(id, luigi).State)
	}
}

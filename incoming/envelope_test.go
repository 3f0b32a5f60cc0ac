package incoming

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// RFC 6109 2.2.2, 3.2.1: a right envelope is taken in charge, and its provider's service mailbox is told for whom.
// norms.md 54, 55
func TestEnvelopeIsTakenInCharge(t *testing.T) {
	for name, to := range map[string][]pec.Address{"all": {mario, anna}, "some": {anna}, "doubled": {mario, "MARIO@pec.alfa.test", mario, anna}} {
		w := newWorld(t)
		octets := beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario, anna, sara, carla))
		if err := w.receive(octets, luigi, to...); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := pec.Distinct(to)
		deliver := w.tasks(store.TaskDeliver)
		if len(deliver) != len(want) {
			t.Errorf("%s: %d deliveries, want %d", name, len(deliver), len(want))
		}
		for _, d := range deliver {
			if !has(want, pec.Address(d.Target)) || d.Sender != luigi || d.PEC != "m1@pec.beta.test" || d.Provider != beta().entry.Key() {
				t.Errorf("%s: delivers %+v", name, d)
			}
		}
		w.wantTaken(name, "m1@pec.beta.test", want)
		if r := w.record(); r.Events[0].Kind != pec.EventTakenInCharge || len(r.Events[0].Recipients) != len(want) || len(r.Events[0].Generated) != 1 {
			t.Errorf("%s: the record is %+v", name, r)
		}
		if len(w.warnings.list) > 0 {
			t.Errorf("%s: warned of %q", name, w.warnings.list)
		}
	}
}

func has(as []pec.Address, a pec.Address) bool {
	for _, b := range as {
		if a.Key() == b.Key() {
			return true
		}
	}
	return false
}

// wantTaken checks the one taking in charge that is to be sent.
func (w *world) wantTaken(what string, id pec.ID, want []pec.Address) {
	w.t.Helper()
	var last store.Task
	for _, r := range w.tasks(store.TaskRelay) {
		if r.PEC == id && string(r.Message[:]) > string(last.Message[:]) {
			last = r
		}
	}
	if last.ID.IsZero() {
		w.t.Fatalf("%s: no taking in charge is sent", what)
	}
	to := w.ok(w.Store.Relays(w.t.Context(), last)).([]store.Relay)
	if last.Target != beta().entry.Key() || last.Sender != alfa().unit.Address || len(to) != 1 || string(to[0].Recipient) != beta().entry.ServiceMailbox {
		w.t.Errorf("%s: the taking in charge goes to %s, %+v", what, last.Target, to)
	}
	m := w.read(last.Message)
	if m.Data.Kind != pec.TakenInCharge || m.Data.ID != id || len(m.Data.TakenFor) != len(want) || m.Data.Sender != luigi || m.Original != nil {
		w.t.Errorf("%s: the taking in charge says %+v", what, m.Data)
	}
	for _, a := range m.Data.TakenFor {
		if !has(want, a) {
			w.t.Errorf("%s: %s was taken in charge", what, a)
		}
	}
}

// read parses a stored receipt of ours as a peer would.
func (w *world) read(id store.ID) *pec.Message {
	w.t.Helper()
	m := w.signed(id)
	if err := m.Consistent(alfa().unit.Address); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// signed parses a stored message whose signature is right.
func (w *world) signed(id store.ID) *pec.Message {
	w.t.Helper()
	o := w.ok(w.Store.Open(w.t.Context(), id, nil)).(*store.Octets)
	defer o.Close()
	split, scan := smime.NewSplitter(), pec.NewScanner(pec.KeepForParse)
	octets := make([]byte, o.Size())
	w.ok(o.ReadAt(octets, 0))
	split.Write(octets)
	scan.Write(octets)
	signed := w.ok(split.Finish()).(*smime.Multipart)
	w.ok(signed.Verify())
	return w.ok(pec.ParseMessage(scan.Finish())).(*pec.Message)
}

// norms.md 71, design.md 3: what came before is taken once; only the recipients that are new are named.
func TestEnvelopeArrivesAgain(t *testing.T) {
	w := newWorld(t)
	octets := beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario, anna))
	receive := func(to ...pec.Address) {
		t.Helper()
		if err := w.receive(octets, luigi, to...); err != nil {
			t.Fatal(err)
		}
	}
	receive(mario)
	before := w.state("")
	receive(mario)
	if after := w.state(""); after != before || w.record().Events[0].Kind != pec.EventArrivedAgain {
		t.Errorf("the same again: %+v became %+v", before, after)
	}
	receive(mario, anna)
	if after := w.state(""); after.tasks != before.tasks+2 || after.messages != before.messages+1 {
		t.Errorf("with a new recipient: %+v became %+v", before, after)
	}
	w.wantTaken("with a new recipient", "m1@pec.beta.test", []pec.Address{anna})
	receive(anna, mario)
	if len(w.tasks(store.TaskDeliver)) != 2 || len(w.warnings.list) > 0 {
		t.Errorf("delivered %d times, warned of %q", len(w.tasks(store.TaskDeliver)), w.warnings.list)
	}
}

// attacks.md 25: the same envelope on several connections at the same time is taken in charge once; nobody loses it.
func TestEnvelopeArrivesTwiceAtATime(t *testing.T) {
	w := newWorld(t)
	octets := beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario))
	var sending sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		sending.Go(func() { errs[i] = w.receive(octets, luigi, mario) })
	}
	sending.Wait()
	taken := 0
	for _, err := range errs {
		if err == nil {
			taken++
		}
	}
	if deliver, relay := w.tasks(store.TaskDeliver), w.tasks(store.TaskRelay); taken == 0 || len(deliver) != 1 || len(relay) != 1 {
		t.Errorf("%v: %d deliveries, %d takings in charge", errs, len(deliver), len(relay))
	}
	if err := w.receive(octets, luigi, mario); err != nil || len(w.tasks(store.TaskDeliver)) != 1 {
		t.Errorf("afterwards: %v", err)
	}
}

// design.md 3: the same signer and id with other octets is never dropped, and never passed off as the first.
func TestAlteredEnvelopeIsPutAside(t *testing.T) {
	w := newWorld(t)
	c := beta().envelope("m1@pec.beta.test", luigi, mario, anna)
	if err := w.receive(beta().issue(c), luigi, mario); err != nil {
		t.Fatal(err)
	}
	other := beta().issueWith(c, "Addio!\r\n")
	w.wantAside("for the same recipient", "formal correctness: m1@pec.beta.test was taken in charge before with other octets", other, "", luigi, mario)
	// For a recipient that is not yet known it is an ordinary arrival, and she gets these octets, not the first ones.
	if err := w.receive(other, luigi, anna); err != nil {
		t.Fatal(err)
	}
	hers := w.tasks(store.TaskDeliver)
	signed := map[string]bool{}
	for _, d := range hers {
		e := w.ok(w.Store.EnvelopeOf(t.Context(), d.Message)).(store.Envelope)
		m := w.ok(w.Store.Message(t.Context(), e.Message)).(store.Message)
		signed[d.Target+string(m.Signed)] = true
	}
	if len(hers) != 2 || len(signed) != 2 || hers[0].Message == hers[1].Message {
		t.Errorf("%d deliveries of %d messages", len(hers), len(signed))
	}
	// She knows it, he was told: nothing more.
	before := w.state("")
	if err := w.receive(other, luigi, anna, mario); err != nil || w.state("") != before {
		t.Errorf("again for both: %v, %+v became %+v", err, before, w.state(""))
	}
	// The same identifier of another provider is another message.
	if err := w.receive(gamma().issue(gamma().envelope("m1@pec.beta.test", gino, mario)), gino, mario); err != nil {
		t.Error(err)
	}
}

// quirks.md A9, C7, C8: what harms no trust is borne, and can be answered.
func TestOddEnvelopesAreBorne(t *testing.T) {
	w, n := newWorld(t), 0
	right := func() pec.Composition {
		n++
		return beta().envelope(pec.ID(fmt.Sprintf("m%d@pec.beta.test", n)), luigi, mario)
	}
	data := func(old, new string) []byte {
		return beta().forge(right(), withData(func(xml string) string { return string(edit([]byte(xml), old, new)) }))
	}
	for name, octets := range map[string][]byte{
		"no receipt type":       data(`<ricevuta tipo="completa" />`, ""),
		"an unknown one":        data(`tipo="completa"`, `tipo="gialla"`),
		"a detail":              data("</dati>", "<errore-esteso>5.0.0 - x - y</errore-esteso></dati>"),
		"a recipient of it":     data("</dati>", "<consegna>mario@pec.alfa.test</consegna></dati>"),
		"recipients taken":      data("</dati>", "<ricezione>mario@pec.alfa.test</ricezione></dati>"),
		"a reason":              data(`errore="nessuno"`, `errore="altro"`),
		"no client id":          data("<msgid>&lt;1@client.test&gt;</msgid>", ""),
		"an odd client id":      data("&lt;1@client.test&gt;", "&lt;\tcaff\u00e8\u0085 \n&lt;&lt;@&gt;"),
		"an odd subject":        data("<oggetto>Prova", "<oggetto>  \u202e\t\n\u0085"+strings.Repeat("x", 20<<10)),
		"an odd issuer":         data("Beta PEC S.p.A.", ""),
		"an odd reply path":     data("<risposte>"+string(luigi), "<risposte>\r\nBcc: x"),
		"an odd recipient":      data("</intestazione>", `<destinatari>caff`+"\u00e8"+`@x.test</destinatari></intestazione>`),
		"a control character":   data("<oggetto>Prova", "<oggetto>Pro\x12va"),
		"text before and after": append(edit(beta().issue(right()), "This is an S/MIME signed message", "Preambolo:\r\nciao"), "in fondo\r\n"...),
		"a malformed header": beta().forge(right(), func(s string) string {
			return strings.Replace(s, "Subject: Prova\r\n", "Subject: Prova\r\nnon e' un campo\r\n", 1)
		}),
		"two Message-IDs": beta().forge(right(), func(s string) string {
			return strings.Replace(s, "\r\n\r\nCiao!", "\r\nMessage-ID: <x@y.test>\r\n\r\nCiao!", 1)
		}),
		"long lines, 8 bits": beta().issueWith(right(), strings.Repeat("\xe8", 5000)+"\r\n"),
	} {
		if err := w.receive(octets, luigi, mario); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := w.record()
		if r.Events[0].Kind != pec.EventTakenInCharge {
			t.Errorf("%s: %s because of %s", name, r.Events[0].Kind, r.Events[0].Detail)
			continue
		}
		w.wantTaken(name, r.Events[0].ID, []pec.Address{mario})
	}
}

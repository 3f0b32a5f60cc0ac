package access

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// refused lets the relays of a message fail with a reply, and returns the follow-ups that this leads to.
func (w *world) refused(reply string) []store.Task {
	w.t.Helper()
	for _, task := range w.tasks(store.TaskRelay) {
		r := store.Relayed{Instant: w.Store.Instant(task.Since), Task: task, Certify: true}
		for _, x := range w.ok(w.Store.Relays(w.t.Context(), task)).([]store.Relay) {
			r.Results = append(r.Results, store.Relay{Recipient: x.Recipient, State: store.RelayFailed, Reply: reply})
		}
		r.Record = pec.Record{Fact: store.NewID(), At: r.Instant.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventRelayFailed, ID: task.PEC, Provider: task.Provider}}}
		if err := w.Store.Relayed(w.t.Context(), r); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.tasks(store.TaskFollowUp)
}

// delivered is the newest message on its way into the sender's mailbox.
func (w *world) delivered(n int) store.Task {
	w.t.Helper()
	ts := w.tasks(store.TaskDeliver)
	if len(ts) != n {
		w.t.Fatalf("%d messages go to the sender, want %d", len(ts), n)
	}
	return slices.MaxFunc(ts, func(a, b store.Task) int { return bytes.Compare(a.Message[:], b.Message[:]) })
}

// RFC 6109 3.3.3, design.md 3: for a certified recipient whose provider refused, a signed non-delivery, and tracking is settled.
func TestCertifiedRefusalIsANonDelivery(t *testing.T) {
	w := newWorld(t)
	id := w.accept(letter(luigi, anna), luigi, anna)
	w.pass(time.Hour)
	tasks := w.refused("550 5.7.1 no certified mail here")
	if len(tasks) != 1 || tasks[0].Target != string(luigi) {
		t.Fatalf("the follow-ups are %+v", tasks)
	}
	if err := w.FollowUp(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	entries := w.entries(mario)
	if len(entries) != 2 || string(entries[1].Lead) != "Return-Path: <posta-certificata@pec.alfa.test>\r\nDelivered-To: mario@pec.alfa.test\r\n" {
		t.Fatalf("the mailbox has %+v", entries)
	}
	m := w.read(entries[1].Message)
	if m.Data.Kind != pec.NonDelivery || m.Data.DeliveredTo != luigi || m.Data.ID != id || m.Data.Reason != pec.ReasonOther ||
		!strings.HasPrefix(m.Data.Detail, "5.7.1 - Alfa PEC S.p.A. - ") || !m.Data.At.Equal(w.now()) || m.Original != nil {
		t.Errorf("the notice says %+v", m.Data)
	}
	if states := w.states(id); states[luigi] != store.StateFailed || states[anna] != store.StatePending {
		t.Errorf("tracking is %v", states)
	}
	if r := w.record(); r.Events[0].Kind != pec.EventNonDelivery || r.Events[0].Recipient != luigi || len(r.Events[0].Generated) != 1 || r.Events[1].Kind != pec.EventDeposited {
		t.Errorf("the record is %+v", r)
	}
	w.wantOnce(tasks[0])
	if n := len(w.entries(mario)); n != 2 {
		t.Errorf("done again: %d entries", n)
	}
}

// wantOnce does a follow-up again, as a worker that lost its claim would: nothing more may come of it.
func (w *world) wantOnce(task store.Task) {
	w.t.Helper()
	facts := w.facts()
	if err := w.FollowUp(w.t.Context(), task); !errors.Is(err, store.ErrConflict) {
		w.t.Errorf("done again: %v, want a conflict", err)
	}
	if w.facts() != facts || len(w.tasks(store.TaskFollowUp)) != 0 {
		w.t.Error("done again: more facts, or a task is left")
	}
}

// The class and the words of a non-delivery follow from the peer's reply (field-notes.md 8); its own words stay out.
func TestRefusalsByCode(t *testing.T) {
	for reply, want := range map[string]struct {
		reason pec.Reason
		text   string
	}{
		"550 5.1.1 no such user":         {pec.ReasonNoRecipient, "5.1.1 - Alfa PEC S.p.A. - indirizzo non valido"},
		"550 5.1.2 no such domain":       {pec.ReasonNoDomain, "5.1.2 - Alfa PEC S.p.A. - dominio del destinatario inesistente"},
		"550 5.2.1 closed":               {pec.ReasonOther, "5.2.1 - Alfa PEC S.p.A. - casella disabilitata"},
		"552 5.2.2 full":                 {pec.ReasonOther, "5.2.2 - Alfa PEC S.p.A. - casella piena"},
		"552 5.3.4 too big":              {pec.ReasonOther, "5.3.4 - Alfa PEC S.p.A. - il messaggio supera le dimensioni ammesse dal gestore del destinatario"},
		"503 5.5.1 bad sequence":         {pec.ReasonOther, "5.5.1 - Alfa PEC S.p.A. - errore di protocollo con il gestore del destinatario"},
		"523 5.7.10 encryption":          {pec.ReasonOther, "5.7.10 - Alfa PEC S.p.A. - il gestore del destinatario rifiuta la connessione cifrata"},
		"554 no code, <b>words</b> here": {pec.ReasonOther, "5.0.0 - Alfa PEC S.p.A. - il gestore del destinatario ha rifiutato il messaggio"},
	} {
		if reason, text := refusal(reply, "Alfa PEC S.p.A."); reason != want.reason || text != want.text {
			t.Errorf("%q is %s, %q", reply, reason, text)
		}
	}
}

// design.md 3: for an external recipient our own unsigned report, and no tracking (norms.md 42).
func TestExternalRefusalIsAReport(t *testing.T) {
	w := newWorld(t)
	message := strings.Replace(letter(carla), "Subject: Prova", "Subject: =?utf-8?q?Perch=C3=A9?=\r\nComments: \xe8", 1)
	id := w.accept(message, carla)
	w.pass(24 * time.Hour)
	tasks := w.refused("550 5.1.1 no such\r\nuser: caf\xc3\xa9 \x1b[2J")
	if len(tasks) != 1 {
		t.Fatalf("the follow-ups are %+v", tasks)
	}
	if err := w.FollowUp(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	d := w.delivered(1)
	if d.Target != string(mario) || d.Sender != "" {
		t.Errorf("the report goes to %s from %q", d.Target, d.Sender)
	}
	octets := w.octets(d.Message)
	scan := pec.NewScanner(pec.KeepForDSN)
	scan.Write(octets)
	ids, ok := pec.ReadDSN(scan.Finish())
	if !ok || !slices.Contains(ids, id) {
		t.Errorf("the report returns the header of %v", ids)
	}
	for _, want := range []string{"To: mario@pec.alfa.test\r\n", "Final-Recipient: rfc822; carla@posta.test\r\n", "Status: 5.1.1\r\n", "Action: failed\r\n"} {
		if !bytes.Contains(octets, []byte(want)) {
			t.Errorf("the report has no %q", want)
		}
	}
	if bytes.ContainsRune(octets, 0x1b) || bytes.Contains(octets, []byte("X-Ricevuta")) {
		t.Error("the report holds a terminal's escape, or looks like a receipt")
	}
	if r := w.record(); r.Events[0].Kind != pec.EventDSN || r.Events[0].Recipient != carla {
		t.Errorf("the record is %+v", r)
	}
	w.wantOnce(tasks[0])
	w.delivered(1)
}

// A receipt may be faster than the refusal of a second try (design.md 3): then there is nothing to tell.
func TestOutcomeKnownNeedsNoNotice(t *testing.T) {
	w := newWorld(t)
	id := w.accept(letter(luigi), luigi)
	tasks := w.refused("550 5.7.1 no")
	at := w.Store.Instant(tasks[0].Since)
	e, _ := w.envelope(id)
	err := w.Store.Hear(t.Context(), store.Heard{
		Instant: at, Issuer: beta().Key(), Provider: alfa().Key(), PEC: id, Kind: pec.Delivered, Recipients: []pec.Address{luigi}, Digest: []byte("x"),
		Known: e.Message, Sender: "posta-certificata@pec.beta.test", To: mario,
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventHeard, ID: id, Provider: alfa().Key()}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.FollowUp(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	if states := w.states(id); states[luigi] != store.StateDelivered {
		t.Errorf("tracking is %v", states)
	}
	w.delivered(1) // the receipt
	if left := w.tasks(store.TaskFollowUp); len(left) != 0 {
		t.Errorf("the follow-up is left: %+v", left)
	}
}

// design.md 3: an instant is never before the event that caused it, whatever the clock does.
func TestFollowUpIsNeverBeforeItsCause(t *testing.T) {
	w := newWorld(t)
	w.accept(letter(luigi), luigi)
	w.pass(time.Hour)
	tasks := w.refused("550 5.7.1 no")
	w.pass(-2 * time.Hour)
	if err := w.FollowUp(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	if r := w.record(); !r.At.Equal(epoch.Add(time.Hour)) {
		t.Errorf("the notice is of %s, its cause of %s", r.At, tasks[0].Since)
	}
}

// A stranger's reply never keeps the report from being written (RFC 3463 2).
func TestStatusOf(t *testing.T) {
	for reply, want := range map[string]string{
		"550 5.7.1 no":          "5.7.1",
		"550 no":                "5.0.0",
		"550":                   "5.0.0",
		"":                      "5.0.0",
		"451 4.4.2 later":       "5.0.0",
		"550 5.x.1 no":          "5.0.0",
		"550 x 5.7.1":           "5.0.0",
		"552 5.3.4":             "5.3.4",
		"550 5.1.1.1 no":        "5.0.0",
		"550 5..11 no":          "5.0.0",
		"550 5.1234.1 far away": "5.0.0",
	} {
		if got := statusOf(reply); got != want {
			t.Errorf("%q: %s, want %s", reply, got, want)
		}
	}
}

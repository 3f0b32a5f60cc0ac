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

// hears commits a receipt about a message that we sent, as incoming does when it came from Beta.
func (w *world) hears(id pec.ID, kind pec.Kind, about ...pec.Address) {
	w.t.Helper()
	e, _ := w.envelope(id)
	at := w.Store.Instant(e.At)
	inbox := w.ok(w.Store.InboxEntry(w.t.Context(), "posta-certificata@pec.beta.test", mario, "")).(store.InboxEntry)
	w.ok(nil, w.Store.Hear(w.t.Context(), store.Heard{
		Instant: at, Issuer: beta().Key(), Provider: alfa().Key(), PEC: id, Kind: kind, Recipients: about, Digest: []byte(kind),
		Known: e.Message, Sender: "posta-certificata@pec.beta.test", To: mario, Inbox: &inbox,
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventHeard, ID: id, Provider: alfa().Key()}}},
	}))
}

// watch runs the task that looks after a message's silence as long as it is due, and returns when it is next: zero if it is done.
func (w *world) watch(id pec.ID) (due time.Time) {
	w.t.Helper()
	for range 5 {
		due = time.Time{}
		for _, t := range w.tasks(store.TaskOverdue) {
			if t.PEC != id {
				continue
			}
			if due = t.Due; due.After(w.now()) {
				return due
			}
			w.ok(nil, w.Overdue(w.t.Context(), t))
		}
		if due.IsZero() {
			return due
		}
	}
	w.t.Fatal("the task stays due")
	return due
}

// notices are the overdue notices in the sender's mailbox, the oldest first, as "recipient final?".
func (w *world) notices() []string {
	w.t.Helper()
	said := []string{}
	for _, e := range w.entries(mario) {
		if e.Kind != string(pec.Overdue) {
			continue
		}
		m := w.read(e.Message)
		when := "12"
		if m.Data.Final() {
			when = "24"
		}
		if m.Original != nil || m.Data.Reason != pec.ReasonOther || !strings.HasPrefix(m.Data.Detail, "5.4.1 - Alfa PEC S.p.A. - ") {
			w.t.Errorf("the notice says %+v", m.Data)
		}
		said = append(said, string(m.Data.DeliveredTo)+" "+when)
	}
	return said
}

// Each case of RFC 6109 3.1.6 and norms.md 35-39 and 42, in the sender's mailbox: what Beta says, after how many hours.
func TestOverdueNotices(t *testing.T) {
	t.Parallel()
	type heard struct {
		after float64
		kind  pec.Kind
	}
	for name, c := range map[string]struct {
		heard []heard
		want  []string
	}{
		"silence":                           {nil, []string{"12", "24"}},
		"taken in charge, never delivered":  {[]heard{{1, pec.TakenInCharge}}, []string{"24"}},
		"taken in charge after 13 hours":    {[]heard{{13, pec.TakenInCharge}}, []string{"12", "24"}},
		"delivered":                         {[]heard{{1, pec.Delivered}}, nil},
		"taken and delivered":               {[]heard{{1, pec.TakenInCharge}, {11, pec.Delivered}}, nil},
		"taken, delivered after 15 hours":   {[]heard{{1, pec.TakenInCharge}, {15, pec.Delivered}}, nil},
		"delivered after 13 hours":          {[]heard{{13, pec.Delivered}}, []string{"12"}},
		"refused after 2 hours":             {[]heard{{2, pec.NonDelivery}}, nil},
		"refused after 20 hours":            {[]heard{{20, pec.NonDelivery}}, []string{"12"}},
		"delivered after the final notice":  {[]heard{{23, pec.Delivered}}, []string{"12", "24"}},
		"taken, delivered after 30 hours":   {[]heard{{1, pec.TakenInCharge}, {30, pec.Delivered}}, []string{"24"}},
		"taken in time, refused at the end": {[]heard{{11, pec.TakenInCharge}, {21, pec.NonDelivery}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.accept(letter(luigi, carla), luigi, carla)
			for hour := 0.5; hour <= 31; hour += 0.5 {
				w.pass(30 * time.Minute)
				for _, h := range c.heard {
					if h.after == hour {
						w.hears(id, h.kind, luigi)
					}
				}
				w.watch(id)
			}
			want := []string{}
			for _, when := range c.want {
				want = append(want, string(luigi)+" "+when)
			}
			if got := w.notices(); !slices.Equal(got, want) {
				t.Errorf("the notices are %q, want %q", got, want)
			}
			if left := w.tasks(store.TaskOverdue); len(left) != 0 {
				t.Errorf("a task is left: %+v", left)
			}
		})
	}
}

// norms.md 36: between 22 and 24 hours; norms.md 40: what the notice is; the record says so.
func TestOverdueNoticeInFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.accept(letter("LUIGI@pec.beta.test"), "LUIGI@pec.beta.test")
	if due := w.watch(id); !due.Equal(epoch.Add(12 * time.Hour)) {
		t.Errorf("the first look is at %s", due)
	}
	w.pass(12 * time.Hour)
	if due := w.watch(id); !due.Equal(epoch.Add(22 * time.Hour)) {
		t.Errorf("the second look is at %s", due)
	}
	if r := w.record(); r.Events[0].Kind != pec.EventOverdue || r.Events[0].Recipient != "LUIGI@pec.beta.test" || len(r.Events[0].Generated) != 1 || len(r.Events) != 2 {
		t.Errorf("the record is %+v", r)
	}
	entry := w.entries(mario)[1]
	octets := w.octets(entry.Message)
	for _, want := range []string{
		"X-Ricevuta: preavviso-errore-consegna\r\n", "Subject: AVVISO DI MANCATA CONSEGNA PER SUP. TEMPO MASSIMO: Prova\r\n",
		"To: mario@pec.alfa.test\r\n", "From: posta-certificata@pec.alfa.test\r\n", "X-Riferimento-Message-ID: <1@client.test>\r\n",
	} {
		if !bytes.Contains(octets, []byte(want)) {
			t.Errorf("the notice has no %q", want)
		}
	}
	if m := w.read(entry.Message); m.Data.DeliveredTo != "LUIGI@pec.beta.test" || m.Data.ID != id || !m.Data.At.Equal(epoch.Add(12*time.Hour)) {
		t.Errorf("the notice says %+v", m.Data)
	}
}

// norms.md 41: a jump past both terms, or an outage, issues both, the first before the final; nothing is issued twice, also by a
// worker that lost its claim.
// norms.md 70
func TestOverdueAfterAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.accept(letter(luigi, sara, anna), luigi, sara, anna)
	w.hears(id, pec.Delivered, anna)
	w.pass(25 * time.Hour)
	stale := w.tasks(store.TaskOverdue)[0]
	if due := w.watch(id); !due.IsZero() {
		t.Errorf("it is due again at %s", due)
	}
	want := []string{"luigi@pec.beta.test 12", "luigi@pec.beta.test 24", "sara@studio.beta.test 12", "sara@studio.beta.test 24"}
	if got := w.notices(); !slices.Equal(got, want) {
		t.Errorf("the notices are %q, want %q", got, want)
	}
	facts := w.facts()
	if err := w.Overdue(t.Context(), stale); !errors.Is(err, store.ErrConflict) {
		t.Errorf("again: %v, want a conflict", err)
	}
	if w.facts() != facts {
		t.Error("again: more facts")
	}
	for _, r := range w.ok(w.Store.Relays(t.Context(), w.tasks(store.TaskRelay)[0])).([]store.Relay) {
		if r.State != store.RelayCancelled {
			t.Errorf("the relay to %s is %s after the final notice", r.Recipient, r.State)
		}
	}
	w.hears(id, pec.Delivered, luigi) // late, and counted
	if states := w.states(id); states[luigi] != store.StateDelivered || states[sara] != store.StatePending {
		t.Errorf("tracking is %v", states)
	}
}

// A refusal of a notice that is owed already: an outcome that comes after twelve hours, before the task has run, leaves the first
// notice owed; and the task whose last recipient was settled in time is gone.
func TestOutcomeWhileANoticeIsDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	late, soon := w.accept(letter(luigi), luigi), w.accept(strings.Replace(letter(luigi), "<1@", "<2@", 1), luigi)
	w.hears(soon, pec.Delivered, luigi)
	w.pass(13 * time.Hour)
	w.hears(late, pec.Delivered, luigi)
	if n := len(w.tasks(store.TaskOverdue)); n != 1 {
		t.Fatalf("%d tasks, want the one that is due", n)
	}
	w.watch(late)
	if got := w.notices(); !slices.Equal(got, []string{"luigi@pec.beta.test 12"}) {
		t.Errorf("the notices are %q", got)
	}
}

// norms.md 42: nobody outside starts a term.
func TestNoTermOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accept(letter(carla), carla)
	if ts := w.tasks(store.TaskOverdue); len(ts) != 0 {
		t.Errorf("tasks: %+v", ts)
	}
}

// A closed mailbox takes what is owed to its holder.
func TestOverdueInAClosedMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.accept(letter(luigi), luigi)
	w.pass(12 * time.Hour)
	w.ok(nil, w.Store.SetEnabled(t.Context(), mario, false))
	w.watch(id)
	if got := w.notices(); len(got) != 1 {
		t.Errorf("the notices are %q", got)
	}
}

// A notice whose first attempt failed is still owed when an outcome comes before the next one (norms.md 38).
func TestNoticeThatFailedIsStillOwed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.accept(letter(luigi), luigi)
	w.pass(12 * time.Hour)
	task := w.tasks(store.TaskOverdue)[0]
	w.ok(nil, w.Store.Postpone(t.Context(), task, w.now().Add(10*time.Minute), "it failed"))
	w.pass(5 * time.Minute)
	w.hears(id, pec.Delivered, luigi)
	w.pass(5 * time.Minute)
	w.watch(id)
	if got := w.notices(); !slices.Equal(got, []string{"luigi@pec.beta.test 12"}) {
		t.Errorf("the notices are %q", got)
	}
}

// design.md 3, giving up: a refusal that is followed up after the final notice says nothing more, whichever of the two is decided first.
func TestNoRefusalAfterTheFinalNotice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.accept(letter(luigi), luigi)
	w.pass(21 * time.Hour)
	tasks := w.refused("550 5.7.1 no")
	w.pass(time.Hour)
	stale, tracking := tasks[0], w.ok(w.Store.Tracking(t.Context(), alfa().Key(), id)).([]store.Tracking)
	w.watch(id)
	w.ok(nil, w.FollowUp(t.Context(), stale))
	if left := w.tasks(store.TaskFollowUp); len(left) != 0 || tracking[0].State != store.StatePending {
		t.Errorf("the follow-up is left: %+v", left)
	}
	for _, e := range w.entries(mario) {
		if e.Kind == string(pec.NonDelivery) {
			t.Error("a non-delivery follows the final notice")
		}
	}
	if got := w.notices(); !slices.Equal(got, []string{"luigi@pec.beta.test 12", "luigi@pec.beta.test 24"}) {
		t.Errorf("the notices are %q", got)
	}
}

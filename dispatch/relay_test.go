package dispatch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// design.md 3, dispatch: each recipient has the peer's own answer; what got 4xx is tried again alone, what got 5xx is told.
func TestAnswersPerRecipient(t *testing.T) {
	w := newRelayWorld(t)
	h := w.host("pec.beta.test")
	h.rcpt["b@pec.beta.test"], h.rcpt["c@pec.beta.test"] = "450 4.2.0 later", "550 5.1.1 never"
	task := w.envelope(betaEntry, "a@pec.beta.test", "b@pec.beta.test", "c@pec.beta.test")
	again := w.relay(task)
	w.wantTaken(h, "a@pec.beta.test")
	w.wantStates(task, "a@pec.beta.test done", "b@pec.beta.test pending", "c@pec.beta.test failed")
	if again.Attempts != 1 || !again.Due.Equal(relayEpoch.Add(time.Minute)) || again.Trouble != "450 4.2.0 later" {
		t.Errorf("the task is %+v", again)
	}
	follow := w.tasks(store.TaskFollowUp)
	if len(follow) != 1 || follow[0].Target != "c@pec.beta.test" || follow[0].Message != task.Message {
		t.Errorf("the follow-ups are %+v", follow)
	}
	if reply := w.ok(w.Store.RelayReply(t.Context(), task.Message, "c@pec.beta.test")).(string); reply != "550 5.1.1 never" {
		t.Errorf("the reply kept is %q", reply)
	}
	var kinds []string
	for _, e := range w.record().Events {
		kinds = append(kinds, string(e.Kind)+" "+string(e.Recipient))
	}
	slices.Sort(kinds)
	if got := strings.Join(kinds, ", "); got != "relay-deferred b@pec.beta.test, relay-failed c@pec.beta.test, relayed a@pec.beta.test" {
		t.Errorf("the record says %s", got)
	}
	delete(h.rcpt, "b@pec.beta.test")
	w.pass(time.Minute)
	if left := w.relay(again); !left.ID.IsZero() {
		t.Errorf("a task is left: %+v", left)
	}
	w.wantTaken(h, "b@pec.beta.test")
	w.wantStates(task, "a@pec.beta.test done", "b@pec.beta.test done", "c@pec.beta.test failed")
	if len(w.tasks(store.TaskFollowUp)) != 1 {
		t.Error("more was told")
	}
}

// A refusal of the message is every recipient's.
func TestRefusedMessage(t *testing.T) {
	w := newRelayWorld(t)
	h := w.host("posta.test")
	h.final = "554 5.7.1 no"
	task := w.envelope("posta.test", "a@posta.test", "b@posta.test")
	if left := w.relay(task); !left.ID.IsZero() {
		t.Errorf("a task is left: %+v", left)
	}
	w.wantStates(task, "a@posta.test failed", "b@posta.test failed")
	if n := len(w.tasks(store.TaskFollowUp)); n != 2 {
		t.Errorf("%d follow-ups, want 2", n)
	}
}

// design.md 3, giving up: receipts and notices never expire, a 5xx is temporary, and after four hours there is an alarm.
func TestReceiptsNeverFail(t *testing.T) {
	w := newRelayWorld(t)
	h := w.host("pec.beta.test")
	h.rcpt["ricevute@pec.beta.test"] = "550 5.1.1 never"
	task := w.receipt("ricevute@pec.beta.test")
	for _, c := range []struct {
		after time.Duration
		alarm string
	}{{0, "WARN a relay waits"}, {4 * time.Hour, "WARN a relay waits"}, {time.Second, "ERROR a relay waits"}, {100 * 24 * time.Hour, "ERROR a relay waits"}} {
		w.pass(c.after)
		before := task
		w.alarms = nil
		if task = w.relay(before); task.ID.IsZero() {
			t.Fatalf("after %s it was given up", c.after)
		}
		w.wantStates(task, "ricevute@pec.beta.test pending")
		if !slices.Equal(w.alarms, []string{c.alarm}) {
			t.Errorf("after %s: alarms %q, want %q", c.after, w.alarms, c.alarm)
		}
	}
	if n := len(w.tasks(store.TaskFollowUp)); n != 0 {
		t.Errorf("%d follow-ups of a receipt", n)
	}
	delete(h.rcpt, "ricevute@pec.beta.test")
	if task = w.relay(task); !task.ID.IsZero() {
		t.Errorf("a task is left: %+v", task)
	}
}

// design.md 3; RFC 6109 2.2.2, norms.md 70: outside, 24 hours are the end.
func TestTwentyFourHours(t *testing.T) {
	w := newRelayWorld(t)
	task := w.envelope("posta.test", "a@posta.test")
	for task.Attempts < 20 {
		w.ok(nil, w.Store.Postpone(t.Context(), task, relayEpoch, ""))
		task = w.task(task.PEC)
	}
	w.pass(23*time.Hour + 30*time.Minute)
	again := w.relay(task)
	if due := relayEpoch.Add(24 * time.Hour); !again.Due.Equal(due) { // one last try, not later
		t.Errorf("due at %s, want %s", again.Due, due)
	}
	w.pass(30*time.Minute - time.Microsecond)
	again = w.relay(again)
	w.wantStates(task, "a@posta.test pending")
	w.pass(time.Microsecond)
	again = w.relay(again)
	w.wantStates(task, "a@posta.test failed")
	if !again.ID.IsZero() || len(w.tasks(store.TaskFollowUp)) != 1 {
		t.Errorf("after 24 hours: %+v", again)
	}
}

// design.md 3, giving up: a certified recipient's end is the final notice, and nothing is tried in the ten minutes before it.
// norms.md 70
func TestNothingIsSentJustBeforeTheFinalNotice(t *testing.T) {
	w := newRelayWorld(t)
	h := w.host("pec.beta.test")
	h.rcpt["a@pec.beta.test"] = "450 4.2.0 later"
	task := w.envelope(betaEntry, "a@pec.beta.test")
	w.pass(21*time.Hour + 49*time.Minute)
	task = w.relay(task)
	if task.Trouble != "450 4.2.0 later" {
		t.Fatalf("it was not tried: %+v", task)
	}
	dialled := false
	w.onDial = func(string) { dialled = true }
	delete(h.rcpt, "a@pec.beta.test")
	for _, pause := range []time.Duration{time.Minute, 10 * time.Minute, 3 * time.Hour} {
		w.pass(pause)
		task = w.relay(task)
		if want := later(w.now(), relayEpoch.Add(22*time.Hour)).Add(time.Minute); !task.Due.Equal(want) {
			t.Errorf("due at %s, want %s", task.Due, want)
		}
	}
	w.wantStates(task, "a@pec.beta.test pending")
	w.wantTaken(h)
	if dialled {
		t.Error("the peer was dialled")
	}
}

// Pauses grow from a minute to an hour.
func TestPauses(t *testing.T) {
	for attempts, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60} {
		if got := pause(store.Task{Attempts: attempts}); got != want*time.Minute {
			t.Errorf("after %d attempts: %s, want %d minutes", attempts, got, want)
		}
	}
	if got := pause(store.Task{Attempts: 1 << 40}); got != time.Hour {
		t.Errorf("after very many attempts: %s", got)
	}
}

// norms.md 142: a certified peer without good TLS is told nothing; the mail waits, with an alarm.
func TestWithoutTLSItWaits(t *testing.T) {
	w := newRelayWorld(t)
	h := w.host("pec.beta.test")
	w.routes["pec.beta.test"] = Route{Address: "pec.beta.test:25", Roots: testCA().pool}
	task := w.envelope(betaEntry, "a@pec.beta.test")
	again := w.relay(task)
	w.wantTaken(h)
	w.wantStates(task, "a@pec.beta.test pending")
	if !slices.Contains(w.alarms, "ERROR a peer's TLS is refused: its mail waits") || !strings.HasPrefix(again.Trouble, "451 4.7.5") {
		t.Errorf("alarms %q, trouble %q", w.alarms, again.Trouble)
	}
}

// A peer that is down gets its mail when it is up again, by the law's clock.
func TestPeerDownThenUp(t *testing.T) {
	w := newRelayWorld(t)
	w.envelope(betaEntry, "a@pec.beta.test")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.Work(ctx) }()
	<-w.warned // the attempt is committed, the next one is due in a minute
	h := w.host("pec.beta.test")
	w.pass(time.Minute)
	if taken := <-h.taken; !strings.HasPrefix(taken, "a@pec.beta.test|") {
		t.Errorf("the peer took %q", taken)
	}
	cancel()
	<-ended
}

// A receipt that came first cancels what is pending (design.md 3): it is not sent, and nobody is dialled for it alone.
func TestCancelledIsNotSent(t *testing.T) {
	w := newRelayWorld(t)
	h := w.host("pec.beta.test")
	task := w.envelope(betaEntry, "a@pec.beta.test", "b@pec.beta.test")
	w.heard(task, "a@pec.beta.test")
	if left := w.relay(task); !left.ID.IsZero() {
		t.Errorf("a task is left: %+v", left)
	}
	w.wantTaken(h, "b@pec.beta.test")
	w.wantStates(task, "a@pec.beta.test cancelled", "b@pec.beta.test done")

	task = w.envelope(betaEntry, "a@pec.beta.test")
	w.heard(task, "a@pec.beta.test")
	if left := w.relay(task); !left.ID.IsZero() {
		t.Errorf("a task is left: %+v", left)
	}
	w.wantTaken(h)
}

// A receipt that comes while the peer refuses wins: the recipient stays cancelled.
func TestReceiptDuringTheAttempt(t *testing.T) {
	w := newRelayWorld(t)
	w.host("pec.beta.test").rcpt["a@pec.beta.test"] = "550 5.1.1 never"
	task := w.envelope(betaEntry, "a@pec.beta.test")
	relay := w.Routes
	w.Routes = func(ctx context.Context, domain string, certified bool) (Route, error) {
		w.heard(task, "a@pec.beta.test")
		return relay(ctx, domain, certified)
	}
	if left := w.relay(task); !left.ID.IsZero() {
		t.Errorf("a task is left: %+v", left)
	}
	w.wantStates(task, "a@pec.beta.test cancelled")
}

// heard commits a delivery receipt about a recipient.
func (w *relayWorld) heard(task store.Task, r pec.Address) {
	w.t.Helper()
	at := w.Store.Instant(w.now())
	w.ok(nil, w.Store.Hear(w.t.Context(), store.Heard{
		Instant: at, Issuer: betaEntry, Provider: ourEntry, PEC: task.PEC, Kind: pec.Delivered, Recipients: []pec.Address{r}, Digest: []byte("x"),
		Known: task.Message, Sender: "posta-certificata@pec.beta.test", To: relaySender,
		Record: pec.Record{Fact: store.NewID(), At: at.At, Unit: "x", Events: []pec.Event{{Kind: pec.EventHeard, ID: task.PEC, Provider: ourEntry}}},
	}))
}

// A 250 that is lost on its way is asked for again: the peer knows what it took (design.md 3).
func TestLostReplyIsSentAgain(t *testing.T) {
	w := newRelayWorld(t)
	h := w.host("pec.beta.test")
	h.final = "cut"
	task := w.envelope(betaEntry, "a@pec.beta.test")
	again := w.relay(task)
	w.wantTaken(h, "a@pec.beta.test")
	w.wantStates(task, "a@pec.beta.test pending")
	if !strings.Contains(again.Trouble, "the peer may have taken it") {
		t.Errorf("trouble %q", again.Trouble)
	}
	h.final = ""
	w.relay(again)
	w.wantTaken(h, "a@pec.beta.test")
	w.wantStates(task, "a@pec.beta.test done")
}

// design.md 3, dispatch: one transaction per provider and MX set; one domain's trouble is not another's.
func TestGroupsByRoute(t *testing.T) {
	w := newRelayWorld(t)
	one, two := w.host("pec.beta.test"), w.host("mx2.test")
	w.routes["studio.beta.test"] = Route{Address: "pec.beta.test:25", Opportunistic: true}
	w.routes["far.beta.test"] = Route{Address: "mx2.test:25", Opportunistic: true}
	task := w.envelope(betaEntry, "a@pec.beta.test", "b@studio.beta.test", "c@far.beta.test", "d@pec.beta.test", "e@unknown.test")
	again := w.relay(task)
	w.wantTaken(one, "a@pec.beta.test b@studio.beta.test d@pec.beta.test")
	w.wantTaken(two, "c@far.beta.test")
	w.wantStates(task, "a@pec.beta.test done", "b@studio.beta.test done", "c@far.beta.test done", "d@pec.beta.test done", "e@unknown.test pending")
	if !strings.Contains(again.Trouble, "the name server does not answer") {
		t.Errorf("trouble %q", again.Trouble)
	}
}

// What was one recipient too many goes at once, in a further transaction.
func TestTooManyAtATime(t *testing.T) {
	w := newRelayWorld(t)
	h := w.host("pec.beta.test")
	h.rcpt["b@pec.beta.test"] = "452 4.5.3 too many"
	task := w.envelope(betaEntry, "a@pec.beta.test", "b@pec.beta.test")
	again := w.relay(task)
	w.wantTaken(h, "a@pec.beta.test")
	w.wantStates(task, "a@pec.beta.test done", "b@pec.beta.test pending") // alone it was refused as before: no further try
	if again.ID.IsZero() {
		t.Error("the task is gone")
	}
}

// A stop is no attempt; but what the peer has taken is kept, so that it is not sent to the outside twice.
func TestStopAmidARelay(t *testing.T) {
	for _, to := range [][]pec.Address{{"a@posta.test", "b@far.test"}, {"b@far.test"}} {
		w := newRelayWorld(t)
		w.host("posta.test")
		task := w.envelope("posta.test", to...)
		facts := w.ok(w.Store.Facts(t.Context())).(int64)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w.onDial = func(address string) {
			if address == "far.test:25" {
				stop()
			}
		}
		err := w.Relay(ctx, task)
		if len(to) == 2 {
			w.ok(nil, err)
			w.wantStates(task, "a@posta.test done", "b@far.test pending")
			if w.task(task.PEC).ID.IsZero() {
				t.Error("the task is gone")
			}
			continue
		}
		if err == nil || w.ok(w.Store.Facts(t.Context())).(int64) != facts || w.task(task.PEC).Attempts != 0 {
			t.Errorf("nothing was taken: %v, %+v", err, w.task(task.PEC))
		}
	}
}

// What a worker that lost its claim does is no fact.
func TestRelayDoneTwice(t *testing.T) {
	w := newRelayWorld(t)
	w.host("pec.beta.test").rcpt["b@pec.beta.test"] = "550 5.1.1 never"
	task := w.envelope(betaEntry, "a@pec.beta.test", "b@pec.beta.test")
	w.relay(task)
	facts := w.ok(w.Store.Facts(t.Context())).(int64)
	if err := w.Relay(t.Context(), task); !errors.Is(err, store.ErrConflict) || w.ok(w.Store.Facts(t.Context())).(int64) != facts {
		t.Errorf("done again: %v", err)
	}
}

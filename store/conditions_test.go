package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// conditions are the states that facts rest on. attacks.md 15, 24, 25.
func conditions(w *world) {
	closedMailboxes(w)
	vanishedMailboxes(w)
	secondOutcomes(w)
	secondCharges(w)
	secondDeposits(w)
}

func closedMailboxes(w *world) {
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), "closed@beta.test", "digest", luigi)))
	t := w.task(TaskDeliver, "closed@beta.test")
	w.must(w.SetEnabled(w.ctx(), luigi, false))
	w.refused(ErrConflict, func() error { return w.Deposit(w.ctx(), w.deposit(w.instant(), t, w.luigi)) })
	w.must(w.SetEnabled(w.ctx(), mario, false))
	w.refused(ErrConflict, func() error { return w.Accept(w.ctx(), w.acceptance(w.instant(), "<closed@host>", []byte("x"))) })

	// What is owed to the holder of a closed mailbox is deposited all the same.
	d := w.deposit(w.instant(), t, w.luigi)
	d.Receipt = nil
	w.must(w.Deposit(w.ctx(), d))
	w.must(w.SetEnabled(w.ctx(), mario, true))
	w.must(w.SetEnabled(w.ctx(), luigi, true))
}

func vanishedMailboxes(w *world) {
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), "vanished@beta.test", "digest", luigi)))
	t := w.task(TaskDeliver, "vanished@beta.test")
	nobody := Mailbox{ID: NewID(), Address: luigi}
	for _, receipt := range []bool{true, false} {
		d := w.deposit(w.instant(), t, w.luigi)
		d.Inbox.Mailbox = nobody.ID
		if !receipt {
			d.Receipt = nil
		}
		w.refused(ErrConflict, func() error { return w.Deposit(w.ctx(), d) })
		d = w.deposit(w.instant(), t, w.luigi)
		d.Inbox.Folder = NewID()
		w.refused(ErrConflict, func() error { return w.Deposit(w.ctx(), d) })
	}
}

// secondOutcomes: the first valid receipt wins, whoever brings the second.
func secondOutcomes(w *world) {
	a, follow := w.followUp()
	id := a.Envelope.PEC
	w.state(id, comune, StatePending)
	w.must(w.Hear(w.ctx(), w.heard(w.instant(), pec.Delivered, id, "digest")))
	w.state(id, comune, StateDelivered)
	w.refused(ErrConflict, func() error { return w.Hear(w.ctx(), w.heard(w.instant(), pec.NonDelivery, id, "digest")) })
	w.refused(ErrConflict, func() error {
		h := w.heard(w.instant(), pec.NonDelivery, id, "digest")
		h.Issuer = "gamma"
		return w.Hear(w.ctx(), h)
	})
	w.refused(ErrConflict, func() error {
		return w.Refuse(w.ctx(), Refusal{
			Instant: w.instant(), Record: record(w.instant(), pec.EventNonDelivery, id, comune), Task: follow, Receipt: w.receipt(pec.NonDelivery, id),
			Own: true, Signing: signer, Sender: mario,
		})
	})
	w.state(id, comune, StateDelivered)
	w.state(id, luigi, StatePending)

	// An outcome for somebody to whom we did not send, or about what we did not send, is none.
	h := w.heard(w.instant(), pec.Delivered, id, "other")
	h.Recipients = []pec.Address{"altri@beta.test"}
	w.refused(ErrConflict, func() error { return w.Hear(w.ctx(), h) })
	w.refused(ErrConflict, func() error { return w.Hear(w.ctx(), w.heard(w.instant(), pec.Delivered, "never@alfa.test", "digest")) })

	// Marks stand beside the outcome.
	w.must(w.Hear(w.ctx(), w.heard(w.instant(), pec.TakenInCharge, id, "digest")))
	w.must(w.Hear(w.ctx(), w.heard(w.instant(), pec.Overdue, id, "digest")))
	taken := w.now()
	w.clock.jump(time.Second)
	again := w.heard(w.instant(), pec.TakenInCharge, id, "digest")
	again.Issuer = "gamma"
	w.must(w.Hear(w.ctx(), again))
	if t := w.state(id, comune, StateDelivered); !t.TakenAt.Equal(taken) || !t.OutcomeAt.Equal(taken) {
		w.Errorf("the marks are not those of the first: %+v", t)
	}
}

// state sees what is known of a recipient.
func (w *world) state(id pec.ID, r pec.Address, want string) Tracking {
	w.Helper()
	ts, err := w.Tracking(w.ctx(), alfa, id)
	w.must(err)
	i := slices.IndexFunc(ts, func(t Tracking) bool { return t.Recipient.Key() == r.Key() })
	if i < 0 || ts[i].State != want {
		w.Fatalf("tracking of %s: %+v, want %s", r, ts, want)
	}
	return ts[i]
}

func secondCharges(w *world) {
	const id = "charged@beta.test"
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), id, "digest", mario)))
	e, err := w.Envelope(w.ctx(), beta, id)
	w.must(err)
	for _, digest := range []string{"digest", "other octets"} {
		w.refused(ErrConflict, func() error {
			c := w.charge(w.instant(), id, digest, luigi, mario)
			c.Envelope, c.Content, c.Transport = e, nil, nil
			return w.TakeCharge(w.ctx(), c)
		})
		w.refused(ErrConflict, func() error { return w.TakeCharge(w.ctx(), w.charge(w.instant(), id, digest, luigi, mario)) })
	}
}

// otherOctets: each recipient gets the octets that came for it, whatever else has the same id. attacks.md 15.
func otherOctets(w *world) {
	id := newPEC()
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), id, "digest", mario)))
	first := w.task(TaskDeliver, id).Message
	w.clock.jump(time.Second)
	other := w.charge(w.instant(), id, "other octets", luigi)
	w.must(w.TakeCharge(w.ctx(), other))
	messages := map[string]ID{}
	ts, err := w.Tasks(w.ctx())
	w.must(err)
	for _, t := range ts {
		if t.Kind == TaskDeliver && t.PEC == id {
			messages[t.Target] = t.Message
		}
	}
	if len(messages) != 2 || messages[string(mario)] != first || messages[string(luigi)] != other.Transport.ID {
		w.Errorf("to be delivered: %v", messages)
	}
	for digest, want := range map[string]ID{"digest": first, "other octets": other.Transport.ID} {
		e, err := w.EnvelopeWith(w.ctx(), beta, id, []byte(digest))
		of, err2 := w.EnvelopeOf(w.ctx(), want)
		if err != nil || err2 != nil || e.Message != want || of.Message != want || of.PEC != id || !of.EightBit || of.Sender != comune || !of.Mailbox.IsZero() {
			w.Errorf("the envelope with %q: %+v, %v, %+v, %v", digest, e, err, of, err2)
		}
	}
	if e, err := w.Envelope(w.ctx(), beta, id); err != nil || e.Message != first {
		w.Errorf("the first envelope: %+v, %v", e, err)
	}
	_, with := w.EnvelopeWith(w.ctx(), beta, id, []byte("third octets"))
	_, of := w.EnvelopeOf(w.ctx(), NewID())
	_, any := w.Envelope(w.ctx(), alfa, id)
	for _, err := range []error{with, of, any} {
		if !errors.Is(err, ErrNotFound) {
			w.Errorf("an envelope that is not there: %v", err)
		}
	}
}

// secondDeposits: neither a second task nor a second receipt makes a second deposit.
func secondDeposits(w *world) {
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), "twice@beta.test", "digest", luigi)))
	t := w.task(TaskDeliver, "twice@beta.test")
	w.must(w.Deposit(w.ctx(), w.deposit(w.instant(), t, w.luigi)))
	b := plainBatch()
	b.task(Task{ID: NewID(), Kind: TaskDeliver, Message: t.Message, Provider: t.Provider, PEC: t.PEC, Target: t.Target, Due: w.now(), Since: w.now()})
	w.must(w.commit(w.ctx(), b))
	t = w.task(TaskDeliver, "twice@beta.test")
	w.refused(ErrConflict, func() error { return w.Deposit(w.ctx(), w.deposit(w.instant(), t, w.luigi)) })
	w.refused(ErrConflict, func() error {
		return w.Refuse(w.ctx(), Refusal{Instant: w.instant(), Record: record(w.instant(), pec.EventNonDelivery, t.PEC), Task: t, Receipt: w.receipt(pec.NonDelivery, t.PEC)})
	})
}

func submissionIsForgotten(w *world) {
	a := w.acceptance(w.instant(), "<five@host>", []byte("x"))
	w.must(w.Accept(w.ctx(), a))
	known := func() error { _, err := w.Submitted(w.ctx(), a.Key); return err }
	again := func() error { return w.Accept(w.ctx(), w.acceptance(w.instant(), "<five@host>", []byte("x"))) }
	w.clock.jump(keepSubmissions - time.Microsecond)
	if id, err := w.Submitted(w.ctx(), a.Key); err != nil || id != a.Envelope.PEC {
		w.Errorf("a submission of almost five days ago: %q, %v", id, err)
	}
	w.refused(ErrConflict, again)
	w.must(w.Accept(w.ctx(), w.acceptance(w.instant(), "<five@host>", []byte("y")))) // other octets
	w.clock.jump(time.Microsecond)
	if err := known(); !errors.Is(err, ErrNotFound) {
		w.Errorf("a submission of five days ago: %v", err)
	}
	w.must(again())
	if n := w.count("submission"); n != 2 {
		w.Errorf("%d submissions are kept, want 2", n)
	}
}

func TestRecipientsDigestIsOfASet(t *testing.T) {
	one := RecipientsDigest([]pec.Address{"a@x.test", "b@x.test"})
	for _, rs := range [][]pec.Address{{"b@x.test", "a@x.test"}, {"A@X.test", "b@x.test", "a@x.test"}} {
		if RecipientsDigest(rs) != one {
			t.Errorf("%v is another set than a, b", rs)
		}
	}
	for _, rs := range [][]pec.Address{nil, {"a@x.test"}, {"a@x.test", "b@x.test", "c@x.test"}, {"a@x.testb@x.test"}} {
		if RecipientsDigest(rs) == one {
			t.Errorf("%v is the same set as a, b", rs)
		}
	}
}

func arrivalsAreCompared(w *world) {
	const id = "arrivals@beta.test"
	w.must(w.TakeCharge(w.ctx(), w.charge(w.instant(), id, "digest", mario)))
	for _, c := range []struct {
		provider, digest string
		want             Arrival
	}{
		{beta, "digest", Arrival{Known: []pec.Address{mario}, New: []pec.Address{luigi}}},
		{beta, "other", Arrival{Altered: []pec.Address{mario}, New: []pec.Address{luigi}}},
		{"gamma", "digest", Arrival{New: []pec.Address{mario, luigi}}},
	} {
		got, err := w.Arrivals(w.ctx(), c.provider, id, []byte(c.digest), []pec.Address{mario, luigi})
		w.must(err)
		if !slices.Equal(got.Known, c.want.Known) || !slices.Equal(got.New, c.want.New) || !slices.Equal(got.Altered, c.want.Altered) {
			w.Errorf("%s, %s: %+v, want %+v", c.provider, c.digest, got, c.want)
		}
	}
}

// receiptsAreCompared. attacks.md 15.
func receiptsAreCompared(w *world) {
	id := w.accepted().Envelope.PEC
	before := func(kind pec.Kind, digest string, rs ...pec.Address) bool {
		known, err := w.HeardBefore(w.ctx(), beta, alfa, id, kind, rs, []byte(digest))
		w.must(err)
		return known
	}
	if before(pec.Delivered, "digest", comune) {
		w.Error("heard before it came")
	}
	w.must(w.Hear(w.ctx(), w.heard(w.instant(), pec.Delivered, id, "digest")))
	if !before(pec.Delivered, "digest", "Protocollo@BETA.test") {
		w.Error("not heard after it came")
	}
	if before(pec.Delivered, "other", comune) || before(pec.NonDelivery, "digest", comune) || before(pec.Delivered, "digest", comune, luigi) || before(pec.Delivered, "digest") {
		w.Error("what never came was heard before")
	}
}

func outcomeCancelsRelay(w *world) {
	id := w.accepted().Envelope.PEC
	t := w.task(TaskRelay, id)
	w.relayState(t, RelayPending)
	w.must(w.Hear(w.ctx(), w.heard(w.instant(), pec.Delivered, id, "digest")))
	w.relayState(t, RelayCancelled)
	w.must(w.Relayed(w.ctx(), w.relayed(w.instant(), t, RelayDone)))
	w.relayState(t, RelayCancelled)
	reply, err := w.RelayReply(w.ctx(), t.Message, comune)
	if err != nil || reply != "it said so" {
		w.Errorf("the reply is %q, %v", reply, err)
	}

	id = w.accepted().Envelope.PEC
	t = w.task(TaskRelay, id)
	w.must(w.Relayed(w.ctx(), w.relayed(w.instant(), t, RelayPending)))
	w.relayState(t, RelayPending)
	again := w.task(TaskRelay, id)
	if again.Attempts != 1 || again.Trouble != "450 domani" || !again.Due.Equal(w.now().Add(time.Hour)) {
		w.Errorf("the task to be tried again: %+v", again)
	}
	own := w.task(TaskReceive, id)
	w.must(w.ArrivedAgain(w.ctx(), w.instant(), record(w.instant(), pec.EventArrivedAgain, id), &own))
	w.relayState(own, RelayDone)
}

func (w *world) relayState(t Task, want string) {
	w.Helper()
	rs, err := w.Relays(w.ctx(), t)
	w.must(err)
	if len(rs) != 1 || rs[0].State != want {
		w.Errorf("the relay is %+v, want %s", rs, want)
	}
}

func heldMessages(w *world) {
	w.must(prepareHold(w)(w.instant()))
	w.clock.jump(time.Second)
	w.must(prepareHoldOwn(w)(w.instant()))
	hs, err := w.HeldMessages(w.ctx(), 10)
	w.must(err)
	if len(hs) != 2 || hs[0].At.Before(hs[1].At) || hs[1].Size != 4 || !slices.Equal(hs[1].Recipients, []string{"a", "b"}) {
		w.Fatalf("held: %+v", hs)
	}
	one, err := w.HeldMessage(w.ctx(), hs[1].ID)
	w.must(err)
	if one.Reason != "no" || one.Peer != "127.0.0.1" || one.Message != hs[1].Message || string(w.octets(one.Message, nil)) != "held" {
		w.Errorf("held: %+v", one)
	}
	if _, err := w.HeldMessage(w.ctx(), NewID()); !errors.Is(err, ErrNotFound) {
		w.Errorf("a held message that is not there: %v", err)
	}
}

func TestTextFromElsewhereIsBoundedAndUTF8(t *testing.T) {
	for in, want := range map[string]string{"": "", "città": "città", "a\xff\xfeb": "a?b"} {
		if got := clip(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
	long := make([]byte, 0, 3000)
	for range 999 {
		long = append(long, 'a')
	}
	if got := clip(string(append(long, "èèè"...))); got != string(long)+"?" {
		t.Errorf("%d octets, ending in %q", len(got), got[990:])
	}
}

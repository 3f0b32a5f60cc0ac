package access

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

func contextThatEnds(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// atEOF does something when its reader has been read.
type atEOF struct {
	io.Reader
	do func()
}

func (r *atEOF) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		r.do()
	}
	return n, err
}

// RFC 6109 2.2.1, 3.1.4, 3.1.5: one acceptance, one envelope, and all the work that follows, under one instant.
// norms.md 17, 20, 31, 138
func TestAcceptedSubmission(t *testing.T) {
	w := newWorld(t)
	w.pass(250 * time.Millisecond)
	to := []pec.Address{luigi, anna, sara, carla}
	id := w.accept(letter(to...), to...)
	if !strings.HasSuffix(string(id), "@pec.alfa.test") {
		t.Errorf("identificativo %s", id)
	}
	e, data := w.envelope(id)
	receipt := w.entries(mario)
	if len(receipt) != 1 || string(receipt[0].Lead) != "Return-Path: <posta-certificata@pec.alfa.test>\r\nDelivered-To: mario@pec.alfa.test\r\n" {
		t.Fatalf("the mailbox has %+v", receipt)
	}
	acceptance, transport := w.read(receipt[0].Message), w.read(e.Message)
	if acceptance.Data.Kind != pec.Acceptance || transport.Data.Kind != pec.Transport || !transport.Data.Equal(data) {
		t.Errorf("issued %s and %s", acceptance.Data.Kind, transport.Data.Kind)
	}
	want := []pec.Recipient{{Address: luigi, Type: pec.Certified}, {Address: anna, Type: pec.Certified}, {Address: sara, Type: pec.Certified}, {Address: carla, Type: pec.External}}
	for _, d := range []pec.CertData{acceptance.Data, transport.Data} {
		if d.ID != id || d.ClientID != "<1@client.test>" || !slices.Equal(d.Recipients, want) || !d.At.Equal(epoch) {
			t.Errorf("%s says %+v", d.Kind, d)
		}
	}
	w.wantRelays(e, map[string]string{"": "anna@comune.alfa.test", beta().Key(): "luigi@pec.beta.test sara@studio.beta.test", "posta.test": "carla@posta.test"})
	states := w.states(id)
	if len(states) != 3 || states[luigi] != store.StatePending || states[anna] != store.StatePending || states[sara] != store.StatePending {
		t.Errorf("tracking is %v", states)
	}
	r := w.record()
	if len(r.Events) != 2 || r.Events[1].Kind != pec.EventDeposited || r.Events[1].Recipient != mario || r.Events[0].Kind != pec.EventAccepted || len(r.Events[0].Generated) != 2 || !r.At.Equal(w.now()) || !e.At.Equal(r.At) {
		t.Errorf("the record is %+v", r)
	}
}

// wantRelays compares where an envelope is to go: recipients by target, "" is ourselves.
func (w *world) wantRelays(e store.Envelope, want map[string]string) {
	w.t.Helper()
	got := map[string]string{}
	for _, t := range append(w.tasks(store.TaskRelay), w.tasks(store.TaskReceive)...) {
		var to []string
		for _, r := range w.ok(w.Store.Relays(w.t.Context(), t)).([]store.Relay) {
			to = append(to, string(r.Recipient))
		}
		got[t.Target] = strings.Join(to, " ")
		if t.Message != e.Message || t.Sender != e.Sender {
			w.t.Errorf("the relay to %q is of another message or sender", t.Target)
		}
	}
	if len(got) != len(want) {
		w.t.Errorf("relays are %v, want %v", got, want)
	}
	for target, to := range want {
		if got[target] != to {
			w.t.Errorf("the relay to %q is for %q, want %q", target, got[target], to)
		}
	}
}

// norms.md 33: to the outside alone there is an acceptance and an envelope, and nothing to track (norms.md 42).
func TestExternalOnly(t *testing.T) {
	w := newWorld(t)
	id := w.accept(letter(carla), carla)
	e, _ := w.envelope(id)
	w.wantRelays(e, map[string]string{"posta.test": "carla@posta.test"})
	if states := w.states(id); len(states) != 0 || len(w.tasks(store.TaskDeliver)) != 0 || len(w.entries(mario)) != 1 {
		t.Errorf("tracking is %v", states)
	}
}

// A recipient given twice, in whatever form, is one.
func TestDoubledRecipientsAreOne(t *testing.T) {
	w := newWorld(t)
	id := w.accept(letter(luigi, anna), luigi, anna, "LUIGI@pec.beta.test", `"luigi"@PEC.beta.test`, luigi)
	e, data := w.envelope(id)
	if len(data.Recipients) != 2 || data.Recipients[0].Address != luigi || data.Recipients[1].Address != anna {
		t.Errorf("recipients %v", data.Recipients)
	}
	w.wantRelays(e, map[string]string{"": string(anna), beta().Key(): string(luigi)})
}

// design.md 5: 8-bit originals are borne as they are.
func TestEightBitOriginal(t *testing.T) {
	w := newWorld(t)
	message := text("From: mario@pec.alfa.test", "To: luigi@pec.beta.test", "Subject: perch\xe9", "", "citt\xe0, \xf0\x9f\x92\xa9 \xff\xfe", ".", "..", "From here")
	id := w.accept(message, luigi)
	e, _ := w.envelope(id)
	if !e.EightBit {
		t.Error("it is not marked as 8-bit")
	}
	w.read(e.Message)
	if got := w.original(e.Message); !bytes.HasSuffix(got, []byte("citt\xe0, \xf0\x9f\x92\xa9 \xff\xfe\r\n.\r\n..\r\nFrom here\r\n")) || !bytes.Contains(got, []byte("Subject: perch\xe9\r\n")) {
		t.Errorf("the original is %q", got)
	}
}

// A key that fails accepts nothing; its return finishes what the client sends again.
func TestNothingIsAcceptedWithoutAKey(t *testing.T) {
	w := newWorld(t)
	keys := w.Units[0].Keys
	w.Units[0].Keys = nil
	if id, err := w.Submit(t.Context(), w.submission(letter(luigi), luigi)); err == nil {
		t.Errorf("accepted as %s", id)
	}
	w.wantNothing("without a key")
	w.Units[0].Keys = keys
	w.accept(letter(luigi), luigi)
}

// A message of some size lies in a file of its own, once; the store's other octets are few.
func TestLongOriginalIsStoredOnce(t *testing.T) {
	w := newWorld(t)
	body := strings.Repeat(text(strings.Repeat("0123456789", 9)), 10_000)
	id := w.accept(letter(luigi, anna)+body, luigi, anna)
	e, _ := w.envelope(id)
	w.read(e.Message)
	if got := w.original(e.Message); !bytes.HasSuffix(got, []byte(body)) {
		t.Error("the original has other octets")
	}
	if free := e.Body.Length; free < int64(len(body)) {
		t.Errorf("the body's span has %d octets", free)
	}
}

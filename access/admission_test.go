package access

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/pec"
)

// attacks.md 10: the brake holds before the acceptance, in signatures, with a trail; a repeat is answered and not counted, and what
// was not accepted is given back.
func TestBudgetHoldsBeforeAcceptance(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.Budget = admission.NewBudget(admission.BudgetConfig{PerHour: 8, Log: slog.New(slog.NewTextHandler(&log, nil))})
	numbered := func(n string) string { return strings.Replace(letter(luigi, sara), "<1@", "<"+n+"@", 1) }

	if _, err := w.Submit(t.Context(), w.submission("From: nobody\r\n\r\n", luigi)); err == nil {
		t.Fatal("a wrong message is accepted")
	}
	dir := w.dir
	w.dir = published(beta()) // our domain is not listed: nothing can be accepted
	if _, err := w.Submit(t.Context(), w.submission(numbered("1"), luigi, sara)); !errors.Is(err, ErrNoDirectory) {
		t.Fatal(err)
	}
	w.dir = dir
	if n := w.facts(); n != 1 {
		t.Errorf("%d facts, want the notice, which costs one", n)
	}

	first := w.accept(numbered("1"), luigi, sara) // two, and one for each recipient
	for range 3 {
		if again := w.accept(numbered("1"), luigi, sara); again != first {
			t.Errorf("the repeat is %s, not %s", again, first)
		}
	}
	before, tasks := w.facts(), len(w.tasks("relay"))
	if _, err := w.Submit(t.Context(), w.submission(numbered("2"), luigi, sara)); !errors.Is(err, ErrBudget) {
		t.Errorf("over the budget: %v", err)
	}
	if w.facts() != before || len(w.tasks("relay")) != tasks {
		t.Error("something of it is kept")
	}
	w.accept(strings.Replace(numbered("3"), ",\r\n sara@studio.beta.test", "", 1), luigi)

	other := w.submission(strings.Replace(numbered("4"), string(mario), string(anna), 1), luigi, sara)
	other.Mailbox = w.mailbox(anna)
	if _, err := w.Submit(t.Context(), other); err != nil {
		t.Errorf("another mailbox: %v", err)
	}
	if got := log.String(); !strings.Contains(got, "account="+string(mario)) || strings.Contains(got, string(anna)) {
		t.Errorf("the trail is %s", got)
	}
}

// attacks.md 39: who finds too much of his own waiting is told so; others are served.
func TestBurstMeetsABusyPoint(t *testing.T) {
	w := newWorld(t)
	w.Signing = admission.NewGate(admission.GateConfig{Capacity: issuedAtOnce})
	leave, err := w.Signing.Enter(t.Context(), "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Submit(t.Context(), w.submission(letter(luigi), luigi)); !errors.Is(err, admission.ErrBusy) {
		t.Errorf("%v, want ErrBusy", err)
	}
	w.wantNothing("while busy")
	leave()
	w.accept(letter(luigi), luigi)
	leave() // does nothing: the place was given back
	w.accept(letter(luigi, pec.Address("anna@comune.alfa.test")), luigi, anna)
}

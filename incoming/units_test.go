package incoming

import (
	"io"
	"slices"
	"testing"

	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// design.md 2, identity: each domain belongs to one unit, and each unit takes in charge for its own recipients under its
// own name, in one commit.
func TestEachUnitTakesChargeForItsOwn(t *testing.T) {
	w := newWorld(t)
	w.Units = must(issuance.NewUnits(alfa().unit, gamma().unit))
	facts := w.facts()
	if err := w.receive(beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario, gino)), luigi, mario, gino); err != nil {
		t.Fatal(err)
	}
	if n := w.facts() - facts; n != 1 {
		t.Errorf("%d facts, want 1", n)
	}
	taken := map[pec.Address][]pec.Address{}
	for _, relay := range w.tasks(store.TaskRelay) {
		octets := w.ok(w.Store.Open(t.Context(), relay.Message, nil)).(*store.Octets)
		scan := pec.NewScanner(pec.KeepForParse)
		w.ok(io.Copy(scan, octets.Reader()))
		octets.Close()
		m := must(pec.ParseMessage(scan.Finish()))
		if m.Data.Kind != pec.TakenInCharge || m.Consistent(relay.Sender) != nil {
			t.Errorf("%s from %s: %v", m.Data.Kind, relay.Sender, m.Consistent(relay.Sender))
		}
		taken[relay.Sender] = m.Data.TakenFor
	}
	if len(taken) != 2 || !slices.Equal(taken[alfa().unit.Address], []pec.Address{mario}) || !slices.Equal(taken[gamma().unit.Address], []pec.Address{gino}) {
		t.Errorf("taken in charge: %v", taken)
	}
	if n := len(w.tasks(store.TaskDeliver)); n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}
}

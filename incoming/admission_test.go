package incoming

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// attacks.md 39: while one provider's burst waits, it is told to come again, and another provider's mail has its turn.
func TestBurstOfOneProvider(t *testing.T) {
	w := newWorld(t)
	w.Signing = admission.NewGate(admission.GateConfig{Capacity: 1, MaxWaiting: 1})
	full, err := w.Signing.Enter(t.Context(), "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	const burst = 8
	var sending sync.WaitGroup
	errs := make(chan error, burst)
	for i := range burst {
		octets := beta().issue(beta().envelope(pec.ID(fmt.Sprintf("m%d@pec.beta.test", i)), luigi, mario))
		sending.Go(func() { errs <- w.receive(octets, luigi, mario) })
	}
	for range burst - 1 { // one waits
		if err := <-errs; !errors.Is(err, admission.ErrBusy) {
			t.Errorf("%v, want ErrBusy", err)
		}
	}
	if n := w.facts(); n != 0 {
		t.Errorf("%d facts are kept", n)
	}
	other := make(chan error)
	octets := gamma().issue(gamma().envelope("g1@pec.gamma.test", gino, mario))
	go func() { other <- w.receive(octets, gino, mario) }()
	full()
	sending.Wait()
	if err := errors.Join(<-errs, <-other); err != nil {
		t.Error(err)
	}
	if n := len(w.tasks(store.TaskDeliver)); n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}
}

// attacks.md 39: an arrival counts the signatures that it costs before its 250, and waits under the name that is certain.
func TestWhatAnArrivalCosts(t *testing.T) {
	p := &Point{Units: must(issuance.NewUnits(alfa().unit, gamma().unit))}
	transport := &genuine{Message: pec.Message{Data: pec.CertData{Kind: pec.Transport}}, signer: beta().entry}
	receipt := &genuine{Message: pec.Message{Data: pec.CertData{Kind: pec.Delivered}}, signer: beta().entry}
	task := &store.Task{}
	for name, c := range map[string]struct {
		m      *message
		g      *genuine
		passed bool
		cost   int
		turn   string
	}{
		"one unit":         {&message{recipients: []pec.Address{mario, anna}, network: "192.0.2.7"}, transport, true, 1, "peer " + beta().entry.Key() + " at 192.0.2.7"},
		"two units":        {&message{recipients: []pec.Address{mario, gino}, network: "192.0.2.7"}, transport, true, 2, "peer " + beta().entry.Key() + " at 192.0.2.7"},
		"a receipt":        {&message{recipients: []pec.Address{mario, gino}, network: "192.0.2.7"}, receipt, true, 2, "peer " + beta().entry.Key() + " at 192.0.2.7"},
		"our own":          {&message{recipients: []pec.Address{mario, gino}, task: task, from: luigi}, transport, true, 1, "own " + string(luigi)},
		"inconsistent":     {&message{recipients: []pec.Address{mario}, network: "192.0.2.2"}, transport, false, 1, "network 192.0.2.2"},
		"without a signer": {&message{network: "192.0.2.2"}, nil, false, 1, "network 192.0.2.2"},
	} {
		if cost := p.signatures(c.m); cost != c.cost {
			t.Errorf("%s costs %d", name, cost)
		}
		if turn := turnOf(c.m, c.g, c.passed); turn != c.turn {
			t.Errorf("%s waits as %q", name, turn)
		}
	}
}

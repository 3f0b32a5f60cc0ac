package sandbox

import (
	"slices"
	"testing"

	"github.com/ceralacca/ceralacca/dialect"
)

// Each engine's mail and receipts are taken by ours, and ours by it: a message each way, with its acceptance, taking in charge and
// delivery receipt, and a message to nobody with its non-delivery (quirks.md A to E on the wire).
func TestBetaAsAnotherEngine(t *testing.T) {
	t.Parallel()
	for _, engine := range dialect.Names() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			o := embedded(t)
			o.BetaAs = engine
			r := start(t, o)
			for i, way := range []struct{ from, to, nobody string }{{mario, luigi, "nessuno@pec.beta.test"}, {luigi, mario, "nessuno@pec.alfa.test"}} {
				if err := r.sendAt(i, way.from, []string{way.to, way.nobody}, letter("1", way.from, way.to, way.nobody)); err != nil {
					t.Fatal(err)
				}
				r.settled("1s")
				box := kinds(t, r.running[i].Store, way.from)
				slices.Sort(box)
				if !slices.Equal(box[:3], []string{"accettazione", "avvenuta-consegna", "errore-consegna"}) {
					t.Errorf("%s has %q", way.from, box)
				}
				if got := kinds(t, r.running[i].Store, r.plan.providers[i].service); !slices.Equal(got, []string{"presa-in-carico"}) {
					t.Errorf("the service mailbox of %s has %q", r.plan.providers[i].name, got)
				}
				if got := kinds(t, r.running[1-i].Store, way.to); !slices.Contains(got, "posta-certificata") || slices.Contains(got, anomaly) {
					t.Errorf("%s has %q", way.to, got)
				}
			}
			// What the engine signs without certification data is found malformed.
			r.fault(1, malformed)
			if err := r.send(mario, []string{luigi}, letter("2", mario, luigi)); err != nil {
				t.Fatal(err)
			}
			r.settled("1s")
			if got := kinds(t, r.running[0].Store, mario); got[len(got)-1] != anomaly {
				t.Errorf("malformed: %s has %q", mario, got)
			}
			if got := kinds(t, r.running[0].Store, r.plan.providers[0].service); got[len(got)-1] != anomaly {
				t.Errorf("malformed: the service mailbox has %q", got)
			}
			r.stop()
			r.wantSoundAt(0) // Beta's originals have their fields moved, as the engines do: its own check says so
		})
	}
}

package directory

import (
	"strings"
	"testing"
)

// norms.md 126: the operators read in the log that two providers claim a domain, and which.
func TestClaimedTwiceIsLogged(t *testing.T) {
	w, thief := newWorld(), beta()
	thief.Domains = append(thief.Domains, "pec0.example")
	w.serve(agid().sign(t, epoch, alfa(), thief), nil)
	mustRefresh(t, newKeeper(t, w.config()))
	want := "domain pec0.example is ambiguous: claimed by " + alfa().DN() + " and providerName=Beta"
	if got := w.log.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, want) {
		t.Errorf("the log says %s", got)
	}
}

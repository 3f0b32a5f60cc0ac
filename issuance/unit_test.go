package issuance

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// norms.md 118: the key in use is the newest whose first use has come, and only while its certificate is valid.
func TestKeyRollsOver(t *testing.T) {
	unit := unitWith(curveKey())
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	unit.Keys = []Key{keyOf(curveKey(), day(10), day(40)), keyOf(curveKey(), day(0), day(20)), keyOf(curveKey(), day(12), day(15))}
	newUnits(t, unit)
	first, second, third := unit.Keys[0], unit.Keys[1], unit.Keys[2]
	if !first.From.Equal(day(0)) || !second.From.Equal(day(10)) || !third.From.Equal(day(12)) {
		t.Fatal("the keys are not in the order of their first use")
	}
	for _, c := range []struct {
		at   time.Time
		want *Key
	}{
		{day(0).Add(-time.Second), nil},
		{day(0), &first},
		{day(10).Add(-time.Second), &first},
		{day(10), &second},
		{day(12), &third},
		{day(15).Add(time.Second), &second}, // the newest has expired
		{day(40), &second},
		{day(40).Add(time.Second), nil},
	} {
		digest, err := unit.Certificate(c.at)
		switch {
		case c.want == nil && !errors.Is(err, errNoKey):
			t.Errorf("%s: a key is in use (%v)", c.at, err)
		case c.want != nil && (err != nil || digest != sha256.Sum256(c.want.Signer.Certificate().Raw)):
			t.Errorf("%s: another key is in use (%v)", c.at, err)
		}
		composed := composition(pec.Acceptance)
		composed.Data.At = c.at
		issued, err := unit.Issue(composed, nil)
		if (err == nil) != (c.want != nil) || err == nil && issued.Certificate != digest {
			t.Errorf("%s: Issue does otherwise than Certificate: %v", c.at, err)
		}
	}
}

// attacks.md 32: what an expired key would sign, every peer would put aside; the caller's work waits instead.
func TestExpiredKeySignsNothing(t *testing.T) {
	key := &watched{Signer: curveKey()}
	unit := unitWith(key)
	unit.Keys = []Key{keyOf(key, noon.AddDate(-1, 0, 0), noon.Add(-time.Second))}
	if issued, err := unit.Issue(composition(pec.Acceptance), nil); err == nil || issued != nil || key.uses.Load() != 0 {
		t.Errorf("issued %v, %v", issued, err)
	}
}

// secondary is another environment of the same provider.
func secondary() *Unit {
	u := unitWith(curveKey())
	u.Entry, u.Address, u.Service = "providerunit=due,providername=alfa", "posta-certificata@pec.due.test", "ricevute@pec.due.test"
	u.Domains = []string{"pec.due.test"}
	return u
}

func TestUnitsAreFound(t *testing.T) {
	alfa, due := unitWith(curveKey()), secondary()
	us := newUnits(t, alfa, due)
	for name, c := range map[string]struct {
		find func() (*Unit, bool)
		want *Unit
	}{
		"domain":               {func() (*Unit, bool) { return us.ByDomain("comune.alfa.test") }, alfa},
		"domain in other case": {func() (*Unit, bool) { return us.ByDomain("PEC.due.TEST") }, due},
		"unknown domain":       {func() (*Unit, bool) { return us.ByDomain("alfa.test") }, nil},
		"no domain":            {func() (*Unit, bool) { return us.ByDomain("") }, nil},
		"entry":                {func() (*Unit, bool) { return us.ByEntry(due.Entry) }, due},
		"unknown entry":        {func() (*Unit, bool) { return us.ByEntry("providername=beta") }, nil},
		"address":              {func() (*Unit, bool) { return us.ByAddress("Posta-Certificata@PEC.alfa.test") }, alfa},
		"unknown address":      {func() (*Unit, bool) { return us.ByAddress("ricevute@pec.alfa.test") }, nil},
	} {
		if got, ok := c.find(); got != c.want || ok != (c.want != nil) {
			t.Errorf("by %s: %v, %t", name, got, ok)
		}
	}
}

func TestReservedAddresses(t *testing.T) {
	us := newUnits(t, unitWith(curveKey()), secondary())
	for address, want := range map[pec.Address]bool{
		"posta-certificata@pec.alfa.test": true, "Posta-Certificata@comune.alfa.test": true, "ricevute@pec.due.test": true,
		`"ricevute"@pec.due.test`: true, "postmaster@pec.alfa.test": true, "ABUSE@comune.alfa.test": true,
		"ricevute@comune.alfa.test": false, "mario@pec.alfa.test": false,
	} {
		if us.Reserved(address) != want {
			t.Errorf("%s reserved: %t", address, !want)
		}
	}
}

func TestUnitsThatOverlapAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Unit)
		want   string
	}{
		"domain":        {func(u *Unit) { u.Domains = append(u.Domains, "comune.alfa.test") }, "comune.alfa.test belongs to"},
		"address":       {func(u *Unit) { u.Address = signingAddress }, "posta-certificata@pec.alfa.test belongs to"},
		"entry":         {func(u *Unit) { u.Entry = "providername=alfa" }, "providername=alfa belongs to"},
		"service":       {func(u *Unit) { u.Service = "Ricevute@pec.alfa.test" }, "ricevute@pec.alfa.test belongs to"},
		"other's":       {func(u *Unit) { u.Service = signingAddress }, "posta-certificata@pec.alfa.test belongs to"},
		"own address":   {func(u *Unit) { u.Service = u.Address }, "must be another address"},
		"twice":         {func(u *Unit) { u.Domains = append(u.Domains, "pec.due.test") }, "pec.due.test belongs to"},
		"no key at all": {func(u *Unit) { u.Keys = nil }, "no key"},
	} {
		u := secondary()
		c.change(u)
		if _, err := NewUnits(unitWith(curveKey()), u); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// RFC 6109 2.2.1: an identificativo is in the provider's domain, and never the same twice.
// norms.md 17
func TestNewIDs(t *testing.T) {
	unit := unitWith(curveKey())
	seen := map[pec.ID]bool{}
	for range 100 {
		id := unit.NewID(noon)
		if _, err := pec.ParseID(string(id)); err != nil || !strings.HasSuffix(string(id), "@pec.alfa.test") || seen[id] {
			t.Fatalf("identificativo %s (%v)", id, err)
		}
		seen[id] = true
	}
}

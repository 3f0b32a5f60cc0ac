package directory

import (
	"strings"
	"testing"
)

// norms.md 20, 125
func TestLookups(t *testing.T) {
	d := mustParse(t, mustMarshal(t, alfa(), beta(), betaUnit()))
	for name, want := range map[string]string{
		"pec0.example": alfa().Key(), "PEC0.Example": alfa().Key(), "pec3.EXAMPLE": betaUnit().Key(),
		"example": "", "sub.pec0.example": "", "pec0.example.": "", "": "", "xpec0.example": "",
	} {
		e, ok := d.Domain(name)
		if ok != (want != "") || ok && e.Key() != want {
			t.Errorf("Domain(%q) = %v", name, e)
		}
	}
	for addr, want := range map[string]bool{
		"anna@pec0.example": true, "Anna@COMUNE.alfa.example": true, `"a@x.example"@pec2.example`: true,
		"posta-certificata@pec1.example": true, "POSTA-CERTIFICATA@PEC1.EXAMPLE": true, // its domain is nobody's, the certificate names it
		"anna@pec1.example": false, "anna@posta.example": false, "pec0.example": false, "@pec0.example": false, "": false,
		"anna@pec0.example@posta.example": false,
	} {
		if d.Address(addr) != want {
			t.Errorf("Address(%q) = %t", addr, !want)
		}
	}
	if e, ok := d.Signer(certificates()[3]); !ok || e.Unit != betaUnit().Unit {
		t.Errorf("the unit's certificate belongs to %v", e)
	}
}

// Kelvin sign and long s have ASCII letters as their lower and upper case.
func TestLettersThatFoldToASCII(t *testing.T) {
	e := alfa()
	e.Domains = []string{"kpec.example", "spec.example"}
	d := mustParse(t, mustMarshal(t, e))
	for _, name := range []string{"\u212apec.example", "\u017fpec.example"} {
		if _, ok := d.Domain(name); ok || d.Address("anna@"+name) {
			t.Errorf("%q is taken for a certified domain", name)
		}
	}
}

func TestEmptyDirectory(t *testing.T) {
	d := &Directory{}
	_, domain := d.Domain("pec0.example")
	_, signer := d.Signer(certificates()[0])
	if domain || signer || d.Address("a@pec0.example") || d.Ambiguous("pec0.example") || len(d.Entries()) > 0 || !d.SignedAt().IsZero() {
		t.Error("the empty directory knows something")
	}
}

// attacks.md 19, 17: who claims a domain of another makes it nobody's; both stay what they are otherwise.
// norms.md 126
func TestDirectoryDuplicateDomains(t *testing.T) {
	thief, third := beta(), betaUnit()
	thief.Domains = append(thief.Domains, "PEC0.example")
	third.Domains = append(third.Domains, "pec0.example")
	d := mustParse(t, []byte(ldifOf(alfa())+ldifOf(thief)+ldifOf(third)))
	if e, ok := d.Domain("pec0.example"); ok || !d.Ambiguous("Pec0.example") {
		t.Errorf("the domain belongs to %v", e)
	}
	if !d.Address("anna@pec0.example") {
		t.Error("its mail is no longer judged as certified")
	}
	wantProblem(t, d, "domain pec0.example is ambiguous: claimed by "+alfa().DN()+" and "+thief.DN())
	wantProblem(t, d, "claimed by "+third.DN()+" too")
	for _, name := range []string{"comune.alfa.example", "pec2.example", "pec3.example"} {
		if _, ok := d.Domain(name); !ok || d.Ambiguous(name) {
			t.Errorf("%s is lost too", name)
		}
	}
}

// attacks.md 19
func TestDirectoryDuplicateEntries(t *testing.T) {
	twin := beta()
	twin.Provider = strings.ToUpper(alfa().Provider)
	d := mustParse(t, []byte(ldifOf(alfa())+ldifOf(twin)))
	if len(d.Entries()) != 1 || d.Entries()[0].Provider != alfa().Provider {
		t.Errorf("%d entries", len(d.Entries()))
	}
	wantProblem(t, d, "is there already")
}

// attacks.md 19
func TestDirectoryWildcardDomains(t *testing.T) {
	bad := []string{"*", "*.example", "%", ".", ".example", "pec..example", "-pec.example", "a@b.example", "pec.example ;", "[127.0.0.1]",
		strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 130) + "example", "forlì.example", "pec.example\x00"}
	lines := make([]string, len(bad))
	for i, domain := range bad {
		lines[i] = "managedDomains:: " + base64Of([]byte(domain))
	}
	d := mustParse(t, []byte(ldifOf(alfa(), lines...)))
	if got := d.Entries()[0].Domains; len(got) != len(alfa().Domains) {
		t.Errorf("domains: %q", got)
	}
	if len(d.Problems()) != len(bad) {
		t.Errorf("%d problems for %d bad domains", len(d.Problems()), len(bad))
	}
	for _, domain := range append(bad, "x.example") {
		if _, ok := d.Domain(domain); ok {
			t.Errorf("%q is managed", domain)
		}
	}
}

// attacks.md 11: the directory's part in judging a signer.
// norms.md 48, 53
func TestSigners(t *testing.T) {
	twin := newCertificate(1, "posta-certificata@pec0.example") // name, serial and address of alfa's, another key
	claimed := beta()
	claimed.Certificates = certificates()[2:4]
	d := mustParse(t, mustMarshal(t, alfa(), claimed, betaUnit()))
	t.Run("not in the directory", func(t *testing.T) {
		if e, ok := d.Signer(certificates()[5]); ok {
			t.Errorf("belongs to %v", e)
		}
	})
	t.Run("second certificate that looks alike", func(t *testing.T) {
		if e, ok := d.Signer(twin); ok {
			t.Errorf("belongs to %v", e)
		}
	})
	t.Run("provider X for a domain of provider Y", func(t *testing.T) {
		owner, _ := d.Domain("pec2.example")
		if owner.Holds(certificates()[0]) || !owner.Holds(certificates()[2]) {
			t.Error("the domain's owner is not told from another provider")
		}
	})
	t.Run("shared by environments of one provider", func(t *testing.T) {
		if e, ok := d.Signer(certificates()[3]); !ok || e.Unit != "" {
			t.Errorf("belongs to %v, wanted the main environment", e)
		}
		unit, _ := d.Domain("pec3.example")
		if !unit.Holds(certificates()[3]) {
			t.Error("the unit does not hold it")
		}
	})
	t.Run("claimed by two providers", func(t *testing.T) {
		for _, records := range []string{ldifOf(alfa()) + ldifOf(beta()), ldifOf(beta()) + ldifOf(alfa())} {
			stolen := certificates()[0]
			thief := ldifOf(betaUnit(), "providerCertificateHash: "+certificateHash(stolen.Raw), "providerCertificate;binary:: "+base64Of(stolen.Raw))
			d := mustParse(t, []byte(thief+records))
			if e, ok := d.Signer(stolen); ok {
				t.Errorf("belongs to %v", e)
			}
			wantProblem(t, d, "certificate "+certificateHash(stolen.Raw)+" is ambiguous")
		}
	})
}

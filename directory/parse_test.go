package directory

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The second example of RFC 6109 4.5.10. Changed: blank lines between the records and the second blank of the folded DN, which page breaks
// and printing have lost (norms.md 1.7). The unit's providerName differs in the original too.
// norms.md 124
func TestRFCExample(t *testing.T) {
	ldif, err := os.ReadFile("testdata/rfc6109-4.5.10.ldif")
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"\n", "\r\n"} {
		d := mustParse(t, bytes.ReplaceAll(ldif, []byte("\n"), []byte(end)))
		if len(d.Entries()) != 2 {
			t.Fatalf("%d entries: %q", len(d.Entries()), d.Problems())
		}
		main, ok := d.Domain("COSTMEC.example.com")
		if !ok || main.Key() != "providername=anonymous certified mail s.p.a.,o=postacert" {
			t.Fatalf("main environment: %v", main)
		}
		unit, ok := d.Domain("personnel.anpocert.example.com")
		if !ok || unit.DN() != "providerUnit=Secondary Environment,providerName=Anonymous Certified Mail S.p.A.,o=postacert" {
			t.Fatalf("unit: %v", unit)
		}
		wantProblem(t, d, `providerName is "Certified Mail S.p.A."`)
		signer, ok := d.Signer(unit.Certificates[0])
		if !ok || signer != main || !unit.Holds(main.Certificates[0]) {
			t.Errorf("the shared certificate belongs to %v, wanted the main environment", signer)
		}
	}
}

// Files on which go-ldap/ldif reads a local file, never ends, or gives up all that follows.
func TestFilesThatBreakGoLDAP(t *testing.T) {
	tests := []struct {
		file, problem string
		alfa          bool
	}{
		{"url-value.ldif", "a value by URL is never fetched", false},
		{"url-endless.ldif", "", true}, // of an attribute that is not read
		{"empty-value.ldif", "", true},
		{"no-colon.ldif", "line 36: no colon", false},
		{"changetype.ldif", "a change record", false},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			ldif, err := os.ReadFile("testdata/" + test.file)
			if err != nil {
				t.Fatal(err)
			}
			d := mustParse(t, ldif)
			if _, ok := d.Domain("beta.example"); !ok {
				t.Errorf("the sound record beside it is lost: %q", d.Problems())
			}
			if _, ok := d.Domain("alfa.example"); ok != test.alfa {
				t.Errorf("alfa is there: %t, wanted %t", ok, test.alfa)
			}
			wantProblemOrNone(t, d, test.problem)
		})
	}
}

func wantProblemOrNone(t *testing.T, d *Directory, text string) {
	t.Helper()
	if text != "" {
		wantProblem(t, d, text)
	}
}

// What is damaged is left out and reported; the rest stays (norms.md 124).
func TestDamage(t *testing.T) {
	other := certificates()[5]
	withoutMailbox := strings.Replace(ldifOf(alfa()), "mailReceipt: servizio@pec0.example\n", "", 1)
	wrongHash := strings.Replace(ldifOf(beta()), strings.ToUpper(certificateHash(certificates()[2].Raw)), certificateHash(other.Raw), 1)
	tests := []struct {
		name, record, problem string
		entry                 bool
	}{
		{"sound", ldifOf(alfa()), "", true},
		{"no mailbox", withoutMailbox, `mailReceipt "" is not an address`, false},
		{"two mailboxes", ldifOf(alfa(), "mailReceipt: a@b.example"), "2 values of mailreceipt", false},
		{"two names", ldifOf(alfa(), "providerName: Omega"), "2 values of providername", false},
		{"two DNs", ldifOf(alfa(), "dn: providerName=Omega,o=postacert"), "2 values of dn", false},
		{"other name", strings.Replace(ldifOf(alfa()), "providerName: Alfa", "providerName: Omega", 1), "providerName is", true},
		{"other unit", ldifOf(alfa(), "providerUnit: Omega"), "providerUnit", true},
		{"no base64", ldifOf(alfa(), "description:: %%"), "illegal base64", false},
		{"not UTF-8", ldifOf(alfa(), "description: \xff"), "description is not UTF-8", true},
		{"foreign DN", strings.Replace(ldifOf(alfa()), "o=postacert", "o=altro", 1), "does not end in o=postacert", false},
		{"deep DN", strings.Replace(ldifOf(alfa()), "dn: ", "dn: providerUnit=a,providerUnit=b,", 1), "has 4 parts", false},
		{"DN of another attribute", strings.Replace(ldifOf(alfa()), "dn: providerName", "dn: cn", 1), "is not a providerName", false},
		{"empty name", strings.Replace(ldifOf(alfa()), "dn: providerName=Alfa PEC S.p.A.", "dn: providerName=", 1), "is empty", false},
		{"escaped blank at the end", strings.Replace(ldifOf(alfa()), "S.p.A.,o=", `S.p.A.\ ,o=`, 1), "ends in a backslash", false},
		{"escaped comma", strings.Replace(ldifOf(alfa()), "S.p.A.,o=", `S.p.A.\,o=`, 1), "does not end in o=postacert", false},
		{"hash of another", wrongHash, "no providerCertificateHash matches it", false},
		{"hash alone", ldifOf(alfa(), "providerCertificateHash: "+strings.Repeat("0", 40)), `no certificate for hash "0000`, true},
		{"no certificate at all", strings.ReplaceAll(ldifOf(alfa()), "providerCertificate;", "x-"), "no usable certificate", false},
		{"URL on a unit", ldifOf(betaUnit(), "LDIFLocationURL: https://x.example/"), "a unit has no LDIFLocationURL", true},
		{"not a domain", ldifOf(alfa(), "managedDomains: under_score.example"), "is not a domain", true},
		{"continuation of nothing", " dn: x\n\n", "does not end in o=postacert", false},
		{"no DN", strings.Replace(ldifOf(alfa()), "dn: ", "x: ", 1), "does not end in o=postacert", false},
	}
	sound := alfa()
	sound.Provider, sound.Certificates, sound.Domains = "Zeta", certificates()[4:5], []string{"zeta.example"}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := mustParse(t, []byte(test.record+ldifOf(sound)))
			want := 1
			if test.entry {
				want = 2
			}
			if len(d.Entries()) != want {
				t.Errorf("%d entries, wanted %d: %q", len(d.Entries()), want, d.Problems())
			}
			if _, ok := d.Domain("zeta.example"); !ok {
				t.Error("the sound record beside it is lost")
			}
			wantProblemOrNone(t, d, test.problem)
			if test.problem == "" && len(d.Problems()) > 0 {
				t.Errorf("problems with nothing wrong: %q", d.Problems())
			}
		})
	}
}

func TestNothingLeft(t *testing.T) {
	for _, ldif := range []string{"", "\n\n", "version: 1\n", "dn: o=postacert\no: postacert\n", "<html>", "\x00\xff"} {
		if d, err := Parse([]byte(ldif)); err == nil {
			t.Errorf("%q: %d entries", ldif, len(d.Entries()))
		}
	}
}

// norms.md 124, 125
func TestForms(t *testing.T) {
	hash := certificateHash(certificates()[2].Raw)
	der := base64Of(certificates()[2].Raw)
	ldif := strings.Join([]string{
		"# a comment", " that is folded", "VERSION: 1", "", "", "# another",
		"DN:: " + base64Of([]byte(`ProviderUnits = Sede di Forl\c3\AC , PROVIDERNAME=Beta\2C Figli & C. S.p.A. ,O=PostaCert`)),
		"objectClass: provider",
		"PROVIDERNAME:Beta,  figli & C. S.p.A.",
		"providerUnit:: " + base64Of([]byte("SEDE DI FORLÌ")),
		"providerCertificateHash: " + strings.ToUpper(hash[:20]), " " + hash[20:],
		"# a comment within", "providerCertificate;BINARY::   " + der[:9], " " + der[9:], "MAILRECEIPT:  Ricevute@PEC2.example",
		"managedDomains: PEC2.Example", "managedDomains: pec2.example", "description:", "LDIFLocationURL:",
	}, "\r\n")
	d := mustParse(t, []byte(ldif)) // no line end at the end
	want := &Entry{Provider: "Beta, Figli & C. S.p.A.", Unit: "Sede di Forlì", Certificates: certificates()[2:3],
		ServiceMailbox: "Ricevute@PEC2.example", Domains: []string{"pec2.example"}}
	if len(d.Problems()) > 0 || !sameEntry(d.Entries()[0], want) {
		t.Errorf("got %+v, problems %q", d.Entries()[0], d.Problems())
	}
}

// A certificate whose hash is published as SHA-256 is taken too.
// norms.md 124
func TestSHA256Hash(t *testing.T) {
	e := beta()
	sum := sha256.Sum256(e.Certificates[0].Raw)
	strong := hex.EncodeToString(sum[:])
	d := mustParse(t, []byte(strings.Replace(ldifOf(e), strings.ToUpper(certificateHash(e.Certificates[0].Raw)), strong, 1)))
	if _, ok := d.Signer(e.Certificates[0]); !ok || len(d.Problems()) > 0 {
		t.Errorf("not taken: %q", d.Problems())
	}
}

// Joining folded lines takes time in proportion to the file; go-ldap/ldif needs minutes for this one.
func TestFoldedLines(t *testing.T) {
	ldif := ldifOf(alfa(), "description: "+strings.Repeat("\n a", 1<<20))
	start := time.Now()
	d := mustParse(t, []byte(ldif))
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	if got := d.Entries()[0].Description; len(got) < 1<<20 {
		t.Errorf("description has %d octets", len(got))
	}
}

func TestProblemsAreBounded(t *testing.T) {
	d := mustParse(t, []byte(ldifOf(alfa(), strings.Repeat("managedDomains: *\n", 5000)+"x: y")))
	if got := d.Problems(); len(got) != maxProblems+1 || got[maxProblems] != "and 4800 more" {
		t.Errorf("%d problems, last %q", len(got), got[len(got)-1])
	}
}

// attacks.md 19
func TestDirectoryOversize(t *testing.T) {
	if _, err := Parse(make([]byte, MaxSize+1)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file over the limit: %v", err)
	}
	if _, err := Open(make([]byte, MaxSize+1), certificates()[0]); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a signed file over the limit: %v", err)
	}
	many := beta()
	many.Certificates = slices.Repeat(certificates()[:1], maxCertificates+1)
	d := mustParse(t, []byte(ldifOf(many)+ldifOf(alfa())))
	wantProblem(t, d, "more than 100 certificates")
}

// attacks.md 19: values cannot smuggle records, header lines or names past the reader.
func TestDirectoryInjection(t *testing.T) {
	smuggled := "x\n\ndn: providerName=Omega,o=postacert\nmanagedDomains: omega.example\n\n"
	e := alfa()
	e.Description = smuggled
	d := mustParse(t, mustMarshal(t, e))
	if len(d.Entries()) != 1 || d.Entries()[0].Description != smuggled || len(d.Problems()) > 0 {
		t.Errorf("description became records: %q", d.Problems())
	}
	for name, record := range map[string]string{
		"mailbox": strings.Replace(ldifOf(alfa()), "mailReceipt: ", "mailReceipt:: "+base64Of([]byte("a@b.example\r\nBcc: c@d.example"))+"\nx: ", 1),
		"name":    strings.Replace(ldifOf(alfa()), "providerName: ", "providerName:: "+base64Of([]byte("Alfa\nX-Ricevuta: x"))+"\nx: ", 1),
		"DN":      strings.Replace(ldifOf(alfa()), "dn: providerName=", `dn: providerName=\0A`+"X-Ricevuta", 1),
		"URL":     strings.Replace(ldifOf(alfa()), "LDIFLocationURL: ", "LDIFLocationURL:: "+base64Of([]byte("https://x\x00"))+"\nx: ", 1),
	} {
		d := mustParse(t, []byte(record+ldifOf(beta())))
		if name == "DN" { // a line end at the edge of a name is trimmed like any blank
			if strings.ContainsAny(d.Entries()[0].DN(), "\r\n") {
				t.Error("a line end in a name")
			}
			continue
		}
		if len(d.Entries()) != 1 {
			t.Errorf("%s: %d entries", name, len(d.Entries()))
		}
		wantProblem(t, d, "is not printable UTF-8")
	}
}

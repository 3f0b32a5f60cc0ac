package directory

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/go-ldap/ldif"
	"pgregory.net/rapid"
)

// norms.md 127
func TestMarshalRootFirst(t *testing.T) {
	got := string(mustMarshal(t, alfa()))
	want := "dn: o=postacert\nobjectClass: top\nobjectClass: organization\nobjectClass: LDIFLocationURLObject\no: postacert\n" +
		"LDIFLocationURL: " + rootURL + "\ndescription: Base root for the PEC providers directory\n\ndn: providerName=Alfa PEC S.p.A.,o=postacert\n"
	if !strings.HasPrefix(got, want) {
		t.Errorf("begins with %q", got[:len(want)])
	}
	own, err := Marshal([]*Entry{alfa()}, "")
	if err != nil || !strings.HasPrefix(string(own), "dn: providerName=") {
		t.Errorf("a provider's own file: %.40q, %v", own, err)
	}
}

// Another reader finds in our file what we put there.
func TestMarshalReadByGoLDAP(t *testing.T) {
	unit := betaUnit()
	unit.Description = "Più di 76 colonne: " + strings.Repeat("abc ", 100)
	read, err := ldif.Parse(string(mustMarshal(t, alfa(), beta(), unit)))
	if err != nil {
		t.Fatal(err)
	}
	got := read.AllEntries()
	if len(got) != 4 || got[0].GetAttributeValue("LDIFLocationURL") != rootURL {
		t.Fatalf("%d entries, root %v", len(got), got[0])
	}
	for i, want := range []*Entry{alfa(), beta(), unit} {
		e := got[i+1]
		hashes := e.GetAttributeValues("providerCertificateHash")
		ders := e.GetAttributeValues("providerCertificate;binary")
		same := e.DN == want.DN() && e.GetAttributeValue("providerName") == want.Provider && e.GetAttributeValue("providerUnit") == want.Unit &&
			e.GetAttributeValue("mailReceipt") == want.ServiceMailbox && slices.Equal(e.GetAttributeValues("managedDomains"), want.Domains) &&
			e.GetAttributeValue("LDIFLocationURL") == want.LDIFURL && e.GetAttributeValue("description") == want.Description &&
			len(hashes) == len(want.Certificates) && len(ders) == len(want.Certificates)
		if !same {
			t.Errorf("%s is read as %v", want.DN(), e)
		}
	}
}

// norms.md 127
func TestMarshalRefuses(t *testing.T) {
	tests := []struct {
		name, want string
		spoil      func(e *Entry)
	}{
		{"no name", "no providerName", func(e *Entry) { e.Provider = "" }},
		{"blank at the end", "space", func(e *Entry) { e.Provider += " " }},
		{"line end", "printable", func(e *Entry) { e.Provider = "a\nb" }},
		{"not UTF-8", "printable", func(e *Entry) { e.Unit = "\xff" }},
		{"description", "UTF-8", func(e *Entry) { e.Description = "\xff" }},
		{"no mailbox", "not an address", func(e *Entry) { e.ServiceMailbox = "servizio" }},
		{"quoted mailbox", "not an address", func(e *Entry) { e.ServiceMailbox = `"a b"@c.example` }},
		{"no certificate", "0 certificates", func(e *Entry) { e.Certificates = nil }},
		{"no domain", "no managedDomains", func(e *Entry) { e.Domains = nil }},
		{"upper case", "lower case", func(e *Entry) { e.Domains = []string{"PEC.example"} }},
		{"domain twice", "twice", func(e *Entry) { e.Domains = []string{"a.example", "a.example"} }},
		{"URL of a unit", "LDIFLocationURL", func(e *Entry) { e.Unit = "u" }},
		{"entry twice", "there twice", func(e *Entry) { e.Provider = "BETA,  figli & C. S.p.A."; e.LDIFURL = "" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := alfa()
			test.spoil(e)
			if _, err := Marshal([]*Entry{beta(), e}, rootURL); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, wanted something about %q", err, test.want)
			}
		})
	}
}

// Values that RFC 2849 does not let stand as they are.
func TestMarshalUnsafeValues(t *testing.T) {
	for _, value := range []string{" a", "a ", "<file:///etc/hostname", ":a", "a\nb", "a\r", "a\x00", "è", " "} {
		e := alfa()
		e.Description = value
		written := mustMarshal(t, e)
		if !strings.Contains(string(written), "\ndescription:: "+base64Of([]byte(value))) {
			t.Errorf("%q is not written in base64", value)
		}
		d := mustParse(t, written)
		if !sameEntry(d.Entries()[0], e) || len(d.Problems()) > 0 {
			t.Errorf("%q is read as %q: %q", value, d.Entries()[0].Description, d.Problems())
		}
	}
}

// Parse(Marshal(x)) = x.
func TestMarshalRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		entries := rapid.SliceOfNDistinct(genEntry(), 1, 5, (*Entry).Key).Draw(r, "entries")
		written, err := Marshal(entries, rapid.SampledFrom([]string{"", rootURL}).Draw(r, "url"))
		if err != nil {
			r.Fatal(err)
		}
		for line := range strings.Lines(string(written)) {
			if len(line) > 77 || strings.ContainsFunc(line, func(c rune) bool { return c > unicode.MaxASCII }) {
				r.Fatalf("line is too long or not ASCII: %q", line)
			}
		}
		d, err := Parse(written)
		if err != nil {
			r.Fatal(err)
		}
		if !slices.EqualFunc(d.Entries(), entries, sameEntry) {
			r.Fatalf("read back %+v, wrote %+v: %q", d.Entries()[0], entries[0], d.Problems())
		}
	})
}

func genEntry() *rapid.Generator[*Entry] {
	text := rapid.Custom(func(r *rapid.T) string {
		s := rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune(`ab Z,+"\<>;=#:é-20`)), rapid.Rune()), 1, 60, -1).Draw(r, "text")
		return strings.TrimSpace(strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return 'x'
			}
			return c
		}, s))
	}).Filter(func(s string) bool { return s != "" })
	domain := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]{1,5}){1,3}`)
	return rapid.Custom(func(r *rapid.T) *Entry {
		e := &Entry{
			Provider:       text.Draw(r, "provider"),
			ServiceMailbox: rapid.StringMatching(`[A-Za-z!#$%&'*+/=?^_{|}~-]{1,20}`).Draw(r, "local") + "@" + domain.Draw(r, "mailbox domain"),
			Domains:        rapid.SliceOfNDistinct(domain, 1, 8, rapid.ID[string]).Draw(r, "domains"),
			Description:    rapid.String().Draw(r, "description"),
		}
		if rapid.Bool().Draw(r, "unit") {
			e.Unit = text.Draw(r, "unit name")
		} else if rapid.Bool().Draw(r, "with url") {
			e.LDIFURL = text.Draw(r, "url")
		}
		first := rapid.IntRange(0, len(certificates())-1).Draw(r, "first certificate")
		e.Certificates = certificates()[first:rapid.IntRange(first+1, len(certificates())).Draw(r, "last certificate")]
		return e
	})
}

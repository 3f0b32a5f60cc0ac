package dialect

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
	"pgregory.net/rapid"
)

// field-notes.md 6: identifiers have each engine's form, are in the provider's domain but for one engine, and never come
// twice.
func TestIdentifiers(t *testing.T) {
	forms := map[string]string{
		"opec": `^opec1\.20260919154119\.\d{5}\.\d+\.\d+\.\d+@pec\.alfa\.test$`, "jpec": `^jpec1\.20260919154119\.\d{5}\.\d+\.1\.1@pec\.alfa\.test$`,
		"legalmail":      `^([0-9A-F]{8}\.){4}posta-certificata@pec\.alfa\.test$`,
		"legalmail-2015": `^\d+\.\d+\.1789825279000[a-z0-9]+@pec\.alfa\.test$`,
		"telecompost":    `^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}@pec\.alfa\.test$`,
		"cedacri":        `^20260919154119-\d+@comune\.alfa\.test$`,
		"irideos":        `^[0-9a-f]{40}\.\d+\.[A-Za-z]{6}\.ncmsg@pec\.alfa\.test$`,
	}
	for engine, like := range map[string]string{"opec-2014": "opec", "sogei": "opec", "register": "opec", "jpec-2023": "jpec"} {
		forms[engine] = forms[like]
	}
	origin := Origin{Node: "1", Domain: "pec.alfa.test", Holder: "comune.alfa.test"}
	for _, e := range Engines() {
		form, seen := regexp.MustCompile(forms[e.Name]), map[pec.ID]bool{}
		for i := range 100 {
			id := e.NewID(pec.Transport, instant(), origin, [16]byte{byte(i)})
			receipt := e.NewID(pec.Acceptance, instant(), origin, [16]byte{byte(i), 1})
			if _, err := pec.ParseID(string(id)); err != nil || !form.MatchString(string(id)) || seen[id] || seen[receipt] {
				t.Errorf("%s: identifier %s, receipt's %s (%v)", e.Name, id, receipt, err)
			}
			seen[id], seen[receipt] = true, true
		}
	}
}

func TestEnginesAreFoundByName(t *testing.T) {
	for _, name := range Names() {
		if e, err := Named(name); err != nil || e.Name != name {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
	if e, err := Named("poste"); err == nil || e != nil || !strings.Contains(err.Error(), "opec-2014, sogei") {
		t.Errorf("an unknown name: %v, %v", e, err)
	}
}

// attacks.md 5: whatever is the subject, the sender's word for a receipt or the length of the list, the message is one that
// reads back, and its own octets are ASCII.
func TestWhateverIsPutInReadsBack(t *testing.T) {
	engines := Engines()
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(engines).Draw(t, "engine")
		c := rapid.SampledFrom(samples).Draw(t, "kind").composition()
		c.Data.Subject = rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zà-ú \r\n=?<>&{}"\\.-]{0,200}`)).Draw(t, "subject")
		if c.Data.Kind == pec.Transport {
			word := rapid.StringMatching(`[ -~à-ú]{0,30}`).Draw(t, "word")
			c.Original = rewritten(strings.Replace(sampleHeader, "completa", word, 1))
		}
		d, err := e.Compose(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		if want := expected(e.Name, c.Data); !d.Data.Equal(want) {
			t.Fatalf("the data are %+v, want %+v", d.Data, want)
		}
		if !isASCII(string(d.Header)) || !isASCII(string(d.After)) {
			t.Fatalf("not ASCII: %s", d.Header)
		}
	})
}

// The same values give the same octets; another boundary gives others.
func TestChanceIsTheCallers(t *testing.T) {
	for _, e := range Engines() {
		c := named("transport").composition()
		first, again := draft(t, e, c), draft(t, e, c)
		c.Boundary = strings.Repeat("5", 32)
		if other := draft(t, e, c); !slices.Equal(first.Header, again.Header) || slices.Equal(first.Header, other.Header) || slices.Equal(first.Before, other.Before) {
			t.Errorf("%s: the octets do not follow from the boundary", e.Name)
		}
	}
}

// attacks.md 33: what pec does not compose, no engine composes; and no key but the certificate's signs.
func TestWhatIsRefused(t *testing.T) {
	for _, e := range Engines() {
		c := named("acceptance").composition()
		c.Data.Recipients = nil
		if d, err := e.Compose(c); err == nil || d != nil {
			t.Errorf("%s: composed without recipients", e.Name)
		}
		a := testAuthority()
		digest := make([]byte, e.cms.hash.Size())
		for name, sign := range map[string]func() ([]byte, error){
			"another key":    func() ([]byte, error) { return e.Sign(a.rootKey, a.chain(), digest, instant()) },
			"no key":         func() ([]byte, error) { return e.Sign(nil, a.chain(), digest, instant()) },
			"no certificate": func() ([]byte, error) { return e.Sign(a.key, nil, digest, instant()) },
			"another digest": func() ([]byte, error) { return e.Sign(a.key, a.chain(), digest[1:], instant()) },
		} {
			if p7s, err := sign(); err == nil || p7s != nil {
				t.Errorf("%s: signed with %s", e.Name, name)
			}
		}
	}
}

package pec

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestXMLValid has xmllint hold the data of every kind against the DTD (norms.md 100).
func TestXMLValid(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--dtdvalid", filepath.Join("testdata", "postacert.dtd")}
	add := func(name string, c CertData) {
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".xml")
		write(t, path, c.XML())
		args = append(args, path)
	}
	for _, kind := range allKinds() {
		if kind == Anomaly {
			continue
		}
		c := sampleData(kind)
		add(string(kind), c)
		c.Subject, c.ReplyTo, c.ClientID = "<&>\"'\x01\uFFFE]]> 👍", "", ""
		add(string(kind)+"-odd", c)
	}
	if out, err := exec.Command("xmllint", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestXMLLayout(t *testing.T) {
	c := sampleData(NonDelivery)
	c.Reason = ReasonNoRecipient
	golden(t, "daticert.xml", c.XML())
	if xml := sampleData(Anomaly).XML(); xml != nil {
		t.Errorf("an anomaly envelope has data:\n%s", xml)
	}
}

// TestCertDataRoundTrip: whatever the texts hold, clean data survive.
func TestCertDataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawData(t)
		if c.Kind == Anomaly {
			return
		}
		c.At = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 123)
		got, err := ParseCertData(c.XML())
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(c.Clean()) || got.Repaired {
			t.Fatal(cmp.Diff(c.Clean(), got))
		}
		if again := c.Clean().Clean(); !again.Equal(c.Clean()) {
			t.Fatal(cmp.Diff(c.Clean(), again))
		}
	})
}

// TestLegalTime crosses both changes of the hour (norms.md 104, attacks.md 18).
func TestLegalTime(t *testing.T) {
	cases := map[string]string{
		"2026-03-29T00:59:59Z": "+0100 29/03/2026 01:59:59",
		"2026-03-29T01:00:00Z": "+0200 29/03/2026 03:00:00",
		"2026-10-25T00:30:00Z": "+0200 25/10/2026 02:30:00",
		"2026-10-25T01:30:00Z": "+0100 25/10/2026 02:30:00",
	}
	for at, want := range cases {
		c := sampleData(Acceptance)
		c.At, _ = time.Parse(time.RFC3339, at)
		got, err := ParseCertData(c.XML())
		if err != nil || !got.At.Equal(c.At) {
			t.Errorf("%s: read back as %s, %v", at, got.At, err)
		}
		if s := c.Clean().At.Format("-0700 02/01/2006 15:04:05"); s != want {
			t.Errorf("%s is %s, want %s", at, s, want)
		}
	}
}

const foreignXML = `<?xml version="1.0" encoding="UTF-8"?>
<postacert tipo="avvenuta-consegna" errore="nessuno"><intestazione>
<mittente> a@pec.alfa.test </mittente><destinatari tipo="esterno">B@posta.test</destinatari><destinatari>c@pec.beta.test</destinatari>
<risposte></risposte><oggetto>  Prova </oggetto></intestazione><dati><gestore-emittente>BETA</gestore-emittente>
<data zona="+01:00"><giorno>14/12/2021</giorno><ora>14:54:32</ora></data>
<identificativo>1.2@altrove.test</identificativo><msgid>x@y</msgid><ricevuta tipo="breve"></ricevuta><consegna>c@pec.beta.test</consegna></dati></postacert>`

func foreignData() CertData {
	return CertData{
		Kind: Delivered, Reason: ReasonNone, Sender: "a@pec.alfa.test", Subject: "  Prova ", Issuer: "BETA",
		Recipients: []Recipient{{"B@posta.test", External}, {"c@pec.beta.test", Certified}},
		At:         time.Date(2021, 12, 14, 13, 54, 32, 0, time.UTC), ID: "1.2@altrove.test", ClientID: "<x@y>",
		ReceiptType: Brief, DeliveredTo: "c@pec.beta.test",
	}
}

// TestParseCertDataQuirks is quirks.md C.
// norms.md 102, 108
func TestParseCertDataQuirks(t *testing.T) {
	edit := func(old, new string) string {
		s := strings.Replace(foreignXML, old, new, 1)
		if s == foreignXML {
			t.Fatalf("%q is not there", old)
		}
		return s
	}
	change := func(f func(*CertData)) CertData {
		c := foreignData()
		f(&c)
		return c
	}
	cases := map[string]struct {
		xml      string
		want     CertData
		repaired bool
	}{
		"C3 C6 C8 C19 as it is":       {foreignXML, foreignData(), false},
		"C3 CRLF":                     {strings.ReplaceAll(foreignXML, "\n", "\r\n"), foreignData(), false},
		"C4 byte order mark, blanks":  {"\uFEFF \r\n" + foreignXML + "\r\n\r\n", foreignData(), false},
		"C4 lower case":               {edit("UTF-8", "utf-8"), foreignData(), false},
		"C2 stylesheet and DOCTYPE":   {edit("<postacert", `<?xml-stylesheet type="text/xsl" href="https://x.test/x.xsl"?><!DOCTYPE postacert PUBLIC "posta certificata" "https://x.test/x.dtd"><postacert`), foreignData(), false},
		"C1 illegal reference":        {edit("Prova ", "Prova &#18;"), change(func(c *CertData) { c.Subject = "  Prova " }), true},
		"C1 raw control":              {edit("Prova", "Pr\x16ova"), foreignData(), true},
		"C1 octal-looking reference":  {edit("Prova", "Pr&#018;ova"), foreignData(), true},
		"C1 ampersand":                {edit("Prova", "P & P"), change(func(c *CertData) { c.Subject = "  P & P " }), true},
		"C1 Latin-1 in UTF-8":         {edit("Prova", "Perch\xe9"), change(func(c *CertData) { c.Subject = "  Perché " }), true},
		"C8 bare brackets":            {edit("<msgid>x@y", "<msgid><x@y>"), foreignData(), true},
		"C8 escaped brackets":         {edit("<msgid>x@y", "<msgid>&lt;x@y&gt;"), foreignData(), false},
		"C8 no msgid":                 {edit("<msgid>x@y</msgid>", ""), change(func(c *CertData) { c.ClientID = "" }), false},
		"C12 unknown kind":            {edit("avvenuta-consegna", "mancata-consegna"), change(func(c *CertData) { c.Kind = "mancata-consegna" }), false},
		"C10 several lines":           {edit("</consegna>", "</consegna><errore-esteso>\n  5.1.1,\n  x\n</errore-esteso>"), change(func(c *CertData) { c.Detail = "5.1.1,\n  x" }), false},
		"errore absent":               {edit(` errore="nessuno"`, ""), foreignData(), false},
		"A7 unknown elements":         {edit("<dati>", "<rem><identificativo>z@z</identificativo></rem><dati>"), foreignData(), false},
		"declared Latin-1":            {edit("UTF-8", "ISO-8859-1"), foreignData(), false},
		"an odd external recipient":   {edit("B@posta.test", "à..b@posta.test"), change(func(c *CertData) { c.Recipients[0].Address = "à..b@posta.test" }), false},
		"attacks.md 23 no expansion":  {edit("<postacert", `<!DOCTYPE postacert [<!ENTITY x "y">]><postacert`), foreignData(), false},
		"attacks.md 23 entity stands": {strings.Replace(edit("<postacert", `<!DOCTYPE postacert [<!ENTITY x SYSTEM "file:///etc/passwd">]><postacert`), "Prova ", "&x;", 1), change(func(c *CertData) { c.Subject = "  &x;" }), true},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCertData([]byte(test.xml))
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(test.want) || got.Repaired != test.repaired {
				t.Error(cmp.Diff(test.want, got))
			}
		})
	}
}

// TestParseCertDataRefuses is what is no certification data, with what the error must say.
// norms.md 108
func TestParseCertDataRefuses(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(foreignXML, old, new, 1) }
	cases := map[string]struct{ xml, says string }{
		"empty":                  {"", "no <postacert>"},
		"other root":             {"<html/>", "root"},
		"text before":            {"x" + foreignXML, "outside"},
		"two roots":              {foreignXML + "<postacert/>", "root"},
		"cut":                    {foreignXML[:len(foreignXML)-20], "EOF"},
		"too large":              {strings.Repeat(" ", maxCertData+1), "more than"},
		"too deep":               {edit("<dati>", strings.Repeat("<x>", 10)), "too many"},
		"too many":               {edit("<dati>", strings.Repeat("<x/>", 26000)+"<dati>"), "too many"},
		"too many recipients":    {edit("<risposte>", strings.Repeat("<destinatari>a@b</destinatari>", 10001)+"<risposte>"), "recipients"},
		"other encoding":         {edit("UTF-8", "UTF-16"), "UTF-16"},
		"two senders":            {edit("<risposte>", "<mittente>x@y.test</mittente><risposte>"), "twice"},
		"two identifiers":        {edit("<msgid>", "<identificativo>x@y.test</identificativo><msgid>"), "twice"},
		"no sender":              {edit("<mittente> a@pec.alfa.test </mittente>", ""), "sender"},
		"no recipients":          {edit("<destinatari", "<nessuno") /* and the other */, "syntax"},
		"no identifier":          {edit("<identificativo>1.2@altrove.test</identificativo>", ""), "identifier"},
		"identifier of two":      {edit("1.2@", "1 2@"), "identifier"},
		"sender with a line end": {edit(" a@pec", " a&#13;&#10;Bcc: a@pec"), "address"},
		"no kind":                {edit(`tipo="avvenuta-consegna"`, ""), "kind"},
		"no such day":            {edit("14/12/2021", "31/02/2021"), "date"},
		"no zone":                {edit("+01:00", ""), "date"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ParseCertData([]byte(test.xml))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one about %q", err, test.says)
			}
		})
	}
}

func TestFinal(t *testing.T) {
	for detail, want := range map[string]bool{
		OverdueDetail("X", false): false,
		OverdueDetail("X", true):  true,
		"5.4.1 - Y - il messaggio non è stato consegnato nelle prime ventiquattro ore dal suo invio": true,
		"": false,
	} {
		if got := (CertData{Kind: Overdue, Detail: detail}).Final(); got != want {
			t.Errorf("%q: final %v", detail, got)
		}
	}
}

// norms.md 108
func FuzzCertData(f *testing.F) {
	f.Add([]byte(foreignXML))
	f.Add([]byte(strings.Replace(foreignXML, "Prova", "&#18;\x16 & &x;", 1)))
	for _, kind := range allKinds() {
		f.Add(sampleData(kind).XML())
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, err := ParseCertData(doc)
		if err != nil {
			return
		}
		again, err := ParseCertData(c.XML())
		if c.Clean().Validate() != nil {
			return // peers' data need not be data we would write
		}
		if err != nil || !again.Equal(c.Clean()) {
			t.Fatalf("%v\n%s", err, cmp.Diff(c.Clean(), again))
		}
	})
}

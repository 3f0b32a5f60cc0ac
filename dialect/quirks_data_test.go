package dialect

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

func TestQuirksOfData(t *testing.T) {
	t.Run("C1 what is not XML", illFormed)
	t.Run("C2 DOCTYPE and entities", doctypes)
	// quirks.md C3
	t.Run("C3 layouts and blanks", func(t *testing.T) {
		for _, e := range Engines() {
			message := replacing(t, e.Name, "acceptance", "<identificativo>"+string(envelopeID), "<identificativo>\r\n\t "+string(envelopeID)+" \n")
			if d := data(t, message); d.ID != envelopeID {
				t.Errorf("%s: the identifier is %q", e.Name, d.ID)
			}
			message = replacing(t, e.Name, "acceptance", "<oggetto>Perché", "<oggetto> \tPerché")
			if d := data(t, message); d.Subject != " \tPerché no? Costa 10 €" {
				t.Errorf("%s: the subject is %q", e.Name, d.Subject)
			}
		}
	})
	// quirks.md C4
	t.Run("C4 what stands before the declaration", func(t *testing.T) {
		if xml := must(Named("irideos")).data.xml(named("acceptance").composition().Data); !bytes.Contains(xml, []byte(`encoding="utf-8"`)) {
			t.Errorf("irideos writes %s", xml)
		}
		for _, before := range []string{"\uFEFF", " \r\n\t", "\uFEFF\n"} {
			if d := data(t, replacing(t, "irideos", "acceptance", "<?xml", before+"<?xml")); d.ID != envelopeID || d.Repaired {
				t.Errorf("%q: the data are %+v", before, d)
			}
		}
	})
	t.Run("C5 transfer encodings", transferEncodings)
	// quirks.md C6
	t.Run("C6 empty risposte", func(t *testing.T) {
		if d := data(t, written(t, "jpec", "acceptance")); d.ReplyTo != "" || d.Sender != mario {
			t.Errorf("the data are %+v", d)
		}
	})
	// quirks.md C7
	t.Run("C7 optional elements", func(t *testing.T) {
		d := data(t, replacing(t, "cedacri", "delivered, complete", `<ricevuta tipo="completa"></ricevuta>`, ""))
		if d.ReceiptType != "" || d.DeliveredTo != studio || len(d.TakenFor) != 0 || d.Detail != "" {
			t.Errorf("the data are %+v", d)
		}
		if d := data(t, written(t, "cedacri", "acceptance")); d.DeliveredTo != "" || d.ReceiptType != "" {
			t.Errorf("the data are %+v", d)
		}
		if d := data(t, written(t, "cedacri", "taken in charge")); len(d.TakenFor) != 2 {
			t.Errorf("the data are %+v", d)
		}
	})
	t.Run("C8 client's identifier", clientIdentifiers)
	// quirks.md C9
	t.Run("C9 class of an unknown mailbox", func(t *testing.T) {
		for engine, reason := range map[string]pec.Reason{"opec": pec.ReasonNoRecipient, "jpec": pec.ReasonOther} {
			if d := data(t, written(t, engine, "non-delivery")); d.Reason != reason || !strings.HasPrefix(d.Detail, "5.1.1 ") || d.DeliveredTo != studio {
				t.Errorf("%s: the data are %+v", engine, d)
			}
		}
	})
	// quirks.md C10
	t.Run("C10 forms of the description", func(t *testing.T) {
		for _, detail := range []string{"5.5.1, Alfa PEC S.p.A., presenza di un virus", "Casella del destinatario inesistente",
			"Sono state riscontrate le seguenti anomalie:\n  - la casella appartiene a un dominio non ammesso"} {
			d := data(t, replacing(t, "register", "non-delivery", "5.1.1 - Alfa PEC S.p.A. - indirizzo non valido", detail+" "))
			if d.Detail != detail {
				t.Errorf("the description is %q, want %q", d.Detail, detail)
			}
		}
	})
	// quirks.md C11
	t.Run("C11 final overdue notice", func(t *testing.T) {
		const ours, seen = "nelle ventiquattro ore successive al suo invio", "nelle prime ventiquattro ore dal suo invio"
		if d := data(t, replacing(t, "opec", "overdue, final", ours, seen)); !d.Final() {
			t.Errorf("%q is not final", d.Detail)
		}
		if d := data(t, written(t, "opec", "overdue, first")); d.Final() {
			t.Errorf("%q is final", d.Detail)
		}
	})
	// quirks.md C12
	t.Run("C12 unknown kinds", func(t *testing.T) {
		for _, kind := range []string{"errore-consegna-virus", "mancata-consegna"} {
			m, err := read(replacing(t, "opec", "non-delivery", `tipo="errore-consegna"`, `tipo="`+kind+`"`))
			if err != nil || m.Data.Kind != pec.Kind(kind) || m.Data.Kind.Known() {
				t.Errorf("%s: %v, %+v", kind, err, m.Data)
			}
		}
		if d := data(t, replacing(t, "opec", "virus detected", `errore="virus"`, `errore="altro"`)); d.Kind != pec.VirusDetected || d.Reason != pec.ReasonOther {
			t.Errorf("the data are %+v", d)
		}
	})
	// quirks.md C13
	t.Run("C13 order of recipients", func(t *testing.T) {
		for engine, first := range map[string]pec.Address{"opec": comune, "cedacri": comune, "legalmail": studio} {
			if d := data(t, written(t, engine, "delivered, complete")); len(d.Recipients) != 3 || d.Recipients[0].Address != first || d.DeliveredTo != studio {
				t.Errorf("%s: the data are %+v", engine, d)
			}
		}
	})
	// quirks.md C14
	t.Run("C14 case of addresses", func(t *testing.T) {
		d := data(t, replacing(t, "register", "delivered, complete", "<consegna>studio@pec.beta.test", "<consegna>STUDIO@PEC.beta.test"))
		if d.DeliveredTo != "STUDIO@PEC.beta.test" || d.DeliveredTo.Key() != studio.Key() {
			t.Errorf("delivered to %s", d.DeliveredTo)
		}
	})
	// quirks.md C15, C16
	for _, c := range []struct{ name, issuer string }{
		{"C15 issuer in other letters", "ALFA PEC S.P.A."}, {"C16 issuer of another provider", "InfoCert S.p.A."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := data(t, replacing(t, "legalmail", "delivered, complete", "<gestore-emittente>Alfa PEC S.p.A.", "<gestore-emittente>"+c.issuer)); d.Issuer != c.issuer {
				t.Errorf("the issuer is %s", d.Issuer)
			}
		})
	}
	// quirks.md C17
	t.Run("C17 identifier in the holder's domain", func(t *testing.T) {
		e := must(Named("cedacri"))
		c := named("transport").composition()
		c.Data.ID = e.NewID(pec.Transport, instant(), Origin{"1", "pec.alfa.test", "comune.alfa.test"}, [16]byte{1})
		c.MessageID, c.Original = c.Data.ID, bytes.ReplaceAll(c.Original, []byte(envelopeID), []byte(c.Data.ID))
		if d := data(t, seal(t, e, draft(t, e, c), sampleBody)); !strings.HasSuffix(string(d.ID), "@comune.alfa.test") {
			t.Errorf("the identifier is %s", d.ID)
		}
	})
	// quirks.md C18
	t.Run("C18 identifier of a receipt", func(t *testing.T) {
		m := consistent(t, written(t, "opec", "delivered, complete"))
		if m.Data.ID != envelopeID || m.Header.Get("Message-ID") != receiptID.Bracketed() || m.Data.ClientID != clientID {
			t.Errorf("Message-ID %s, data %+v", m.Header.Get("Message-ID"), m.Data)
		}
	})
	// quirks.md C19
	t.Run("C19 zones and seconds", func(t *testing.T) {
		m := consistent(t, replacing(t, "register", "acceptance", `zona="+0200"`, `zona="+02:00"`))
		early := m.Data.At.Add(-6 * time.Second).Format(time.RFC1123Z)
		if !m.Data.At.Equal(instant()) || m.Header.Get("Date") != early {
			t.Errorf("data %s, Date %s", m.Data.At, m.Header.Get("Date"))
		}
	})
	// quirks.md C20
	t.Run("C20 subject as it is", func(t *testing.T) {
		const odd = "  PerchÃ©\tno?  "
		if d := data(t, replacing(t, "cedacri", "acceptance", "Perché no? Costa 10 €", odd)); d.Subject != odd {
			t.Errorf("the subject is %q", d.Subject)
		}
	})
}

// quirks.md C1
func illFormed(t *testing.T) {
	for engine, illegal := range map[string]string{"cedacri": "&#18;", "register": "\x16"} {
		if d := data(t, replacing(t, engine, "transport", "<oggetto>Perché", "<oggetto>"+illegal+"Perché")); !d.Repaired || d.Subject != "Perché no? Costa 10 €" {
			t.Errorf("%s: the data are %+v", engine, d)
		}
	}
}

// quirks.md C2, attacks.md 23
func doctypes(t *testing.T) {
	const real = `<?xml-stylesheet type="text/xsl" href="https://pec.alfa.test/postacert.xsl"?>` + "\r\n" +
		`<!DOCTYPE postacert PUBLIC "posta certificata" "https://pec.alfa.test/postacert.dtd">` + "\r\n<postacert "
	if d := data(t, replacing(t, "telecompost", "transport", "<postacert ", real)); d.ID != envelopeID || d.Repaired {
		t.Errorf("the data are %+v", d)
	}
	for name, entity := range map[string]string{
		"file":   `<!ENTITY x SYSTEM "file:///etc/hostname">`,
		"laughs": `<!ENTITY y "ahahahah"><!ENTITY x "&y;&y;&y;">`,
	} {
		e := writing(t, "telecompost", func(xml string) string {
			xml = strings.Replace(xml, "<postacert ", "<!DOCTYPE postacert ["+entity+"]>\r\n<postacert ", 1)
			return strings.Replace(xml, "<oggetto>Perché", "<oggetto>&x;", 1)
		})
		m, err := read(writtenBy(t, e, "transport"))
		if err != nil || m.Data.Subject != "&x; no? Costa 10 €" {
			t.Errorf("%s: %v, the subject is %q", name, err, m.Data.Subject)
		}
	}
}

// quirks.md C5
func transferEncodings(t *testing.T) {
	for engine, want := range map[string]string{
		"opec": "Content-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("?", 60) + "\r\n", "jpec": "\r\n\r\n" + strings.Repeat("?", 76) + "\r\n",
		"legalmail": "<?xml version=3D", "telecompost": "\r\n\r\n<?xml version=\"1.0\"", "irideos": "</postacert>=\r\n--", "legalmail-2015": "\r\n\r\n<?xml version=\"1.0\"",
	} {
		c := named("acceptance").composition()
		c.Data.Subject = "Perche' no"
		e := must(Named(engine))
		message := seal(t, e, draft(t, e, c), "")
		part := consistent(t, message).SignedPart().Children[1]
		raw := string(message[part.Start:part.End]) + "\r\n--"
		if lines := strings.Split(want, strings.Repeat("?", 20)); len(lines) > 1 {
			_, body, _ := strings.Cut(raw, "\r\n\r\n")
			if first, _, _ := strings.Cut(body, "\r\n"); len(first) != strings.Count(want, "?") {
				t.Errorf("%s: lines of %d", engine, len(first))
			}
		} else if !strings.Contains(raw, want) {
			t.Errorf("%s: there is no %q in %s", engine, want, raw)
		}
		if d := data(t, message); d.Subject != "Perche' no" {
			t.Errorf("%s: the data are %+v", engine, d)
		}
	}
}

// quirks.md C8
func clientIdentifiers(t *testing.T) {
	const usual = "<msgid>&lt;client-id@host.alfa.test&gt;</msgid>"
	for said, want := range map[string]pec.ClientID{
		"": "", "<msgid></msgid>": "", "<msgid>client-id@host.alfa.test</msgid>": clientID, "<msgid><client-id@host.alfa.test></msgid>": clientID,
	} {
		d := data(t, replacing(t, "opec", "acceptance", usual, said))
		if d.ClientID != want || d.Repaired != strings.Contains(said, "<client") {
			t.Errorf("%q: the data are %+v", said, d)
		}
	}
}

// quirks.md D1 to D4: what people read decides nothing, and is borne whatever it holds.
func TestQuirksOfText(t *testing.T) {
	for name, odd := range map[string]string{
		"D1 UTF-8 under the label iso-8859-1": "consegnato =C3=A8 gi=C3=A0",
		"D2 the replacement character":        "consegnato =EF=BF=BD",
		"D4 HTML with style and a link":       "consegnato <style>p {}</style> <a href=3D\"http://x.test/\">x</a> <script>x</script>",
	} {
		t.Run(name, func(t *testing.T) {
			message := mutant(t, "opec", "delivered, complete", func(d *Draft) { d.Before = swap(t, d.Before, "consegnato", odd) })
			if d := data(t, message); d.Kind != pec.Delivered || d.Sender != mario {
				t.Errorf("the data are %+v", d)
			}
		})
	}
	t.Run("D3 prose is never parsed", func(t *testing.T) {
		for engine, prose := range map[string]string{
			"legalmail-2015": "e' stato consegnato nella casella", "jpec": "was successfully delivered", "opec": "correttamente consegnato",
		} {
			message := mutant(t, engine, "delivered, complete", func(d *Draft) {
				d.Before = swap(t, d.Before, prose, "non consegnato a <mittente>x@y.test</mittente>")
			})
			if d := data(t, message); d.Kind != pec.Delivered || d.Sender != mario {
				t.Errorf("%s: the data are %+v", engine, d)
			}
		}
	})
}

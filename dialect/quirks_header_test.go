package dialect

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// headed is a message whose unsigned header was changed after it was signed.
func headed(t *testing.T, engine, name, before, after string) []byte {
	return swap(t, written(t, engine, name), before, after)
}

func TestQuirksOfHeader(t *testing.T) {
	// quirks.md B1
	t.Run("B1 edited fields", func(t *testing.T) {
		message := headed(t, "jpec", "delivered, complete", "Subject: =?UTF-8?Q?CONSEGNA", "Subject: Altro =?UTF-8?Q?ERRORE")
		if d := data(t, message); d.Kind != pec.Delivered || d.Subject != "Perché no? Costa 10 €" {
			t.Errorf("the data are %+v", d)
		}
		message = headed(t, "jpec", "delivered, complete", "X-Ricevuta: avvenuta-consegna", "X-Ricevuta: errore-consegna")
		verified(t, message)
		m, err := read(message)
		if err != nil || m.Data.Kind != pec.Delivered {
			t.Fatalf("%v: %+v", err, m)
		}
		if err := m.Consistent(signer); err == nil || !strings.Contains(err.Error(), "errore-consegna") {
			t.Errorf("it is not flagged: %v", err)
		}
	})
	// quirks.md B2
	t.Run("B2 spelling of X-TipoRicevuta", func(t *testing.T) {
		for engine, spelling := range map[string]string{"opec": "\r\nX-Tiporicevuta: ", "cedacri": "\r\nX-TipoRicevuta: "} {
			message := written(t, engine, "transport")
			if !bytes.Contains(message, []byte(spelling)) || consistent(t, message).Header.Get(pec.HeaderReceiptType) != "completa" {
				t.Errorf("%s: not read in %s", engine, message)
			}
		}
	})
	// quirks.md B3
	t.Run("B3 no X-TipoRicevuta", func(t *testing.T) {
		for _, engine := range []string{"legalmail", "opec", "register"} {
			c := named("transport").composition()
			c.Original = rewritten(strings.Replace(sampleHeader, "X-TipoRicevuta: completa\n", "", 1))
			e := must(Named(engine))
			m := consistent(t, seal(t, e, draft(t, e, c), sampleBody))
			said := m.Header.Values(pec.HeaderReceiptType)
			if len(said) != 0 || pec.ParseReceiptType(m.Header.Get(pec.HeaderReceiptType)) != pec.Complete || m.Data.ReceiptType != pec.Complete {
				t.Errorf("%s: header %q, ricevuta %q", engine, said, m.Data.ReceiptType)
			}
		}
	})
	// quirks.md B4
	t.Run("B4 reference on an envelope", func(t *testing.T) {
		for _, e := range Engines() {
			m := consistent(t, written(t, e.Name, "transport"))
			if m.Header.Get(pec.HeaderReference) != string(clientID) || m.Receipt != "" || m.Data.Kind.Receipt() {
				t.Errorf("%s: reference %s, receipt %q", e.Name, m.Header.Get(pec.HeaderReference), m.Receipt)
			}
		}
	})
	// quirks.md B5
	t.Run("B5 value on the second line", func(t *testing.T) {
		message := written(t, "irideos", "acceptance")
		if !bytes.Contains(message, []byte(pec.HeaderReference+": \r\n\t<")) || consistent(t, message).Header.Get(pec.HeaderReference) != string(clientID) {
			t.Errorf("not read in %s", message)
		}
	})
	// quirks.md B6
	t.Run("B6 folded From", func(t *testing.T) {
		message := written(t, "irideos", "transport")
		if !bytes.Contains(message, []byte("@pec.alfa.test\"\r\n\t<posta-certificata@")) || data(t, message).Sender != mario {
			t.Errorf("not read in %s", message)
		}
	})
	// quirks.md B7
	t.Run("B7 no Sender", func(t *testing.T) {
		for _, e := range Engines() {
			if m := consistent(t, written(t, e.Name, "transport")); len(m.Header.Values("Sender")) > 0 {
				t.Errorf("%s writes a Sender", e.Name)
			}
		}
	})
	// quirks.md B8
	t.Run("B8 reverse path of a receipt", func(t *testing.T) {
		message := append([]byte("Return-Path: <posta-certificata@pec.alfa.test>\r\n"), written(t, "opec", "acceptance")...)
		if m := consistent(t, message); m.Receipt != string(pec.Acceptance) || !m.Data.Kind.Receipt() {
			t.Errorf("not known as a receipt: %+v", m)
		}
	})
	// quirks.md B9
	t.Run("B9 display name in From of a receipt", func(t *testing.T) {
		message := written(t, "legalmail-2015", "delivered, complete")
		if !bytes.Contains(message, []byte("From: Posta Certificata Legalmail <")) || data(t, message).Kind != pec.Delivered {
			t.Errorf("not read in %s", message)
		}
	})
	t.Run("B10 encoded subjects", encodedSubjects)
	// quirks.md B11
	t.Run("B11 question marks", func(t *testing.T) {
		message := written(t, "telecompost", "transport")
		m := consistent(t, message)
		shown := pec.DecodeWords(m.Header.Get("Subject"))
		if shown != "POSTA CERTIFICATA: Perché no? Costa 10 ?" || m.Data.Subject != "Perché no? Costa 10 €" {
			t.Errorf("header %q, data %q", shown, m.Data.Subject)
		}
	})
	// quirks.md B12
	t.Run("B12 TAB in a subject is kept", func(t *testing.T) {
		c := named("acceptance").composition()
		c.Data.Subject = "a\tb"
		e := must(Named("register"))
		message := swap(t, seal(t, e, draft(t, e, c), ""), "Subject: ACCETTAZIONE: a b", "Subject: =?UTF-8?Q?ACCETTAZIONE=3A_a=09b=12?=")
		m := consistent(t, message)
		if m.Data.Subject != "a\tb" || pec.DecodeWords(m.Header.Get("Subject")) != "ACCETTAZIONE: a\tb\x12" {
			t.Errorf("header %q, data %q", m.Header.Get("Subject"), m.Data.Subject)
		}
	})
	// quirks.md B13
	t.Run("B13 subjects that were rewritten", func(t *testing.T) {
		for _, subject := range []string{"[list] [SPAM] POSTA CERTIFICATA: x", "POSTA CERTIFICATA: POSTA CERTIFICATA: x", "CONSEGNA: x", ""} {
			message := headed(t, "opec", "acceptance", "Subject: =?UTF-8?Q?ACCETTAZIONE=3A_Perch=C3=A9_no=3F_Costa_10_=E2=82=AC?=", "Subject: "+subject)
			if d := data(t, message); d.Kind != pec.Acceptance || d.Subject != "Perché no? Costa 10 €" {
				t.Errorf("%q: the data are %+v", subject, d)
			}
		}
	})
	// quirks.md B14
	t.Run("B14 malformed To", func(t *testing.T) {
		const to = "To: \"Studio, legale\" <studio@pec.beta.test>,\r\n Protocollo@comune.beta.test\r\n"
		for _, odd := range []string{"To: x@y.test>,\r\n", "To: <pct@pec. agenzia.test>\r\n", "To: \\\"Studio\\\" <\r\n", "To: ,;<>\r\n"} {
			if d := data(t, headed(t, "legalmail", "transport", to, odd)); len(d.Recipients) != 3 {
				t.Errorf("%q: the data are %+v", odd, d)
			}
		}
	})
	// quirks.md B15
	t.Run("B15 dates", func(t *testing.T) {
		for engine, date := range map[string]string{
			"jpec": "Sat, 19 Sep 2026 15:41:19 +0200 (CEST)", "telecompost": "Sat, 19 Sep 2026 15:41:19 +0200 (CEST)",
			"irideos": "Sat, 19 Sep 2026 13:41:19 +0000",
		} {
			m := consistent(t, written(t, engine, "transport"))
			at, err := mail.ParseDate(m.Header.Get("Date"))
			if m.Header.Get("Date") != date || err != nil || !at.Equal(instant()) || !m.Data.At.Equal(instant()) {
				t.Errorf("%s: Date %s (%v), data %s", engine, m.Header.Get("Date"), err, m.Data.At)
			}
		}
	})
	// quirks.md B16
	t.Run("B16 trace fields anywhere", func(t *testing.T) {
		message := headed(t, "sogei", "transport", "\r\nMIME-Version", "\r\nReceived: from a\r\n by b;\r\n\tSat, 19 Sep 2026 15:41:20 +0200\r\nReceived: from a\r\n by b\r\nMIME-Version")
		if m := consistent(t, message); len(m.Header.Values("Received")) != 3 || m.Data.ID != envelopeID {
			t.Errorf("Received: %q", m.Header.Values("Received"))
		}
	})
	// quirks.md B17
	t.Run("B17 case of addresses", func(t *testing.T) {
		message := append([]byte("Delivered-To: PROTOCOLLO@COMUNE.BETA.TEST\r\n"), written(t, "sogei", "transport")...)
		m := consistent(t, message)
		if to := m.Data.Recipients[0].Address; to != comune || to.Key() != pec.Address(m.Header.Get("Delivered-To")).Key() {
			t.Errorf("recipient %s, delivered to %s", to, m.Header.Get("Delivered-To"))
		}
	})
	// quirks.md B18
	t.Run("B18 providers' own fields", func(t *testing.T) {
		var own strings.Builder
		for name := range strings.FieldsSeq("X-Fattura-PA X-Attachment X-CrmlId X-Protocollo X-TransactionId X-REM-Subject X-MLTR-Uuid " +
			"X-Lmtp-Aru-Notify-Rcpt X-Icontrol X-SentBy X-Namirial-Details") {
			own.WriteString(name + ": errore-consegna\r\n")
		}
		if d := data(t, append([]byte(own.String()), written(t, "opec", "transport")...)); d.Kind != pec.Transport {
			t.Errorf("the data are %+v", d)
		}
	})
}

// quirks.md B10
func encodedSubjects(t *testing.T) {
	for engine, raw := range map[string]string{
		"opec":        "Subject: =?UTF-8?Q?POSTA_CERTIFICATA=3A_",
		"telecompost": "Subject: =?ISO-8859-1?Q?POSTA_CERTIFICATA:_Perch=E9_no=3F_Costa?=\r\n =?",
		"cedacri":     "Subject: POSTA CERTIFICATA: =?UTF-8?Q?Perch=C3=A9_no=3F?=    =?UTF-8?Q?_Costa_10_=E2=82=AC?=\r\n",
	} {
		message := written(t, engine, "transport")
		if !bytes.Contains(message, []byte(raw)) {
			t.Errorf("%s: there is no %q", engine, raw)
		}
		got := strings.Replace(pec.DecodeWords(consistent(t, message).Header.Get("Subject")), "10 ?", "10 €", 1)
		if got != "POSTA CERTIFICATA: Perché no? Costa 10 €" {
			t.Errorf("%s: the subject is %q", engine, got)
		}
	}
	c := named("acceptance").composition()
	c.Data.Subject = strings.Repeat("Città ", 60)
	for _, e := range Engines() {
		got := pec.DecodeWords(consistent(t, seal(t, e, draft(t, e, c), "")).Header.Get("Subject"))
		if got != "ACCETTAZIONE: "+c.Data.Subject {
			t.Errorf("%s: the subject is %q", e.Name, got)
		}
	}
}

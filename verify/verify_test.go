package verify

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/smime"
)

// expect compares a result with the one reason that is wanted; "" is a pass.
func expect(t *testing.T, r *Result, fault, doubt Reason) {
	t.Helper()
	switch {
	case fault == "" && r.Fault != nil:
		t.Errorf("it failed: %s: %v", r.Fault.Reason, r.Fault)
	case fault != "" && r.Fault == nil:
		t.Errorf("it passed, want %s", fault)
	case r.Fault != nil && r.Fault.Reason != fault:
		t.Errorf("it failed for %s (%v), want %s", r.Fault.Reason, r.Fault, fault)
	}
	var said []string
	for _, d := range r.Doubts {
		said = append(said, string(d.Reason))
	}
	if strings.Join(said, " ") != string(doubt) {
		t.Errorf("doubts are %q, want %q", said, doubt)
	}
}

// norms.md 45 to 53
func TestWhatARightMessagePasses(t *testing.T) {
	for kind, h := range map[pec.Kind]*house{
		pec.Transport: alfa(), pec.Acceptance: alfa(), pec.TakenInCharge: beta(), pec.Delivered: beta(), pec.NonDelivery: beta(),
	} {
		t.Run(string(kind), func(t *testing.T) {
			r := judged(t, trusting(), h.signs(composition(kind), nil))
			expect(t, r, "", "")
			if r.Entry == nil || r.Entry.Provider != h.entry.Provider || len(r.Path) != 2 || !r.At.Equal(signedAt) || r.Message.Data.Kind != kind {
				t.Errorf("entry %v, path %v, at %v, kind %s", r.Entry, r.Path, r.At, r.Message.Data.Kind)
			}
			if notes := r.Notes(); notes != nil {
				t.Errorf("notes %v", notes)
			}
		})
	}
}

// attacks.md 11 to 15, 34: each forgery has its own reason.
func TestForgeriesHaveTheirReasons(t *testing.T) {
	envelope := alfa().signs(composition(pec.Transport), nil)
	delivered := beta().signs(composition(pec.Delivered), nil)
	for name, c := range map[string]struct {
		octets []byte
		want   Reason
	}{
		// 11: who signed.
		"under no anchor, and not listed": {foreign().signs(composition(pec.Transport), nil), NotListed},
		"listed provider's other key":     {newHouse("alfa", agid(), nil).signs(composition(pec.Transport), nil), NotListed},
		// 12: what is signed.
		"an octet altered":        {edit(envelope, "Ciao!", "Addio"), Altered},
		"another's signature":     {spliced(envelope, alfa().signs(composition(pec.Acceptance), nil)), Altered},
		"a signature of rubbish":  {edit(envelope, "\r\n\r\nMII", "\r\n\r\nXII"), Unreadable},
		"a signature of no octet": {cutSignature(envelope), NotSigned},
		// 13: where it stands.
		"an unsigned part beside":                           {edit(envelope, "Content-Type: application/pkcs7-signature", "Content-Type: text/plain\r\n\r\nx\r\n"+boundary(envelope)+"\r\nContent-Type: application/pkcs7-signature"), Unreadable},
		"wrapped in another":                                {wrapped(envelope), NotSigned},
		"its signature cut off":                             {envelope[:bytes.LastIndex(envelope, []byte("Content-Type: application/pkcs7-signature"))], Unreadable},
		"a preamble that one reader takes for parts":        {preamble(envelope, "\n", ""), Unreadable},
		"a preamble with the boundary as it may be written": {preamble(envelope, "\r\n", "\\"), Unreadable},
		"no signature at all":                               {[]byte("From: x@y.test\r\nX-Trasporto: posta-certificata\r\nSubject: POSTA CERTIFICATA: x\r\n\r\nx\r\n"), NotSigned},
		// 14: the header, which nobody signed.
		"header of another author":   {edit(envelope, string(alfa().from), string(beta().from)), OtherAuthor},
		"header of another kind":     {edit(delivered, "X-Ricevuta: avvenuta-consegna", "X-Ricevuta: accettazione"), OtherKind},
		"header of an anomaly":       {edit(delivered, "X-Ricevuta: avvenuta-consegna", "X-Trasporto: errore"), OtherKind},
		"a second subject":           {edit(delivered, "MIME-Version", "Subject: Contratto\r\nMIME-Version"), Repeated},
		"a second addressee":         {edit(delivered, "MIME-Version", "To: luca@pec.alfa.test\r\nMIME-Version"), Repeated},
		"header of another message":  {edit(envelope, "Message-ID: <m1@", "Message-ID: <m2@"), OtherID},
		"header of another subject":  {edit(delivered, "Subject: CONSEGNA: Prova", "Subject: CONSEGNA: Contratto"), OtherSubject},
		"header of another client":   {edit(delivered, "X-Riferimento-Message-ID: <1@", "X-Riferimento-Message-ID: <2@"), OtherClient},
		"on behalf of another":       {edit(envelope, `"Per conto di: mario@`, `"Per conto di: presidente@`), OtherSender},
		"header for another sender":  {edit(delivered, "To: "+string(mario), "To: luca@pec.alfa.test"), OtherPerson},
		"data without their part":    {alfa().signs(composition(pec.Transport), func(s string) string { return strings.ReplaceAll(s, "daticert.xml", "altro.xml") }), NoData},
		"data that are rubbish":      {alfa().signs(composition(pec.Transport), withXML(func(xml string) string { return xml[:len(xml)/2] })), BadData},
		"data without an original":   {alfa().signs(composition(pec.Transport), func(s string) string { return strings.ReplaceAll(s, "message/rfc822", "text/plain") }), NoOriginal},
		"an original of another one": {alfa().signs(composition(pec.Transport), func(s string) string { return strings.Replace(s, "Message-ID: <m1@", "Message-ID: <m9@", 1) }), OtherID},
		"no mixed":                   {alfa().signs(composition(pec.Acceptance), func(s string) string { return strings.Replace(s, "multipart/mixed", "multipart/related", 1) }), BadParts},
		"about somebody else":        {beta().signs(composition(pec.TakenInCharge), nobodysReceipt), OtherPerson},
		// 15: who may say it.
		"acceptance of another's sender":   {beta().signs(composition(pec.Acceptance), nil), OtherDomain},
		"envelope of another's sender":     {beta().signs(composition(pec.Transport), nil), OtherDomain},
		"delivery by the sender's own":     {alfa().signs(composition(pec.Delivered), nil), OtherDomain},
		"taken in charge by the sender's":  {alfa().signs(composition(pec.TakenInCharge), nil), OtherDomain},
		"non delivery by a third provider": {gamma().signs(composition(pec.NonDelivery), nil), OtherDomain},
	} {
		t.Run(name, func(t *testing.T) {
			trust := trusting()
			if strings.Contains(name, "third") {
				trust.Directory = ofTheDay(true, alfa(), beta(), gamma())
			}
			expect(t, judged(t, trust, c.octets), c.want, "")
		})
	}
}

// nobodysReceipt is about somebody to whom nothing was sent.
func nobodysReceipt(signed string) string {
	return withXML(func(xml string) string {
		return strings.Replace(xml, "<ricezione>"+string(luigi), "<ricezione>anna@pec.beta.test", 1)
	})(signed)
}

func boundary(octets []byte) string {
	_, rest, _ := bytes.Cut(octets, []byte("boundary=\""))
	b, _, _ := bytes.Cut(rest, []byte("\""))
	return "--" + string(b)
}

// spliced puts the signature of one message under another.
func spliced(message, other []byte) []byte {
	mark := []byte("Content-Type: application/pkcs7-signature")
	return append(bytes.Clone(message[:bytes.LastIndex(message, mark)]), other[bytes.LastIndex(other, mark):]...)
}

// preamble puts another provider's message in front of the signed parts, in lines or under a boundary that another reader might
// take for the message's own.
func preamble(genuine []byte, eol, escape string) []byte {
	forged := foreign().signs(composition(pec.Transport), func(s string) string { return strings.ReplaceAll(s, "Ciao!", "Pago!") })
	_, parts, _ := strings.Cut(string(forged), "\r\n\r\n")
	parts = strings.ReplaceAll(parts[strings.Index(parts, "--"):], boundary(forged), "--"+escape+boundary(genuine)[2:])
	head, rest, _ := strings.Cut(string(genuine), "\r\n\r\n")
	head = strings.Replace(head, `boundary="`, `boundary="`+escape, 1)
	return []byte(head + "\r\n\r\nx" + eol + strings.ReplaceAll(parts, "\r\n", eol) + "\r\n" + rest)
}

func cutSignature(message []byte) []byte {
	i := bytes.LastIndex(message, []byte("\r\n\r\nMII")) + 4
	return append(bytes.Clone(message[:i]), message[bytes.LastIndex(message, []byte("--"+boundary(message)[2:])):]...)
}

func wrapped(message []byte) []byte {
	return append(append([]byte("From: x@y.test\r\nX-Trasporto: posta-certificata\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\n--w\r\n"), message[bytes.Index(message, []byte("Content-Type: multipart/signed")):]...), "\r\n--w--\r\n"...)
}

// withXML puts other certification data into signed octets.
func withXML(change func(xml string) string) func(string) string {
	return func(signed string) string {
		lead, rest, _ := strings.Cut(signed, `filename="daticert.xml"`)
		fields, rest, _ := strings.Cut(rest, "\r\n\r\n")
		encoded, rest, _ := strings.Cut(rest, "\r\n--")
		xml := must(base64.StdEncoding.DecodeString(strings.ReplaceAll(encoded, "\r\n", "")))
		return lead + `filename="daticert.xml"` + fields + "\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(change(string(xml)))) + "\r\n--" + rest
	}
}

// Certificates are judged at the instant of the signature (quirks.md E10), with and without a directory.
// norms.md 46, 48, 49
func TestCertificates(t *testing.T) {
	only := func(anchors *smime.Anchors) Trust { return Trust{Anchors: anchors} }
	for name, c := range map[string]struct {
		trust        Trust
		signer       *house
		fault, doubt Reason
	}{
		"nothing is known":                     {Trust{}, alfa(), "", NoAnchors},
		"an anchor issued it":                  {only(smime.NewAnchors(agid().cert)), alfa(), "", ""},
		"somebody below an anchor issued it":   {only(smime.NewAnchors(agid().cert)), distant(), "", NoDirectory},
		"that one is an anchor too":            {only(smime.NewAnchors(agid().cert, below().cert)), distant(), "", ""},
		"a directory of the day has it":        {Trust{Anchors: smime.NewAnchors(agid().cert), Directory: ofTheDay(true, distant())}, distant(), "", ""},
		"one of another day has it":            {Trust{Anchors: smime.NewAnchors(agid().cert), Directory: ofTheDay(false, distant())}, distant(), "", ""},
		"one of another day lacks it":          {Trust{Anchors: smime.NewAnchors(agid().cert), Directory: ofTheDay(false, beta())}, distant(), "", AnotherDay + " " + AnotherDay},
		"one of another day lacks it, issued":  {Trust{Anchors: smime.NewAnchors(agid().cert), Directory: ofTheDay(false, alfa())}, newHouse("alfa", agid(), nil), "", AnotherDay},
		"no anchor leads to it":                {only(smime.NewAnchors(agid().cert)), foreign(), Untrusted, ""},
		"anchors that are none":                {only(smime.NewAnchors()), alfa(), Untrusted, ""},
		"listed, but no anchor leads to it":    {Trust{Anchors: smime.NewAnchors(agid().cert), Directory: ofTheDay(true, foreign())}, foreign(), Untrusted, ""},
		"it had expired before":                {only(smime.NewAnchors(agid().cert)), old(), Expired, ""},
		"it was not valid yet":                 {only(smime.NewAnchors(agid().cert)), young(), Early, ""},
		"it is for servers":                    {only(smime.NewAnchors(agid().cert)), server(), Unfit, ""},
		"expired at the arrival":               {Trust{Anchors: smime.NewAnchors(agid().cert), At: signedAt.AddDate(2, 0, 0)}, alfa(), Expired, ""},
		"expired today, valid when it signed":  {only(smime.NewAnchors(agid().cert)), alfa(), "", ""},
		"the domain moved after a later day":   {Trust{Anchors: smime.NewAnchors(agid().cert), Directory: ofTheDay(false, renamed(alfa()))}, alfa(), "", AnotherDay},
		"the domain was another's on that day": {Trust{Anchors: smime.NewAnchors(agid().cert), Directory: ofTheDay(true, renamed(alfa()))}, alfa(), OtherDomain, ""},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, judged(t, c.trust, c.signer.signs(composition(pec.Transport), nil)), c.fault, c.doubt)
		})
	}
}

// renamed is a house with its certificate and other domains.
func renamed(h *house) *house {
	entry := *h.entry
	entry.Domains = []string{"pec.other.test"}
	return &house{entry: &entry, signer: h.signer, from: h.from}
}

// An envelope's From may say on whose behalf it is, in whatever form, but nobody else's; a receipt's says nothing of that.
// attacks.md 14
func TestOnBehalf(t *testing.T) {
	signs := func(from pec.Address) []byte {
		c := composition(pec.Transport)
		c.Data.Sender, c.Original = from, original(from, luigi)
		return alfa().signs(c, nil)
	}
	for _, genuine := range []pec.Address{mario, "o'brien@pec.alfa.test", "d'angelo.studio@pec.alfa.test"} {
		expect(t, judged(t, trusting(), signs(genuine)), "", "")
	}
	const address = " <posta-certificata@pec.alfa.test>"
	_, rest, _ := strings.Cut(string(signs(mario)), "From: ")
	written := "From: " + rest[:strings.Index(rest, "alfa.test>")+len("alfa.test>")]
	for from, want := range map[string]Reason{
		`"Per conto di: 'mario@pec.alfa.test'"` + address: "", `"Per conto di: Mario Rossi"` + address: "", `"Per conto di: MARIO@pec.alfa.test"` + address: "",
		`"Per conto di: ceo@bank.test"` + address: OtherSender, `"Per conto di: <ceo@bank.test>"` + address: OtherSender, `"Per conto di: ceo\@bank.test"` + address: OtherSender,
		`"Per conto di < ceo@bank.test"` + address: OtherSender, `=?utf-8?q?Per_conto_di=3A_=3Cceo=40bank.test=3E?=` + address: OtherSender,
		`"Per conto di: [ceo@bank.test]"` + address: OtherSender, `"Per conto di: ceo@bank.test."` + address: OtherSender, `"mario@pec.alfa.test, ceo@bank.test"` + address: OtherSender,
		`=?utf-8?q?Per_conto_di=3A=C2=A0ceo=40bank.test?=` + address: OtherSender,
	} {
		t.Run(from, func(t *testing.T) {
			expect(t, judged(t, trusting(), edit(signs(mario), written, "From: "+from)), want, "")
		})
	}
	receipt := beta().signs(composition(pec.Delivered), nil)
	expect(t, judged(t, trusting(), edit(receipt, "From: ", `From: "posta-certificata@pec.beta.test" <`)), OtherAuthor, "") // not closed
	_, rest, _ = strings.Cut(string(receipt), "From: ")
	line := "From: " + rest[:strings.Index(rest, "\r\n")]
	expect(t, judged(t, trusting(), edit(receipt, line, `From: "posta-certificata@pec.beta.test" <posta-certificata@pec.beta.test>`)), "", "")
}

// What is not known leaves a doubt.
func TestDoubts(t *testing.T) {
	late := composition(pec.Acceptance)
	unknown := func(signed string) string {
		return withXML(func(xml string) string {
			return strings.Replace(xml, `tipo="accettazione"`, `tipo="accettazione-parziale"`, 1)
		})(signed)
	}
	for name, c := range map[string]struct {
		octets       []byte
		fault, doubt Reason
	}{
		"signed years after it was certified": {alfa().signsAt(late, signedAt.AddDate(0, 0, 20)), "", OtherTime},
		// quirks.md C12
		"a kind that nobody knows":        {edit(alfa().signs(late, unknown), "X-Ricevuta: accettazione", "X-Ricevuta: accettazione-parziale"), "", UnknownKind},
		"a kind that the header does not": {alfa().signs(late, unknown), OtherKind, ""},
		// attacks.md 20
		"more parts than are looked at": {alfa().signs(composition(pec.Transport), manyParts), "", TooManyParts},
		// quirks.md A13
		"an original in base64": {alfa().signs(composition(pec.Transport), encodedOriginal), "", ""},
	} {
		t.Run(name, func(t *testing.T) { expect(t, judged(t, trusting(), c.octets), c.fault, c.doubt) })
	}
	trust := trusting()
	for reason, want := range map[string]Reason{revocation.KeyCompromise: Compromised, "cACompromise": Compromised, "superseded": ""} {
		trust.Revocation = func([]*x509.Certificate, time.Time) revocation.Status {
			return revocation.Status{State: revocation.Good, Later: &revocation.Status{State: revocation.Revoked, Reason: reason}}
		}
		expect(t, judged(t, trust, alfa().signs(late, nil)), "", want)
	}
}

func manyParts(signed string) string {
	last := strings.LastIndex(signed, "\r\n--"+boundaryIn(signed)+"--")
	return signed[:last] + strings.Repeat("\r\n--"+boundaryIn(signed)+"\r\n\r\nx", 10050) + signed[last:]
}

func boundaryIn(signed string) string {
	_, rest, _ := strings.Cut(signed, "boundary=\"")
	b, _, _ := strings.Cut(rest, "\"")
	return b
}

func encodedOriginal(signed string) string {
	head, rest, _ := strings.Cut(signed, "Content-Type: message/rfc822")
	fields, rest, _ := strings.Cut(rest, "\r\n\r\n")
	end := strings.LastIndex(rest, "\r\n--")
	return head + "Content-Transfer-Encoding: base64\r\nContent-Type: message/rfc822" + fields + "\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(rest[:end])) + rest[end:]
}

// norms.md 49, attacks.md 11
func TestRevoked(t *testing.T) {
	envelope := alfa().signs(composition(pec.Transport), nil)
	for state, want := range map[revocation.State]Reason{revocation.Good: "", revocation.Unknown: "", revocation.Revoked: Revoked} {
		trust := trusting()
		trust.Revocation = func(path []*x509.Certificate, at time.Time) revocation.Status {
			if len(path) != 2 || !at.Equal(signedAt) {
				t.Errorf("asked about %d certificates at %v", len(path), at)
			}
			return revocation.Status{State: state, At: signedAt, Reason: "keyCompromise"}
		}
		r := judged(t, trust, envelope)
		expect(t, r, want, "")
		if r.Revocation.State != state {
			t.Errorf("the result says %q, want %q", r.Revocation.State, state)
		}
	}
}

// A message that is found without its own header, inside of another, is judged by what is signed (quirks.md A8).
func TestInside(t *testing.T) {
	envelope := edit(alfa().signs(composition(pec.Transport), nil), "Subject: POSTA CERTIFICATA: Prova", "Subject: Re: altro")
	octets := envelope[bytes.Index(envelope, []byte("Content-Type: multipart/signed")):]
	r := NewReader(nil)
	_, _ = r.Write(octets)
	m := r.Finish()
	m.Inside = true
	trust := trusting()
	result, err := trust.Verify(m, bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	result.CheckKept()
	expect(t, result, "", "")
}

// Subjects are altered on the way by engines, lists and filters (quirks.md B10 to B13, C20).
func TestSubjectsThatAreTheSame(t *testing.T) {
	const certified = "Comunicazione di avvio del procedimento amministrativo n. 12/2024 è qui"
	for said, same := range map[string]bool{
		"CONSEGNA: " + certified:                     true,
		"[LISTA] CONSEGNA: " + certified + " [SPAM]": true,
		"CONSEGNA: Comunicazione  di avvio del procedimento amministrativo n. 12/2024 ? qui": true,
		"CONSEGNA: " + certified[:56]: true,
		"CONSEGNA: " + certified[:20]: false,
		"CONSEGNA: Comunicazione di avvio del procedimento amministrativo n. 13/2024 è qui": false,
		"": false,
	} {
		if tells(said, certified) != same {
			t.Errorf("%q: %t, want %t", said, !same, same)
		}
	}
	if !tells("CONSEGNA:", "") {
		t.Error("a message without a subject")
	}
	for said, same := range map[string]bool{"CONSEGNA: Привет": true, "[x] CONSEGNA: ??????": true, "CONSEGNA: Прощай": false, "CONSEGNA: ok": false, "CONSEGNA:": false} {
		if tells(said, "Привет") != same {
			t.Errorf("%q: %t, want %t", said, !same, same)
		}
	}
	for _, alike := range [][2]string{
		{"ACCETTAZIONE: Perche' no", "Perché no"}, {"ACCETTAZIONE: Strasse", "Straße"}, {"ACCETTAZIONE: A & B", readable("A &amp; B")}, {"ACCETTAZIONE: Perché", readable("=?utf-8?Q?Perch=C3=A9?=")},
	} {
		if !tells(alike[0], alike[1]) {
			t.Errorf("%q is not %q", alike[0], alike[1])
		}
	}
}

// Times that lie apart, and an original that speaks of others, are said and decide nothing.
// quirks.md C19
func TestNotes(t *testing.T) {
	late := composition(pec.Transport)
	octets := alfa().signs(late, nil)
	for name, c := range map[string]struct {
		octets []byte
		want   Reason
	}{
		"the date":    {edit(octets, "Date: Tue, 05 Mar 2024 11:00:00", "Date: Tue, 05 Mar 2024 12:00:00"), OtherTime},
		"all is well": {octets, ""},
		"the subject": {edit(octets, "POSTA CERTIFICATA: Prova", "POSTA CERTIFICATA: Prova ritirata"), OtherSubject},
		"a list":      {edit(octets, "POSTA CERTIFICATA: Prova", "[lista] POSTA CERTIFICATA: Prova"), ""},
		"the copies":  {edit(octets, "To: luigi@", "To: anna@"), OtherPerson},
		"the author":  {alfa().signs(late, func(s string) string { return strings.Replace(s, "From: mario@", "From: maria@", 1) }), OtherSender},
		"the receipt": {beta().signs(composition(pec.Delivered), func(s string) string { return strings.Replace(s, "Message-ID: <m1@", "Message-ID: <m9@", 1) }), OtherID},
	} {
		t.Run(name, func(t *testing.T) {
			r := judged(t, trusting(), c.octets)
			expect(t, r, "", "")
			var said Reason
			for _, n := range r.Notes() {
				said += n.Reason
			}
			if said != c.want {
				t.Errorf("noted %q, want %q", said, c.want)
			}
		})
	}
}

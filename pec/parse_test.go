package pec

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// edited is a valid transport envelope with one thing changed.
func edited(t *testing.T, kind Kind, old, new string) []byte {
	t.Helper()
	message := assembled(compose(t, sampleComposition(t, kind)), sampleBody)
	changed := bytes.Replace(message, []byte(old), []byte(new), 1)
	if bytes.Equal(changed, message) {
		t.Fatalf("%q is not in the message", old)
	}
	return changed
}

// TestParseMessageErrors: each error names what is missing, and the message is there all the
// same.
func TestParseMessageErrors(t *testing.T) {
	envelope := string(assembled(compose(t, sampleComposition(t, Transport)), sampleBody))
	huge := strings.Repeat("QUJD\r\n", maxKeptBody/4)
	cases := map[string]struct {
		message string
		want    error
	}{
		"empty":                  {"", ErrNotSigned},
		"ordinary":               {"Subject: x\r\n\r\nx\r\n", ErrNotSigned},
		"bad header":             {"garbage\r\n" + envelope, ErrHeader},
		"not PKCS#7":             {strings.ReplaceAll(envelope, "application/pkcs7-signature; name", "application/pgp-signature; name"), ErrNotSigned},
		"not mixed":              {strings.Replace(envelope, "multipart/mixed", "multipart/related", 1), ErrNoMixed},
		"no data":                {strings.ReplaceAll(envelope, "daticert.xml", "altro.xml"), ErrNoCertData}, // quirks.md A6
		"bad data":               {strings.Replace(envelope, "PD94", "AAAA", 1), ErrBadCertData},
		"large data":             {strings.Replace(envelope, "PD94", huge+"PD94", 1), ErrBadCertData},
		"more parts than looked": {"Content-Type: multipart/signed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", maxParts+1), ErrTruncated},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := ParseMessage(scan([]byte(test.message), KeepForParse))
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if m == nil || m.HasData && !errors.Is(test.want, ErrHeader) {
				t.Errorf("message %v, data %v", m != nil, m.HasData)
			}
			if err := m.Consistent(alfaSigner); err == nil {
				t.Error("it is consistent")
			}
		})
	}
}

// TestMIMEWrapping is attacks.md 13: nothing that the outermost signature does not cover gives
// data, and nothing unsigned stands beside what it covers.
// norms.md 75
func TestMIMEWrapping(t *testing.T) {
	inner := string(assembled(compose(t, sampleComposition(t, Delivered)), sampleBody))
	alternative := "------------=_" + boundary + "-1\r\nContent-Type: multipart/alternative"
	part := "--%\r\nContent-Type: application/xml; name=daticert.xml\r\n\r\n" + foreignXML + "\r\n"
	inMixed := strings.ReplaceAll(part, "%", "----------=_"+boundary+"-1")
	inSigned := strings.ReplaceAll(part, "%", "----"+boundary)
	cases := map[string]struct {
		message []byte
		data    bool
	}{
		"forwarded whole":         {[]byte("X-Ricevuta: avvenuta-consegna\r\nContent-Type: message/rfc822\r\n\r\n" + inner), false},
		"forwarded as attachment": {[]byte("Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n" + inner + "\r\n--m--\r\n"), false},
		"mixed around signed":     {[]byte("X-Ricevuta: avvenuta-consegna\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + inner + "\r\n--m--\r\n"), false},
		"unsigned part before":    {edited(t, Transport, "--"+"----"+boundary+"\r\nContent-Type: multipart/mixed", inSigned+"------"+boundary+"\r\nContent-Type: multipart/mixed"), false},
		"unsigned part after":     {edited(t, Transport, "\r\n------"+boundary+"--\r\n", "\r\n"+inSigned+"------"+boundary+"--\r\n"), false},
		"second data":             {edited(t, Transport, alternative, inMixed+alternative), false},
		"in the preamble":         {edited(t, Transport, "This is an S/MIME signed message", foreignXML), true},
		"in the epilogue":         {append(assembled(compose(t, sampleComposition(t, Transport)), sampleBody), inSigned...), true},
		"in the original":         {assembled(compose(t, sampleComposition(t, Transport)), "\r\n--x\r\nContent-Type: application/xml; name=daticert.xml\r\n\r\n"+foreignXML), true}, // quirks.md A3
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := ParseMessage(scan(test.message, KeepForParse))
			if m.HasData != test.data || (err == nil) != test.data {
				t.Errorf("data %v: %v", m.HasData, err)
			}
			if want := sampleData(Transport); test.data && !m.Data.Equal(want) {
				t.Error(cmp.Diff(want, m.Data))
			}
			if err := m.Consistent(alfaSigner); (err == nil) != test.data {
				t.Errorf("consistent: %v", err)
			}
		})
	}
}

// TestConsistent is attacks.md 14: header, data and original that disagree.
// norms.md 53, 110
func TestConsistent(t *testing.T) {
	cases := map[string]struct {
		kind     Kind
		old, new string
	}{
		"kind of the header":     {Transport, "X-Trasporto: posta-certificata", "X-Ricevuta: avvenuta-consegna"},
		"kind twice":             {Transport, "X-Trasporto: posta-certificata", "X-Trasporto: posta-certificata\r\nX-Trasporto: posta-certificata"},
		"both kinds":             {Acceptance, "X-Ricevuta: ", "X-Trasporto: posta-certificata\r\nX-Ricevuta: "},
		"receipt as envelope":    {Acceptance, "X-Ricevuta: ", "X-Trasporto: "},
		"other receipt":          {Acceptance, "X-Ricevuta: accettazione", "X-Ricevuta: avvenuta-consegna"},
		"no kind":                {Acceptance, "X-Ricevuta: ", "X-Altro: "},
		"anomaly with data":      {Transport, "X-Trasporto: posta-certificata", "X-Trasporto: errore"},
		"other From":             {Acceptance, "From: posta-certificata@pec.alfa.test", "From: posta-certificata@pec.beta.test"},
		"From of two":            {Acceptance, "From: ", "From: x@y.test, "},
		"two From":               {Acceptance, "From: ", "From: x@y.test\r\nFrom: "},
		"no From":                {Acceptance, "From: ", "X-From: "},
		"other Sender":           {Acceptance, "From: ", "Sender: x@y.test\r\nFrom: "},
		"other Message-ID":       {Transport, "Message-ID: <cl1", "Message-ID: <cl2"},
		"no Message-ID":          {Transport, "Message-ID: <cl1", "X-Message-ID: <cl1"},
		"no original":            {Transport, "Content-Type: message/rfc822", "Content-Type: text/plain"},
		"encoded original":       {Transport, "Content-Transfer-Encoding: 7bit", "Content-Transfer-Encoding: base64"},
		"no original in anomaly": {Anomaly, "Content-Type: message/rfc822", "Content-Type: text/plain"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			m, _ := ParseMessage(scan(edited(t, test.kind, test.old, test.new), KeepForParse))
			if err := m.Consistent(alfaSigner); err == nil {
				t.Error("it is consistent")
			} else if !isASCII(err.Error()) || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("error %q", err)
			}
		})
	}
	for _, kind := range allKinds() {
		err := parse(t, assembled(compose(t, sampleComposition(t, kind)), sampleBody)).Consistent(alfaSigner)
		if kind == Anomaly && errors.Is(err, ErrNoCertData) {
			continue // it does not travel between providers
		}
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestConsistentData: data of peers that tracking cannot act upon, and an identifier in the
// original that is not that of the envelope.
func TestConsistentData(t *testing.T) {
	message := func(kind Kind, change func(*CertData)) *Message {
		m := parse(t, assembled(compose(t, sampleComposition(t, kind)), sampleBody))
		change(&m.Data)
		return m
	}
	cases := map[string]*Message{
		"no recipient of delivery":      message(Delivered, func(c *CertData) { c.DeliveredTo = "" }),
		"delivery to somebody else":     message(Delivered, func(c *CertData) { c.DeliveredTo = "x@pec.beta.test" }),
		"nobody taken in charge":        message(TakenInCharge, func(c *CertData) { c.TakenFor = nil }),
		"somebody else taken in charge": message(TakenInCharge, func(c *CertData) { c.TakenFor = []Address{comune, "x@pec.beta.test"} }), // attacks.md 15
		"unknown kind":                  message(Acceptance, func(c *CertData) { c.Kind = "mancata-consegna" }),
		"other identifier":              message(Transport, func(c *CertData) { c.ID = "x@y" }),
		"original of another":           message(Transport, func(*CertData) {}),
	}
	inner := cases["original of another"].Original.Children[0]
	inner.Header = bytes.Replace(inner.Header, []byte("<cl1"), []byte("<cl2"), 1)
	for name, m := range cases {
		if err := m.Consistent(alfaSigner); err == nil {
			t.Errorf("%s: it is consistent", name)
		}
	}
}

// TestForeignShapes is quirks.md A and B: what other engines write and we read.
func TestForeignShapes(t *testing.T) {
	xml := strings.NewReplacer("avvenuta-consegna", "posta-certificata", "1.2@altrove.test", string(messageID)).Replace(foreignXML)
	data := "Content-Type: application/xml; charset=UTF-8; name=DatiCert.xml\r\n\r\n" + xml
	original := "Content-Type: message/rfc822; name=postacert.eml\r\nContent-Disposition: attachment\r\n\r\n" + string(rewritten(t)) + "\xe8"
	text := "Content-Type: text/plain; charset=ISO-8859-1\r\n\r\ne'"
	build := func(header string, parts ...string) []byte {
		return []byte(header + "Content-Type: multipart/signed; protocol=\"application/x-pkcs7-signature\"; micalg=sha-1; \r\n\tboundary=\"=-s\"\r\n\r\n--=-s\r\n" +
			"Content-Type: multipart/mixed; boundary=\"=-m\"\r\nContent-Transfer-Encoding: binary\r\n\r\n--=-m\r\n" + strings.Join(parts, "\r\n--=-m\r\n") +
			"\r\n--=-m--\r\n\r\n--=-s\r\nContent-Type: application/x-pkcs7-signature\r\n\r\nMA==\r\n--=-s--\r\n")
	}
	header := "x-trasporto: Posta-Certificata\r\nFrom: \"Per conto di: a@pec.alfa.test\"\r\n\t<POSTA-certificata@pec.alfa.test>\r\nMessage-ID: " +
		messageID.Bracketed() + "\r\nTo: x@y>,\r\n"
	cases := map[string][]byte{
		"A1 data first":       build(header, text, data, original),
		"A1 original first":   build(header, text, original, data),
		"A7 other parts":      build(header, text, "Content-Type: application/xml; name=SubmissionAcceptance.xml\r\n\r\n<x/>", original, data),
		"A14 text/xml":        build(header, text, original, strings.Replace(data, "application/xml", "text/xml", 1)),
		"A14 octets, by name": build(header, text, original, strings.Replace(data, "application/xml", "application/octet-stream", 1)),
		"A14 nameless":        build(header, text, original, "Content-Type: application/xml\r\n\r\n"+xml),
		"certdata.xml":        build(header, text, original, strings.Replace(data, "DatiCert", "certdata", 1)),
		"C5 quoted-printable": build(header, text, original, strings.Replace(strings.ReplaceAll(strings.ReplaceAll(data, "=", "=3D"), "charset=3DUTF-8; name=3D", "charset=UTF-8; name="), "\r\n\r\n", "\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n", 1)+"="),
	}
	for name, message := range cases {
		t.Run(name, func(t *testing.T) {
			m := parse(t, message)
			if err := m.Consistent(alfaSigner); err != nil {
				t.Error(err)
			}
			if m.Data.Subject != "  Prova " || m.Original == nil || m.Original.Filename() != OriginalName {
				t.Errorf("data %v, original %v", m.Data, m.Original)
			}
		})
	}
}

// TestLooksLikePEC is attacks.md 16.
func TestLooksLikePEC(t *testing.T) {
	cases := map[string]bool{
		"Subject: POSTA CERTIFICATA: x\r\n\r\n":      false,
		"X-Trasporto: posta-certificata\r\n\r\n":     true,
		"x-ricevuta: qualsiasi\r\n\r\n":              true,
		"broken\r\nX-Ricevuta: accettazione\r\n\r\n": true,
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; filename=DATICERT.XML\r\n\r\n<x/>\r\n--b--":                   true,
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/xml\r\n\r\n<x/>\r\n--b--":                                            false,
		"Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: x/y; name=daticert.xml\r\n\r\n<x/>\r\n--b--": false,
	}
	for message, want := range cases {
		m, _ := ParseMessage(scan([]byte(message), KeepForParse))
		if got := m.LooksLikePEC(); got != want {
			t.Errorf("%q: %v", message, got)
		}
	}
}

// TestAnomalyHoldsPEC is quirks.md A4: a bounced envelope inside an anomaly is content.
func TestAnomalyHoldsPEC(t *testing.T) {
	inner := assembled(compose(t, sampleComposition(t, Transport)), sampleBody)
	header, body, _ := bytes.Cut(inner, []byte("\r\n\r\n"))
	c := sampleComposition(t, Anomaly)
	c.Boundary = strings.Repeat("12", 16)
	c.Original = append(bytes.Clone(header), "\r\n\r\n"...)
	m := parse(t, assembled(compose(t, c), string(body)))
	if m.HasData || m.Transport != string(Anomaly) || m.Original == nil {
		t.Errorf("data %v, transport %q", m.HasData, m.Transport)
	}
}

// TestAnomalyInherits: whatever came is enclosed, and only what is safe reaches the header
// (norms.md 61, 62).
func TestAnomalyInherits(t *testing.T) {
	c := sampleComposition(t, Anomaly)
	c.Data.Sender = "" // a null reverse path
	c.Original = []byte("broken line\r\nTo: a@b.test\r\nTo: \x01\x02\r\nCc:\r\nX-Ricevuta: accettazione\r\nMessage-ID: not one\r\nMIME-Version: 1.0\r\n\r\n")
	d := compose(t, c)
	m := parse(t, assembled(d, sampleBody))
	want := []string{"a@b.test"}
	if got := m.Header.Values("To"); !cmp.Equal(got, want) || d.MessageID != "" || m.Header.Get("Message-ID") != "not one" {
		t.Errorf("To %q, Message-ID %q", got, m.Header.Get("Message-ID"))
	}
	if from := m.Header.Get("From"); from != `"Per conto di: <>" <posta-certificata@pec.alfa.test>` || m.Header.Get("Reply-To") != "" {
		t.Errorf("From %q", from)
	}
}

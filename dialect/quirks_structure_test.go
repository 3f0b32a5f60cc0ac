package dialect

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// position is where a part that bears a name stands in the signed multipart.
func position(m *pec.Message, name string) int {
	for i, p := range m.SignedPart().Children {
		if strings.EqualFold(p.Filename(), name) {
			return i
		}
	}
	return -1
}

// nested is a certified message of another identifier, to be put into others.
func nested(t *testing.T) []byte {
	c := named("delivered, complete without the original").composition()
	c.Data.ID, c.Boundary = "altro.1@pec.beta.test", strings.Repeat("af", 16)
	e := must(Named("legalmail"))
	return seal(t, e, draft(t, e, c), "")
}

// forwarded is a body whose parts are what senders attach.
func forwarded(parts ...string) string {
	return "--x\r\n" + strings.Join(parts, "\r\n--x\r\n") + "\r\n--x--\r\n"
}

// transporting is a transport envelope around a multipart.
func transporting(t *testing.T, engine, body string) []byte {
	c := named("transport").composition()
	c.Original = rewritten(strings.Replace(sampleHeader, "text/plain; charset=utf-8", `multipart/mixed; boundary="x"`, 1))
	e := must(Named(engine))
	return seal(t, e, draft(t, e, c), body)
}

func TestQuirksOfStructure(t *testing.T) {
	// quirks.md A1
	t.Run("A1 certification data before the original, or after", func(t *testing.T) {
		for engine, before := range map[string]bool{"opec": true, "jpec": true, "register": true, "legalmail-2015": true,
			"legalmail": false, "telecompost": false, "cedacri": false, "irideos": false} {
			m := consistent(t, written(t, engine, "transport"))
			if d, o := position(m, "daticert.xml"), position(m, "postacert.eml"); d < 0 || o < 0 || (d < o) != before || m.Data.ID != envelopeID {
				t.Errorf("%s: data at %d, original at %d: %+v", engine, d, o, m.Data)
			}
		}
	})
	// quirks.md A2
	t.Run("A2 text alone or in two forms", func(t *testing.T) {
		for engine, want := range map[string]string{"opec": "multipart", "legalmail": "multipart", "opec-2014": "text", "cedacri": "text"} {
			m := consistent(t, written(t, engine, "acceptance"))
			if got := m.SignedPart().Children[0].Type; got != want || m.Data.ID != envelopeID {
				t.Errorf("%s: the first part is %s", engine, got)
			}
		}
	})
	// quirks.md A3
	t.Run("A3 several certification data", func(t *testing.T) {
		flat := "Content-Type: text/xml; name=daticert.xml\r\n\r\n<postacert tipo=\"errore-consegna\"></postacert>"
		message := transporting(t, "legalmail", forwarded("Content-Type: message/rfc822\r\n\r\n"+string(nested(t)), flat))
		if !bytes.Contains(message, []byte("altro.1@pec.beta.test")) {
			t.Fatal("nothing is nested")
		}
		if d := data(t, message); d.ID != envelopeID || d.Kind != pec.Transport {
			t.Errorf("the data are %+v", d)
		}
	})
	// quirks.md A4
	t.Run("A4 certified message inside an anomaly envelope", func(t *testing.T) {
		inner := nested(t)
		header, body, _ := bytes.Cut(inner, []byte("\r\n\r\n"))
		c := named("anomaly").composition()
		c.Original = append(header, "\r\n\r\n"...)
		e := must(Named("opec"))
		m := consistent(t, seal(t, e, draft(t, e, c), string(body)))
		if m.HasData || m.Transport != string(pec.Anomaly) || len(m.Original.Children) != 1 || !m.Original.Children[0].Is("multipart", "signed") {
			t.Errorf("has data: %t, X-Trasporto %s, original %+v", m.HasData, m.Transport, m.Original)
		}
	})
	// quirks.md A5
	t.Run("A5 complete without the original", func(t *testing.T) {
		m := consistent(t, written(t, "opec", "delivered, complete without the original"))
		if m.Original != nil || m.Data.ReceiptType != pec.Complete {
			t.Errorf("original %v, ricevuta %s", m.Original, m.Data.ReceiptType)
		}
	})
	// quirks.md A6
	t.Run("A6 no certification data", func(t *testing.T) {
		message := mutant(t, "sogei", "transport", func(d *Draft) {
			d.Before = bytes.ReplaceAll(d.Before, []byte(`="daticert.xml"`), []byte(`="altro.xml"`))
		})
		verified(t, message)
		m, err := read(message)
		if !errors.Is(err, pec.ErrNoCertData) || m == nil || m.HasData || m.Transport != string(pec.Transport) {
			t.Errorf("%v: %+v", err, m)
		}
	})
	// quirks.md A7
	t.Run("A7 further parts", func(t *testing.T) {
		m := consistent(t, written(t, "jpec-2023", "transport"))
		if position(m, "SubmissionAcceptance.xml") != 3 || len(m.SignedPart().Children) != 4 || m.Data.ID != envelopeID {
			t.Errorf("%d parts, data %+v", len(m.SignedPart().Children), m.Data)
		}
	})
	t.Run("A9 preambles", preambles)
	// quirks.md A10
	t.Run("A10 boundary behind the last octet", func(t *testing.T) {
		message := written(t, "jpec", "transport")
		text := consistent(t, message).SignedPart().Children[0].Children[0]
		if got := string(message[text.Body:text.End]); !strings.HasSuffix(got, "pec.alfa.test") {
			t.Errorf("the text ends with %q", got[max(0, len(got)-20):])
		}
		verified(t, message)
	})
	// quirks.md A11
	t.Run("A11 fields of parts in any order", func(t *testing.T) {
		message := mutant(t, "opec", "transport", func(d *Draft) {
			d.Before = swap(t, d.Before, "Content-Disposition: inline; filename=\"daticert.xml\"\r\nContent-Transfer-Encoding: base64",
				"content-transfer-encoding: BASE64\r\nMIME-Version: 1.0\r\nX-Altro: 1\r\nContent-Disposition: inline; filename=\"daticert.xml\"")
		})
		if d := data(t, message); d.ID != envelopeID || !bytes.Contains(message, []byte("Content-Transfer-Encoding: binary")) {
			t.Errorf("the data are %+v", d)
		}
	})
	t.Run("A12 labels of the original", labelsOfOriginal)
	// quirks.md A13
	t.Run("A13 encoded original", func(t *testing.T) {
		e := must(Named("opec"))
		d := draft(t, e, named("transport").composition())
		at := bytes.Index(d.Before, []byte("Content-Transfer-Encoding: 7bit\r\n\r\n")) + len("Content-Transfer-Encoding: 7bit\r\n\r\n")
		encoded := base64.StdEncoding.EncodeToString([]byte(string(d.Before[at:]) + sampleBody))
		d.Before = swap(t, d.Before[:at], "Content-Transfer-Encoding: 7bit", "Content-Transfer-Encoding: base64")
		message := seal(t, e, d, encoded)
		verified(t, message)
		m, err := read(message)
		if err != nil || m.Data.ID != envelopeID || m.Original == nil {
			t.Fatalf("%v: %+v", err, m)
		}
		if err := m.Consistent(signer); err == nil || !strings.Contains(err.Error(), "encoded") {
			t.Errorf("it is not flagged: %v", err)
		}
	})
	t.Run("A14 types of the certification data", typesOfData)
	// quirks.md A15
	t.Run("A15 signature inside the original", func(t *testing.T) {
		message := transporting(t, "jpec", forwarded("Content-Type: text/plain\r\n\r\nfattura",
			"Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMAA="))
		m := consistent(t, message)
		if got := m.SignaturePart(); got.Start < m.SignedPart().End || !verified(t, message).Certificate.Equal(testAuthority().leaf) {
			t.Errorf("the signature is the part at %d", got.Start)
		}
	})
	// quirks.md A16
	t.Run("A16 eight bits, controls and long lines", func(t *testing.T) {
		for _, e := range Engines() {
			c := named("transport").composition()
			c.EightBit = true
			message := seal(t, e, draft(t, e, c), "citt\xe0 \x12\x16 \xff\r\n"+strings.Repeat("x", 3000)+"\r\n")
			if d := data(t, message); d.ID != envelopeID || scan(message).LongestLine != 3000 {
				t.Errorf("%s: the data are %+v", e.Name, d)
			}
		}
	})
}

// quirks.md A9
func preambles(t *testing.T) {
	for name, c := range map[string]struct{ engine, preamble string }{
		"one spelling":     {"opec", "This is an S/MIME signed message\r\n"},
		"the other":        {"jpec", "This is a S/MIME signed message\r\n"},
		"none":             {"legalmail", "\r\n\r\n--"},
		"the header again": {"telecompost", ""},
	} {
		e := must(Named(c.engine))
		d := draft(t, e, named("transport").composition())
		if !bytes.Contains(d.Header, []byte(c.preamble)) {
			t.Errorf("%s: not as it should be: %s", name, d.Header)
		}
		if c.preamble == "" {
			header, delimiter, _ := bytes.Cut(d.Header, []byte("\r\n\r\n"))
			d.Header = bytes.Join([][]byte{header, header, delimiter}, []byte("\r\n\r\n"))
		}
		if got := data(t, seal(t, e, d, sampleBody)); got.ID != envelopeID {
			t.Errorf("%s: the data are %+v", name, got)
		}
	}
}

// quirks.md A12
func labelsOfOriginal(t *testing.T) {
	for engine, label := range map[string]string{
		"legalmail":   "Content-Type: message/rfc822; name=postacert.eml\r\nContent-Disposition: attachment; filename=\"postacert.eml\"\r\n\r\n",
		"irideos":     "Content-Type: message/rfc822; name=postacert.eml\r\nContent-Disposition: attachment; filename=postacert.eml\r\n\r\n",
		"telecompost": "Content-Type: message/rfc822; name=postacert.eml\r\nContent-Disposition: attachment; filename=postacert.eml\r\n\r\n",
		"jpec":        "Content-Type: message/rfc822; name=postacert.eml\r\nContent-Transfer-Encoding: 7bit\r\nContent-Disposition: inline; filename=postacert.eml\r\n\r\n",
		"opec":        "Content-Type: message/rfc822; name=\"postacert.eml\"\r\nContent-Disposition: inline; filename=\"postacert.eml\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
	} {
		c := named("transport").composition()
		c.EightBit = true
		e := must(Named(engine))
		message := seal(t, e, draft(t, e, c), "Citt\xe0\r\n")
		m := consistent(t, message)
		verified(t, message)
		if !bytes.Contains(message, []byte(label)) {
			t.Errorf("%s: there is no %q", engine, label)
		}
		if got := message[m.Original.Body:m.Original.End]; !bytes.HasSuffix(got, []byte("\r\n\r\nCitt\xe0\r\n")) {
			t.Errorf("%s: the original is %q", engine, got)
		}
	}
}

// quirks.md A14
func typesOfData(t *testing.T) {
	const usual = "Content-Type: application/xml; name=\"daticert.xml\"\r\nContent-Disposition: inline; filename=\"daticert.xml\"\r\n"
	for _, header := range []string{
		"Content-Type: application/xml; charset=UTF-8; name=daticert.xml\r\n",
		"Content-Type: text/xml; name=\"DatiCert.XML\"\r\n",
		"Content-Type: application/xml\r\n",
		"Content-Type: text/xml; charset=utf-8\r\nContent-Disposition: inline\r\n",
		"Content-Type: application/octet-stream; name=daticert.xml\r\n",
		"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=daticert.xml\r\n",
	} {
		message := mutant(t, "opec", "acceptance", func(d *Draft) { d.Before = swap(t, d.Before, usual, header) })
		if d := data(t, message); d.ID != envelopeID {
			t.Errorf("%q: the data are %+v", header, d)
		}
	}
}

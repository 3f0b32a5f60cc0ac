package pec

import (
	"bytes"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden holds every message that we issue against a file that a person has read.
// norms.md 13, 15, 21, 22, 26, 40, 43, 61, 63 to 66, 95, 96, 99, 101 to 103
func TestGolden(t *testing.T) {
	cases := map[string]func(c *Composition){
		"transport":            nil,
		"anomaly":              nil,
		"acceptance":           nil,
		"non-acceptance":       func(c *Composition) { c.Data.Detail = "il campo Bcc contiene un valore" },
		"non-acceptance-virus": func(c *Composition) { c.Data.Reason, c.Data.Detail = ReasonVirus, "Eicar-Test-Signature" },
		"taken-in-charge":      func(c *Composition) { c.To = "servizio@pec.alfa.test" },
		"virus-detected":       func(c *Composition) { c.To = "servizio@pec.alfa.test" },
		"delivered-complete":   nil,
		"delivered-brief":      func(c *Composition) { c.Data.ReceiptType = Brief },
		"delivered-concise":    func(c *Composition) { c.Data.ReceiptType, c.Original = Concise, nil },
		"delivered-in-copy":    func(c *Composition) { c.Original = nil },
		"non-delivery":         func(c *Composition) { c.Data.Reason = ReasonNoRecipient },
		"non-delivery-virus":   func(c *Composition) { c.Data.Reason, c.Data.Detail = ReasonVirus, "Eicar-Test-Signature" },
		"overdue-first":        nil,
		"overdue-final":        func(c *Composition) { c.Data.Detail = OverdueDetail(c.Data.Issuer, true) },
		"transport-8bit":       func(c *Composition) { c.EightBit = true },
		"transport-bare": func(c *Composition) { // a client that wrote as little as it may
			c.Data.ClientID = ""
			c.Original = []byte("From: Mario.Rossi@pec.alfa.test\r\nTo: protocollo@comune.beta.test\r\n" +
				"Message-ID: " + messageID.Bracketed() + "\r\n\r\n")
		},
	}
	kinds := map[string]Kind{
		"transport": Transport, "anomaly": Anomaly, "acceptance": Acceptance, "non-acceptance": NonAcceptance,
		"taken-in-charge": TakenInCharge, "virus-detected": VirusDetected, "delivered": Delivered,
		"non-delivery": NonDelivery, "overdue": Overdue,
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			c := sampleComposition(t, kindOf(kinds, name))
			if change != nil {
				change(&c)
			}
			golden(t, name+".eml", assembled(compose(t, c), sampleBody))
		})
	}
}

// kindOf finds the longest kind that the name begins with.
func kindOf(kinds map[string]Kind, name string) Kind {
	best := ""
	for k := range kinds {
		if strings.HasPrefix(name, k) && len(k) > len(best) {
			best = k
		}
	}
	return kinds[best]
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (run with -update if this is meant):\n%s", path, diff)
	}
}

// TestComposeRefuses holds Compose to what it must not issue.
func TestComposeRefuses(t *testing.T) {
	cases := map[string]struct {
		kind   Kind
		change func(*Composition)
	}{
		"envelope without original":               {Transport, func(c *Composition) { c.Original = nil }},
		"anomaly without original":                {Anomaly, func(c *Composition) { c.Original = nil }},
		"anomaly without reason":                  {Anomaly, func(c *Composition) { c.Data.Detail = "" }},
		"non-acceptance with original":            {NonAcceptance, func(c *Composition) { c.Original = rewritten(t) }}, // norms.md 14
		"virus detection with original":           {VirusDetected, func(c *Composition) { c.Original = rewritten(t) }}, // norms.md 65
		"overdue with original":                   {Overdue, func(c *Composition) { c.Original = rewritten(t) }},
		"acceptance with original":                {Acceptance, func(c *Composition) { c.Original = rewritten(t) }},
		"concise receipt with original":           {Delivered, func(c *Composition) { c.Data.ReceiptType = Concise }},
		"original that was not rewritten":         {Transport, func(c *Composition) { c.Original = crlf(sampleHeader) }},
		"original without empty line":             {Transport, func(c *Composition) { c.Original = bytes.TrimSuffix(c.Original, []byte("\r\n")) }},
		"original that is no header":              {Transport, func(c *Composition) { c.Original = []byte("nonsense\r\n\r\n") }},
		"envelope under another identifier":       {Transport, func(c *Composition) { c.MessageID = "other@pec.alfa.test" }},
		"guessable boundary":                      {Acceptance, func(c *Composition) { c.Boundary = "boundary" }}, // attacks.md 33
		"no addressee":                            {Acceptance, func(c *Composition) { c.To = "" }},
		"no signing address":                      {Acceptance, func(c *Composition) { c.SigningAddress = "" }},
		"unknown kind":                            {Acceptance, func(c *Composition) { c.Data.Kind = "mancata-consegna" }},
		"no recipients":                           {Acceptance, func(c *Composition) { c.Data.Recipients = nil }},
		"recipient without type":                  {Acceptance, func(c *Composition) { c.Data.Recipients[0].Type = "" }},
		"no instant":                              {Acceptance, func(c *Composition) { c.Data.At = c.Data.At.AddDate(-3000, 0, 0) }},
		"no issuer":                               {Acceptance, func(c *Composition) { c.Data.Issuer = "\x01" }},
		"no identifier":                           {Acceptance, func(c *Composition) { c.Data.ID = "" }},
		"acceptance with an error":                {Acceptance, func(c *Composition) { c.Data.Reason = ReasonOther }},
		"acceptance with a receipt type":          {Acceptance, func(c *Composition) { c.Data.ReceiptType = Brief }},
		"delivery to nobody":                      {Delivered, func(c *Composition) { c.Data.DeliveredTo = "" }},
		"delivery to a line end":                  {Delivered, func(c *Composition) { c.Data.DeliveredTo = "a@b.test\r\nX: y" }},
		"delivery without receipt type":           {Delivered, func(c *Composition) { c.Data.ReceiptType = "" }},
		"delivery with a receipt type of its own": {Delivered, func(c *Composition) { c.Data.ReceiptType = "lunga" }},
		"taking nothing in charge":                {TakenInCharge, func(c *Composition) { c.Data.TakenFor = nil }},
		"non-delivery without reason":             {NonDelivery, func(c *Composition) { c.Data.Reason = ReasonNone }},
		"non-delivery without description":        {NonDelivery, func(c *Composition) { c.Data.Detail = "" }},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			c := sampleComposition(t, test.kind)
			test.change(&c)
			if d, err := Compose(c); err == nil {
				t.Errorf("composed:\n%s", assembled(d, sampleBody))
			}
		})
	}
}

// TestDraftCheck holds Check to drafts that were changed after Compose (attacks.md 33).
// norms.md 114
func TestDraftCheck(t *testing.T) {
	replace := func(old, new string) func(*Draft) {
		return func(d *Draft) {
			changed := bytes.Replace(d.Header, []byte(old), []byte(new), 1)
			if bytes.Equal(changed, d.Header) {
				t.Fatalf("%q is not in the header", old)
			}
			d.Header = changed
		}
	}
	cases := map[string]func(*Draft){
		"other data":         func(d *Draft) { d.Data.Subject = "altro" },
		"other instant":      func(d *Draft) { d.Data.At = d.Data.At.Add(1e9) },
		"other kind":         func(d *Draft) { d.Kind = Acceptance },
		"other signer":       func(d *Draft) { d.From = betaSigner },
		"other From":         replace("From: ", "From: x@pec.alfa.test, "),
		"two From":           replace("From: ", "From: x@pec.alfa.test\r\nFrom: "),
		"foreign Sender":     replace("From: ", "Sender: x@pec.alfa.test\r\nFrom: "),
		"receipt as well":    replace("From: ", "X-Ricevuta: accettazione\r\nFrom: "),
		"no X-Trasporto":     replace("X-Trasporto", "X-Altro"),
		"other X-Trasporto":  replace("X-Trasporto: posta-certificata", "X-Trasporto: errore"),
		"other Message-ID":   replace("<cl1.", "<cl2."),
		"control character":  replace("MIME-Version", "X: \x01\r\nMIME-Version"),
		"bare line feed":     replace("MIME-Version", "X: \n y\r\nMIME-Version"),
		"other body":         func(d *Draft) { d.Before = bytes.Replace(d.Before, []byte("postacert.eml"), []byte("x\"\r\n\r\n"), 1) },
		"original not there": func(d *Draft) { d.HasOriginal = false },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			d := compose(t, sampleComposition(t, Transport))
			change(d)
			if err := d.Check(); err == nil {
				t.Error("the draft passes")
			}
		})
	}
}

// drawData draws data of any kind with every sort of text in them.
func drawData(t *rapid.T) CertData {
	c := sampleData(rapid.SampledFrom(allKinds()).Draw(t, "kind"))
	text := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ -~\r\n\x00-\x08àèìòù€]{0,200}`),
		rapid.SampledFrom([]string{
			"", " ", "  due  blank  ", "{id} {destinatari}", `"virgolette" & <tag>`, "]]>", "&#18;", "👍🏽 emoji",
			"x\r\nBcc: a@b.test", "x\r\n\r\n--0123", "=?UTF-8?Q?a?=", strings.Repeat("lungo ", 300), strings.Repeat("è", 9000),
			"--" + "----------=_" + boundary + "-1", "\xff\xfe rotto",
		}),
	)
	c.Subject = text.Draw(t, "subject")
	c.ReplyTo = text.Draw(t, "reply-to")
	c.Issuer = "Alfa " + text.Draw(t, "issuer")
	if c.Detail != "" {
		c.Detail = c.Detail + text.Draw(t, "detail")
	}
	c.ClientID = ClientID(rapid.SampledFrom([]string{"", "<a@b>", "<a&b$c@d>", "x y@z", "<a@b>\r\nX: y"}).Draw(t, "client id"))
	for range rapid.SampledFrom([]int{0, 1, 5, 100}).Draw(t, "more recipients") {
		c.Recipients = append(c.Recipients, Recipient{`"o'brien & c\\"@posta.test`, External})
	}
	return c
}

// TestComposeParse is the round trip: what is composed reads back as it was meant.
// norms.md 95, 105, 107
func TestComposeParse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		data := drawData(rt)
		c := sampleComposition(t, data.Kind)
		c.Data = data
		d := compose(t, c)
		m := parse(t, assembled(d, sampleBody))
		if err := m.Agrees(alfaSigner); err != nil {
			rt.Fatal(err)
		}
		if data.Kind != Anomaly && !m.Data.Equal(data.Clean()) {
			rt.Fatal(cmp.Diff(data.Clean(), m.Data))
		}
		checkSubject(rt, m.Header.Get("Subject"), d.Data)
		checkOtherParser(rt, assembled(d, sampleBody), d)
	})
}

// checkSubject wants the subject once decoded to be prefix and subject, with blanks for TABs and
// as a header value without blanks around.
func checkSubject(t *rapid.T, value string, c CertData) {
	want := SubjectPrefix(c.Kind, c.Reason) + strings.ReplaceAll(c.Subject, "\t", " ")
	if got := DecodeWords(value); got != want {
		t.Fatalf("subject %q, want %q", got, want)
	}
}

// checkOtherParser reads the message with the standard library, which knows nothing of us: same
// parts, same data, and the text says what the data say (norms.md 95, 96).
func checkOtherParser(t *rapid.T, message []byte, d *Draft) {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	signed := readMultipart(t, m.Header.Get("Content-Type"), m.Body)
	if len(signed) != 2 {
		t.Fatalf("%d signed parts", len(signed))
	}
	mixed := readMultipart(t, signed[0].contentType, bytes.NewReader(signed[0].body))
	var names []string
	for _, p := range mixed {
		names = append(names, p.name)
	}
	want := []string{""}
	if d.Kind != Anomaly {
		want = append(want, CertDataName)
		if !bytes.Equal(mixed[1].body, d.Data.XML()) {
			t.Fatalf("certification data:\n%s", mixed[1].body)
		}
	}
	if d.HasOriginal {
		want = append(want, OriginalName)
		if !bytes.HasSuffix(mixed[len(mixed)-1].body, []byte("\r\n\r\n"+sampleBody)) {
			t.Fatalf("original:\n%s", mixed[len(mixed)-1].body)
		}
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatal(diff)
	}
	checkTexts(t, readMultipart(t, mixed[0].contentType, bytes.NewReader(mixed[0].body)), d)
}

func checkTexts(t *rapid.T, texts []otherPart, d *Draft) {
	if len(texts) != 2 {
		t.Fatalf("%d texts", len(texts))
	}
	for _, p := range texts {
		if !strings.Contains(string(p.body), d.Data.At.Format("02/01/2006 alle ore 15:04:05 (-0700)")) {
			t.Fatalf("no instant in\n%s", p.body)
		}
		if d.Kind != Anomaly && !strings.Contains(string(p.body), string(d.Data.ID)) {
			t.Fatalf("no identifier in\n%s", p.body)
		}
	}
}

type otherPart struct {
	contentType, name string
	body              []byte
}

func readMultipart(t *rapid.T, contentType string, body io.Reader) []otherPart {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	var parts []otherPart
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		octets, err := io.ReadAll(decoded(p))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, otherPart{p.Header.Get("Content-Type"), p.FileName(), octets})
	}
}

func decoded(p *multipart.Part) io.Reader {
	switch p.Header.Get("Content-Transfer-Encoding") {
	case "quoted-printable":
		return quotedprintable.NewReader(p)
	case "base64":
		b, _ := io.ReadAll(p)
		return bytes.NewReader(decodeBase64(b))
	}
	return p
}

// TestSevenBit: all that we write is 7-bit (norms.md 109).
func TestSevenBit(t *testing.T) {
	for _, kind := range allKinds() {
		c := sampleComposition(t, kind)
		c.Data.Subject = "è € 👍"
		if s := scan(assembled(compose(t, c), sampleBody), nil); s.EightBit || s.LongestLine > 200 {
			t.Errorf("%s: eight bit %v, longest line %d", kind, s.EightBit, s.LongestLine)
		}
	}
}

// TestOpenSSLVerifies: another program finds the signed octets where we mean them to be.
func TestOpenSSLVerifies(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	openssl := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test",
		"-keyout", path("key"), "-out", path("crt"))
	for _, kind := range allKinds() {
		d := compose(t, sampleComposition(t, kind))
		body := sampleBody
		if !d.HasOriginal {
			body = ""
		}
		write(t, path("signed"), bytes.Join([][]byte{d.Before, []byte(body), d.After}, nil))
		openssl("cms", "-sign", "-binary", "-md", "sha256", "-outform", "DER", "-signer", path("crt"), "-inkey", path("key"),
			"-in", path("signed"), "-out", path("p7s"))
		p7s, err := os.ReadFile(path("p7s"))
		if err != nil {
			t.Fatal(err)
		}
		before, after := d.Assemble(p7s)
		write(t, path("message"), bytes.Join([][]byte{before, []byte(body), after}, nil))
		openssl("cms", "-verify", "-noverify", "-in", path("message"), "-out", path("verified"))
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkCompose(b *testing.B) {
	c := sampleComposition(b, Transport)
	for b.Loop() {
		d, err := Compose(c)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Check(); err != nil {
			b.Fatal(err)
		}
	}
}

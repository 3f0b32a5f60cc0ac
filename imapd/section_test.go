package imapd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/pec"
)

// numbered gives every part that has a number, by RFC 9051 6.4.5.1, written down apart from find.
func numbered(message *pec.Part, prefix string, into map[string]*pec.Part) {
	children := []*pec.Part{message}
	if message.Type == "multipart" && len(message.Children) > 0 {
		children = message.Children
	}
	for i, p := range children {
		number := strings.TrimPrefix(prefix+"."+strconv.Itoa(i+1), ".")
		into[number] = p
		switch {
		case len(p.Children) == 0:
		case p.Type == "multipart":
			numbered(p, number, into)
		case p.Type == "message":
			numbered(p.Children[0], number, into)
		}
	}
}

// TestEveryOctet: what is served is what was stored, whole and in all its parts (norms.md 94).
func TestEveryOctet(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	texts := map[uint32]string{}
	for _, text := range samples() {
		texts[h.put(t, "INBOX", text)] = text
	}
	c := h.login(t, "INBOX")
	for uid, text := range texts {
		fetch := func(section string) string {
			t.Helper()
			responses := c.ok(fmt.Sprintf("UID FETCH %d (BODY.PEEK[%s])", uid, section))
			if len(responses) != 1 {
				t.Fatalf("%q for %s", responses, section)
			}
			return literalOf(t, responses)
		}
		scanner := pec.NewScanner(nil)
		if _, err := io.WriteString(scanner, text); err != nil {
			t.Fatal(err)
		}
		root := scanner.Finish().Root
		want := map[string]string{"": text, "HEADER": text[:root.Body], "TEXT": text[root.Body:], "7": "", "1.1.1.1.1.1.1.1": "", "0": ""}
		parts := map[string]*pec.Part{}
		numbered(root, "", parts)
		for number, p := range parts {
			want[number] = text[p.Body:p.End]
			want[number+".MIME"] = text[p.Start:p.Body]
			want[number+".HEADER"], want[number+".TEXT"] = "", ""
			if p.Is("message", "rfc822") && len(p.Children) == 1 {
				m := p.Children[0]
				want[number+".HEADER"], want[number+".TEXT"] = text[m.Start:m.Body], text[m.Body:m.End]
			}
		}
		for section, octets := range want {
			if got := fetch(section); got != octets {
				t.Errorf("%.40q BODY[%s]: %.200q, want %.200q", text, section, got, octets)
			}
		}
		sizes := c.ok(fmt.Sprintf("UID FETCH %d (RFC822.SIZE)", uid))
		if !strings.Contains(sizes[0], fmt.Sprintf("RFC822.SIZE %d)", len(text))) {
			t.Errorf("%q, want %d", sizes, len(text))
		}
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(t, "INBOX", transport)
	c := h.login(t, "INBOX")
	const pdf = "%PDF-\x00\xff\r\n"
	cases := []struct{ item, name, want string }{
		{"BODY.PEEK[]<0.9>", "BODY[]<0>", "Received:"},
		{"BODY.PEEK[]<5.4>", "BODY[]<5>", "ved:"},
		{"BODY.PEEK[1.1]<10.1000>", "BODY[1.1]<10>", "di posta certificata"},
		{"BODY.PEEK[1.1]<1000.10>", "BODY[1.1]<1000>", ""},
		{"BODY.PEEK[HEADER.FIELDS (message-id SUBJECT nil)]", `BODY[HEADER.FIELDS ("message-id" "SUBJECT" "nil")]`,
			"Subject: POSTA CERTIFICATA: Una =?UTF-8?B?Y2l0dMOg?= lontana\r\nMessage-ID: <opec1.20261110091530.1@pec.alfa.test>\r\n\r\n"},
		{"BODY.PEEK[1.3.HEADER.FIELDS (To)]", `BODY[1.3.HEADER.FIELDS ("To")]`,
			"To: \"Rossi, Bruno\" <bruno@pec.beta.test>, carla@pec.beta.test (Carla Bianchi),\r\n Uffici: ufficio1@pec.beta.test, ufficio2@pec.beta.test;\r\n\r\n"},
		{"BODY.PEEK[1.3.HEADER.FIELDS.NOT (To From Date Sender Subject MIME-Version Content-Type)]",
			`BODY[1.3.HEADER.FIELDS.NOT ("To" "From" "Date" "Sender" "Subject" "MIME-Version" "Content-Type")]`,
			"Message-ID: <cliente-1@pec.alfa.test>\r\nIn-Reply-To: <uno@x> <due@y>\r\n\r\n"},
		{"BODY.PEEK[HEADER.FIELDS (Subject)]<0.7>", `BODY[HEADER.FIELDS ("Subject")]<0>`, "Subject"},
		{"BODY.PEEK[1.3.1]", "BODY[1.3.1]", "Perch=C3=A9 no, disse la volpe al=\r\nl'uva."},
		{"BODY.PEEK[2]", "BODY[2]", "MIIB"},
		{"BODY.PEEK[1.2.MIME]", "BODY[1.2.MIME]", "Content-Type: application/xml; name=\"daticert.xml\"\r\n" +
			"Content-Disposition: inline; filename=\"daticert.xml\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"},
		{"BINARY.PEEK[1.3.2]", "BINARY[1.3.2]", pdf},
		{"BINARY.PEEK[1.3.2]<1.3>", "BINARY[1.3.2]", "PDF"},
		{"BINARY.PEEK[1.3.1]", "BINARY[1.3.1]", "Perché no, disse la volpe all'uva."},
		{"RFC822.HEADER", "RFC822.HEADER", transport[:strings.Index(transport, "Questo")]},
		{"RFC822.TEXT", "RFC822.TEXT", transport[strings.Index(transport, "Questo"):]},
		{"RFC822", "RFC822", transport},
	}
	for _, cs := range cases {
		responses := c.ok("FETCH 1 (" + cs.item + ")")
		if got := literalOf(t, responses); got != cs.want {
			t.Errorf("%s: %q, want %q", cs.item, got, cs.want)
		}
		if !strings.Contains(responses[0], cs.name+" ") {
			t.Errorf("%s is answered %.100q, want %s", cs.item, responses[0], cs.name)
		}
	}
	c.wantLines("FETCH 1 (BINARY.SIZE[1.3.2] BINARY.SIZE[9])", fmt.Sprintf("* 1 FETCH (BINARY.SIZE[1.3.2] %d BINARY.SIZE[9] 0)", len(pdf)))
	c.want("FETCH 1 ("+strings.Repeat("BODY.PEEK[] ", 101)+"UID)", "NO [LIMIT]") // attacks.md 27
	c.want("FETCH 1 BODY[1.FOO]", "BAD")
	c.want("FETCH 2 BODY[]", "BAD")
	c.wantLines("UID FETCH 2:9 BODY[]")
}

func TestUnknownEncoding(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(t, "INBOX", crlf("Content-Transfer-Encoding: x-uue\n\nx\n"))
	h.put(t, "INBOX", crlf("Content-Transfer-Encoding: base64\n\n!!!\n"))
	c := h.login(t, "INBOX")
	c.want("FETCH 1 BINARY[1]", "NO [UNKNOWN-CTE]")
	c.want("FETCH 2 BINARY[1]", "NO [UNKNOWN-CTE]")
	c.want("FETCH 2 BINARY.SIZE[1]", "NO [UNKNOWN-CTE]")
	if got := literalOf(t, c.ok("FETCH 2 BODY[1]")); got != "!!!\r\n" {
		t.Errorf("%q", got)
	}
}

// TestLead: what delivery put before a message for one recipient is a part of its header and shifts everything else.
func TestLead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	h.put(t, "INBOX", transport)
	entries, err := h.store.Entries(ctx, h.folder(t, "INBOX").ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	const lead = "Return-Path: <x@y>\r\nDelivered-To: bruno@pec.beta.test\r\n"
	e := entries[0]
	e.Lead = []byte(lead)
	m, err := openMessage(ctx, h.store, e)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	body := strings.Index(transport, "Questo")
	cases := []struct {
		section imap.FetchItemBodySection
		want    string
	}{
		{imap.FetchItemBodySection{}, lead + transport},
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader}, lead + transport[:body]},
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierText}, transport[body:]},
		{imap.FetchItemBodySection{Part: []int{1, 3}}, inner},
		{imap.FetchItemBodySection{Part: []int{1, 3}, Specifier: imap.PartSpecifierHeader}, inner[:strings.Index(inner, "--dentro")]},
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Return-Path"}}, "Return-Path: <x@y>\r\n\r\n"},
	}
	for _, c := range cases {
		p, err := m.section(&c.section)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(p)
		if err != nil || string(got) != c.want || p.size != int64(len(c.want)) {
			t.Errorf("%+v: %q, %v, size %d; want %q", c.section, got, err, p.size, c.want)
		}
	}
}

func TestEnvelopeAndStructure(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	all := samples()
	names := []string{"transport", "plain", "forwarded", "digest", "multipart without one", "hidden message", "eight bit", "no header"}
	for _, name := range names {
		h.put(t, "INBOX", all[name])
	}
	c := h.login(t, "INBOX")

	innerEnvelope := `("Tue, 10 Nov 2026 09:15:00 +0100" "Una =?UTF-8?B?Y2l0dMOg?= lontana" ` +
		`(("=?UTF-8?Q?Anna_Citt=C3=A0?=" NIL "anna" "pec.alfa.test")) ((NIL NIL "segreteria" "pec.alfa.test")) ` +
		`(("=?UTF-8?Q?Anna_Citt=C3=A0?=" NIL "anna" "pec.alfa.test")) ` +
		`(("Rossi, Bruno" NIL "bruno" "pec.beta.test") ("Carla Bianchi" NIL "carla" "pec.beta.test") (NIL NIL "Uffici" NIL) ` +
		`(NIL NIL "ufficio1" "pec.beta.test") (NIL NIL "ufficio2" "pec.beta.test") (NIL NIL NIL NIL)) NIL NIL "<uno@x> <due@y>" "<cliente-1@pec.alfa.test>")`
	innerStructure := `(("text" "plain" ("charset" "utf-8" "format" "flowed") NIL NIL "quoted-printable" 42 1 NIL NIL ("it" "en-GB") NIL)` +
		`("application" "pdf" ("name" "fattura \"1\".pdf") "<parte2@x>" "la fattura" "base64" 12 NIL ("attachment" ("filename" "fattura.pdf" "size" "9")) NIL "http://x/y") ` +
		`"mixed" ("boundary" "dentro") NIL NIL NIL)`
	lines := strings.Count(inner, "\n")

	c.wantLines("FETCH 1 (ENVELOPE)", `* 1 FETCH (ENVELOPE ("Tue, 10 Nov 2026 09:15:30 +0100" "POSTA CERTIFICATA: Una =?UTF-8?B?Y2l0dMOg?= lontana" `+
		`(("Per conto di: anna@pec.alfa.test" NIL "posta-certificata" "pec.alfa.test")) (("Per conto di: anna@pec.alfa.test" NIL "posta-certificata" "pec.alfa.test")) `+
		`((NIL NIL "anna" "pec.alfa.test")) ((NIL NIL "bruno" "pec.beta.test")) NIL NIL NIL "<opec1.20261110091530.1@pec.alfa.test>"))`)
	c.wantLines("FETCH 1 (BODYSTRUCTURE)", `* 1 FETCH (BODYSTRUCTURE ((`+
		`("text" "plain" ("charset" "iso-8859-1") NIL NIL "quoted-printable" 30 0 NIL NIL NIL NIL)`+
		`("application" "xml" ("name" "daticert.xml") NIL NIL "base64" 16 NIL ("inline" ("filename" "daticert.xml")) NIL NIL)`+
		fmt.Sprintf(`("message" "rfc822" ("name" "postacert.eml") NIL NIL "7bit" %d %s %s %d NIL ("inline" ("filename" "postacert.eml")) NIL NIL) `, len(inner), innerEnvelope, innerStructure, lines)+
		`"mixed" ("boundary" "busta") NIL NIL NIL)`+
		`("application" "x-pkcs7-signature" ("name" "smime.p7s") NIL NIL "base64" 4 NIL ("attachment" ("filename" "smime.p7s")) NIL NIL) `+
		`"signed" ("boundary" "firma" "micalg" "sha-256" "protocol" "application/x-pkcs7-signature") NIL NIL NIL))`)
	c.wantLines("FETCH 2 BODY", `* 2 FETCH (BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 21 2))`)
	c.wantLines("FETCH 3 BODYSTRUCTURE", fmt.Sprintf(`* 3 FETCH (BODYSTRUCTURE ("message" "rfc822" NIL NIL NIL "7bit" %d %s %s %d NIL NIL NIL NIL))`,
		len(inner), innerEnvelope, innerStructure, lines))
	none := `(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)`
	c.wantLines("FETCH 4 BODY", `* 4 FETCH (BODY (`+
		`("message" "rfc822" NIL NIL NIL "7bit" 23 (NIL "primo" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0) 2)`+
		`("message" "rfc822" NIL NIL NIL "7bit" 27 (NIL "secondo" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 0) 2) "digest"))`)
	c.wantLines("FETCH 5 BODY", `* 5 FETCH (BODY ("application" "octet-stream" ("boundary" "mai") NIL NIL "7bit" 18))`)
	c.wantLines("FETCH 6 BODY", `* 6 FETCH (BODY (("message" "rfc822" NIL NIL NIL "base64" 32 `+none+` ("text" "plain" NIL NIL NIL "7bit" 0 0) 0) "mixed"))`)
	c.wantLines("FETCH 7 ENVELOPE", `* 7 FETCH (ENVELOPE (NIL "=?utf-8?q?citt=C3=A0?=" (("=?utf-8?q?citt=C3=A0?=" NIL "x" "y")) `+
		`(("=?utf-8?q?citt=C3=A0?=" NIL "x" "y")) (("=?utf-8?q?citt=C3=A0?=" NIL "x" "y")) NIL NIL NIL NIL NIL))`)
	c.wantLines("FETCH 8 ENVELOPE", `* 8 FETCH (ENVELOPE `+none+`)`)
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	cases := []struct {
		field string
		want  []imap.Address
	}{
		{"", nil},
		{"a@b", []imap.Address{{Mailbox: "a", Host: "b"}}},
		{"<@x,@y:a@b>", []imap.Address{{Mailbox: "a", Host: "b"}}},
		{`"a, b" <c@d>,,e@f`, []imap.Address{{Name: "a, b", Mailbox: "c", Host: "d"}, {Mailbox: "e", Host: "f"}}},
		{`"a b"@c (x (y) z)`, []imap.Address{{Name: "x (y) z", Mailbox: `"a b"`, Host: "c"}}},
		{"undisclosed-recipients:;", []imap.Address{{Mailbox: "undisclosed-recipients"}, {}}},
		{"senza dominio", []imap.Address{{Mailbox: "senza dominio", Host: missingHost}}},
		{"a <b@>", []imap.Address{{Name: "a", Mailbox: "b", Host: missingHost}}},
		{"mai chiuso <a@b", []imap.Address{{Name: "mai chiuso", Mailbox: "a", Host: "b"}}},
		{"<>", nil},
		{"gruppo: a@b", []imap.Address{{Mailbox: "gruppo"}, {Mailbox: "a", Host: "b"}, {}}},
	}
	for _, c := range cases {
		if got := addresses(c.field); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q: %+v, want %+v", c.field, got, c.want)
		}
	}
	if got := addresses(strings.Repeat("a@b,", 2*maxAddresses)); len(got) != maxAddresses {
		t.Errorf("%d addresses of one field", len(got))
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	cases := []struct {
		value, word string
		params      map[string]string
	}{
		{"", "", map[string]string{}},
		{"text/plain", "text/plain", map[string]string{}},
		{`a/b; X=1; x=2; y="q;\"z" (comment ; (inner)) ; bare; =v`, "a/b", map[string]string{"x": "1", "y": `q;"z`}},
		{"a/b; filename*=utf-8''citt%C3%A0", "a/b", map[string]string{"filename*": "utf-8''citt%C3%A0"}},
		{"a/b; name=\"citt\xe0\x00", "a/b", map[string]string{"name": "città"}},
		{"a/b (c); x=(y)z", "a/b", map[string]string{"x": "z"}},
	}
	for _, c := range cases {
		word, params := parameters(c.value)
		if word != c.word || fmt.Sprint(params) != fmt.Sprint(c.params) {
			t.Errorf("%q: %q %q, want %q %q", c.value, word, params, c.word, c.params)
		}
	}
}

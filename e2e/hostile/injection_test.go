package hostile

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// injection is a letter with one hostile text, and what the certification data must say of it.
type injection struct {
	name             string
	change           func(l *letter)
	subject, replyTo string   // "" means those of the plain letter
	differs          []string // fields of the envelope that a plain letter's has or has not
}

// TestHeaderInjection: XML and header injection through Subject, display names, Reply-To and Message-ID. The certification
// data of all four messages are valid and say exactly the value, without what neither XML nor a line can hold; no header of
// ours has a field more or less than that of a plain letter; the original is as it was (attacks.md 5).
// norms.md 23, 80, 97, 103, 107
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	cases := injections(from.Address, to.Address)
	c := s.submission(t, from)
	var ids []string
	var letters []letter
	for i, x := range cases {
		l := s.plainLetter(from, to)
		l.id = "<injection." + itoa(i) + "@client.test>"
		x.change(&l)
		r := c.transaction("<"+from.Address+">", []string{to.Address}, l.octets())
		if r.pecID() == "" {
			t.Fatalf("%s: %v", x.name, r)
		}
		ids, letters = append(ids, r.pecID()), append(letters, l)
	}
	all := s.outcomes(t, from, to, ids)
	var messages []message
	for i, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			for j, m := range all[i].all() {
				x.check(t, m, letters[i], from.Address, to.Address)
				if got, plain := x.comparable(m.fields()), x.comparable(all[0].all()[j].fields()); !slices.Equal(got, plain) {
					t.Errorf("%s: fields %q, those of a plain letter are %q", m.kind(), got, plain)
				}
			}
			wantOriginal(t, "envelope", all[i].envelope.original, letters[i].octets(), ids[i])
			wantOriginal(t, "receipt", all[i].delivered.original, letters[i].octets(), ids[i])
		})
		messages = append(messages, all[i].all()...)
	}
	validateXML(t, messages)
}

// comparable leaves out what may differ.
func (x injection) comparable(fields []string) []string {
	return slices.DeleteFunc(fields, func(name string) bool { return slices.Contains(x.differs, name) })
}

// check holds one message of the system against what it must say of its letter.
func (x injection) check(t *testing.T, m message, l letter, from, to string) {
	t.Helper()
	h := m.data.Header
	subject, replyTo := cmp.Or(x.subject, l.subject), cmp.Or(x.replyTo, from)
	if h.Subject != subject {
		t.Errorf("%s: oggetto is %q, not %q", m.kind(), clip(h.Subject), clip(subject))
	}
	if got := m.subject(t); !strings.HasSuffix(got, ": "+subject) {
		t.Errorf("%s: Subject is %q", m.kind(), clip(got))
	}
	if h.Sender != from || !slices.Equal(h.Recipients, []string{to}) || h.ReplyTo != replyTo {
		t.Errorf("%s: mittente %q, destinatari %q, risposte %q", m.kind(), h.Sender, h.Recipients, h.ReplyTo)
	}
	if m.data.Data.ClientID != l.id || m.header.Get("X-Riferimento-Message-ID") != l.id {
		t.Errorf("%s: msgid %q, X-Riferimento-Message-ID %q, not %q", m.kind(), m.data.Data.ClientID, m.header.Get("X-Riferimento-Message-ID"), l.id)
	}
	if !noBareLineEnds(m.octets) || strings.ContainsFunc(m.header.Get("Subject"), func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("%s: octets that no header may hold", m.kind())
	}
}

// word is an encoded word of any octets.
func word(charset, octets string) string {
	return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString([]byte(octets)) + "?="
}

func injections(from, to string) []injection {
	all := []injection{{name: "plain", change: func(*letter) {}}}
	subject := func(name, wire, value string, differs ...string) {
		all = append(all, injection{name: "Subject, " + name, change: func(l *letter) { l.subject = wire }, subject: value, differs: differs})
	}
	const closing = `</oggetto></intestazione><dati><identificativo>falso@x</identificativo>`
	subject("XML", closing, closing)
	subject("XML in a word", word("utf-8", closing+"\n"), closing+" ")
	subject("entities", `]]> & &amp; &#60; &lt;!ENTITY "' <![CDATA[ <?x ?>`, `]]> & &amp; &#60; &lt;!ENTITY "' <![CDATA[ <?x ?>`)
	subject("CRLF and a field", word("utf-8", "a\r\nX-Ricevuta: accettazione\r\n\r\ncorpo"), "a X-Ricevuta: accettazione  corpo")
	subject("CRLF in Q", "=?utf-8?Q?a=0D=0ABcc:_x@y.test=0D=0A?= b", "a Bcc: x@y.test  b")
	subject("CRLF cut in two words", word("utf-8", "a\r")+" "+word("utf-8", "\nX: y"), "a X: y")
	subject("bare CR and LF", word("utf-8", "a\nX: y\rZ: w"), "a X: y Z: w")
	subject("CRLF in UTF-16", word("utf-16be", "\x00a\x00\r\x00\n\x00X\x00:\x00y\x00<"), "a  X:y<") // read as ASCII, without its NULs
	subject("NUL and controls", word("utf-8", "a\x00b\x01\x1b[31m\x7f\u0085\u009bc"), "ab[31mc")
	subject("bidi", word("utf-8", "fattura\u202Efdp.exe\u202C\u2066x\u2069\u200F"), "fattura\u202Efdp.exe\u202C\u2066x\u2069\u200F")
	subject("what XML cannot hold", word("utf-8", "a\uFFFE\uFFFFb\x08"), "ab")
	subject("no charset of this world", "=?x-nessuno?Q?a=0D=0A=3Cb=3E?=", "a <b>")
	subject("a word in a word", word("utf-8", "=?utf-8?Q?=0D=0AX:_y?="), "=?utf-8?Q?=0D=0AX:_y?=")
	subject("unfinished words", "=?utf-8?Q?a =?utf-8?B?=== ?= =?", "=?utf-8?Q?a  =?")
	subject("eight bits", "citt\xc3\xa0 <b>", "città <b>", "Content-Transfer-Encoding")
	subject("eight bits of Windows", "citt\xe0 \x80 <b>", "città € <b>", "Content-Transfer-Encoding")
	subject("64 KB", strings.TrimPrefix(strings.Repeat("\r\n "+strings.Repeat("è<", 200), 110), "\r\n "), longSubject(), "Content-Transfer-Encoding")
	subject("a prefix of ours", "ACCETTAZIONE: POSTA CERTIFICATA: AVVISO DI MANCATA CONSEGNA: x", "ACCETTAZIONE: POSTA CERTIFICATA: AVVISO DI MANCATA CONSEGNA: x")

	display := func(name, sender, recipient string, differs ...string) {
		all = append(all, injection{name: "display name, " + name, differs: differs, change: func(l *letter) {
			l.from, l.to = sender+" <"+from+">", []string{recipient + " <" + to + ">"}
		}})
	}
	display("XML", `"</mittente><mittente>x@y.test"`, `"</destinatari><x a='"`)
	display("CRLF in words", word("utf-8", "a\r\nBcc: x@y.test\r\n\r\n"), word("utf-8", "b\r\nX-Trasporto: errore"))
	display("brackets and quotes", `"a\"<x@y.test>\\"`, `"\">,x@y.test,<"`)
	display("controls", "\"a\x01\x1b\"", "\"b\x02\"", "To") // what holds controls stays inside

	reply := func(name, wire, value string) {
		all = append(all, injection{name: "Reply-To, " + name, change: func(l *letter) { l.more = []string{"Reply-To: " + wire} }, replyTo: value})
	}
	reply("XML", `"</risposte><b>&" <x@y.test>`, `"</risposte><b>&" <x@y.test>`)
	reply("CRLF in a word", word("utf-8", "a\r\nX-Ricevuta: x\r\n\r\n")+" <x@y.test>", "a X-Ricevuta: x   <x@y.test>")
	reply("controls", "a\x01b <x@y.test>", "ab <x@y.test>")
	reply("no address", `<![CDATA[ \ ;:`, `<![CDATA[ \ ;:`)
	reply("folded", "a\r\n\t<x@y.test>,\r\n <z@y.test>", "a\t<x@y.test>, <z@y.test>")

	id := func(name, value string) {
		all = append(all, injection{name: "Message-ID, " + name, change: func(l *letter) { l.id = value }})
	}
	id("entities", `<a&amp;"'b]]&#60;@client.test>`)
	id("a word", "<=?utf-8?Q?=0D=0AX:_y?=@client.test>")
	id("250 octets", "<"+strings.Repeat("x", 238)+"@client.test>")
	all = append(all, injection{name: "Message-ID, none", change: func(l *letter) { l.id = "" }, differs: []string{"X-Riferimento-Message-ID"}})
	return all
}

// longSubject is what is written of the long one: 16 KiB at most, no character cut in two.
func longSubject() string {
	long := strings.TrimPrefix(strings.Repeat(" "+strings.Repeat("è<", 200), 110), " ")
	end := 16 << 10
	for end > 0 && long[end]&0xC0 == 0x80 {
		end--
	}
	return long[:end]
}

// TestMessageIDsThatAreRefused: what the certification data, a header or a log line could not bear (attacks.md 5).
func TestMessageIDsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "1")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	c := s.submission(t, from)
	for name, id := range map[string]string{
		"closing bracket": "<a>b@client.test>", "XML": "<</msgid>@client.test>", "CDATA": `<"<![CDATA[">@client.test>`,
		"two": "<a@b> <c@d>", "two, folded": "<a@b>\r\n <c@d>", "none": "", "no bracket": "a@b", "no at": "<ab>", "NEL": "<a\xc2\x85@b>", "control": "<a\x01@b>",
		"251 octets": "<" + strings.Repeat("x", 239) + "@client.test>", "64 KB": "<" + strings.Repeat("x", 64<<10) + "@client.test>",
		"64 KB, folded": "<" + strings.Repeat("x", 900) + strings.Repeat("\r\n "+strings.Repeat("x", 900), 72) + "@client.test>",
	} {
		l := s.plainLetter(from, to)
		l.id, l.more = "", []string{"Message-ID: " + id}
		if r := c.transaction("<"+from.Address+">", l.to, l.octets()); r.code != 550 || !strings.HasPrefix(r.text, "5.6.0 ") {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// TestHelloInjection: what a client calls itself stands in our Received as it is, or is refused; no log line, reply or field
// can be forged with it (attacks.md 5).
func TestHelloInjection(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "1")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	longest := strings.Repeat("x", 255)
	words := map[string]bool{ // whether it is taken
		"client.test": true, "[127.0.0.1]": true, "a&b#60;": false, "a&b": true, "=?utf-8?Q?=0D=0A?=": true, "{}|`$%'": true, longest: true,
		longest + "x": false, "<x>": false, "a(b)": false, `a"b"`: false, `a\b`: false, "a;b": false, "a,b": false, "a b": false, "a@b": false,
		"a\tb": false, "a\x00b": false, "a\x0bb": false, "a\x7fb": false, "a\x85b": false, "a\xe2\x80\xaeb": false, "a\rX: y": false, "a\nMAIL": false,
	}
	var ids, hellos []string
	for hello, good := range words {
		c := dialSMTP(t, s.alfa().Submissions, s.tls(t))
		r := c.say("EHLO %s", hello)
		if (r.code == 250) != good || !good && r.code/100 != 5 {
			t.Errorf("EHLO %q: %v", hello, r)
		}
		if strings.Contains(r.text, hello) {
			t.Errorf("EHLO %q is given back: %v", hello, r)
		}
		if !good {
			continue
		}
		c.say("AUTH PLAIN %s", plainResponse(from))
		if id := c.transaction("<"+from.Address+">", []string{to.Address}, s.plainLetter(from, to).octets()).pecID(); id != "" {
			ids, hellos = append(ids, id), append(hellos, hello)
		}
	}
	for i, o := range s.outcomes(t, from, to, ids) {
		received, _ := cutField(o.envelope.original)
		if !strings.HasPrefix(string(received), "Received: from "+hellos[i]+" ([127.0.0.1])\r\n\tby mx.pec.alfa.test with ESMTPSA id "+ids[i]+";\r\n\t") {
			t.Errorf("EHLO %q gives %q", hellos[i], received)
		}
	}
	if len(ids) != 6 {
		t.Errorf("%d messages were accepted", len(ids))
	}
}

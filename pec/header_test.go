package pec

import (
	"bytes"
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseHeader(t *testing.T) {
	block := crlf("A: 1\nSubject :  x\n y\n\tz \nEmpty:\na: 2\n\n")
	for _, b := range [][]byte{block, bytes.TrimSuffix(block, []byte("\r\n"))} {
		h := mustHeader(t, b)
		if !bytes.Equal(h.Raw(), b) {
			t.Errorf("raw %q", h.Raw())
		}
		if got := h.Values("A"); !cmp.Equal(got, []string{"1", "2"}) {
			t.Errorf("values %q", got)
		}
		if got := h.Get("SUBJECT"); got != "x y\tz" {
			t.Errorf("subject %q", got)
		}
		if h.Get("empty") != "" || h.Get("none") != "" || len(h.Fields()) != 4 {
			t.Errorf("fields %v", h.Fields())
		}
	}
}

// TestParseHeaderFaults: the error names the line, and the other fields are still read.
func TestParseHeaderFaults(t *testing.T) {
	cases := map[string]string{
		"A: b\r\nno field\r\nSubject: s\r\n":    "line 2",
		" continued\r\nSubject: s\r\n":          "line 1",
		"A: b\r\n: x\r\nSubject: s\r\n":         "line 2",
		"A: b\r\nB c: x\r\nSubject: s\r\n":      "line 2",
		"A: b\r\n c\r\nB: x\nSubject: s\r\n":    "line 3",
		"Subject: s\r\nA: b\rc\r\n":             "bare CR",
		"Subject: s\r\nA: b\x00c\r\n":           "NUL",
		"Subject: s\r\nA: b":                    "CRLF",
		"Subject: s\r\n\r\nA: b\r\n":            "line 2: the header ends here",
		"Subject: s\r\nÀ: b\r\n":                "line 2",
		"Subject: s\r\n\r\n folded onto it\r\n": "line 2",
	}
	for block, says := range cases {
		h, err := ParseHeader([]byte(block))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", block, err, says)
		}
		if h.Get("Subject") != "s" {
			t.Errorf("%q: subject %q", block, h.Get("Subject"))
		}
	}
}

// FuzzHeader: the fields of a good header are its octets, and every name is one.
func FuzzHeader(f *testing.F) {
	f.Add(crlf(sampleHeader))
	f.Add([]byte("A : b\r\n c\r\n\r\n"))
	f.Fuzz(func(t *testing.T, block []byte) {
		h, err := ParseHeader(block)
		var joined []byte
		for _, field := range h.Fields() {
			joined = append(joined, field.Raw...)
			if !isFieldName(field.Name) || strings.ContainsAny(field.Value(), "\r\n\x00") {
				t.Fatalf("field %q: %q", field.Name, field.Value())
			}
		}
		if err == nil && !bytes.Equal(joined, block) && !bytes.Equal(append(joined, "\r\n"...), block) {
			t.Fatalf("fields are %q of %q", joined, block)
		}
		_ = Check(ReadOriginal(h), Submitted{Sender: mario, Recipients: []Address{comune}}, DefaultLimits())
		_ = Role(block, comune)
	})
}

// TestDecodeWords is quirks.md B10 and F1.
func TestDecodeWords(t *testing.T) {
	cases := map[string]string{
		"":                                    "",
		"plain":                               "plain",
		"=?UTF-8?Q?Perch=C3=A9_no=3F?=":       "Perché no?",
		"=?utf8?b?UGVyY2jDqQ==?=":             "Perché",
		"=?UTF-8?B?UGVyY2jD?= =?UTF-8?B?qQ?=": "Perché", // a character cut in two
		"a =?UTF-8?Q?b?= \t =?UTF-8?Q?c?= d":  "a bc d",
		"=?UTF-8?Q?b?= c =?UTF-8?Q?d?=":       "b c d",
		"=?iso-8859-1?Q?=E8=80?=":             "è€",
		"=?ISO-8859-15?Q?=A4?=":               "€",
		"=?Cp1252?Q?=93x=94?=":                "“x”",
		"=?x-unknown?Q?=E8?=":                 "è",
		"=?UTF-8*it?Q?x?=":                    "x",
		"=?UTF-8?X?x?=":                       "=?UTF-8?X?x?=",
		"=?UTF-8?Q?x":                         "=?UTF-8?Q?x",
		"=?=?=?UTF-8?Q?x?=":                   "=?=?x",
		"=?UTF-8?Q?=ZZ=?=":                    "=ZZ=",
		"raw \xe8":                            "raw è",
		"raw è":                               "raw è",
		"=?UTF-8?Q?POSTA_CERTIFICATA=3A?=   =?UTF-8?Q?_x?=": "POSTA CERTIFICATA: x",
		"=?ISO-8859-1?Q?POSTA_CERTIFICATA:_a b?=":           "POSTA CERTIFICATA: a b",
		strings.Repeat("=?a?q?", 100_000):                   strings.Repeat("=?a?q?", 100_000),
	}
	for in, want := range cases {
		if got := DecodeWords(in); got != want {
			t.Errorf("%.60q: %.60q, want %.60q", in, got, want)
		}
	}
}

// TestEncodeSubject: every subject is lines of at most 76 columns that give it back, to us and
// to the standard library, and none ends its field (attacks.md 5).
// norms.md 107
func TestEncodeSubject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z=?_"]{1,90}( {1,3}[a-z=?_"]{1,90}){0,9}`),
			rapid.StringMatching(`[ -~\r\n\x00àè👍]{0,300}`), rapid.Just("a\r\nBcc: b")).Draw(t, "subject")
		value := EncodeSubject(s)
		for i, line := range strings.Split("Subject: "+value, "\r\n") {
			if len(line) > 76 || strings.ContainsAny(line, "\r\n") || !isASCII(line) {
				t.Fatalf("line %q", line)
			}
			if i > 0 && (line[0] != ' ' || strings.TrimSpace(line) == "") {
				t.Fatalf("continuation %q", line)
			}
		}
		want := strings.Map(controlToBlank, strings.ToValidUTF8(s, "\uFFFD"))
		unfolded := strings.ReplaceAll(value, "\r\n", "")
		if got := DecodeWords(unfolded); got != want {
			t.Fatalf("%q reads as %q, want %q", value, got, want)
		}
		if got, err := new(mime.WordDecoder).DecodeHeader(unfolded); err != nil || got != want {
			t.Fatalf("%q reads elsewhere as %q, want %q: %v", value, got, want, err)
		}
	})
}

func FuzzDecodeWords(f *testing.F) {
	f.Add("=?UTF-8?B?UGVyY2jD?= =?UTF-8?B?qQ?=")
	f.Add("=?iso-8859-15?Q?=A4_x")
	f.Fuzz(func(t *testing.T, s string) {
		if got := DecodeWords(s); !utf8.ValidString(got) {
			t.Fatalf("%q", got)
		}
	})
}

// TestFilename is quirks.md F2.
func TestFilename(t *testing.T) {
	cases := map[string]string{
		`Content-Disposition: attachment; filename="a.pdf"`:                                      "a.pdf",
		`Content-Disposition: attachment; filename=a.pdf; size=3`:                                "a.pdf",
		`Content-Type: x/y; NAME="a.pdf"`:                                                        "a.pdf",
		`Content-Disposition: attachment; filename="=?UTF-8?Q?perch=C3=A9.pdf?="`:                "perché.pdf",
		`Content-Disposition: attachment; filename="il "bello".pdf"; x=y`:                        `il "bello".pdf`,
		`Content-Disposition: attachment; filename="a\"b.pdf"`:                                   `a"b.pdf`,
		"Content-Disposition: attachment; filename=\"perch\xe9.pdf\"":                            "perché.pdf",
		"Content-Disposition: attachment;\r\n filename=\"a\r\n b.pdf\"":                          "a b.pdf",
		`Content-Disposition: attachment; filename*=UTF-8''perch%C3%A9.pdf`:                      "perché.pdf",
		`Content-Disposition: attachment; filename*0*=iso-8859-1'it'perch%E9; filename*1=".pdf"`: "perché.pdf",
		`Content-Disposition: attachment; filename="unterminated.pdf`:                            "unterminated.pdf",
		`Content-Disposition: attachment; filename=; name`:                                       "",
		`Content-Disposition: inline`:                                                            "",
		``:                                                                                       "",
	}
	for header, want := range cases {
		p := scan([]byte(header+"\r\n\r\n"), nil).Root
		if got := p.Filename(); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	good := []string{
		"a@b", "Mario.Rossi+pec@Comune.It", `"john doe"@x.test`, `"a\"b\\c"@x.test`, "a@x_y.test", "!#$%&'*+-/=?^_`{|}~@x",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + ".test",
	}
	for _, s := range good {
		if a, err := ParseAddress(s); err != nil || string(a) != s {
			t.Errorf("%q: %v", s, err)
		}
	}
	bad := []string{
		"", "a", "@b", "a@", "a@b@c", "a b@c", "a@b c", "a..b@c", ".a@c", "a.@c", "a@.c", "a@c.", "a@-c", "a@c-", "a@b..c",
		"<a@b>", "a@b>", "a\r\nRCPT TO:<x@y>@b", "a@b\r\n", "a\x00@b", `"a@b`, `a"b@c`, `"a"b"@c`, `"a\"@c`, "\"a\r\n b\"@c", `"<x>"@c`,
		"à@b.test", "a@à.test", "a@[127.0.0.1]", "(x)a@b", strings.Repeat("a", 65) + "@b", "a@" + strings.Repeat("b", 64) + ".test",
		"a@" + strings.Repeat("b.", 130) + "c",
	}
	for _, s := range bad {
		if _, err := ParseAddress(s); err == nil {
			t.Errorf("%q is an address", s)
		} else if !isASCII(err.Error()) || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("error %q", err)
		}
	}
}

func TestAddressKey(t *testing.T) {
	for s, want := range map[Address]string{
		"Mario@Pec.TEST": "mario@pec.test", `"Mario"@x.test`: "mario@x.test", `"a b"@X.test`: `"a b"@x.test`, `"a\b"@x`: "ab@x", "": "",
	} {
		if got := s.Key(); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
	if a := Address(`"a@b"@X.test`); a.Local() != `"a@b"` || a.Domain() != "x.test" {
		t.Errorf("%s %s", a.Local(), a.Domain())
	}
}

// norms.md 17
func TestIDs(t *testing.T) {
	id := NewID(instant(), "7", [10]byte{0xab, 9: 1}, "pec.alfa.test")
	if want := ID("cl7.20260919154119.ab000000000000000001@pec.alfa.test"); id != want {
		t.Errorf("%s, want %s", id, want)
	}
	if _, err := ParseID(string(id)); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"", "a", "<a@b>", "a b@c", "a@b\r\n", "à@b", strings.Repeat("a", 250) + "@b"} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("%q is an identifier", s)
		}
	}
}

// norms.md 1.1, quirks.md B13
func TestCutSubjectPrefix(t *testing.T) {
	for _, kind := range []Kind{Transport, Acceptance, NonAcceptance, TakenInCharge, VirusDetected, Delivered, NonDelivery, Overdue, Anomaly} {
		for _, reason := range []Reason{ReasonNone, ReasonVirus} {
			for _, prefix := range []string{SubjectPrefix(kind, reason), strings.ToLower(SubjectPrefix(kind, reason))} {
				if rest, found := CutSubjectPrefix(prefix + "Prova"); !found || rest != " Prova" {
					t.Errorf("of %q is left %q, %t", prefix, rest, found)
				}
			}
		}
	}
	for _, subject := range []string{"", "Prova", "CONSEGNA", "Re: CONSEGNA: Prova"} {
		if rest, found := CutSubjectPrefix(subject); found || rest != subject {
			t.Errorf("of %q is left %q, %t", subject, rest, found)
		}
	}
}

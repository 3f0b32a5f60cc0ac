package pec

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestBriefNames: the name of a hash is that of its file, whatever wrote it, in a header that is
// clean (attacks.md 5, 20; quirks.md F2).
func TestBriefNames(t *testing.T) {
	long := strings.Repeat("è", 200)
	for name, c := range map[string]struct{ fields, want string }{
		"plain":             {`Content-Type: a/b; name=a.pdf`, "a.pdf.hash"},
		"blanks":            {`Content-Type: a/b; name=" a  b "`, " a  b .hash"},
		"RFC 2231":          {`Content-Disposition: x; filename*=iso-8859-1'it'perch%E9.txt`, "perché.txt.hash"},
		"continued":         {"Content-Disposition: x; filename*0*=UTF-8''perch%C3%A9;\n filename*1=\" no\";\n filename*2*=%3F", "perché no?.hash"},
		"encoded words":     {"Content-Type: a/b; name=\"=?UTF-8?Q?perch=C3=A9?=\n =?UTF-8?Q?_no?=\"", "perché no.hash"},
		"a word in a word":  {`Content-Type: a/b; name="=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fx=3F=3D?="`, "=?UTF-8?Q?x?=.hash"},
		"raw UTF-8":         {`Content-Type: a/b; name="perché"`, "perché.hash"},
		"raw Latin-1":       {"Content-Type: a/b; name=\"perch\xe9\"", "perché.hash"},
		"quotes inside":     {`Content-Type: a/b; name="il "nuovo" atto.pdf"; x=y`, `il "nuovo" atto.pdf.hash`},
		"escapes":           {`Content-Type: a/b; name="a\"\\b"`, `a"\b.hash`},
		"a parameter":       {`Content-Type: a/b; name="a\"; name=c"`, `a"; name=c.hash`},
		"line ends":         {`Content-Disposition: x; filename*=UTF-8''a%0D%0ASubject:%20b%0D%0A%0D%0A--b`, "a  Subject: b    --b.hash"},
		"encoded line ends": {`Content-Type: a/b; name="=?UTF-8?Q?a=0D=0A=00b?="`, "a   b.hash"},
		"C1":                {`Content-Disposition: x; filename*=UTF-8''a%C2%85b`, "a b.hash"},
		"line separator":    {`Content-Disposition: x; filename*=UTF-8''a%E2%80%A8b`, "a\u2028b.hash"},
		"path":              {`Content-Type: a/b; name="../../etc/passwd"`, "../../etc/passwd.hash"},
		"other path":        {`Content-Type: a/b; name="C:\dir\x"`, `C:\dir\x.hash`},
		"server path":       {`Content-Disposition: x; filename*=UTF-8''%5C%5Cserver%5Cx`, `\\server\x.hash`},
		"long":              {`Content-Type: a/b; name="` + long + `"`, long + ".hash"},
		"long plain":        {`Content-Type: a/b; name="` + strings.Repeat("x", 900) + `"`, strings.Repeat("x", 900) + ".hash"},
		"too long":          {`Content-Type: a/b; name="` + strings.Repeat("x", 1023) + `è"`, strings.Repeat("x", 1023) + ".hash"},
	} {
		t.Run(name, func(t *testing.T) {
			header := append(crlf(mixedHeader), "--b\r\n"...)
			body := mustShorten(t, append(header, crlf(c.fields+"\n\nx\n--b--\n")...))
			checkHashFile(t, strings.TrimSuffix(strings.TrimPrefix(body, "--b\r\n"), "\r\n--b--\r\n"), c.want)
		})
	}
}

// checkHashFile reads a hash back and holds its header to what we write.
func checkHashFile(t fataler, part, name string) {
	part, sum := part[:len(part)-40], part[len(part)-40:]
	if strings.Trim(sum, "0123456789abcdef") != "" || !strings.HasSuffix(part, "\r\n\r\n") {
		t.Fatalf("no hash: %q", part+sum)
	}
	h, err := ParseHeader([]byte(part))
	if err != nil || len(h.Fields()) != 3 {
		t.Fatalf("%v, %d fields in %q", err, len(h.Fields()), part)
	}
	for line := range bytes.Lines([]byte(part)) {
		if len(line) > maxColumns+2 || bytes.ContainsFunc(bytes.TrimSuffix(line, []byte("\r\n")), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("line %q", line)
		}
	}
	p := &Part{Header: []byte(part)}
	p.setType()
	if !p.Is("text", "plain") || p.Filename() != name || p.Params["name"] != name {
		t.Fatalf("%s/%s %q and %q, want %q", p.Type, p.Subtype, p.Filename(), p.Params["name"], name)
	}
}

// TestBriefNameIsKept: any name comes back with its suffix, controls as blanks (attacks.md 5).
func TestBriefNameIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringN(1, 60, maxBriefName), rapid.StringMatching(`[ -~]{1,120}`)).Draw(t, "name")
		p := &Part{Type: "a", Header: []byte("Content-Disposition: x; filename*=UTF-8''" + percent(name))}
		want := strings.Map(controlToBlank, name) + hashSuffix
		if got := p.briefName(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		checkHashFile(t, string(briefPart(want, make([]byte, 20))), want)
	})
}

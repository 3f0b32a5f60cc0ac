package smtpd

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPaths(t *testing.T) {
	const bad = "\x00"
	for _, c := range []struct{ arg, reverse, forward, rest string }{
		{"<a@x.test>", "a@x.test", "a@x.test", ""},
		{"  <a@x.test>  SIZE=1 ", "a@x.test", "a@x.test", "SIZE=1 "},
		{"<A.b+c@X.Test>", "A.b+c@X.Test", "A.b+c@X.Test", ""},
		{"<@r.test:a@x.test>", "a@x.test", "a@x.test", ""},
		{"<@r.test,@s.test:a@x.test>", "a@x.test", "a@x.test", ""},
		{`<"a b"@x.test>`, `"a b"@x.test`, `"a b"@x.test`, ""},
		{`<"a>b@c"@x.test> P`, `"a>b@c"@x.test`, `"a>b@c"@x.test`, "P"},
		{`<"a\"\\"@x.test>`, `"a\"\\"@x.test`, `"a\"\\"@x.test`, ""},
		{`<"@r.test:"@x.test>`, `"@r.test:"@x.test`, `"@r.test:"@x.test`, ""},
		{`<""@x.test>`, `""@x.test`, `""@x.test`, ""},
		{"<a@[192.0.2.1]>", "a@[192.0.2.1]", "a@[192.0.2.1]", ""},
		{"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", ""},
		{"<a@localhost>", "a@localhost", "a@localhost", ""},
		{"<>", "", bad, ""},
		{"<> SIZE=1", "", bad, "SIZE=1"},
		{"<PostMaster>", bad, "PostMaster", ""},
		{"", bad, bad, ""},
		{"a@x.test", bad, bad, ""},
		{"<a@x.test", bad, bad, ""},
		{"<a@x.test>>", bad, bad, ""},
		{"<<a@x.test>>", bad, bad, ""},
		{"<a@x.test>SIZE=1", bad, bad, ""},
		{"<a>", bad, bad, ""},
		{"<@x.test>", bad, bad, ""},
		{"<a@>", bad, bad, ""},
		{"<a@b@x.test>", bad, bad, ""},
		{"<.a@x.test>", bad, bad, ""},
		{"<a..b@x.test>", bad, bad, ""},
		{"<a.@x.test>", bad, bad, ""},
		{"<a b@x.test>", bad, bad, ""},
		{"<a(c)@x.test>", bad, bad, ""},
		{"<a,b@x.test>", bad, bad, ""},
		{"<caffè@x.test>", bad, bad, ""},
		{"<a@caffè.test>", bad, bad, ""},
		{"<a@x..test>", bad, bad, ""},
		{"<a@-x.test>", bad, bad, ""},
		{"<a@x.test.>", bad, bad, ""},
		{"<a@x_y.test>", bad, bad, ""},
		{"<a@[x]>", bad, bad, ""},
		{"<a@[2001:db8::1]>", bad, bad, ""},
		{"<a@[IPv6:192.0.2.1]>", bad, bad, ""},
		{"<a@[IPv6:fe80::1%eth0]>", bad, bad, ""},
		{"<a@[192.0.2.1>", bad, bad, ""},
		{`<"a@x.test>`, bad, bad, ""},
		{`<"a"b@x.test>`, bad, bad, ""},
		{`<"a\>`, bad, bad, ""},
		{`<"a" @x.test>`, bad, bad, ""},
		{"<@r.test:>", bad, bad, ""},
		{"<@r.test,s.test:a@x.test>", bad, bad, ""},
		{"<@r_r:a@x.test>", bad, bad, ""},
		{"<" + strings.Repeat("a", 247) + "@x.test>", strings.Repeat("a", 247) + "@x.test", strings.Repeat("a", 247) + "@x.test", ""},
		{"<" + strings.Repeat("a", 248) + "@x.test>", bad, bad, ""},
		{"<a@" + strings.Repeat("b", 64) + ".test>", bad, bad, ""},
	} {
		for reverse, want := range map[bool]string{true: c.reverse, false: c.forward} {
			got, rest, err := parsePathArgument("TO:", "tO:"+c.arg, reverse)
			if err != nil {
				got, rest = bad, ""
			}
			if got != want || got != bad && rest != c.rest {
				t.Errorf("%q (reverse %v): %q, %q, %v; want %q, %q", c.arg, reverse, got, rest, err, want, c.rest)
			}
		}
	}
}

// What comes out between brackets goes in again as it was.
func TestPathRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[a-z0-9!#$%&'*+/=?^_{|}~-]{1,10}(\.[a-z0-9]{1,5}){0,3}|"([ !#-\[\]-~]|\\[ -~]){0,12}"`).Draw(t, "local")
		domain := rapid.StringMatching(`[a-z0-9]{1,8}(\.[a-z0-9][a-z0-9-]{0,5}[a-z0-9]){0,3}`).Draw(t, "domain")
		want := local + "@" + domain
		got, rest, err := parsePathArgument("FROM:", "FROM:<@r.test:"+want+"> SIZE=1", true)
		if err != nil || got != want || rest != "SIZE=1" {
			t.Fatalf("%q: %q, %q, %v", want, got, rest, err)
		}
	})
}

// A quoted path is taken whole or not at all: no parser that cuts at another bracket sees another address.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"<a@x.test> SIZE=1", `<"a>b"@x.test>`, "<@r:a@x.test>", "<>", "<postmaster>", "<a@[IPv6:::1]>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		address, rest, err := parsePathArgument("TO:", "TO:"+arg, false)
		if err != nil {
			return
		}
		again, _, err := parsePathArgument("TO:", "TO:<"+address+">", false)
		if err != nil || again != address || len(address)+2 > maxPath || strings.HasPrefix(rest, " ") {
			t.Fatalf("%q: %q, %q; again %q, %v", arg, address, rest, again, err)
		}
	})
}

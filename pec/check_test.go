package pec

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sampleSubmitted() Submitted {
	return Submitted{Sender: mario, Recipients: []Address{comune, studio, outsider}, Size: 1000, LongestLine: 78}
}

// TestCheck is RFC 6109 3.1.1, a case for each fault: what is changed in the header and in what
// SMTP said, and the codes and some words of the faults.
// norms.md 4 to 9
func TestCheck(t *testing.T) {
	many := func(n int) (list []Address) {
		for range n {
			list = append(list, comune)
		}
		return list
	}
	cases := map[string]struct {
		old, new string
		change   func(*Submitted)
		want     []string
	}{
		"good":                      {},
		"case of the sender":        {change: func(s *Submitted) { s.Sender = "mario.rossi@PEC.alfa.TEST" }},
		"quoting of the sender":     {change: func(s *Submitted) { s.Sender = `"Mario.Rossi"@pec.alfa.test` }}, // attacks.md 1
		"recipients twice":          {change: func(s *Submitted) { s.Recipients = append(s.Recipients, comune, studio) }},
		"fewer than named":          {change: func(s *Submitted) { s.Recipients = s.Recipients[:1] }},
		"no Message-ID":             {old: "Message-ID: <client-id@host.alfa.test>\n", new: ""},
		"empty Bcc":                 {old: "Cc: ", new: "Bcc:\nCc: "},
		"group":                     {old: "To: ", new: "To: amici:a@b.test,;, "},
		"comments":                  {old: "From: ", new: "From: (x (y) \\) z) "},
		"no header":                 {old: "Cc: ", new: "garbage\nCc: ", want: []string{"5.6.0 line 6"}},
		"no From":                   {old: "From: Mario Rossi <Mario.Rossi@pec.alfa.test>\n", new: "", want: []string{"5.1.7 missing"}},
		"empty From":                {old: "Mario Rossi <Mario.Rossi@pec.alfa.test>", new: "", want: []string{"5.1.7 missing"}},
		"two authors":               {old: "Mario Rossi <Mario.Rossi@pec.alfa.test>", new: "Mario.Rossi@pec.alfa.test, x@y.test", want: []string{"5.1.7 more than one"}},
		"two From":                  {old: "To: ", new: "From: x@y.test\nTo: ", want: []string{"5.6.0 From field is repeated", "5.1.7 more than one"}}, // attacks.md 1
		"the same From twice":       {old: "To: ", new: "From: Mario.Rossi@pec.alfa.test\nTo: ", want: []string{"5.6.0 repeated", "5.1.7 more than one"}},
		"address as name":           {old: "Mario Rossi <", new: "x@y.test <", want: []string{"5.1.7 invalid"}}, // attacks.md 1
		"address as quoted name":    {old: "Mario Rossi <", new: `"x@y.test" <`},
		"comment in the address":    {old: "Mario.Rossi@", new: "Mario.Rossi(x)@", want: []string{"5.1.7 invalid"}},
		"folding in the address":    {old: "Mario.Rossi@", new: "Mario.\n Rossi@", want: []string{"5.1.7 invalid"}}, // attacks.md 2
		"encoded address":           {old: "<Mario.Rossi@pec.alfa.test>", new: "=?UTF-8?Q?=3CMario.Rossi=40pec.alfa.test=3E?=", want: []string{"5.1.7 invalid"}},
		"two addresses in brackets": {old: "<Mario", new: "<x@y.test> <Mario", want: []string{"5.1.7 invalid"}},
		"route":                     {old: "<Mario", new: "<@x.test:Mario", want: []string{"5.1.7 invalid"}},
		"other reverse path":        {change: func(s *Submitted) { s.Sender = "x@pec.alfa.test" }, want: []string{"5.7.1 not the sender"}}, // attacks.md 1
		"no To":                     {old: "To: \"Comune, protocollo\" <protocollo@comune.beta.test>,\n studio@pec.beta.test\n", new: "", want: []string{"5.1.3 missing", "5.7.1 neither"}},
		"empty group":               {old: `To: "Comune, protocollo" <protocollo@comune.beta.test>,`, new: "To: nascosti:;\nX: ", want: []string{"5.1.3 missing", "5.7.1 neither"}},
		"invalid To":                {old: "studio@pec", new: "studio @pec", want: []string{"5.1.3 invalid", "5.7.1 neither"}},
		"invalid Cc":                {old: "anna@posta.test", new: "anna@posta.test>,", want: []string{"5.1.3 invalid", "5.7.1 neither"}}, // quirks.md B14
		"semicolons":                {old: ">,\n studio", new: ">;\n studio", want: []string{"5.1.3 invalid", "5.7.1 neither"}},
		"two To":                    {old: "Cc: ", new: "To: x@y.test\nCc: ", want: []string{"5.6.0 To field is repeated"}}, // attacks.md 2
		"recipient not named":       {change: func(s *Submitted) { s.Recipients = append(s.Recipients, "x@y.test") }, want: []string{`5.7.1 neither in To nor in Cc: "x@y.test"`}},
		"Bcc":                       {old: "Cc: ", new: "Bcc: x@y.test\nCc: ", want: []string{"5.7.1 Bcc"}}, // attacks.md 3
		"folded Bcc":                {old: "Cc: ", new: "Bcc:\n x@y.test\nCc: ", want: []string{"5.7.1 Bcc"}},
		"Bcc with a blank":          {old: "Cc: ", new: "bcc : x\nCc: ", want: []string{"5.7.1 Bcc"}},
		"second Bcc":                {old: "Cc: ", new: "Bcc:\nBcc: x\nCc: ", want: []string{"5.6.0 Bcc field is repeated", "5.7.1 Bcc"}},
		"two Message-IDs":           {old: "Message-ID", new: "Message-ID: <a@b>\nMessage-ID", want: []string{"5.6.0 Message-ID field is repeated"}},
		"Message-ID with XML":       {old: "<client-id@", new: "</msgid><client-id@", want: []string{"5.6.0 not valid"}}, // attacks.md 5
		"Message-ID with a blank":   {old: "client-id@", new: "client\n id@", want: []string{"5.6.0 not valid"}},
		"long Message-ID":           {old: "client-id@", new: strings.Repeat("x", 64<<10) + "@", want: []string{"5.6.0 not valid"}}, // attacks.md 5
		"empty Message-ID":          {old: "<client-id@host.alfa.test>", new: "", want: []string{"5.6.0 not valid"}},
		"long line":                 {change: func(s *Submitted) { s.LongestLine = 999 }, want: []string{"5.6.0 line of 999"}},
		"500 recipients":            {change: func(s *Submitted) { s.Recipients = many(500) }},
		"501 recipients":            {change: func(s *Submitted) { s.Recipients = many(501) }, want: []string{"5.5.3 501 recipients"}}, // attacks.md 2
		"product at the limit":      {change: func(s *Submitted) { s.Recipients, s.Size = many(4), 25_000_000 }},                       // attacks.md 6
		"product over the limit":    {change: func(s *Submitted) { s.Recipients, s.Size = many(4), 25_000_001 }, want: []string{"5.3.4 25000001 octets times 4"}},
		"all together": {old: "Cc: ", new: "Bcc: x\nCc: ", change: func(s *Submitted) { s.Sender, s.LongestLine = "x@y.test", 2000 },
			want: []string{"5.7.1 not the sender", "5.7.1 Bcc", "5.6.0 line of 2000"}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			header := strings.Replace(sampleHeader, test.old, test.new, 1)
			if test.old != "" && header == sampleHeader {
				t.Fatalf("%q is not in the header", test.old)
			}
			s := sampleSubmitted()
			if test.change != nil {
				test.change(&s)
			}
			h, _ := ParseHeader(crlf(header))
			checkFaults(t, Check(ReadOriginal(h), s, DefaultLimits()), test.want)
		})
	}
}

func checkFaults(t *testing.T, got []FormalError, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d faults: %v, want %q", len(got), got, want)
	}
	for i, f := range got {
		code, words, _ := strings.Cut(want[i], " ")
		if f.Enhanced != code || !strings.Contains(f.English, words) {
			t.Errorf("fault %s, want %q", f, want[i])
		}
		for _, text := range []string{f.Rule, f.Italian, f.English} {
			if text == "" || plain(text) != text {
				t.Errorf("text %q", text)
			}
		}
	}
	if len(want) > 0 && strings.Count(Description(got), "; ") < len(got)-1 {
		t.Errorf("description %q", Description(got))
	}
}

// TestCheckLeast: what the decree makes every provider accept is accepted whatever its limits
// (norms.md 10, 11).
func TestCheckLeast(t *testing.T) {
	o := ReadOriginal(mustHeader(t, crlf(sampleHeader)))
	mean := Limits{Recipients: 1, Product: 1}
	s := sampleSubmitted()
	s.Recipients = slices.Repeat([]Address{comune}, 50)
	s.Size = 600_000
	if faults := Check(o, s, mean); faults != nil {
		t.Errorf("refused: %v", faults)
	}
	s.Size++
	checkFaults(t, Check(o, s, mean), []string{"5.3.4 above"})
}

// TestReadOriginal is what the certification data repeat.
func TestReadOriginal(t *testing.T) {
	header := strings.Replace(sampleHeader, "Cc: ", "Reply-To: =?UTF-8?Q?Citt=C3=A0?= <altro@pec.alfa.test>\nCc: ", 1)
	got := ReadOriginal(mustHeader(t, crlf(header)))
	want := Original{
		From: []Address{mario}, To: []Address{comune, studio}, Cc: []Address{outsider},
		ReplyTo: []Address{"altro@pec.alfa.test"}, ReplyToRaw: "Città <altro@pec.alfa.test>",
		MessageIDs: 1, ClientID: clientID, Subject: "Perché no?", ReceiptType: Complete,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRole is norms.md 81 to 83.
func TestRole(t *testing.T) {
	cases := []struct {
		header  string
		primary bool
	}{
		{"To: A@b.test\nCc: x@y.test\n", true},
		{"To: x@y.test\nCc: c@d.test, \"n\" <a@B.test>\n", false},
		{"To: a@b.test\nCc: a@b.test\n", true},
		{"To: x@y.test\n", true},
		{"To: x y z\nCc: a@b.test\n", true}, // it could be meant there
		{"Cc: a@b.test\n", false},
		{"Cc: a@b.test\nbroken\n", true},
		{"", true},
	}
	for _, test := range cases {
		if got := Role(crlf(test.header), "a@b.test"); got != test.primary {
			t.Errorf("%q: primary %v", test.header, got)
		}
	}
}

// TestAddressListsNeverInvent: every address read stands in the text.
func TestAddressListsNeverInvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`([a-c@.<>,;:"\\() ]|a@b\.c){0,30}`).Draw(t, "list")
		addresses, _ := readAddressList(value)
		for _, a := range addresses {
			if !strings.Contains(value, string(a)) {
				t.Fatalf("%q gives %q", value, a)
			}
		}
	})
}

func ExampleCheck() {
	h, _ := ParseHeader([]byte("From: mario@pec.alfa.test\r\nTo: studio@pec.beta.test\r\nBcc: x@y.test\r\n"))
	submitted := Submitted{Sender: "mario@pec.alfa.test", Recipients: []Address{"studio@pec.beta.test"}}
	for _, fault := range Check(ReadOriginal(h), submitted, DefaultLimits()) {
		fmt.Println(fault)
	}
	// Output: 5.7.1 the Bcc field has a value: blind copies are not allowed
}

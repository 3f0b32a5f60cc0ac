package dispatch

import (
	"bufio"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestReadReply(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Reply
		err  string
	}{
		{"250 ok\r\n", Reply{Code: 250, Text: "ok"}, ""},
		{"250\r\n", Reply{Code: 250}, ""},
		{"550 5.1.1 no such user\r\n", Reply{Code: 550, Enhanced: "5.1.1", Text: "no such user"}, ""},
		{"550 5.1.1\r\n", Reply{Code: 550, Enhanced: "5.1.1"}, ""},
		{"550-5.7.1 not\r\n550-5.7.1 from\r\n550 5.7.1 you\r\n", Reply{Code: 550, Enhanced: "5.7.1", Text: "not from you"}, ""},
		{"550 4.1.1 of another class\r\n", Reply{Code: 550, Text: "4.1.1 of another class"}, ""},
		{"250 2.0.0x is no code\r\n", Reply{Code: 250, Text: "2.0.0x is no code"}, ""},
		{"450 caff\xe8 \x1b[31m\tpi\u00f9 \u202e\r\n", Reply{Code: 450, Text: "caff? ?[31m più ?"}, ""},
		{"250 " + strings.Repeat("è", 900) + "\r\n", Reply{Code: 250, Text: strings.Repeat("è", 256)}, ""},
		{"250-a\r\n251 b\r\n", Reply{}, "malformed"},
		{"250ok\r\n", Reply{}, "malformed"},
		{"25\r\n", Reply{}, "malformed"},
		{"\r\n", Reply{}, "malformed"},
		{"150 early\r\n", Reply{}, "malformed"},
		{"260 no such\r\n", Reply{}, "malformed"},
		{"25x ok\r\n", Reply{}, "malformed"},
		{"* OK IMAP4rev1\r\n", Reply{}, "malformed"},
		{"250 ok\n", Reply{}, "bare"},
		{"250 o\rk\r\n", Reply{}, "bare"},
		{"250 ok", Reply{}, "unexpected EOF"},
		{"250-ok\r\n", Reply{}, "EOF"},
		{"", Reply{}, "EOF"},
		{"250 " + strings.Repeat("x", maxReplyLine) + "\r\n", Reply{}, "more than 2048"},
		{strings.Repeat("250-x\r\n", 50) + "250 x\r\n", Reply{}, "more than 50"},
	} {
		l, err := readReply(bufio.NewReaderSize(strings.NewReader(c.in), maxReplyLine))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%.40q: error %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if err != nil || l.reply() != c.want {
			t.Errorf("%.40q: %+v, %v; want %+v", c.in, l, err, c.want)
		}
	}
}

func FuzzReplies(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 no\r\n", "421\r\n", "250 \x00\xff\r\n250 x", "2.5 a\r\n", "999 x\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReaderSize(strings.NewReader(string(in)), maxReplyLine)
		for {
			l, err := readReply(r)
			if err != nil {
				return
			}
			reply := l.reply()
			if reply.Code < 200 || reply.Code > 559 || len(l.text) > maxReplyLines || len(reply.Text) > maxReplyText {
				t.Fatalf("out of bounds: %d, %d lines, %d octets", reply.Code, len(l.text), len(reply.Text))
			}
			if s := reply.String(); !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Fatalf("not a safe line: %q", s)
			}
			_ = parseExtensions(l.text[1:])
		}
	})
}

func TestSafePath(t *testing.T) {
	for path, want := range map[string]bool{
		"a@b.test":                         true,
		`"a b>"@b.test`:                    true,
		`"a\" <"@b.test`:                   true,
		"":                                 false,
		"a@b.test> SIZE=1":                 false,
		"a@b.test\r\nDATA":                 false,
		"a b@b.test":                       false,
		`"a@b.test`:                        false,
		`"a"> X="b"@c.test`:                false,
		"è@b.test":                         false,
		strings.Repeat("a", 250) + "@b.it": false,
	} {
		if safePath(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

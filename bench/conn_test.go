package bench

import (
	"net"
	"strings"
	"testing"
	"time"
)

// canned is a peer that says what it holds, hears everything, and hangs up.
type canned struct {
	net.Conn
	*strings.Reader
}

func (c canned) Read(p []byte) (int, error)      { return c.Reader.Read(p) }
func (c canned) Write(p []byte) (int, error)     { return len(p), nil }
func (c canned) SetDeadline(time.Time) error     { return nil }
func (c canned) SetReadDeadline(time.Time) error { return nil }

func answered(text string) *conn { return newConn(canned{Reader: strings.NewReader(text)}) }

func TestReply(t *testing.T) {
	for _, c := range []struct{ said, err string }{
		{"250 2.0.0 fine\r\n", ""},
		{"250\r\n", ""},
		{"250-first\r\n250-second\r\n250 last\r\n", ""},
		{"550 5.7.1 no\r\n", `expected 250, got "550 5.7.1 no"`},
		{"250-first\r\n451 second\r\n", `got "451 second"`},
		{"25\r\n", `got "25"`},
		{"\r\n", `got ""`},
		{"250-first\r\n", "unexpected EOF"},
		{strings.Repeat("x", maxLine+1), "a line of more than"},
	} {
		s := &submission{conn: answered(c.said)}
		if err := s.command("250", "NOOP"); !fits(err, c.err) {
			t.Errorf("%.40q: got %v, want %q", c.said, err, c.err)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		said string
		want int
		err  string
	}{
		{"* STATUS INBOX (MESSAGES 12)\r\na1 OK done\r\n", 12, ""},
		{"* OK by the way\r\n* STATUS INBOX (MESSAGES 0)\r\na1 OK done\r\n", 0, ""},
		{"a1 OK done\r\n", 0, "STATUS was answered by"},
		{"* STATUS INBOX (MESSAGES many)\r\na1 OK done\r\n", 0, "expected integer"},
		{"a1 NO gone\r\n", 0, `STATUS: got "a1 NO gone"`},
		{"* BYE\r\n", 0, "STATUS: unexpected EOF"},
	} {
		in := &inbox{conn: answered(c.said)}
		got, err := in.messages()
		if got != c.want || !fits(err, c.err) {
			t.Errorf("%q: got %d and %v, want %d and %q", c.said, got, err, c.want, c.err)
		}
	}
}

func TestSettleRefusesTooMany(t *testing.T) {
	in := &inbox{conn: answered("* STATUS INBOX (MESSAGES 3)\r\na1 OK done\r\n"), address: "a@b", want: 2}
	if err := in.settle(t.Context()); !fits(err, "a@b has 3 messages where 2 were expected") {
		t.Errorf("got %v", err)
	}
}

func TestExistsWaitsForTheNumber(t *testing.T) {
	for _, c := range []struct{ said, err string }{
		{"* 4 EXISTS\r\n* 1 RECENT\r\n* 5 EXISTS\r\n", ""},
		{"* 6 EXISTS\r\n", ""},
		{"* 5 EXPUNGE\r\n* 4 EXISTS\r\n", "waiting for message 5 of a@b: unexpected EOF"},
		{"* 4 EXISTS\r\na0 OK idled\r\n", "waiting for message 5 of a@b: IDLE has ended"},
	} {
		in := &inbox{conn: answered(c.said), address: "a@b"}
		if _, err := in.exists(5); !fits(err, c.err) {
			t.Errorf("%q: got %v, want %q", c.said, err, c.err)
		}
	}
}

func fits(err error, want string) bool {
	if want == "" || err == nil {
		return want == "" && err == nil
	}
	return strings.Contains(err.Error(), want)
}

func TestSkip(t *testing.T) {
	c := answered(strings.Repeat("x", 3*maxLine) + "end\r\n")
	if err := c.skip(3 * maxLine); err != nil {
		t.Fatal(err)
	}
	if line, err := c.line(); line != "end" || err != nil {
		t.Errorf("got %q and %v", line, err)
	}
	if err := answered("abc").skip(5); !fits(err, "2 octets were still to come") || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestFetch(t *testing.T) {
	for _, c := range []struct {
		said string
		want int64
		err  string
	}{
		{"a1 OK selected\r\n* 3 FETCH (BODY[] {5}\r\nabcde)\r\na2 OK done\r\n", 5, ""},
		{"a1 OK selected\r\na2 OK there is none\r\n", 0, "FETCH was answered by"},
		{"a1 OK selected\r\n* 3 FETCH (BODY[] {50}\r\nabcde", 0, "FETCH: 45 octets were still to come"},
		{"a1 NO gone\r\n", 0, "EXAMINE: got"},
	} {
		in := &inbox{conn: answered(c.said)}
		got, err := in.fetch(3)
		if got != c.want && err == nil || !fits(err, c.err) || (err == nil) != (c.err == "") {
			t.Errorf("%q: got %d and %v, want %d and %q", c.said, got, err, c.want, c.err)
		}
	}
}

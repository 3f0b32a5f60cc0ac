package hostile

import (
	"fmt"
	"strings"
	"testing"
)

// bomb is a message that is small to write and large to whoever takes it apart carelessly: more header lines and a body.
type bomb struct {
	name string
	more []string
	body string
	code int // of the submission's reply
}

// TestMillionParts: attacks.md 6.
func TestMillionParts(t *testing.T) {
	t.Parallel()
	parts := strings.Repeat("--b\r\n\r\nx\r\n", 1_000_000)
	alternating := strings.Repeat("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n", 100_000)
	explode(t, []bomb{
		{"parts", ofParts("b"), parts + "--b--\r\n", 550},
		{"parts that never end", ofParts("b"), parts, 550},
		{"boundaries without parts", ofParts("b"), strings.Repeat("--b\r\n", 1_000_000), 550},
		{"ends of a multipart", ofParts("b"), "--b\r\n\r\nx\r\n" + strings.Repeat("--b--\r\n", 1_000_000), 250},
		{"multiparts", ofParts("b"), alternating, 550},
		{"messages", ofParts("b"), strings.Repeat("--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n", 100_000), 550},
		{"prefixes of the boundary", ofParts("b"), strings.Repeat("--bb\r\n--\r\n--B\r\n", 300_000), 250},
	})
}

// TestDeepNesting: attacks.md 6.
func TestDeepNesting(t *testing.T) {
	t.Parallel()
	var different, headers strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&different, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	for range 100_000 {
		headers.WriteString("Content-Type: message/rfc822\r\n\r\n")
	}
	same := strings.Repeat("--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", 50_000)
	explode(t, []bomb{
		{"multiparts", ofParts("b0"), different.String(), 550},
		{"multiparts with one boundary", ofParts("b"), same, 550},
		{"messages", []string{"Content-Type: message/rfc822"}, headers.String(), 550},
		{"comments", []string{"Comments: x", "Sender: " + folded(strings.Repeat("(", 50_000))}, "x\r\n", 250},
		{"comments in a type", []string{"Content-Type: text/plain" + folded(strings.Repeat("(", 50_000))}, "x\r\n", 250},
	})
}

// TestHeaderBomb: attacks.md 6.
func TestHeaderBomb(t *testing.T) {
	t.Parallel()
	small := strings.TrimSuffix(strings.Repeat("X: y\r\n", 150_000), "\r\n")
	large := strings.TrimSuffix(strings.Repeat("X: y\r\n", 1_500_000), "\r\n")
	words := folded(strings.Repeat("=?utf-8?Q?=3C?= ", 10_000))
	explode(t, []bomb{
		{"fields", []string{small}, "x\r\n", 250},
		{"too many fields", []string{large}, "x\r\n", 550},
		{"one field", []string{"X: " + folded(strings.Repeat("x", 5_000_000))}, "x\r\n", 550},
		{"a type's parameters", []string{"Content-Type: multipart/mixed" + folded(strings.Repeat("; a=b", 100_000)) + ";\r\n boundary=b"}, "--b\r\n\r\nx\r\n--b--\r\n", 250},
		{"continued parameters", []string{"Content-Type: text/plain" + continued(20_000)}, "x\r\n", 250},
		{"words in Reply-To", []string{"Reply-To: " + words + "<x@y.test>"}, "x\r\n", 250},
		{"too many words in Reply-To", []string{"Reply-To: " + folded(strings.Repeat("=?utf-8?Q?=3C?= ", 20_000)) + "<x@y.test>"}, "x\r\n", 550},
		{"far too many words in Reply-To", []string{"Reply-To: " + folded(strings.Repeat("=?utf-8?Q?=3C?= ", 40_000)) + "<x@y.test>"}, "x\r\n", 550},
		{"too many addresses", []string{"Cc: " + folded(strings.Repeat("a@b.test, ", 40_000)) + " a@b.test"}, "x\r\n", 550},
		{"far too many addresses", []string{"Cc: " + folded(strings.Repeat("a@b.test, ", 90_000)) + " a@b.test"}, "x\r\n", 550},
		{"addresses up to the limit", []string{"Cc: " + folded(strings.Repeat("a@b.test, ", 19_500)) + " a@b.test"}, "x\r\n", 250},
		{"addresses", []string{"Cc: " + folded(strings.Repeat("a@b.test, ", 15_000)) + " a@b.test"}, "x\r\n", 250},
		{"headers of parts", ofParts("b"), "--b\r\n" + strings.Repeat("--b\r\n"+strings.Repeat("X: y\r\n", 100), 2_000) + "\r\n--b--\r\n", 550},
		{"blanks", []string{"X:" + strings.Repeat("\r\n ", 300_000) + "x"}, "x\r\n", 250},
		{"no end", []string{small, "X: " + folded(strings.Repeat("x", 500_000))}, "", 550},
	})
}

// TestAboutTheBounds: as many parts, levels and header octets as are just looked at, or just not. What is accepted is
// delivered, with its complete receipt: no bound of another program on the way is narrower (attacks.md 6).
func TestAboutTheBounds(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "1")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	c := s.submission(t, from)
	var accepted []string
	refused := 0
	try := func(name string, header []string, body string) {
		l := s.plainLetter(from, to)
		l.more, l.body = header, body
		r := c.transaction("<"+from.Address+">", l.to, l.octets())
		switch {
		case r.pecID() != "":
			accepted = append(accepted, r.pecID())
		case r.code != 550 || !strings.HasPrefix(r.text, "5.6.0 "):
			t.Errorf("%s: %v", name, r)
		default:
			refused++
		}
	}
	for n := 9_990; n <= 10_002; n++ {
		try(fmt.Sprintf("%d parts", n), ofParts("b"), strings.Repeat("--b\r\n\r\nx\r\n", n)+"--b--\r\n")
	}
	for n := 55; n <= 66; n++ {
		try(fmt.Sprintf("%d messages", n), []string{"Content-Type: message/rfc822"}, strings.Repeat("Content-Type: message/rfc822\r\n\r\n", n)+"x\r\n")
	}
	for n := -3_000; n <= 0; n += 100 {
		field := strings.Repeat("X: "+strings.Repeat("x", 95)+"\r\n", ((1<<20)+n)/100)
		try(fmt.Sprintf("%d octets of fields", len(field)), []string{strings.TrimSuffix(field, "\r\n")}, "x\r\n")
	}
	if len(accepted) < 3 || refused < 3 {
		t.Errorf("%d were accepted and %d refused: the bounds are elsewhere", len(accepted), refused)
	}
	s.outcomes(t, from, to, accepted)
}

func ofParts(boundary string) []string {
	return []string{"Content-Type: multipart/mixed; boundary=" + boundary}
}

// folded cuts a value into lines that may be sent.
func folded(value string) string {
	var b strings.Builder
	for len(value) > 900 {
		b.WriteString("\r\n " + value[:900])
		value = value[900:]
	}
	return b.String() + "\r\n " + value
}

// continued is a parameter in pieces (RFC 2231 3).
func continued(pieces int) string {
	var b strings.Builder
	for i := range pieces {
		fmt.Fprintf(&b, ";\r\n name*%d*=%%41", i)
	}
	return b.String()
}

// moreMemory is what bombs may add to the most memory that two providers in one process have had, in MB. Each octet held
// once for every octet sent would be more.
const moreMemory = 150

// explode sends each bomb through three doors: as a holder's submission, as what another provider could send to port 25, and
// into a holder's folder, where all that IMAP can ask about it is asked.
func explode(t *testing.T, bombs []bomb) {
	s := startSandbox(t, "2")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	s.wantService(t)
	before := s.peak(t)
	submission := s.submission(t, from)
	var accepted []string
	for i, b := range bombs {
		l := s.plainLetter(from, to)
		l.id, l.more, l.body = fmt.Sprintf("<bomba.%d@client.test>", i), append([]string{"MIME-Version: 1.0"}, b.more...), b.body
		t.Run(b.name, func(t *testing.T) {
			r := submission.transaction("<"+from.Address+">", l.to, l.octets())
			if r.code != b.code || r.code == 550 && !strings.HasPrefix(r.text, "5.6.0 ") {
				t.Errorf("submission: %v", r)
			}
			if id := r.pecID(); id != "" {
				accepted = append(accepted, id)
			}
			s.explodeAtPort25(t, from, to, l)
			s.explodeInFolder(t, s.alfa().Mailboxes[1], l)
		})
	}
	s.outcomes(t, from, to, accepted)
	if after := s.peak(t); after-before > moreMemory {
		t.Errorf("%d MB before, %d MB after", before, after)
	}
}

// explodeAtPort25 sends a bomb as ordinary mail, and as what looks like PEC: both are refused.
func (s *sandbox) explodeAtPort25(t *testing.T, from, to account, l letter) {
	t.Helper()
	c := s.peer(t, s.beta())
	if r := c.transaction("<"+from.Address+">", []string{to.Address}, l.octets()); r.code != 550 {
		t.Errorf("port 25, ordinary: %v", r)
	}
	l.more = append([]string{"X-Trasporto: posta-certificata"}, l.more...)
	if r := c.transaction("<"+from.Address+">", []string{to.Address}, l.octets()); r.code != 550 {
		t.Errorf("port 25, with the look of PEC: %v", r)
	}
}

// explodeInFolder puts a bomb into a folder and asks about it; whatever is answered, the next command is served.
func (s *sandbox) explodeInFolder(t *testing.T, a account, l letter) {
	t.Helper()
	c := s.login(t, a)
	if status := c.appendTo("INBOX", l.octets()); !strings.HasPrefix(status, "OK") {
		t.Fatalf("APPEND: %s", status)
	}
	c.do("SELECT INBOX")
	for _, command := range []string{
		"FETCH * (ENVELOPE BODYSTRUCTURE)", "FETCH * BODY", "FETCH * (BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[1.1.1.1.1.MIME])", "FETCH * BINARY.SIZE[1]",
		"SEARCH SUBJECT nulla", "SEARCH TEXT nulla", "SEARCH HEADER X nulla",
	} {
		if _, status := c.finish(c.begin("%s", command)); !strings.HasPrefix(status, "OK") && !strings.HasPrefix(status, "NO") {
			t.Errorf("%s: %s", command, status)
		}
	}
	for _, r := range c.do("FETCH * BODY.PEEK[]") {
		if len(r.literals) != 1 || r.literals[0] != string(l.octets()) {
			t.Error("the message comes back with other octets")
		}
	}
	c.do(`STORE * +FLAGS (\Deleted)`)
	c.do("EXPUNGE")
	c.do("LOGOUT")
}

package hostile

import (
	"fmt"
	"strings"
	"testing"
)

// The limits that TestLyingSizes configures: the least that a provider must accept (D.M. 2 November 2005 art. 12), and what
// one message may have.
const (
	product    = 30_000_000
	recipients = 50
	largest    = 31_000_000
)

// TestLyingSizes: what counts is what came, not what was declared, and the limits are exact: to the octet at the product
// of size and recipients, to the recipient, to the octet at the largest message (attacks.md 6).
// norms.md 10 to 12
func TestLyingSizes(t *testing.T) {
	t.Parallel()
	s := startAlfa(t, func(config string) string {
		return strings.Replace(config, "[limits]\n", fmt.Sprintf("[limits]\nproduct = %d\nrecipients = %d\nmessage = %d\n", product, recipients, largest), 1)
	})
	from := s.alfa().Mailboxes[0]
	c := s.submission(t, from)
	for _, x := range []struct {
		name            string
		declared        string // parameters of MAIL
		recipients      int
		size            int
		code            int
		enhanced        string // of the reply that refuses; "" if the message is accepted
		notEvenStarting bool   // it is refused before DATA
	}{
		{"fifty at the product", "", 50, product / 50, 250, "", false},
		{"fifty, one octet over", "", 50, product/50 + 1, 552, "5.3.4", false},
		{"three at the product", "", 3, product / 3, 250, "", false},
		{"three, one octet over", "", 3, product/3 + 1, 552, "5.3.4", false},
		{"one at the product", "", 1, product, 250, "", false},
		{"one, one octet over", "", 1, product + 1, 552, "5.3.4", false},
		{"fifty-one", "", 51, 1000, 452, "4.5.3", true},
		{"less declared than sent", " SIZE=1", 2, 100_000, 250, "", false},
		{"less declared than sent, over the product", " SIZE=1", 50, product/50 + 1, 552, "5.3.4", false},
		{"more declared than sent", fmt.Sprintf(" SIZE=%d", largest), 2, 1000, 250, "", false},
		{"nothing declared", " SIZE=0", 2, 1000, 250, "", false},
		{"the largest, which is over the product", "", 1, largest, 552, "5.3.4", false},
		{"over the largest", " SIZE=10", 1, largest + 1, 552, "5.3.4", false},
		{"over the largest, declared", fmt.Sprintf(" SIZE=%d", largest+1), 1, 0, 552, "5.3.4", true},
		{"more than an integer holds", " SIZE=99999999999999999999", 1, 0, 552, "5.3.4", true},
		{"more digits than there may be", " SIZE=" + strings.Repeat("1", 21), 1, 0, 501, "5.5.4", true},
		{"negative", " SIZE=-1", 1, 0, 501, "5.5.4", true},
		{"hexadecimal", " SIZE=0x10", 1, 0, 501, "5.5.4", true},
		{"twice", " SIZE=10 SIZE=10", 1, 0, 501, "5.5.4", true},
		{"in words", " SIZE=", 1, 0, 501, "5.5.4", true},
	} {
		l := s.plainLetter(from, s.beta().Mailboxes[0])
		l.to = manyRecipients(x.recipients, s.beta().Domain)
		r := c.envelope("<"+from.Address+">"+x.declared, l.to)
		if started := r.code == 250; started && !x.notEvenStarting {
			r = c.data(padded(t, l, x.size))
		} else if c.say("RSET"); started == x.notEvenStarting {
			t.Errorf("%s: %v before DATA", x.name, r)
		}
		if r.code != x.code || !strings.HasPrefix(r.text, x.enhanced) || x.enhanced == "" && r.pecID() == "" {
			t.Errorf("%s: %v", x.name, r)
		}
	}
}

func manyRecipients(n int, domain string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("nessuno%d@%s", i, domain))
	}
	return all
}

// padded is a letter of exactly so many octets.
func padded(t *testing.T, l letter, size int) []byte {
	t.Helper()
	header := l.octets()
	missing := size - len(header)
	if missing < 100 {
		t.Fatalf("a letter of %d octets has no room for its header of %d", size, len(header))
	}
	const line = 80
	body := strings.Repeat(strings.Repeat("x", line-2)+"\r\n", missing/line-1)
	last := missing - len(body) - 2
	return append(header, body+strings.Repeat("x", last)+"\r\n"...)
}

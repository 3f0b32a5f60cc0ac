package hostile

import (
	"slices"
	"strings"
	"testing"
)

// attempt is a submission that pretends something. Refused it has the enhanced code, accepted "".
type attempt struct {
	name   string
	change func(l *letter)
	mail   string   // argument of MAIL FROM; "" means the sender's own
	to     []string // of RCPT; nil means the letter's recipient
	want   string
}

// attempts sends each on one connection, and gives the ids of what was accepted, in order.
func (s *sandbox) attempts(t *testing.T, from, to account, all []attempt) (accepted []attempt, letters []letter, ids []string) {
	t.Helper()
	c := s.submission(t, from)
	for _, a := range all {
		l := s.plainLetter(from, to)
		a.change(&l)
		if a.mail == "" {
			a.mail = "<" + from.Address + ">"
		}
		if a.to == nil {
			a.to = []string{to.Address}
		}
		r := c.transaction(a.mail, a.to, l.octets())
		switch {
		case a.want == "" && r.pecID() == "" || a.want != "" && (r.code/100 != 5 || !strings.HasPrefix(r.text, a.want+" ")):
			t.Errorf("%s: %v", a.name, r)
		case a.want == "":
			accepted, letters, ids = append(accepted, a), append(letters, l), append(ids, r.pecID())
		}
	}
	return accepted, letters, ids
}

func more(lines ...string) func(*letter) { return func(l *letter) { l.more = lines } }
func author(from string) func(*letter)   { return func(l *letter) { l.from = from } }
func sameLetter(*letter)                 {}

// TestSenderTricks: whoever a message says that it is from, its sender is the mailbox that logged in, in MAIL, in From, in
// the certification data and on the envelope (attacks.md 1).
func TestSenderTricks(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	from, to, other := s.alfa().Mailboxes[0], s.beta().Mailboxes[0], s.alfa().Mailboxes[1].Address
	local, domain, _ := strings.Cut(from.Address, "@")
	accepted, letters, ids := s.attempts(t, from, to, []attempt{
		{"MAIL of another tenant", sameLetter, "<" + other + ">", nil, "5.7.1"},
		{"MAIL of the same name at another domain", sameLetter, "<" + local + "@comune.alfa.test>", nil, "5.7.1"},
		{"MAIL of the signing address", sameLetter, "<posta-certificata@" + domain + ">", nil, "5.7.1"},
		{"MAIL of nobody", sameLetter, "<>", nil, "5.7.1"},
		{"MAIL with a route", sameLetter, "<@x.test:" + from.Address + ">", nil, ""},
		{"MAIL with a comment", sameLetter, "<" + local + "(x)@" + domain + ">", nil, "5.1.7"},
		{"MAIL of two", sameLetter, "<" + from.Address + "," + other + ">", nil, "5.1.7"},
		{"MAIL in other letters", sameLetter, "<" + strings.ToUpper(from.Address) + ">", nil, ""},
		{"MAIL quoted", sameLetter, `<"` + local + `"@` + domain + ">", nil, ""},
		{"MAIL quoted, another", sameLetter, `<"` + from.Address + `"@x.test>`, nil, "5.7.1"},
		{"MAIL with AUTH of another", sameLetter, "<" + from.Address + "> AUTH=" + other, nil, ""},
		{"From in other letters", author(strings.ToUpper(from.Address)), "", nil, ""},
		{"From quoted", author(`"` + local + `"@` + domain), "", nil, ""},
		{"From of another", author(other), "", nil, "5.7.1"},
		{"From of the signing address", author("posta-certificata@" + domain), "", nil, "5.7.1"},
		{"From with the own address as name", author(`"` + from.Address + `" <` + other + ">"), "", nil, "5.7.1"},
		{"From with another address as name", author(`"` + other + `" <` + from.Address + ">"), "", nil, ""},
		{"From with the name in a word", author(word("utf-8", other+" <x@y>") + " <" + from.Address + ">"), "", nil, ""},
		{"From wholly in a word", author(word("utf-8", from.Address)), "", nil, "5.1.7"},
		{"From in a group", author("amici: " + from.Address + ";"), "", nil, ""},
		{"From in a group of two", author("amici: " + from.Address + ", " + other + ";"), "", nil, "5.1.7"},
		{"From with a comment", author("(" + other + ") " + from.Address + " (x (y))"), "", nil, ""},
		{"From with two in brackets", author("<" + other + "> <" + from.Address + ">"), "", nil, "5.1.7"},
		{"From with a dangling bracket", author("<" + from.Address + "> <" + other), "", nil, "5.1.7"},
		{"From and From", more("From: " + other), "", nil, "5.6.0"},
		{"From and from", more("fRoM : " + other), "", nil, "5.6.0"},
		{"From with a letter like another", author(strings.Replace(from.Address, "a", "\u0430", 1)), "", nil, "5.1.7"},
		{"From at a domain like another", author(local + "@" + strings.Replace(domain, "pec", "p\u0435c", 1)), "", nil, "5.1.7"},
		{"From at an encoded domain", author(local + "@xn--pc-7lc.alfa.test"), "", nil, "5.7.1"},
		{"From continued by nothing", author("\r\n " + from.Address), "", nil, ""},
		{"Sender and Resent", more("Sender: "+other, "Resent-From: "+other, "Resent-Sender: "+other, "Resent-To: x@y.test", "X-Original-Sender: "+other), "", nil, ""},
		{"Sender twice", more("Sender: "+other, "Sender: "+from.Address), "", nil, "5.6.0"},
		{"From with a NUL", author(from.Address + "\x00" + other), "", nil, "5.6.11"}, // it ends the connection
	})
	for i, o := range s.outcomes(t, from, to, ids) {
		for _, m := range o.all() {
			if m.data.Header.Sender != from.Address {
				t.Errorf("%s: mittente of %s is %q", accepted[i].name, m.kind(), m.data.Header.Sender)
			}
		}
		if got := o.envelope.header["From"]; !slices.Equal(got, []string{`"Per conto di: ` + from.Address + `" <posta-certificata@` + domain + ">"}) {
			t.Errorf("%s: From of the envelope is %q", accepted[i].name, got)
		}
		if got := o.envelope.header["Sender"]; got != nil {
			t.Errorf("%s: the envelope has the Sender %q", accepted[i].name, got)
		}
		wantOriginal(t, accepted[i].name, o.envelope.original, letters[i].octets(), ids[i])
	}
}

// TestRecipientTricks: whoever gets a message stands in To or Cc as plain addresses, and nobody hides (attacks.md 2, 3).
func TestRecipientTricks(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	from, to, second := s.alfa().Mailboxes[0], s.beta().Mailboxes[0], s.beta().Mailboxes[1].Address
	local, domain, _ := strings.Cut(to.Address, "@")
	addressed := func(value string) func(*letter) { return func(l *letter) { l.to = []string{value} } }
	both := []string{to.Address, second}
	accepted, letters, ids := s.attempts(t, from, to, []attempt{
		{"not named", sameLetter, "", both, "5.7.1"},
		{"named in a second To", more("To: " + second), "", both, "5.6.0"},
		{"named in a second Cc", more("Cc: "+second, "Cc: x@y.test"), "", both, "5.6.0"},
		{"named as a comment", addressed(to.Address + " (" + second + ")"), "", both, "5.7.1"},
		{"named as a display name", addressed(`"` + second + `" <` + to.Address + ">"), "", both, "5.7.1"},
		{"named in a word", addressed(to.Address + ", " + word("utf-8", second)), "", both, "5.1.3"},
		{"named across a fold", addressed(local + "\r\n @" + domain), "", nil, "5.1.3"},
		{"named with a comment inside", addressed(local + "(x)@" + domain), "", nil, "5.1.3"},
		{"named with semicolons", addressed(to.Address + "; " + second), "", both, "5.1.3"},
		{"in a hidden group", addressed("undisclosed-recipients:;"), "", nil, "5.1.3"},
		{"in a group", addressed("amici: " + to.Address + ", altri@x.test;"), "", nil, ""},
		{"in a group that does not end", addressed("amici: " + to.Address), "", nil, ""},
		{"named in other letters", addressed(strings.ToUpper(to.Address)), "", nil, ""},
		{"To after a fold", addressed("\r\n\t" + to.Address), "", nil, ""},
		{"empty To, in Cc", func(l *letter) { l.to, l.more = nil, []string{"To: ", "Cc: " + to.Address} }, "", nil, "5.1.3"},
		{"To in Resent-To alone", func(l *letter) { l.to, l.more = nil, []string{"Resent-To: " + to.Address} }, "", nil, "5.1.3"},
		{"RCPT twice", sameLetter, "", []string{to.Address, to.Address, strings.ToUpper(to.Address)}, ""},
		{"Bcc", more("Bcc: x@y.test"), "", nil, "5.7.1"},
		{"Bcc with a comment", more("Bcc: (nessuno)"), "", nil, "5.7.1"},
		{"Bcc folded", more("Bcc:\r\n x@y.test"), "", nil, "5.7.1"},
		{"Bcc with a blank and other letters", more("bCC \t: x@y.test"), "", nil, "5.7.1"},
		{"Bcc behind an empty one", more("Bcc:", "Bcc: x@y.test"), "", nil, "5.6.0"},
		{"Bcc empty", more("Bcc:"), "", nil, ""},
		{"Bcc in an inner message", func(l *letter) {
			l.more, l.body = []string{"Content-Type: message/rfc822"}, "From: a@b.test\r\nTo: c@d.test\r\nBcc: x@y.test\r\n\r\nCiao.\r\n"
		}, "", nil, ""},
	})
	for i, o := range s.outcomes(t, from, to, ids) {
		for _, got := range o.envelope.data.Header.Recipients {
			if !strings.EqualFold(got, to.Address) {
				t.Errorf("%s: destinatari are %q", accepted[i].name, o.envelope.data.Header.Recipients)
			}
		}
		wantOriginal(t, accepted[i].name, o.envelope.original, letters[i].octets(), ids[i])
	}
	if box := s.inbox(t, s.beta().Mailboxes[1]); len(box) > 0 {
		t.Errorf("%d messages reached who was not named", len(box))
	}
}

// TestRepeatedMessageIDs: a Message-ID that comes again, from the same holder with other words or from another with the
// same, makes a message of its own; the very same submission is answered as before, and nothing is issued (attacks.md 5).
func TestRepeatedMessageIDs(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	first, second, to := s.alfa().Mailboxes[0], s.alfa().Mailboxes[1], s.beta().Mailboxes[0]
	l := s.plainLetter(first, to)
	id := s.submit(t, first, l)
	if again := s.submit(t, first, l); again != id {
		t.Errorf("the same submission is %s and then %s", id, again)
	}
	l.body = "Altro.\r\n"
	other := s.submit(t, first, l)
	l.from, l.body = second.Address, "Ciao.\r\n"
	foreign := s.submit(t, second, l)
	if other == id || foreign == id || foreign == other {
		t.Errorf("ids are %s, %s, %s", id, other, foreign)
	}
	s.outcomes(t, first, to, []string{id, other})
	s.outcomes(t, second, to, []string{foreign})
	for _, x := range []struct {
		account
		messages int
	}{{first, 4}, {second, 2}, {to, 3}} {
		if box := s.inbox(t, x.account); len(box) != x.messages {
			t.Errorf("%s has %d messages, not %d", x.Address, len(box), x.messages)
		}
	}
}

package sandbox

import (
	"fmt"
	"strings"
)

// Greeting is what a person reads once the sandbox answers: where things are, and a first step to paste.
func (s *Sandbox) Greeting() string {
	c := s.Contract()
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe sandbox is ready. Nothing in it has legal value. Every password is %q.\n\n", Password)
	fmt.Fprintf(&b, "  Control page   %s\n  Description    %s\n", c.ControlURL, s.path(contractName))
	for _, p := range c.Providers {
		fmt.Fprintf(&b, "\n  %s: submission (TLS) %s, (STARTTLS) %s, IMAP (TLS) %s, SMTP %s\n", p.Name, p.Submissions, p.Submission, p.IMAPS, p.SMTP)
		for i, m := range p.Mailboxes {
			if i == 3 {
				fmt.Fprintf(&b, "    and %d more\n", len(p.Mailboxes)-3)
				break
			}
			fmt.Fprintf(&b, "    %s\n", m.Address)
		}
	}
	fmt.Fprintf(&b, "\n  Outside: SMTP %s, IMAP (TLS) %s\n    %s\n", c.Outside.SMTP, c.Outside.IMAPS, c.Outside.Mailbox.Address)
	fmt.Fprintf(&b, "\n  Clock: %s ahead of this machine's; curl -d '{\"advance\": \"12h5m\"}' %s/clock\n", s.clock.Offset(), c.ControlURL)
	fmt.Fprintf(&b, "\n  Always the same outcome: %s@%s; faults on demand: %s/faults\n", strings.Join(outcomes(), "@, "), c.Providers[1].Domain, c.ControlURL)
	fmt.Fprintf(&b, `
First step, in another terminal: send a certified message, then read its acceptance and delivery receipts.

%s
The same message again is the same submission: it gets the same answer and nothing new. Change something to send another.
Mail clients: host localhost, the ports above, certificate authority %s.
Stop with Ctrl-C; everything is still there at the next start.
`, indented(s.firstStep()), s.path(caName))
	return b.String()
}

// firstStep is what a person may paste into a terminal to send a message and to read its receipts.
func (s *Sandbox) firstStep() string {
	c := s.Contract()
	from, to := c.Providers[0], c.Providers[1]
	return fmt.Sprintf(`CA='%[1]s'
printf 'From: %[2]s\nTo: %[3]s\nSubject: Prova\nMessage-ID: <prova-1@esempio.test>\n\nCiao!\n' |
  curl -sS --cacert "$CA" --crlf -T - -u %[2]s:%[4]s smtps://%[5]s --mail-from %[2]s --mail-rcpt %[3]s
curl -sS --cacert "$CA" -u %[2]s:%[4]s 'imaps://%[6]s/INBOX;UID=1'
curl -sS --cacert "$CA" -u %[2]s:%[4]s 'imaps://%[6]s/INBOX;UID=2'
`, s.path(caName), from.Mailboxes[0].Address, to.Mailboxes[0].Address, Password, from.Submissions, from.IMAPS)
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// attacks.md 39: one holder's burst of a thousand recipients at Beta does not delay another's letter to Beta: it is delivered,
// and its sender has the receipt, while most of the burst still waits, at both providers. Afterwards the burst is done whole.
func TestBurstDelaysNobody(t *testing.T) {
	t.Parallel()
	const letters, recipients = 4, 200
	s := startSandbox(t, 3)
	beta := s.Providers[1]
	noisy, quiet := s.alfa().Mailboxes[0], s.alfa().Mailboxes[1]
	for i := range letters {
		l := letter{from: noisy.Address, subject: "Circolare", id: fmt.Sprintf("<burst-%d@client.test>", i), body: "A tutti.\r\n"}
		for k := range recipients {
			l.to = append(l.to, fmt.Sprintf("nessuno%d.%d@%s", i, k, beta.Domain)) // each is a non-delivery receipt to sign
		}
		s.submit(t, s.alfa(), noisy, l)
	}
	s.submit(t, s.alfa(), quiet, plainLetter(quiet.Address, beta.Mailboxes[0].Address))
	eventually(t, time.Minute, "the delivery receipt is there, behind the acceptance", func() bool { return s.count(t, quiet) == 2 })
	const all = letters * (1 + recipients)
	if n := s.count(t, noisy); n == all {
		t.Error("the other letter was delivered after the whole burst")
	} else {
		t.Logf("%d of %d messages of the burst were done before the other letter", n, all)
	}
	s.settle(t)
	if n := s.count(t, noisy); n != all {
		t.Errorf("the burst's sender has %d messages, want %d", n, all)
	}
}

package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestFiftyRecipients sends 400 KB to 50 recipients, then the very same submission again.
// norms.md 20, 21, 32, 55, 57, 79
func TestFiftyRecipients(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 24)
	from := s.alfa().Mailboxes[0]
	l := letterToFifty(s, from)
	id := s.submit(t, s.alfa(), from, l)
	s.settle(t)

	t.Run("what came of it", func(t *testing.T) {
		s.checkEnvelopes(t, id)
		s.checkSender(t, from, id)
		s.checkTaken(t, id)
		s.checkOutside(t, id)
	})
	t.Run("the same again", func(t *testing.T) {
		before := s.counts(t)
		if again := s.submit(t, s.alfa(), from, l); again != id {
			t.Errorf("the repeated submission is %s, not %s", again, id)
		}
		s.settle(t)
		if after := s.counts(t); !maps.Equal(before, after) {
			t.Errorf("the repeated submission changed what is in the mailboxes:\n%v\n%v", before, after)
		}
	})
}

func letterToFifty(s *sandbox, from account) letter {
	l := letter{from: from.Address, subject: "Convocazione", id: "<convocazione@client.test>", body: strings.Repeat("Una riga di testo che si ripete fino alla fine.\r\n", 400_000/49)}
	for _, p := range s.Providers {
		for _, m := range p.Mailboxes {
			l.to = append(l.to, m.Address)
		}
	}
	l.to = append(l.to, s.Outside.Mailbox.Address, "nobody@"+s.Outside.Domain)
	return l
}

// checkEnvelopes: each certified mailbox holds the envelope once, the recipients' domains are all there.
func (s *sandbox) checkEnvelopes(t *testing.T, id string) {
	t.Helper()
	domains := map[string]bool{}
	for _, p := range s.Providers {
		for _, a := range p.Mailboxes {
			only(t, s.inbox(t, a), "posta-certificata", id)
			domains[a.Address[strings.IndexByte(a.Address, '@'):]] = true
		}
	}
	if len(domains) != 4 {
		t.Errorf("the mailboxes are in %d domains, not 4", len(domains))
	}
}

// checkSender: one acceptance, one delivery receipt per certified recipient, one report about the one that failed.
func (s *sandbox) checkSender(t *testing.T, from account, id string) {
	t.Helper()
	box := s.inbox(t, from)
	acceptance := only(t, box, "accettazione", id)
	kinds := map[string]int{}
	for _, r := range acceptance.data.Header.Recipients {
		kinds[r.Type]++
	}
	if kinds["certificato"] != 48 || kinds["esterno"] != 2 {
		t.Errorf("the acceptance names %v recipients", kinds)
	}
	receipts := map[string]int{}
	for _, m := range about(box, "avvenuta-consegna", id) {
		receipts[m.data.Data.DeliveredTo]++
		if m.original == nil {
			t.Errorf("the receipt for %s is not complete", m.data.Data.DeliveredTo)
		}
	}
	for _, p := range s.Providers {
		for _, a := range p.Mailboxes {
			if receipts[a.Address] != 1 {
				t.Errorf("%d delivery receipts for %s", receipts[a.Address], a.Address)
			}
		}
	}
	ordinary := slices.DeleteFunc(slices.Clone(box), func(m message) bool { return m.data != nil })
	if len(ordinary) != 1 || len(box) != 1+1+48+1 {
		t.Fatalf("%d messages, %d of them reports; not 51 and 1", len(box), len(ordinary))
	}
	checkReport(t, string(ordinary[0].octets), "nobody@"+s.Outside.Domain, id)
}

// checkReport: a report after RFC 3464 with the failed recipient and the id of what it is about.
func checkReport(t *testing.T, report, failed, id string) {
	t.Helper()
	for _, want := range []string{
		"multipart/report", "report-type=delivery-status", "message/delivery-status", "Final-Recipient: rfc822; " + failed,
		"Action: failed", "Status: 5.1.1", "Message-ID: <" + id + ">",
	} {
		if !strings.Contains(strings.ToLower(report), strings.ToLower(want)) {
			t.Errorf("the report does not say %q:\n%s", want, clip(report))
		}
	}
}

// checkTaken: Beta took its recipients in charge by one receipt; Alfa sends none to itself (norms.md 55, 57).
func (s *sandbox) checkTaken(t *testing.T, id string) {
	t.Helper()
	box := s.inbox(t, s.alfa().ServiceMailbox)
	taken := only(t, box, "presa-in-carico", id)
	if len(box) != 1 || taken.data.Data.Issuer != s.beta().Name {
		t.Errorf("%d messages in Alfa's service mailbox; one is of %s", len(box), taken.data.Data.Issuer)
	}
	var want []string
	for _, a := range s.beta().Mailboxes {
		want = append(want, a.Address)
	}
	got := slices.Sorted(slices.Values(taken.data.Data.TakenFor))
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("taken in charge for %q", got)
	}
	if n := s.count(t, s.beta().ServiceMailbox); n != 0 {
		t.Errorf("%d messages in Beta's service mailbox", n)
	}
}

// checkOutside: who is outside certified mail gets the envelope.
func (s *sandbox) checkOutside(t *testing.T, id string) {
	t.Helper()
	box := s.inbox(t, s.Outside.Mailbox)
	m := only(t, box, "posta-certificata", id)
	if len(box) != 1 {
		t.Errorf("%d messages outside", len(box))
	}
	s.verifySignature(t, s.alfa(), m.octets)
}

// counts is how many messages each mailbox of the sandbox holds.
func (s *sandbox) counts(t testing.TB) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, a := range s.accounts() {
		all[a.Address] = s.count(t, a)
	}
	return all
}

// accounts are all the mailboxes of the sandbox.
func (s *sandbox) accounts() []account {
	all := []account{s.Outside.Mailbox}
	for _, p := range s.Providers {
		all = append(append(all, p.ServiceMailbox), p.Mailboxes...)
	}
	return all
}

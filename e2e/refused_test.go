package e2e

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestRefusedSubmissions: what breaks a formal rule is refused with its own code, and its sender gets a signed notice; nothing else
// goes anywhere (RFC 6109 3.1.1, 3.1.2; norms.md 1-9, 13, 14; design.md 5).
func TestRefusedSubmissions(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 3)
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	before := s.counts(t)
	t.Run("at DATA", func(t *testing.T) { s.refusedAtData(t, from, to) })
	t.Run("before DATA", func(t *testing.T) { s.refusedBeforeData(t, from, to) })
	t.Run("log-in", func(t *testing.T) { s.refusedLogin(t, from) })
	s.settle(t)
	before[from.Address] = 0
	for _, m := range s.inbox(t, from) {
		before[from.Address]++
		s.checkNonAcceptance(t, from, m)
	}
	if after := s.counts(t); before[from.Address] == 0 || !maps.Equal(before, after) {
		t.Errorf("a refused submission left something:\n%v\n%v", before, after)
	}
	s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address)) // what is right is accepted
}

func (s *sandbox) checkNonAcceptance(t *testing.T, from account, m message) {
	t.Helper()
	if m.header.Get("X-Ricevuta") != "non-accettazione" || m.data == nil || m.data.Kind != "non-accettazione" || m.data.Error != "altro" || m.original != nil || m.header.Get("To") != from.Address {
		t.Errorf("a message that is no notice of a refusal: %v", m.header)
		return
	}
	validateXML(t, m.xml)
	s.verifySignature(t, s.alfa(), m.octets)
}

func (s *sandbox) refusedAtData(t *testing.T, from, to account) {
	second := s.beta().Mailboxes[1].Address
	good := plainLetter(from.Address, to.Address)
	for _, bad := range []struct {
		name     string
		enhanced string
		change   func(l *letter)
	}{
		{"no From", "5.1.7", func(l *letter) { l.from = "" }},
		{"two authors", "5.1.7", func(l *letter) { l.from += ", " + second }}, // attacks.md 1
		{"two From fields", "5.6.0", func(l *letter) { l.more = []string{"From: " + second} }},
		{"From is somebody else", "5.7.1", func(l *letter) { l.from = s.alfa().Mailboxes[1].Address }},
		{"From shows the address only as a name", "5.7.1", func(l *letter) { l.from = `"` + from.Address + `" <` + second + ">" }},
		{"no To", "5.1.3", func(l *letter) { l.cc, l.to = l.to, nil }}, // attacks.md 2
		{"recipient in neither To nor Cc", "5.7.1", func(l *letter) { l.to = []string{second} }},
		{"Bcc", "5.7.1", func(l *letter) { l.more = []string{"Bcc: " + second} }}, // attacks.md 3
		{"Bcc with the recipient of To", "5.7.1", func(l *letter) { l.more = []string{"Bcc: " + to.Address} }},
		{"two Message-IDs", "5.6.0", func(l *letter) { l.more = []string{"Message-ID: <altra@client.test>"} }}, // attacks.md 5
		{"a line of 999", "5.6.0", func(l *letter) { l.body = strings.Repeat("x", 999) + "\r\n" }},             // attacks.md 6
		{"bare LF", "5.6.11", func(l *letter) { l.body = "una riga\naltra\r\n" }},                              // attacks.md 7; quirks.md E14: what a store keeps with LF is no mail on the wire
		{"bare CR", "5.6.11", func(l *letter) { l.body = "una riga\raltra\r\n" }},
		{"NUL", "5.6.11", func(l *letter) { l.body = "una \x00 riga\r\n" }},
	} {
		t.Run(bad.name, func(t *testing.T) {
			l := good
			bad.change(&l)
			if r := s.submission(t, s.alfa(), from).send(from.Address, []string{to.Address}, l.octets()); !r.is(550, bad.enhanced) {
				t.Errorf("the reply is %v, not 550 %s", r, bad.enhanced)
			}
		})
	}
}

func (s *sandbox) refusedBeforeData(t *testing.T, from, to account) {
	c := s.submission(t, s.alfa(), from)
	if r := c.say("MAIL FROM:<%s>", s.alfa().Mailboxes[1].Address); !r.is(553, "5.7.1") {
		t.Errorf("MAIL FROM of another: %v", r)
	}
	if r := c.say("MAIL FROM:<>"); r.code/100 != 5 {
		t.Errorf("the null path: %v", r)
	}
	stranger, err := dialSMTP(s.alfa().Submissions, s.tls(t))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if r := stranger.say("MAIL FROM:<%s>", from.Address); !r.is(530, "5.7.0") {
		t.Errorf("MAIL FROM without log-in: %v", r)
	}
}

func (s *sandbox) refusedLogin(t *testing.T, a account) {
	c, err := dialSMTP(s.alfa().Submission, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// attacks.md 8: nothing is taken in clear, not even the right password.
	if r := c.say("EHLO client.test"); strings.Contains(r.text, "AUTH") || !strings.Contains(r.text, "STARTTLS") {
		t.Errorf("in clear it announces %q", r.text)
	}
	if r := c.login(a.Address, a.Password); r.code/100 != 5 {
		t.Errorf("AUTH in clear: %v", r)
	}
	if r := c.say("MAIL FROM:<%s>", a.Address); !r.is(530, "5.7.0") {
		t.Errorf("MAIL in clear: %v", r)
	}
	if r := c.startTLS(s.tls(t)); r.code != 250 || !strings.Contains(r.text, "AUTH PLAIN LOGIN") && !strings.Contains(r.text, "AUTH LOGIN PLAIN") {
		t.Fatalf("after STARTTLS: %v", r)
	}
	for user, password := range map[string]string{a.Address: "sbagliata", "nessuno@" + s.alfa().Domain: a.Password} {
		if r := c.login(user, password); !r.is(535, "5.7.8") {
			t.Errorf("wrong log-in of %s: %v", user, r)
		}
	}
	if r := c.say("AUTH LOGIN %s", base64.StdEncoding.EncodeToString([]byte(a.Address))); r.code != 334 {
		t.Fatalf("AUTH LOGIN: %v", r)
	}
	if r := c.say("%s", base64.StdEncoding.EncodeToString([]byte(a.Password))); r.code != 235 {
		t.Errorf("AUTH LOGIN with the right password: %v", r)
	}
}

// TestUndeliverable: an unknown and a disabled mailbox at Beta give a non-delivery at once (norms.md 88; RFC 6109 3.3.3).
// norms.md 55, 90
func TestUndeliverable(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 2)
	from := s.alfa().Mailboxes[0]
	unknown, disabled := "nessuno@"+s.beta().Domain, s.beta().Mailboxes[1].Address
	s.admin(t, s.beta(), "", "mailbox", "disable", disabled)
	local := "nessuno@" + s.alfa().Domain
	id := s.submit(t, s.alfa(), from, letter{
		from: from.Address, to: []string{unknown, disabled, local, s.beta().Mailboxes[0].Address}, subject: "Prova", id: "<persa@client.test>", body: "Ciao.\r\n",
	})
	s.settle(t)
	box := s.inbox(t, from)
	only(t, box, "accettazione", id)
	if m := only(t, box, "avvenuta-consegna", id); m.data.Data.DeliveredTo != s.beta().Mailboxes[0].Address {
		t.Errorf("delivered to %s", m.data.Data.DeliveredTo)
	}
	failed := map[string]message{}
	for _, m := range about(box, "errore-consegna", id) {
		failed[m.data.Data.DeliveredTo] = m
	}
	if len(box) != 1+1+3 || len(failed) != 3 {
		t.Fatalf("%d messages, %d non-deliveries; not 5 and 3", len(box), len(failed))
	}
	s.checkNonDelivery(t, s.beta(), failed[unknown], "no-dest", "5.1.1")
	s.checkNonDelivery(t, s.beta(), failed[disabled], "altro", "5.2.1")
	s.checkNonDelivery(t, s.alfa(), failed[local], "no-dest", "5.1.1")
	taken := only(t, s.inbox(t, s.alfa().ServiceMailbox), "presa-in-carico", id)
	want := []string{s.beta().Mailboxes[0].Address, unknown, disabled} // by the alphabet
	if got := slices.Sorted(slices.Values(taken.data.Data.TakenFor)); !slices.Equal(got, want) {
		t.Errorf("taken in charge for %q", got)
	}
	s.admin(t, s.beta(), "", "mailbox", "enable", disabled)
	if n := s.count(t, s.beta().Mailboxes[1]); n != 0 {
		t.Errorf("%d messages in the mailbox that was disabled", n)
	}
}

func (s *sandbox) checkNonDelivery(t *testing.T, issuer provider, m message, class, code string) {
	t.Helper()
	if m.data == nil {
		t.Error("a non-delivery is missing")
		return
	}
	d := m.data
	if d.Error != class || !strings.HasPrefix(d.Data.Detail, code+" - "+issuer.Name+" - ") || d.Data.Receipt.Type != "" || m.original != nil {
		t.Errorf("errore %q, errore-esteso %q, ricevuta %q, %d octets of original", d.Error, d.Data.Detail, d.Data.Receipt.Type, len(m.original))
	}
	if got := m.subject(t); got != "AVVISO DI MANCATA CONSEGNA: "+d.Header.Subject {
		t.Errorf("Subject is %q", got)
	}
	validateXML(t, m.xml)
	s.verifySignature(t, issuer, m.octets)
}

// TestReceiptTypes: complete to To, concise to Cc and to all if that was asked for, however it is written (norms.md 30,
// 81, 83).
func TestReceiptTypes(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 2)
	from, to, cc := s.alfa().Mailboxes[0], s.beta().Mailboxes[0].Address, s.beta().Mailboxes[1].Address
	for _, asked := range []struct {
		name, header, wire string
		complete           bool // to To
	}{
		{"nothing", "", "completa", true},
		{"complete", "X-TipoRicevuta: completa", "completa", true},
		{"concise", "X-TipoRicevuta: sintetica", "sintetica", false},
		{"odd case", "x-tiporicevuta:  SinteTica ", "sintetica", false},
		{"brief, of what has no parts", "X-TipoRicevuta: Breve", "breve", true},
		{"unknown", "X-TipoRicevuta: qualcosa", "completa", true}, // attacks.md 4
	} {
		t.Run(asked.name, func(t *testing.T) {
			l := letter{from: from.Address, to: []string{to}, cc: []string{cc}, subject: "Prova", id: "<" + strings.ReplaceAll(asked.name, " ", "-") + "@client.test>", body: "Ciao.\r\n"}
			if asked.header != "" {
				l.more = []string{asked.header}
			}
			id := s.submit(t, s.alfa(), from, l)
			s.settle(t)
			envelope := only(t, s.inbox(t, s.beta().Mailboxes[0]), "posta-certificata", id)
			if h, d := envelope.header.Get("X-TipoRicevuta"), envelope.data.Data.Receipt.Type; h != asked.wire || d != asked.wire {
				t.Errorf("the envelope asks for %q and %q", h, d)
			}
			complete := map[string]bool{to: asked.complete, cc: false}
			receipts := about(s.inbox(t, from), "avvenuta-consegna", id)
			for _, m := range receipts {
				if want := complete[m.data.Data.DeliveredTo]; (m.original != nil) != want {
					t.Errorf("the receipt for %s is complete: %v", m.data.Data.DeliveredTo, !want)
				}
				validateXML(t, m.xml)
				s.verifySignature(t, s.beta(), m.octets)
			}
			if len(receipts) != 2 {
				t.Errorf("%d delivery receipts", len(receipts))
			}
		})
	}
}

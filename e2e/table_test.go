package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// row is one of norms.md 1.1: a kind of message with its constants, and where it lands.
type row struct {
	kind, header, value, prefix string
	in                          account
	class                       string // errore
}

// TestEveryMessage produces each row of norms.md 1.1 but those of viruses by the steps that docs/sandbox.md names, and finds it where the
// table says, with its constants, valid XML and a signature that openssl verifies.
// norms.md 22, 26, 36, 40, 56, 61, 102, 107, 111
func TestEveryMessage(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 2)
	sender, recipient := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	odd := recipient
	odd.Address = "anomalia@" + s.beta().Domain
	id := s.submit(t, s.alfa(), sender, letter{
		from: sender.Address, to: []string{recipient.Address, "inesistente@" + s.beta().Domain, "silenzio@" + s.beta().Domain, odd.Address},
		subject: "Prova", id: "<tutto@client.test>", body: "Ciao.\r\n",
	})
	refused := plainLetter(sender.Address, recipient.Address)
	refused.more = []string{"Bcc: " + recipient.Address}
	if r := s.submission(t, s.alfa(), sender).send(sender.Address, []string{recipient.Address}, refused.octets()); !r.is(550, "5.7.1") || !strings.Contains(r.text, "not accepted, notice ") {
		t.Errorf("the reply is %v", r)
	}
	s.settle(t)
	s.advance(t, "12h1m")
	s.advance(t, "10h")
	for _, want := range []row{
		{"posta-certificata", "X-Trasporto", "posta-certificata", "POSTA CERTIFICATA: ", recipient, "nessuno"},
		{"errore", "X-Trasporto", "errore", "ANOMALIA MESSAGGIO: ", odd, ""},
		{"accettazione", "X-Ricevuta", "accettazione", "ACCETTAZIONE: ", sender, "nessuno"},
		{"non-accettazione", "X-Ricevuta", "non-accettazione", "AVVISO DI NON ACCETTAZIONE: ", sender, "altro"},
		{"presa-in-carico", "X-Ricevuta", "presa-in-carico", "PRESA IN CARICO: ", s.alfa().ServiceMailbox, "nessuno"},
		{"avvenuta-consegna", "X-Ricevuta", "avvenuta-consegna", "CONSEGNA: ", sender, "nessuno"},
		{"errore-consegna", "X-Ricevuta", "errore-consegna", "AVVISO DI MANCATA CONSEGNA: ", sender, "no-dest"},
		{"preavviso-errore-consegna", "X-Ricevuta", "preavviso-errore-consegna", "AVVISO DI MANCATA CONSEGNA PER SUP. TEMPO MASSIMO: ", sender, "altro"},
	} {
		t.Run(want.kind, func(t *testing.T) { s.everyRow(t, want, id) })
	}
	var hours []string
	for _, m := range about(s.inbox(t, sender), "preavviso-errore-consegna", id) {
		when := "12"
		if strings.Contains(m.data.Data.Detail, "ventiquattro ore") {
			when = "24"
		}
		hours = append(hours, when+" "+m.data.Data.DeliveredTo)
	}
	slices.Sort(hours)
	if want := []string{"12 " + odd.Address, "24 " + odd.Address, "24 silenzio@" + s.beta().Domain}; !slices.Equal(hours, want) {
		t.Errorf("overdue notices %q, want %q", hours, want)
	}
}

func (s *sandbox) everyRow(t *testing.T, want row, id string) {
	found := 0
	for _, m := range s.inbox(t, want.in) {
		if m.kind() != want.kind {
			continue
		}
		found++
		issuer := s.alfa()
		if slices.Contains([]string{"errore", "presa-in-carico", "avvenuta-consegna", "errore-consegna"}, want.kind) {
			issuer = s.beta()
		}
		if m.header.Get(want.header) != want.value || !strings.HasPrefix(m.subject(t), want.prefix) || m.header.Get("X-VerificaSicurezza") != "" {
			t.Errorf("%s: %q, the subject is %q", want.header, m.header.Get(want.header), m.subject(t))
		}
		if want.class == "" && m.data != nil || want.class != "" && (m.data.Kind != want.kind || m.data.Error != want.class) {
			t.Errorf("the certification data are %+v", m.data)
		}
		if m.data != nil {
			validateXML(t, m.xml)
			if want.kind != "non-accettazione" && m.data.Data.ID != id {
				t.Errorf("it is about %s", m.data.Data.ID)
			}
		}
		s.verifySignature(t, issuer, m.octets)
	}
	if found == 0 {
		t.Errorf("%s has none", want.in.Address)
	}
}

// TestSilentPeer: 25 hours of a peer that says 250 and nothing else give exactly the two notices (norms.md 35, 36, 41).
func TestSilentPeer(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 1)
	sender, recipient := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	resp, err := http.Post(s.ControlURL+"/faults", "application/json", strings.NewReader(`{"provider": "`+s.beta().Name+`", "fault": "silent"}`))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	id := s.submit(t, s.alfa(), sender, plainLetter(sender.Address, recipient.Address))
	s.submit(t, s.beta(), recipient, plainLetter(recipient.Address, recipient.Address)) // what it does within itself is not silent
	s.settle(t)
	for range 25 {
		s.advance(t, "1h")
	}
	box := s.inbox(t, sender)
	if notices := about(box, "preavviso-errore-consegna", id); len(box) != 3 || len(notices) != 2 {
		t.Errorf("%d messages, %d notices; want an acceptance and two notices", len(box), len(notices))
	}
	if n := len(about(s.inbox(t, recipient), "posta-certificata", id)); n != 0 {
		t.Error("the message reached the recipient")
	}
}

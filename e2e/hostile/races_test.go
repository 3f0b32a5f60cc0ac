package hostile

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestMailboxClosedMeanwhile: a mailbox that is closed and opened while messages for it are between their acceptance, taking
// in charge and delivery gets each of them or none of it: one delivery and one envelope, or one non-delivery (attacks.md 24).
func TestMailboxClosedMeanwhile(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[1]
	const messages = 60
	ids := make(chan string)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 6 {
			s.admin(t, s.beta(), "mailbox", "disable", to.Address)
			s.admin(t, s.beta(), "mailbox", "enable", to.Address)
		}
	}()
	go func() {
		defer close(ids)
		c := s.submission(t, from)
		for i := range messages {
			l := s.plainLetter(from, to)
			l.id = fmt.Sprintf("<gara.%d@client.test>", i)
			ids <- c.transaction("<"+from.Address+">", l.to, l.octets()).pecID()
		}
	}()
	var accepted []string
	for id := range ids {
		accepted = append(accepted, id)
	}
	<-done
	s.settle(t)
	sender, recipient := s.inbox(t, from), s.inbox(t, to)
	arrived := 0
	for _, id := range accepted {
		delivered, failed := len(about(sender, "avvenuta-consegna", id)), len(about(sender, "errore-consegna", id))
		envelopes := len(about(recipient, "posta-certificata", id))
		if id == "" || delivered+failed != 1 || envelopes != delivered {
			t.Errorf("%s: %d deliveries, %d failures, %d envelopes", id, delivered, failed, envelopes)
		}
		arrived += envelopes
	}
	t.Logf("%d of %d were delivered", arrived, len(accepted))
	if len(accepted) != messages || len(recipient) != arrived {
		t.Errorf("%d accepted, %d messages in the mailbox, %d known", len(accepted), len(recipient), arrived)
	}
}

// TestHolderClosedMidSession: a holder whose mailbox is closed sends nothing more on the connection that is logged in, at
// whatever point of a transaction it is, and nothing is kept (attacks.md 9, 24).
// norms.md 160
func TestHolderClosedMidSession(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	from, to := s.alfa().Mailboxes[1], s.beta().Mailboxes[0]
	idle, begun, writing := s.submission(t, from), s.submission(t, from), s.submission(t, from)
	begun.envelope("<"+from.Address+">", []string{to.Address})
	writing.envelope("<"+from.Address+">", []string{to.Address})
	if r := writing.say("DATA"); r.code != 354 {
		t.Fatal(r)
	}
	s.admin(t, s.alfa(), "mailbox", "disable", from.Address)
	octets := s.plainLetter(from, to).octets()
	for name, r := range map[string]reply{
		"idle":    idle.transaction("<"+from.Address+">", []string{to.Address}, octets),
		"begun":   begun.data(octets),
		"writing": writing.send(string(octets) + ".\r\n"),
	} {
		if r.pecID() != "" || r.code/100 == 2 {
			t.Errorf("%s: %v", name, r)
		}
	}
	s.admin(t, s.alfa(), "mailbox", "enable", from.Address)
	s.settle(t)
	if box := s.inbox(t, to); len(box) > 0 {
		t.Errorf("%d messages of a closed mailbox arrived", len(box))
	}
}

// TestExpungedWhileRead: a message that one session is reading goes on to its last octet whatever another does with it, and
// copies of it elsewhere stay whole when it is gone: in another folder, in another holder's mailbox, in the complete receipt
// (attacks.md 26).
func TestExpungedWhileRead(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	from, first, second := s.alfa().Mailboxes[0], s.beta().Mailboxes[0], s.beta().Mailboxes[1]
	l := s.plainLetter(from, first)
	l.to = append(l.to, second.Address)
	l.body = strings.Repeat(strings.Repeat("0123456789abcde", 5)+"\r\n", 100_000)
	id := s.submit(t, from, l)
	s.settle(t)
	envelope := only(t, s.inbox(t, second), "posta-certificata", id)
	own := l
	own.id = "<bozza@client.test>"
	drafts := s.login(t, first)
	drafts.do("CREATE Cartella")
	if status := drafts.appendTo("Cartella", own.octets()); !strings.HasPrefix(status, "OK") {
		t.Fatal(status)
	}
	for folder, want := range map[string]string{"INBOX": "", "Cartella": string(own.octets())} {
		reader, remover := s.login(t, first), s.login(t, first)
		for _, octets := range reader.messages(folder) {
			if want == "" {
				want = octets
			}
		}
		remover.do("CREATE Copie-%s", folder)
		remover.do("SELECT %s", folder)
		remover.do("COPY 1 Copie-%s", folder)
		begun := reader.beginFetch("1")
		remover.do(`STORE 1 +FLAGS (\Deleted)`)
		remover.do("EXPUNGE")
		remover.do("DELETE %s", map[string]string{"INBOX": "Copie-INBOX", "Cartella": "Cartella"}[folder])
		if got := begun(); got != want {
			t.Errorf("%s: %d octets were read, not the %d that were there", folder, len(got), len(want))
		}
	}
	if got := s.login(t, first).messages("Copie-Cartella"); len(got) != 1 || got[0] != string(own.octets()) {
		t.Error("the copy of what was expunged is not whole")
	}
	if again := only(t, s.inbox(t, second), "posta-certificata", id); string(again.octets) != string(envelope.octets) {
		t.Error("the other recipient's envelope is not what it was")
	}
	receipts := about(s.inbox(t, from), "avvenuta-consegna", id)
	for _, m := range receipts {
		wantOriginal(t, "receipt", m.original, l.octets(), id)
	}
	if len(receipts) != 2 {
		t.Errorf("%d delivery receipts", len(receipts))
	}
}

// beginFetch asks for a message's octets and reads the first line of the answer. The rest is read when the function that it
// gives is called; until then the server has more to send than the network takes.
func (c *imapConn) beginFetch(number string) (finish func() string) {
	c.t.Helper()
	c.in = bufio.NewReaderSize(c.conn, 16)
	tag := c.begin("FETCH %s BODY.PEEK[]", number)
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	var size int
	if _, err := fmt.Sscanf(line[strings.LastIndexByte(line, '{'):], "{%d}\r\n", &size); err != nil {
		c.t.Fatalf("%q: %v", line, err)
	}
	return func() string {
		octets := make([]byte, size)
		if _, err := io.ReadFull(c.in, octets); err != nil {
			c.t.Fatal(err)
		}
		if _, status := c.finish(tag); !strings.HasPrefix(status, "OK") {
			c.t.Errorf("FETCH: %s", status)
		}
		return string(octets)
	}
}

package e2e

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestIMAP reads, puts and waits, as real clients do; every octet counts (norms.md 94).
func TestIMAP(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 3)
	t.Run("exact octets", s.exactOctets)
	t.Run("sections", s.sections)
	t.Run("idle", s.idleAnnounces)
	t.Run("sent folder", s.sentFolder)
	t.Run("two clients", s.twoClients)
}

// oddBody is hard on whoever counts lines or octets.
func oddBody() string {
	return "\r\n.\r\n..\r\nlatin1: \xe8 \xff\r\n" + strings.Repeat("x", 998) + "\r\n--confine\r\n{3}\r\n) t1 OK\r\n\r\n \t\r\n\r\n\r\n"
}

// exactOctets: the same octets by our client, curl and mbsync, and an 8-bit original as it was sent (design.md 5).
func (s *sandbox) exactOctets(t *testing.T) {
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	l := plainLetter(from.Address, to.Address)
	l.body = oddBody()
	id := s.submit(t, s.alfa(), from, l)
	s.settle(t)
	envelope := only(t, s.inbox(t, to), "posta-certificata", id)
	if _, rest := cutField(envelope.original); !bytes.Equal(rest, rewritten(l.octets(), id)) {
		t.Errorf("the original has other octets:\n%q", rest)
	}
	if got := s.curlFetch(t, to, envelope.uid); !bytes.Equal(got, envelope.octets) {
		t.Error("curl reads other octets")
	}
	if !slices.ContainsFunc(s.mbsync(t, to), func(f []byte) bool { return bytes.Equal(f, unix(envelope.octets)) }) {
		t.Error("mbsync reads other octets")
	}
	s.verifySignature(t, s.alfa(), envelope.octets)
}

// sections: what is fetched in parts is the same as the whole.
func (s *sandbox) sections(t *testing.T) {
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[1]
	id := s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	s.settle(t)
	envelope := only(t, s.inbox(t, to), "posta-certificata", id)
	header, text, _ := bytes.Cut(envelope.octets, []byte("\r\n\r\n"))
	original, originalText, _ := bytes.Cut(envelope.original, []byte("\r\n\r\n"))
	c := s.login(t, to)
	c.do("EXAMINE INBOX")
	for section, want := range map[string]string{
		"[]": string(envelope.octets), "[HEADER]": string(header) + "\r\n\r\n", "[TEXT]": string(text),
		"[]<10.30>": string(envelope.octets[10:40]), "[1.3]": string(envelope.original),
		"[1.3.HEADER]": string(original) + "\r\n\r\n", "[1.3.TEXT]": string(originalText),
		"[HEADER.FIELDS (X-TRASPORTO)]": "X-Trasporto: posta-certificata\r\n\r\n",
	} {
		rs := c.do("UID FETCH %s (BODY.PEEK%s)", envelope.uid, section)
		if len(rs) != 1 || len(rs[0].literals) != 1 || rs[0].literals[0] != want {
			t.Errorf("BODY%s is %q, not %q", section, rs, want)
		}
	}
	for _, r := range c.do("UID FETCH %s (BODY.PEEK[1.2])", envelope.uid) {
		if got := unbase64(t, []byte(r.literals[0])); !bytes.Equal(got, envelope.xml) {
			t.Errorf("BODY[1.2] is %q", got)
		}
	}
	size := regexp.MustCompile(`RFC822\.SIZE (\d+)`).FindStringSubmatch(c.do("UID FETCH %s (RFC822.SIZE)", envelope.uid)[0].text)
	if size == nil || size[1] != itoa(len(envelope.octets)) {
		t.Errorf("RFC822.SIZE is %v, not %d", size, len(envelope.octets))
	}
}

// idleAnnounces: whoever waits learns at once of the receipts and of the envelope.
func (s *sandbox) idleAnnounces(t *testing.T) {
	from, to := s.alfa().Mailboxes[1], s.beta().Mailboxes[2]
	sender, recipient := s.login(t, from), s.login(t, to)
	before := len(sender.folder("INBOX"))
	recipient.folder("INBOX")
	endSender, endRecipient := sender.idle(), recipient.idle()
	s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	accepted := time.Now()
	sender.awaitExists(before + 1)
	t.Logf("acceptance announced %v after the 250", time.Since(accepted))
	recipient.awaitExists(1)
	sender.awaitExists(before + 2)
	took := time.Since(accepted)
	t.Logf("delivery receipt announced %v after the 250", took)
	if took > 5*time.Second { // a client that looks by itself would need half a minute
		t.Errorf("the announcements took %v", took)
	}
	endSender()
	endRecipient()
	if got := len(recipient.fetch("1:*")); got != 1 {
		t.Errorf("%d messages after the announcement of one", got)
	}
}

// sentFolder: the client's copy of what it sent comes back with its own octets, and so does one that only resembles it.
func (s *sandbox) sentFolder(t *testing.T) {
	from, to := s.alfa().Mailboxes[2], s.beta().Mailboxes[0]
	l := plainLetter(from.Address, to.Address)
	l.body = strings.Repeat(oddBody(), 600) // a content in a file of its own
	s.submit(t, s.alfa(), from, l)
	other := l
	other.body = strings.Replace(l.body, "latin1", "Latin1", 1)
	c := s.login(t, from)
	sent := sentName(t, c)
	for i, l := range []letter{l, other} {
		c.appendTo(sent, l.octets())
		box := c.folder(sent)
		if len(box) != i+1 || box[i].octets != string(l.octets()) {
			t.Errorf("copy %d does not come back as it was put there", i+1)
		}
	}
}

// sentName is the folder that the server marks as the one for sent messages (RFC 6154).
func sentName(t *testing.T, c *imapConn) string {
	t.Helper()
	for _, r := range c.do(`LIST "" "*"`) {
		if m := regexp.MustCompile(`^\* LIST \(.*\\Sent.*\) \S+ "?([^"]+)"?$`).FindStringSubmatch(r.text); m != nil {
			return m[1]
		}
	}
	t.Fatal("no folder has the attribute \\Sent")
	return ""
}

// twoClients: what one changes the other sees.
func (s *sandbox) twoClients(t *testing.T) {
	from, to := s.alfa().Mailboxes[1], s.beta().Mailboxes[1]
	s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	s.settle(t)
	one, two := s.login(t, to), s.login(t, to)
	held := len(one.folder("INBOX"))
	two.folder("INBOX")
	last := itoa(held)
	end := two.idle()
	one.do(`STORE %s +FLAGS (\Flagged \Deleted)`, last)
	for r := two.read(); !strings.HasPrefix(r.text, "* "+last+" FETCH (") || !strings.Contains(r.text, `\Flagged`); r = two.read() {
	}
	one.do("EXPUNGE")
	for two.read().text != "* "+last+" EXPUNGE" {
	}
	end()
	if got := len(two.folder("INBOX")); got != held-1 {
		t.Errorf("%d messages after an EXPUNGE, not %d", got, held-1)
	}
}

package e2e

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs one provider of a stopped sandbox by itself, and returns when all its ports answer.
func (s *sandbox) serve(t *testing.T, p provider) *daemon {
	t.Helper()
	d := startDaemon(t, filepath.Join(t.TempDir(), "log"), "serve", "-c", s.path(p.ConfigFile))
	t.Cleanup(func() { d.end(t) })
	for _, port := range []string{p.SMTP, p.Submission, p.Submissions, p.IMAPS} {
		eventually(t, 10*time.Second, port+" answers", func() bool {
			if !d.running() {
				t.Fatalf("serve has ended: %s", clip(d.log()))
			}
			conn, err := net.Dial("tcp", port)
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
	}
	return d
}

// TestPeerDown runs both providers alone, as `ceralacca serve`: mail waits while Beta is down, and arrives (design.md 3, 9).
func TestPeerDown(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 1)
	s.stop(t)
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]

	brokenBeta := listenAndHangUp(t, s.beta().SMTP)
	alfa := s.serve(t, s.alfa())
	id := s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	<-brokenBeta // the first attempt was made, and failed
	inbox := s.login(t, from)
	eventually(t, 10*time.Second, "the acceptance is there", func() bool { return len(inbox.folder("INBOX")) == 1 })
	alfa.stop(t)

	// The next attempt is due a minute later by the law's clock, which is the sandbox's offset file when it starts.
	writeFile(t, s.path("clock"), []byte("2m0s\n"))
	beta := s.serve(t, s.beta())
	alfa = s.serve(t, s.alfa())
	sender := s.login(t, from)
	held := len(sender.folder("INBOX"))
	end := sender.idle()
	if held == 1 {
		sender.awaitExists(2)
	}
	end()
	box := s.inbox(t, from)
	only(t, box, "accettazione", id)
	delivered := only(t, box, "avvenuta-consegna", id)
	envelope := only(t, s.inbox(t, to), "posta-certificata", id)
	if wait := delivered.data.at(t).Sub(envelope.data.at(t)); wait < time.Minute {
		t.Errorf("it was delivered %v after it was accepted, by the law's clock", wait)
	}
	eventually(t, 10*time.Second, "the taking in charge is there", func() bool { return s.count(t, s.alfa().ServiceMailbox) == 1 })
	s.check(t) // beside the running owners
	alfa.stop(t)
	beta.stop(t)
	s.check(t) // on the files
}

// listenAndHangUp stands in for a server that is out of order: it takes one connection, closes it and is gone. The
// channel is closed then.
func listenAndHangUp(t *testing.T, addr string) <-chan struct{} {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer l.Close()
		if conn, err := l.Accept(); err == nil {
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return done
}

// TestMailboxes: subcommands work through the running provider, and on the files when it is down (design.md 4).
func TestMailboxes(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 1)
	t.Run("running", func(t *testing.T) { s.mailboxLife(t, "nuova@"+s.alfa().Domains[0], func(do func()) { do() }) })
	t.Run("down", func(t *testing.T) {
		s.mailboxLife(t, "altra@"+s.alfa().Domains[1], func(do func()) {
			s.stop(t)
			do()
			s.start(t)
		})
	})
	s.submit(t, s.alfa(), s.alfa().Mailboxes[0], plainLetter(s.alfa().Mailboxes[0].Address, s.beta().Mailboxes[0].Address))
}

// mailboxLife adds a mailbox and changes it; when says when the subcommands are run.
func (s *sandbox) mailboxLife(t *testing.T, address string, when func(do func())) {
	t.Helper()
	mailbox := func(stdin string, command ...string) {
		t.Helper()
		when(func() { s.admin(t, s.alfa(), stdin, append([]string{"mailbox"}, command...)...) })
	}
	may := func(password string, want bool) {
		t.Helper()
		if got := s.mayLogin(t, account{address, password, s.alfa().IMAPS}); got != want {
			t.Errorf("log-in with %q: %v, not %v", password, got, want)
		}
	}
	mailbox("parola prima\n", "add", address)
	may("parola prima", true)
	mailbox("parola seconda\n", "password", address)
	may("parola prima", false) // a log-in is remembered no longer
	may("parola seconda", true)
	mailbox("", "disable", address)
	may("parola seconda", false)
	mailbox("", "enable", address)
	may("parola seconda", true)
	when(func() { s.mailboxList(t, address) })
	when(func() { s.mailboxMistakes(t, address) })
}

func (s *sandbox) mailboxList(t *testing.T, address string) {
	t.Helper()
	s.admin(t, s.alfa(), "", "mailbox", "disable", s.alfa().Mailboxes[0].Address)
	list := map[string]string{}
	for line := range strings.Lines(s.admin(t, s.alfa(), "", "mailbox", "list")) {
		fields := strings.Fields(line)
		list[fields[0]] = strings.Join(fields[1:3], " ")
	}
	for a, want := range map[string]string{address: "open holder", s.alfa().Mailboxes[0].Address: "disabled holder", s.alfa().ServiceMailbox.Address: "open service"} {
		if list[a] != want {
			t.Errorf("mailbox list: %s is %q, not %q", a, list[a], want)
		}
	}
	s.admin(t, s.alfa(), "", "mailbox", "enable", s.alfa().Mailboxes[0].Address)
	if domains := s.admin(t, s.alfa(), "", "domain", "list"); strings.Count(domains, "listed") != 2 || strings.Contains(domains, "takes no mail") {
		t.Errorf("domain list:\n%s", domains)
	}
}

func (s *sandbox) mailboxMistakes(t *testing.T, address string) {
	t.Helper()
	for _, m := range []struct{ stdin, command, address string }{
		{"corta\n", "add", "breve@" + s.alfa().Domain},               // the password is too short
		{"parola terza\n", "add", address},                           // it is there
		{"parola terza\n", "add", "qualcuno@" + s.beta().Domain},     // another provider's domain
		{"parola terza\n", "add", s.alfa().signingAddress()},         // reserved
		{"parola terza\n", "add", "postmaster@" + s.alfa().Domain},   // reserved
		{"parola terza\n", "add", "niente"},                          // no address
		{"", "add", "senza@" + s.alfa().Domain},                      // no password
		{"parola terza\n", "password", "nessuno@" + s.alfa().Domain}, // no such mailbox
		{"", "disable", "nessuno@" + s.alfa().Domain},                // the same
		{"", "enable", "qualcuno@" + s.Outside.Mailbox.Address},      // no address
	} {
		r := s.tryAdmin(t, s.alfa(), m.stdin, "mailbox", m.command, m.address)
		if r.status == 0 || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "ceralacca: ") {
			t.Errorf("mailbox %s %s: status %d: %s", m.command, m.address, r.status, r.stderr)
		}
	}
}

// mayLogin tells whether the server lets an account in.
func (s *sandbox) mayLogin(t *testing.T, a account) bool {
	t.Helper()
	c := s.dialIMAP(t, a)
	defer c.conn.Close()
	tag := c.begin("LOGIN %s %s", quoted(a.Address), quoted(a.Password))
	for {
		if status, tagged := strings.CutPrefix(c.read().text, tag+" "); tagged {
			return strings.HasPrefix(status, "OK")
		}
	}
}

// TestClockBehindData: nothing is ever certified before what was certified already (design.md 9).
func TestClockBehindData(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 1)
	s.advance(t, "48h")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	s.settle(t)
	s.check(t)
	s.stop(t)
	offset := readFile(t, s.path("clock"))
	remove("clock")(t, s.dir)
	before := listing(t, s.dir, rewrittenAtStart()...)
	checkRefusal(t, "clock", "serve", "-c", s.path(s.alfa().ConfigFile))
	checkRefusal(t, "clock", s.command("--dir", s.dir, "--base-port", "0", "--mailboxes", "1")...)
	checkSame(t, before, listing(t, s.dir, rewrittenAtStart()...))
	writeFile(t, s.path("clock"), offset)
	s.start(t)
}

package hostile

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestStartTLSInjection: commands sent behind STARTTLS in the same octets end the connection; nothing of them is done, in
// clear or inside TLS, and what was said before the handshake is forgotten (attacks.md 8).
func TestStartTLSInjection(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "1")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	injected := "EHLO evil.test\r\nAUTH PLAIN " + plainResponse(from) + "\r\nMAIL FROM:<" + from.Address + ">\r\nRCPT TO:<" + to.Address + ">\r\nDATA\r\n"
	for name, port := range map[string]string{"submission": s.alfa().Submission, "port 25": s.beta().SMTP} {
		for what, octets := range map[string]string{"commands": injected, "one octet": "E", "an empty line": "\r\n", "a handshake": "\x16\x03\x01\x00\x05hello"} {
			c := dialSMTP(t, port, nil)
			c.say("EHLO client.test")
			if r := c.send("STARTTLS\r\n" + octets); r.code != 554 || !strings.HasPrefix(r.text, "5.5.0 ") {
				t.Errorf("%s, %s: %v", name, what, r)
			}
			if rest := c.rest(); rest != "" {
				t.Errorf("%s, %s: it went on with %q", name, what, rest)
			}
		}
		c := dialSMTP(t, port, nil)
		c.say("EHLO client.test")
		if r := c.say("STARTTLS"); r.code != 220 {
			t.Fatalf("%s: STARTTLS: %v", name, r)
		}
		if _, err := io.WriteString(c.Conn, injected); err != nil { // in clear, where the handshake should be
			t.Fatal(err)
		}
		if rest := c.rest(); strings.Contains(rest, "250") || strings.Contains(rest, "235") {
			t.Errorf("%s: after a handshake that was none: %q", name, rest)
		}
	}
	c := dialSMTP(t, s.beta().SMTP, nil)
	c.say("EHLO client.test")
	c.envelope("<x@y.test>", []string{"postmaster"})
	c.say("STARTTLS")
	c.use(tls.Client(c.Conn, s.tls(t)))
	if r := c.say("DATA"); r.code != 503 {
		t.Errorf("the transaction begun in clear is still open: %v", r)
	}
	if r := c.say("MAIL FROM:<x@y.test>"); r.code != 503 {
		t.Errorf("the EHLO said in clear still counts: %v", r)
	}
	c.say("EHLO client.test")
	if r := c.say("STARTTLS"); r.code/100 != 5 {
		t.Errorf("STARTTLS inside TLS: %v", r)
	}
}

// TestPipeliningPastAUTH: what is sent ahead of the answer to a log-in does not profit from one that fails, nor do the
// octets of an exchange that was cancelled become commands (attacks.md 8).
func TestPipeliningPastAUTH(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "1")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	transaction := "MAIL FROM:<" + from.Address + ">\r\nRCPT TO:<" + to.Address + ">\r\n"
	wrong := plainResponse(account{Address: from.Address, Password: "sbagliata"})
	for name, x := range map[string]struct {
		octets string
		codes  []int
	}{
		"a wrong password":       {"AUTH PLAIN " + wrong + "\r\n" + transaction, []int{535, 530, 503}},
		"an exchange cancelled":  {"AUTH PLAIN\r\n*\r\n" + transaction, []int{334, 501, 530, 503}},
		"commands as a password": {"AUTH LOGIN\r\n" + transaction, []int{334, 501, 503}},
		"no log-in":              {transaction + "DATA\r\n", []int{530, 503, 503}},
		"another mechanism":      {"AUTH ANONYMOUS x\r\nAUTH EXTERNAL =\r\n" + transaction, []int{504, 504, 530, 503}},
		"in the name of another": {"AUTH PLAIN " + plainFor(to.Address, from) + "\r\n" + transaction, []int{535, 530, 503}},
		"the right one":          {"AUTH PLAIN " + plainResponse(from) + "\r\n" + transaction + "AUTH PLAIN " + plainResponse(from) + "\r\n", []int{235, 250, 250, 503}},
	} {
		c := dialSMTP(t, s.alfa().Submissions, s.tls(t))
		c.say("EHLO client.test")
		if _, err := io.WriteString(c.Conn, x.octets); err != nil {
			t.Fatal(err)
		}
		for i, want := range x.codes {
			if r := c.read(); r.code != want {
				t.Errorf("%s: reply %d is %v, not %d", name, i+1, r, want)
			}
		}
	}
	c := s.submission(t, from)
	c.envelope("<"+from.Address+">", []string{to.Address})
	if r := c.send("DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"); r.code != 554 || c.rest() != "" {
		t.Errorf("a message that did not wait for DATA's answer: %v", r)
	}
}

// plainFor is a PLAIN response in which who logs in wants to act for another.
func plainFor(identity string, a account) string {
	return base64Of(identity + "\x00" + a.Address + "\x00" + a.Password)
}

// TestWrongProtocol: who speaks another protocol than the port's is told off and cut before anything is done, so that no
// browser and no other server's client can be made to speak for a holder; no port answers PREAUTH, and inside TLS no other
// protocol is agreed upon (attacks.md 8: ALPACA).
func TestWrongProtocol(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "1")
	from := s.alfa().Mailboxes[0]
	logIn := "AUTH PLAIN " + plainResponse(from) + "\r\n"
	post := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n"
	imap := `a LOGIN "` + from.Address + `" "` + from.Password + `"` + "\r\nb SELECT INBOX\r\n"
	p := s.alfa()
	for _, x := range []struct {
		name, port string
		secure     bool
		octets     string
		silent     bool // the server says nothing but a TLS alert
	}{
		{"a browser at the submission port", p.Submission, false, post + "EHLO x\r\n" + logIn, false},
		{"a browser at port 25", p.SMTP, false, post + "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + from.Address + ">\r\n", false},
		{"a browser inside TLS", p.Submissions, true, post + "EHLO x\r\n" + logIn, false},
		{"a browser at IMAP", p.IMAPS, true, post + imap, false},
		{"IMAP inside TLS at the submission port", p.Submissions, true, strings.Repeat(imap, 12) + "EHLO x\r\n" + logIn, false},
		{"SMTP inside TLS at IMAP", p.IMAPS, true, "EHLO x\r\n" + logIn + imap, false},
		{"TLS at the submission port", p.Submission, false, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 200) + "\r\nEHLO x\r\n", false},
		{"SMTP in clear at the TLS port", p.Submissions, false, "EHLO x\r\n" + logIn, true},
		{"IMAP in clear", p.IMAPS, false, imap, true},
	} {
		heard := speak(t, s, x.port, x.secure, x.octets)
		for _, bad := range []string{"235 ", "PREAUTH", "a OK", "b OK", "250-", "EXISTS"} {
			if strings.Contains(heard, bad) {
				t.Errorf("%s: %q", x.name, heard)
			}
		}
		if x.silent && len(heard) > 7 {
			t.Errorf("%s: it was answered %q", x.name, heard)
		}
	}
	s.wantApplicationProtocols(t)
}

// speak sends octets without waiting for anything, and gives all that is heard until the server closes.
func speak(t *testing.T, s *sandbox, port string, secure bool, octets string) string {
	t.Helper()
	conn, err := net.Dial("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if secure {
		conn = tls.Client(conn, s.tls(t))
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(conn, octets) // the server may close before it has read all
	heard, err := io.ReadAll(conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Fatalf("the server at %s does not close on %.40q; it said %q", port, octets, heard)
	}
	return string(heard)
}

// wantApplicationProtocols: a client that asks inside TLS for another protocol than the port's is not served (RFC 7301).
func (s *sandbox) wantApplicationProtocols(t *testing.T) {
	t.Helper()
	p := s.alfa()
	for _, x := range []struct {
		port, protocol string
		served         bool
	}{
		{p.Submissions, "smtp", true}, {p.Submissions, "imap", false}, {p.Submissions, "http/1.1", false}, {p.Submissions, "h2", false}, {p.Submissions, "ftp", false},
		{p.IMAPS, "imap", true}, {p.IMAPS, "smtp", false}, {p.IMAPS, "http/1.1", false}, {p.IMAPS, "h2", false}, {p.IMAPS, "managesieve", false},
	} {
		conf := s.tls(t)
		conf.NextProtos = []string{x.protocol}
		conn, err := tls.Dial("tcp", x.port, conf)
		if (err == nil) != x.served {
			t.Errorf("%s at %s: %v", x.protocol, x.port, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	for port, greeting := range map[string]string{p.Submissions: "220 ", p.IMAPS: "* OK "} {
		for _, version := range []string{"-tls1", "-tls1_1"} {
			if out, status := run(t, "openssl", "s_client", "-connect", port, version, "-cipher", "DEFAULT@SECLEVEL=0"); status == 0 {
				t.Errorf("%s at %s was served: %s", version, port, clip(out))
			}
		}
		// After the greeting: one that comes in the middle of a handshake makes s_client give up by itself.
		if out, _ := talk(t, greeting, "R\n", "openssl", "s_client", "-connect", port, "-tls1_2", "-no_ign_eof"); !strings.Contains(out, "RENEGOTIATING") || !strings.Contains(out, "alert") {
			t.Errorf("renegotiation at %s: %s", port, clip(out))
		}
	}
}

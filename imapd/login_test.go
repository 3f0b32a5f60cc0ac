package imapd

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func initialResponse(identity, user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(identity + "\x00" + user + "\x00" + password))
}

// norms.md 93
func TestLogin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const refused = "NO [AUTHENTICATIONFAILED]"
	cases := []struct{ command, want string }{
		{"LOGIN " + testUser + " " + testPassword, "OK [CAPABILITY IMAP4rev2 IMAP4rev1 "},
		{`LOGIN "ANNA@pec.Alfa.test" "` + testPassword + `"`, "OK "},
		{"LOGIN {18+}\r\n" + testUser + " {13+}\r\n" + testPassword, "OK "},
		{"LOGIN " + testUser + " sbagliata", refused},
		{"LOGIN nessuno@pec.alfa.test " + testPassword, refused},
		{"LOGIN x y", refused},
		{"AUTHENTICATE PLAIN " + initialResponse("", testUser, testPassword), "OK [CAPABILITY"},
		{"authenticate plain " + initialResponse(testUser, testUser, testPassword), "OK [CAPABILITY"},
		{"AUTHENTICATE PLAIN " + initialResponse("beppe", testUser, testPassword), "NO [AUTHORIZATIONFAILED]"},
		{"AUTHENTICATE PLAIN " + initialResponse("", testUser, "sbagliata"), refused},
		{"AUTHENTICATE PLAIN =", "BAD "},
		{"AUTHENTICATE SCRAM-SHA-256 =", "NO "},
		{"SELECT INBOX", "BAD "},
		{"IDLE", "BAD "},
		{"STARTTLS", "NO "},
	}
	for _, c := range cases {
		h.dial(t).want(c.command, c.want)
	}
	log := h.log.String()
	if strings.Contains(log, "segreta") || strings.Contains(log, "sbagliata") {
		t.Error("a password is in the log:\n" + log)
	}
	if !strings.Contains(log, `msg="imapd: log-in failed" remote=127.0.0.1:`) || !strings.Contains(log, "account="+testUser) {
		t.Error("log-ins are not in the log:\n" + log)
	}
}

// TestConnections tries several things on one server.
func TestConnections(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, test := range map[string]func(*testing.T, *house){
		"AUTHENTICATE without initial response": testAuthenticateWithoutInitialResponse,
		"the third failure ends":                testThirdFailureEnds,
		"a stranger must speak IMAP":            testStrangerMustSpeakIMAP,
		"only IMAP over TLS":                    testOnlyIMAPOverTLS,
		"literals are not commands":             testLiteralsAreNotCommands,
		"literals together are bounded":         testLiteralsTogetherAreBounded,
	} {
		t.Run(name, func(t *testing.T) { test(t, h) })
	}
}

func testAuthenticateWithoutInitialResponse(t *testing.T, h *house) {
	c := h.dial(t)
	c.send("a AUTHENTICATE PLAIN\r\n")
	if got := c.line(); got != "+ " {
		t.Errorf("challenge %q, want an empty one", got)
	}
	c.send(initialResponse("", testUser, testPassword) + "\r\n")
	if _, tagged := c.until("a"); !strings.HasPrefix(tagged, "OK ") {
		t.Error(tagged)
	}
	c.want("AUTHENTICATE PLAIN", "BAD ")
}

func testThirdFailureEnds(t *testing.T, h *house) { // attacks.md 9
	c := h.dial(t)
	for range 2 {
		c.want("LOGIN "+testUser+" sbagliata", "NO [AUTHENTICATIONFAILED]")
	}
	// What is sent ahead is refused without being looked at.
	c.send("x LOGIN " + testUser + " sbagliata\r\ny LOGIN " + testUser + " " + testPassword + "\r\n")
	for _, want := range []string{"x NO [AUTHENTICATIONFAILED]", "y NO [AUTHENTICATIONFAILED]", "* BYE too many failed log-ins", ""} {
		if got := c.line(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func testStrangerMustSpeakIMAP(t *testing.T, h *house) { // attacks.md 8
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "EHLO example.org\r\n\r\n", "\r\n"} {
		c := h.dial(t)
		c.send(text)
		for line := c.line(); line != ""; line = c.line() {
			if !strings.Contains(line, "BYE") && !strings.Contains(line, "BAD") {
				t.Errorf("%q was answered %q", text, line)
			}
		}
	}
}

func TestClosedMailboxSendsItsReaderAway(t *testing.T) { // attacks.md 9
	t.Parallel()
	h := newHouse(t)
	ctx := context.Background()
	if err := h.store.SetEnabled(ctx, testUser, false); err != nil {
		t.Fatal(err)
	}
	h.dial(t).want("LOGIN "+testUser+" "+testPassword, "NO [AUTHENTICATIONFAILED]")

	if err := h.store.SetEnabled(ctx, testUser, true); err != nil {
		t.Fatal(err)
	}
	c := h.login(t, "INBOX")
	s := &session{store: h.store, ctx: ctx, mailbox: h.mailbox, conn: &conn{Conn: c.conn}}
	s.log = slog.New(slog.DiscardHandler)
	s.checkOpen()
	if s.conn.farewell != "" {
		t.Error("an open mailbox was closed")
	}
	if err := h.store.SetEnabled(ctx, testUser, false); err != nil {
		t.Fatal(err)
	}
	s.checked = time.Now().Add(-2 * lookEvery)
	s.checkOpen()
	if s.conn.farewell == "" {
		t.Error("a closed mailbox can still be read")
	}
}

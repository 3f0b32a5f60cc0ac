package imapd

import (
	"bufio"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/store"
)

// FuzzSession sends anything to a connection that is fresh, logged in, or has a folder open. Whatever it is, the server must
// not panic and must end the connection when it is told to.
func FuzzSession(f *testing.F) {
	h := newHouse(f)
	for _, text := range samples() {
		if len(text) < 10_000 {
			h.put(f, "INBOX", text)
		}
	}
	for state := range byte(3) {
		for _, text := range []string{
			"a CAPABILITY\r\n", "a LOGIN x {1}\r\n", "a AUTHENTICATE PLAIN\r\n*\r\n", "a LIST (SUBSCRIBED) \"\" (% *) RETURN (STATUS (MESSAGES DELETED))\r\n",
			"a SELECT INBOX\r\nb FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY[1.1.MIME] BINARY[1]<0.9> BODY.PEEK[HEADER.FIELDS (To)]<1.2>)\r\n",
			"a UID SEARCH RETURN (SAVE MIN) OR NOT SUBJECT x (TEXT {1+}\r\ny LARGER 1)\r\nb UID STORE $ -FLAGS.SILENT (\\Seen k)\r\n",
			"a APPEND INBOX (\\Seen) {7+}\r\na: b\r\n\r\n", "a COPY 1 INBOX\r\nb UID MOVE 2:* Cestino\r\nc EXPUNGE\r\n", "a IDLE\r\nDONE\r\nb NOOP\r\n",
			"a CREATE a/b/&AOA-\r\nb RENAME a c/d\r\nc DELETE c\r\n", "a UID FETCH *:4294967295 BODY[4294967295.0]\r\n", "a EXAMINE INBOX\r\nb CLOSE\r\n",
		} {
			f.Add(state, text)
		}
	}
	f.Fuzz(func(t *testing.T, state byte, text string) {
		conn, err := tls.Dial("tcp", h.address, clientTLS())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		prologue := [3]string{"", "l LOGIN " + testUser + " " + testPassword + "\r\n", "l LOGIN " + testUser + " " + testPassword + "\r\ns SELECT INBOX\r\n"}
		go func() {
			_, _ = io.WriteString(conn, prologue[state%3]+text+"\r\nz LOGOUT\r\n") // the server may hang up before
			_ = conn.CloseWrite()
		}()
		r := bufio.NewReader(conn)
		if greeting, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(greeting, "* OK ") {
			t.Fatalf("greeting %q, %v", greeting, err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("%d %q: the connection does not end", state, text)
		}
		h.trim(t)
		if log := h.log.take(); strings.Contains(log, "panic") {
			t.Fatalf("%d %q: the server panicked\n%s", state, text, log)
		}
	})
}

// trim keeps INBOX from growing by what inputs copy.
func (h *house) trim(t *testing.T) {
	const most = 30
	inbox := h.folder(t, store.Inbox)
	uids, err := h.store.UIDs(t.Context(), inbox.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(uids) <= most {
		return
	}
	if err := h.store.Expunge(t.Context(), inbox.ID, uids[most/2:]); err != nil {
		t.Fatal(err)
	}
}

// FuzzHeaders reads foreign headers in all the ways that answers need.
func FuzzHeaders(f *testing.F) {
	for _, text := range samples() {
		f.Add(text[:min(len(text), 2000)])
	}
	f.Add("From: \"\\")
	f.Add("To: (((,;:<>@\r\n\tb:;")
	f.Add("Content-Type: a/b; x=\"(\\")
	f.Fuzz(func(t *testing.T, header string) {
		e := envelope([]byte(header))
		for _, text := range []string{e.Subject, e.MessageID} {
			if strings.Contains(text, "\x00") {
				t.Errorf("a NUL in %q", text)
			}
		}
		_, params := parameters(fieldOf([]byte(header), "Content-Type"))
		for name, value := range params {
			if strings.Contains(name+value, "\x00") {
				t.Errorf("a NUL in %q %q", name, value)
			}
		}
		length := 0
		eachField([]byte(header), func(_ string, raw []byte) { length += len(raw) })
		if length > len(header) {
			t.Errorf("%d octets of fields in %d", length, len(header))
		}
	})
}

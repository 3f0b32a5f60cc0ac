package imapd

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const small = "a: b\r\n\r\nc\r\n"

// TestIdle: what others do is announced while it happens.
func TestIdle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(t, "INBOX", small)
	h.put(t, "INBOX", small)
	idler, other := h.login(t, "INBOX"), h.login(t, "INBOX")
	idler.send("i IDLE\r\n")
	expect := func(want string) {
		t.Helper()
		if got := idler.line(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	expect("+ idling")
	h.put(t, "INBOX", small)
	expect("* 3 EXISTS")
	other.ok(`STORE 2 +FLAGS (\Deleted Nuova)`)
	expect(`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft Nuova)`)
	expect(`* 2 FETCH (UID 2 FLAGS (\Deleted Nuova))`)
	other.ok("EXPUNGE")
	expect("* 2 EXPUNGE")
	idler.send("DONE\r\n")
	expect("i OK IDLE completed")
	idler.ok("UNSELECT")
	idler.send("j IDLE\r\n")
	expect("+ idling")
	idler.send("ENOUGH\r\n")
	if got := idler.line(); !strings.HasPrefix(got, "j BAD") {
		t.Error(got)
	}
	idler.ok("NOOP")
	idler.send("k IDLE\r\n")
	expect("+ idling")
	if err := idler.conn.Close(); err != nil { // the session must notice by itself
		t.Fatal(err)
	}
}

// TestExpungeWaits: numbers keep their meaning until the client is told (RFC 9051 7.5.1).
func TestExpungeWaits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 4 {
		h.put(t, "INBOX", small)
	}
	reader, other := h.login(t, "INBOX"), h.login(t, "INBOX")
	other.ok(`STORE 2 +FLAGS.SILENT (\Deleted)`)
	other.wantLines("EXPUNGE", "* 2 EXPUNGE")
	h.put(t, "INBOX", small, `\Flagged`)
	reader.wantLines("SEARCH ALL", "* SEARCH 1 2 3 4", "* 5 EXISTS")
	reader.wantLines("FETCH 2:3 (UID BODY.PEEK[TEXT])", "* 2 FETCH (UID 2 BODY[TEXT] {3}\r\nc\r\n)", "* 3 FETCH (UID 3 BODY[TEXT] {3}\r\nc\r\n)")
	reader.wantLines("STORE 3 +FLAGS.SILENT (\\Seen)")
	reader.wantLines("UID FETCH 3 FLAGS", `* 3 FETCH (UID 3 FLAGS (\Seen))`, "* 2 EXPUNGE")
	reader.wantLines("FETCH 2 FLAGS", `* 2 FETCH (FLAGS (\Seen))`)
	reader.wantLines("FETCH 4 (UID FLAGS)", `* 4 FETCH (UID 5 FLAGS (\Flagged))`)
	other.wantLines("NOOP", "* 4 EXISTS", `* 2 FETCH (UID 3 FLAGS (\Seen))`)
}

// TestSilentStoreIsTold what others changed too (RFC 9051 6.4.6).
func TestSilentStoreIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(t, "INBOX", small)
	one, two := h.login(t, "INBOX"), h.login(t, "INBOX")
	one.wantLines(`STORE 1 +FLAGS.SILENT (\Seen)`)
	two.wantLines(`STORE 1 +FLAGS.SILENT (\Flagged)`, `* 1 FETCH (UID 1 FLAGS (\Seen \Flagged))`)
	two.wantLines("NOOP")
	one.wantLines("NOOP", `* 1 FETCH (UID 1 FLAGS (\Seen \Flagged))`)
}

func TestRemovedFolderLooksEmpty(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(t, "Bozze", small)
	h.put(t, "Bozze", small)
	reader, other := h.login(t, "Bozze"), h.login(t)
	other.ok("DELETE Bozze")
	reader.wantLines("NOOP", "* 2 EXPUNGE", "* 1 EXPUNGE")
	reader.wantLines("NOOP")
	reader.wantLines("UID FETCH 1:* FLAGS")
	reader.ok("CLOSE")
}

// TestTwoSessionsAtOnce changes one folder from two sides, and both see the same in the end. It uses the library's client.
func TestTwoSessionsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 20 {
		h.put(t, "INBOX", small)
	}
	work := func(flag imap.Flag) error {
		c, err := imapclient.DialTLS(h.address, &imapclient.Options{TLSConfig: clientTLS()})
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Login(testUser, testPassword).Wait(); err != nil {
			return err
		}
		if _, err := c.Select("INBOX", nil).Wait(); err != nil {
			return err
		}
		for uid := range imap.UID(20) {
			flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}
			if err := c.Store(imap.UIDSetNum(uid+1), flags, nil).Close(); err != nil {
				return err
			}
		}
		if _, err := c.Copy(imap.UIDSetNum(1, 2, 3), "Cestino").Wait(); err != nil {
			return err
		}
		return c.Logout().Wait()
	}
	done := make(chan error, 2)
	go func() { done <- work(imap.FlagSeen) }()
	go func() { done <- work(imap.FlagFlagged) }()
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	entries, err := h.store.Entries(context.Background(), h.folder(t, "INBOX").ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if len(e.Flags) != 2 {
			t.Errorf("message %d has %q", e.UID, e.Flags)
		}
	}
	if f := h.folder(t, "Cestino"); f.Messages != 6 {
		t.Errorf("%d copies", f.Messages)
	}
}

// TestStop: sessions that rest get BYE at once, and Serve returns.
func TestStop(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	stranger, resting, idle := h.dial(t), h.login(t, "INBOX"), h.login(t, "INBOX")
	idle.send("i IDLE\r\n")
	if got := idle.line(); got != "+ idling" {
		t.Fatal(got)
	}
	start := time.Now()
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("it took %s", d)
	}
	for _, c := range []*client{stranger, resting, idle} {
		if got := c.line(); got != "* BYE the server is stopping" {
			t.Errorf("%q", got)
		}
	}
}

// TestStopCutsWhatLasts: a command that does not end is cut after the grace.
func TestStopCutsWhatLasts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.Grace = 50 * time.Millisecond })
	c := h.login(t)
	c.send("a APPEND INBOX {1000}\r\n")
	if got := c.line(); !strings.HasPrefix(got, "+ ") {
		t.Fatal(got)
	}
	c.send("half of it")
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	if f := h.folder(t, "INBOX"); f.Messages != 0 {
		t.Error("half a message was stored")
	}
}

package imapd

import (
	"fmt"
	"strings"
	"testing"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.put(t, "INBOX", "a: b\r\n\r\n", `\Seen`)
	h.put(t, "INBOX", "a: b\r\n\r\n", "Lavoro", `\Flagged`)
	c := h.login(t)
	validity := h.folder(t, "INBOX").UIDValidity
	flags := `\Answered \Flagged \Deleted \Seen \Draft Lavoro`
	want := []string{"* 2 EXISTS", "* 0 RECENT", "* OK [UNSEEN 2] First unseen message", fmt.Sprintf("* OK [UIDVALIDITY %d] UIDs valid", validity),
		"* OK [UIDNEXT 3] Predicted next UID", "* FLAGS (" + flags + ")", `* OK [PERMANENTFLAGS (` + flags + ` \*)] Permanent flags`}
	if got, tagged := c.do("SELECT INBOX"); strings.Join(got, "\n") != strings.Join(want, "\n") || !strings.HasPrefix(tagged, "OK [READ-WRITE]") {
		t.Errorf("%q %q", got, tagged)
	}
	want[6] = "* OK [PERMANENTFLAGS ()] Permanent flags"
	want = append([]string{"* OK [CLOSED] Previous mailbox is now closed"}, want...)
	if got, tagged := c.do("EXAMINE inbox"); strings.Join(got, "\n") != strings.Join(want, "\n") || !strings.HasPrefix(tagged, "OK [READ-ONLY]") {
		t.Errorf("%q %q", got, tagged)
	}
	for _, command := range []string{`STORE 1 +FLAGS (\Deleted)`, "EXPUNGE", "MOVE 1 Cestino"} {
		c.want(command, "NO [NOPERM]")
	}
	literalOf(t, c.ok("FETCH 2 BODY[]"))
	c.wantLines("FETCH 2 FLAGS", `* 2 FETCH (FLAGS (Lavoro \Flagged))`)
	c.ok("CLOSE")
	c.want("FETCH 1 FLAGS", "BAD")
	c.wantLines("ENABLE IMAP4rev2", "* ENABLED IMAP4rev2")
	if got := c.ok("SELECT INBOX"); !strings.Contains(strings.Join(got, "\n"), `* LIST () "/" INBOX`) || strings.Contains(strings.Join(got, "\n"), "RECENT") {
		t.Errorf("%q", got)
	}
	c.ok("UNSELECT")
	c.want("UNSELECT", "BAD")
}

func TestFlags(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 3 {
		h.put(t, "INBOX", "a: b\r\n\r\nc\r\n")
	}
	c := h.login(t, "INBOX")
	c.wantLines(`STORE 1:2 +FLAGS (\seen $FORWARDED Lavoro)`,
		`* 1 FETCH (UID 1 FLAGS (\Seen $Forwarded Lavoro))`, `* 2 FETCH (UID 2 FLAGS (\Seen $Forwarded Lavoro))`)
	c.wantLines(`STORE 1 -FLAGS lavoro`, `* 1 FETCH (UID 1 FLAGS (\Seen $Forwarded))`)
	c.wantLines(`UID STORE 1,3 FLAGS.SILENT (\Deleted \Recent)`)
	c.wantLines(`FETCH 1:* FLAGS`, `* 1 FETCH (FLAGS (\Deleted))`, `* 2 FETCH (FLAGS (\Seen $Forwarded Lavoro))`, `* 3 FETCH (FLAGS (\Deleted))`)
	c.wantLines(`STORE 2 FLAGS ()`, `* 2 FETCH (UID 2 FLAGS ())`)
	c.want(`STORE 1 FLAGS (\Inventato)`, "NO [CANNOT]")
	c.want(`STORE 1 FLAGS (\*)`, "NO [CANNOT]")
	c.want(`STORE 1 FLAGS (`+strings.Repeat("x", 101)+`)`, "NO [LIMIT]")
	c.want("STORE 1 FLAGS (citt\xe0)", "BAD")
	c.want(`STORE 9 FLAGS ()`, "BAD")
	c.wantLines(`UID STORE 9 FLAGS ()`)

	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf("k%d", i))
	}
	c.want("STORE 1 FLAGS ("+strings.Join(many, " ")+")", "NO [LIMIT]") // attacks.md 27
	c.ok("STORE 1 FLAGS.SILENT (" + strings.Join(many[:100], " ") + ")")
	c.want("STORE 2 +FLAGS (uno-di-troppo)", "NO [LIMIT]")
	c.ok("STORE 2 +FLAGS (K99)")
	c.want("APPEND INBOX (uno-di-troppo) {3+}\r\nx\r\n", "NO [LIMIT]")

	literalOf(t, c.ok("FETCH 3 BODY.PEEK[]"))
	c.wantLines("FETCH 3 FLAGS", `* 3 FETCH (FLAGS (\Deleted))`)
	c.wantLines("FETCH 3 BODY[TEXT]", "* 3 FETCH (FLAGS (\\Deleted \\Seen) BODY[TEXT] {3}\r\nc\r\n)")
	c.wantLines("NOOP")
	c.wantLines("FETCH 3 (BODY[TEXT])", "* 3 FETCH (BODY[TEXT] {3}\r\nc\r\n)")
}

func TestExpunge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 6 {
		h.put(t, "INBOX", "a: b\r\n\r\nc\r\n")
	}
	c := h.login(t, "INBOX")
	c.ok(`STORE 1,3,4,6 +FLAGS.SILENT (\Deleted)`)
	c.wantLines("UID EXPUNGE 4:5", "* 4 EXPUNGE")
	c.wantLines("EXPUNGE", "* 5 EXPUNGE", "* 3 EXPUNGE", "* 1 EXPUNGE")
	c.wantLines("FETCH 1:* UID", "* 1 FETCH (UID 2)", "* 2 FETCH (UID 5)")
	c.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	c.wantLines("CLOSE")
	if got := c.ok("EXAMINE INBOX"); got[0] != "* 1 EXISTS" {
		t.Errorf("%q", got)
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.MaxAppend = 1 << 20 })
	c := h.login(t)
	validity := h.folder(t, "Inviata").UIDValidity
	append := func(arguments, text, want string) {
		t.Helper()
		c.tags++
		tag := fmt.Sprintf("t%d", c.tags)
		c.send(fmt.Sprintf("%s APPEND %s {%d}\r\n", tag, arguments, len(text)))
		if line := c.line(); !strings.HasPrefix(line, "+ ") {
			if !strings.HasPrefix(line, tag+" "+want) {
				t.Fatalf("%q, want %q", line, want)
			}
			return
		}
		c.send(text + "\r\n")
		if _, tagged := c.until(tag); !strings.HasPrefix(tagged, want) {
			t.Fatalf("%q, want %q", tagged, want)
		}
	}
	long := "a: b\r\n\r\n" + strings.Repeat("x NOOP\r\n", 50_000)
	append(`Inviata (\Seen)`, long, fmt.Sprintf("OK [APPENDUID %d 1]", validity))
	append(`Inviata`, strings.Repeat("x", 1<<20), fmt.Sprintf("OK [APPENDUID %d 2]", validity))
	append(`Inviata`, strings.Repeat("x", 1<<20+1), "NO [TOOBIG]")
	append(`mai-esistita`, long, "NO [TRYCREATE]")
	append(`Inviata (\Inventato)`, long, "NO [CANNOT]")
	append(`Inviata`, "", "NO [CANNOT]")
	c.ok("SELECT Inviata")
	if got := literalOf(t, c.ok("FETCH 1 (FLAGS BODY.PEEK[])")); got != long {
		t.Error("the octets changed")
	}
	append(`Inviata`, "b: c\r\n\r\n", fmt.Sprintf("OK [APPENDUID %d 3]", validity))
	c.wantLines("FETCH 3 (FLAGS BODY[HEADER])", "* 3 FETCH (FLAGS (\\Seen) BODY[HEADER] {8}\r\nb: c\r\n\r\n)")
}

func TestCopyAndMove(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 4 {
		h.put(t, "INBOX", fmt.Sprintf("a: %d\r\n\r\n", i), "Lavoro")
	}
	c := h.login(t, "INBOX")
	validity := h.folder(t, "Cestino").UIDValidity
	c.want("COPY 1,3 Cestino", fmt.Sprintf("OK [COPYUID %d 1,3 1:2]", validity))
	c.want("COPY 1 mai-esistita", "NO [TRYCREATE]")
	c.want("MOVE 1 mai-esistita", "NO [TRYCREATE]")
	c.want("UID COPY 99 Cestino", "OK COPY")
	c.wantLines("UID MOVE 99 Cestino")
	c.wantLines("MOVE 2:3 Cestino", fmt.Sprintf("* OK [COPYUID %d 2:3 3:4] COPY completed", validity), "* 3 EXPUNGE", "* 2 EXPUNGE")
	c.wantLines("FETCH 1:* UID", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 4)")
	c.wantLines("NOOP")
	c.ok("SELECT Cestino")
	c.wantLines("FETCH 4 (FLAGS BODY.PEEK[HEADER])", "* 4 FETCH (FLAGS (Lavoro) BODY[HEADER] {8}\r\na: 2\r\n\r\n)")
}

// TestAppendKeepsTheDate: what a client moves into a folder keeps the date that it had (RFC 9051 6.3.12).
func TestAppendKeepsTheDate(t *testing.T) {
	h := newHouse(t)
	c := h.login(t, "INBOX")
	c.ok("APPEND INBOX \"19-Sep-2026 14:30:00 +0200\" {11+}\r\na: b\r\n\r\nc\r\n")
	got := strings.Join(c.ok("FETCH 1:* INTERNALDATE"), "\n")
	if !strings.Contains(got, `INTERNALDATE "19-Sep-2026 14:30:00 +0200"`) {
		t.Errorf("the date is %q", got)
	}
}

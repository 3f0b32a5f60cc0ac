package imapd

import (
	"strings"
	"testing"
)

// design.md 3, attacks.md 25: while the disk is nearly full holders read, and nothing that they do is written: a write that
// finds no room would end the process for everybody.
func TestNearlyFullDiskIsForReading(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.Reserve = 1 << 62 })
	h.put(t, "INBOX", "Subject: una\r\n\r\nUna riga.\r\n")
	c := h.login(t, "INBOX")
	if got := c.ok("FETCH 1 (FLAGS BODY[TEXT])"); len(got) != 1 || !strings.Contains(got[0], "Una riga.") || strings.Contains(got[0], `\Seen`) {
		t.Errorf("read: %q", got)
	}
	for _, command := range []string{
		`STORE 1 +FLAGS (\Flagged)`, "CREATE altra", "RENAME Sent altra", "DELETE Sent", "COPY 1 Sent", "MOVE 1 Sent", "EXPUNGE",
		"SUBSCRIBE INBOX", "UNSUBSCRIBE INBOX", "APPEND INBOX {3+}\r\nx\r\n",
	} {
		c.want(command, "NO [UNAVAILABLE]")
	}
	if e := h.entries(t, "INBOX"); len(e) != 1 || len(e[0].Flags) != 0 {
		t.Errorf("the folder has become %+v", e)
	}
	if !strings.Contains(h.log.String(), "level=ERROR") {
		t.Error("operators are not told")
	}
}

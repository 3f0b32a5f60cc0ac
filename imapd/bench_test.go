package imapd

import (
	"context"
	"fmt"
	"testing"

	"github.com/ceralacca/ceralacca/store"
)

// BenchmarkFolder10000 measures what a client does with a folder of 10,000 messages (design.md 8). Run:
//
//	go test ./imapd -run '^$' -bench Folder10000
func BenchmarkFolder10000(b *testing.B) {
	const messages = 10_000
	h := newHouse(b)
	h.fill(b, messages)
	c := h.login(b, "INBOX")
	for _, command := range []string{"SELECT INBOX", "FETCH 1:* (UID FLAGS)", "NOOP", "UID SEARCH UNSEEN", "UID FETCH 5000 BODY.PEEK[]", "FETCH 1:1000 ENVELOPE"} {
		b.Run(command, func(b *testing.B) {
			for b.Loop() {
				if _, tagged := c.do(command); tagged[:2] != "OK" {
					b.Fatal(tagged)
				}
			}
		})
	}
}

// fill puts many copies of one message into INBOX.
func (h *house) fill(t testing.TB, messages int) {
	t.Helper()
	ctx := context.Background()
	inbox := h.folder(t, store.Inbox)
	uids := []uint32{h.put(t, store.Inbox, transport)}
	for len(uids) < messages {
		_, copies, err := h.store.CopyTo(ctx, inbox.ID, inbox.ID, uids[:min(len(uids), messages-len(uids))], false)
		if err != nil {
			t.Fatal(fmt.Errorf("filling INBOX: %w", err))
		}
		uids = append(uids, copies...)
	}
}

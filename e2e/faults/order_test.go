package faults

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOrder shows that nothing was said before it was durable (design.md 4, 8): when the write of a 250 began, the syncs of
// what it answers for had returned. And it shows that this test sees it when one of these syncs is not made.
// norms.md 24
func TestOrder(t *testing.T) {
	r, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("as it is", func(t *testing.T) {
		h, violations := r.order(t, nil)
		for _, v := range violations {
			t.Error(v)
		}
		t.Logf("%d replies held against %d changes of files", len(r.answers), len(h.changes))
	})
	for what, ignored := range r.kindsOfSync() {
		t.Run("without the syncs of "+what, func(t *testing.T) {
			if _, violations := r.order(t, ignored); len(violations) == 0 {
				t.Error("no violation is seen")
			} else {
				t.Logf("%d violations, the first: %s", len(violations), violations[0])
			}
		})
	}
}

// kindsOfSync are the syncs that the program makes under load, by kind.
func (r *recording) kindsOfSync() map[string]unsynced {
	of := func(is func(*file) bool) unsynced {
		return func(f *file, at time.Time) bool { return at.After(r.begun) && is(f) }
	}
	files := func(path string) unsynced {
		return of(func(f *file) bool { return !f.dir && strings.HasPrefix(f.path, r.data()+path) })
	}
	return map[string]unsynced{
		"segments":             files("/segments/"),
		"content files":        files("/contents/"),
		"the database":         files("/store.db"),
		"the log":              files("/store.db-wal"),
		"directories":          of(func(f *file) bool { return f.dir }),
		"the contents' parent": of(func(f *file) bool { return f.path == r.data()+"/contents" }),
	}
}

func (r *recording) order(t *testing.T, ignored unsynced) (h *history, violations []string) {
	t.Helper()
	h = r.history(t, ignored)
	for _, a := range r.answers {
		octets, err := h.octetsOf(a)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := h.rowsOf(a)
		if err != nil {
			t.Fatal(err)
		}
		spoken := a.reply.begun
		violations = append(violations, h.late(a, octets, rows[0].begun, "its rows were written")...)
		violations = append(violations, h.late(a, rows, spoken, "its 250 was written")...)
	}
	return h, violations
}

// late tells which changes were not durable at a moment, with the names that lead to them.
func (h *history) late(a answered, changes []*change, moment place, what string) (violations []string) {
	for _, ch := range changes {
		name, _ := filepath.Rel(h.root, ch.of.path)
		if ch.durable >= moment {
			violations = append(violations, fmt.Sprintf("%s: the write to %s of line %d was not durable when %s (line %d)", a.pecID, name, ch.begun+1, what, moment+1))
		}
		if h.reachable(ch.of) >= moment {
			violations = append(violations, fmt.Sprintf("%s: the name %s was not durable when %s (line %d)", a.pecID, name, what, moment+1))
		}
	}
	return violations
}

// octetsOf are the writes of what was submitted: one to a segment, or all to a file of its own.
func (h *history) octetsOf(a answered) ([]*change, error) {
	token := []byte(a.token)
	for _, ch := range h.changes {
		dir := filepath.Dir(ch.of.path)
		long := filepath.Dir(dir) == filepath.Join(h.root, "contents")
		if !long && dir != filepath.Join(h.root, "segments") || !bytes.Contains(ch.octets, token) {
			continue
		}
		if long != a.long() {
			return nil, fmt.Errorf("%s: its octets are in %s", a.pecID, ch.of.path)
		}
		if long {
			return ch.of.changes, nil
		}
		return []*change{ch}, nil
	}
	return nil, fmt.Errorf("%s: the token was never written", a.pecID)
}

// A frame of SQLite's write-ahead log: a header, whose second number is not zero if the frame ends a transaction, and a page.
const walHeader = 24

// rowsOf are the writes of the transaction that has the PEC id first: from the id to the end of its last frame.
func (h *history) rowsOf(a answered) ([]*change, error) {
	id := []byte(a.pecID)
	for _, f := range h.logs() {
		for i, ch := range f.changes {
			if !bytes.Contains(ch.octets, id) {
				continue
			}
			for end := max(i-1, 0); end+1 < len(f.changes); end++ {
				if o := f.changes[end].octets; len(o) == walHeader && !bytes.Equal(o[4:8], make([]byte, 4)) {
					return f.changes[i : end+2], nil
				}
			}
			return nil, fmt.Errorf("%s: its transaction has no end", a.pecID)
		}
	}
	return nil, fmt.Errorf("%s: it is in no row", a.pecID)
}

// logs are the write-ahead logs there were, the oldest first: each is one file from its creation to its removal.
func (h *history) logs() (logs []*file) {
	for _, ch := range h.changes {
		if ch.added != nil && ch.name == filepath.Join(h.root, "store.db-wal") {
			logs = append(logs, ch.added)
		}
	}
	return logs
}

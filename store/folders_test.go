package store

import (
	"errors"
	"slices"
	"strings"
	"time"
)

func (w *world) folder(m Mailbox, name string) Folder {
	w.Helper()
	f, err := w.Folder(w.ctx(), m.ID, name)
	w.must(err)
	return f
}

// names are a mailbox's folders but the first four.
func (w *world) names(m Mailbox) string {
	w.Helper()
	fs, err := w.Folders(w.ctx(), m.ID)
	w.must(err)
	var names []string
	for _, f := range fs {
		if !slices.Contains([]string{Inbox, "Bozze", "Inviata", "Cestino"}, f.Name) {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, " | ")
}

func (w *world) addFolders(m Mailbox, names ...string) {
	w.Helper()
	for _, n := range names {
		w.must(w.AddFolder(w.ctx(), m.ID, n, ""))
	}
}

func folders(w *world) {
	fs, err := w.Folders(w.ctx(), w.mario.ID)
	w.must(err)
	if len(fs) != 4 || fs[0].Name != Inbox || w.folder(w.mario, "Inviata").Special != `\Sent` {
		w.Fatalf("the first folders: %+v", fs)
	}
	w.addFolders(w.mario, "Città/è qui", "100%_x")
	for _, taken := range []string{"Città/è qui", "INBOX", "inbox", "InBox"} {
		w.refused(ErrConflict, func() error { return w.AddFolder(w.ctx(), w.mario.ID, taken, "") })
	}
	w.refused(ErrConflict, func() error { return w.AddFolder(w.ctx(), NewID(), "nobody's", "") })
	if w.folder(w.mario, "iNbOx").ID != w.inbox(w.mario) {
		w.Error("INBOX is not found in any case")
	}
	if _, err := w.Folder(w.ctx(), w.mario.ID, "città/è qui"); !errors.Is(err, ErrNotFound) {
		w.Errorf("another name's folder: %v", err)
	}
	if _, err := w.Folder(w.ctx(), w.luigi.ID, "100%_x"); !errors.Is(err, ErrNotFound) {
		w.Errorf("another holder's folder: %v", err)
	}
	f := w.folder(w.mario, "100%_x")
	w.must(w.Subscribe(w.ctx(), f.ID, false))
	if w.folder(w.mario, "100%_x").Subscribed || !f.Subscribed {
		w.Error("the subscription was not changed")
	}
	w.append(w.mario, f.ID, "one")
	w.must(w.RemoveFolder(w.ctx(), f.ID))
	if w.names(w.mario) != "Città/è qui" || len(w.entries(f.ID)) != 0 {
		w.Errorf("after the removal: %s, %d entries", w.names(w.mario), len(w.entries(f.ID)))
	}
	w.refused(ErrConflict, func() error { return w.RemoveFolder(w.ctx(), f.ID) })
	w.refused(ErrConflict, func() error { return w.RemoveFolder(w.ctx(), w.inbox(w.mario)) })
	if _, _, err := w.State(w.ctx(), f.ID); !errors.Is(err, ErrNotFound) {
		w.Errorf("the state of a folder that is gone: %v", err)
	}
}

// renamingFolders: names with accents, and with what LIKE and GLOB would take for wildcards. attacks.md 27.
func renamingFolders(w *world) {
	all := []string{"a", "a/b", "a/b/ç", "ab", "A/b", "à", "à/b", "a%", "a%/x", "a_/x", "*/x", "[a]/x"}
	for _, c := range []struct{ from, to, want string }{
		{"a", "z", "*/x | A/b | [a]/x | a% | a%/x | a_/x | ab | z | z/b | z/b/ç | à | à/b"},
		{"à", "città", "*/x | A/b | [a]/x | a | a% | a%/x | a/b | a/b/ç | a_/x | ab | città | città/b"},
		{"a/b", "à/c", "*/x | A/b | [a]/x | a | a% | a%/x | a_/x | ab | à | à/b | à/c | à/c/ç"},
		{"a%", "%", "%" + " | %/x | */x | A/b | [a]/x | a | a/b | a/b/ç | a_/x | ab | à | à/b"},
	} {
		m := w.addMailbox(newAddress(), false)
		w.addFolders(m, all...)
		w.must(w.RenameFolder(w.ctx(), m.ID, c.from, c.to))
		if got := w.names(m); got != c.want {
			w.Errorf("%s to %s:\n%s, want\n%s", c.from, c.to, got, c.want)
		}
	}
	w.addFolders(w.mario, all...)
	for _, c := range [][2]string{{"a", "ab"}, {"a", "à"}, {"nothing", "z"}, {Inbox, "z"}, {"ab", Inbox}, {"ab", "inbox"}} {
		w.refused(ErrConflict, func() error { return w.RenameFolder(w.ctx(), w.mario.ID, c[0], c[1]) })
	}
	w.refused(ErrConflict, func() error { return w.RenameFolder(w.ctx(), w.luigi.ID, "ab", "z") })
	if got := w.names(w.luigi); got != "" {
		w.Errorf("another holder's folders: %s", got)
	}
}

// uidValidityGrows: no two folders of a mailbox ever share a UIDVALIDITY, so name and number never mean another message.
func uidValidityGrows(w *world) {
	seen := map[uint32]string{}
	var last uint32
	fs, err := w.Folders(w.ctx(), w.mario.ID)
	w.must(err)
	for _, f := range fs {
		if other, ok := seen[f.UIDValidity]; ok {
			w.Errorf("%s and %s have the same UIDVALIDITY", f.Name, other)
		}
		seen[f.UIDValidity], last = f.Name, max(last, f.UIDValidity)
	}
	for range 3 {
		w.addFolders(w.mario, "x")
		f := w.folder(w.mario, "x")
		if f.UIDValidity <= last || f.UIDNext != 1 {
			w.Errorf("UIDVALIDITY %d after %d", f.UIDValidity, last)
		}
		last = f.UIDValidity
		w.must(w.RemoveFolder(w.ctx(), f.ID))
	}
}

// quotaFollows: what a mailbox uses is the sum of its entries, whatever happens to them.
func quotaFollows(w *world) {
	inbox := w.inbox(w.mario)
	w.addFolders(w.mario, "x", "y")
	x, y := w.folder(w.mario, "x").ID, w.folder(w.mario, "y").ID
	messages := w.count("message")
	for _, step := range []func(){
		func() { w.append(w.mario, inbox, "one") },
		func() { w.append(w.mario, x, "two") },
		func() { w.must(prepareDeposit(w)(w.instant())) },
		func() { w.copy(inbox, x, false, 1, 2) },
		func() { w.copy(x, y, true, 1, 3) },
		func() { w.must(w.Expunge(w.ctx(), x, []uint32{2, 77})) },
		func() { w.must(w.Expunge(w.ctx(), x, nil)) },
		func() { w.must(w.RemoveFolder(w.ctx(), y)) },
		func() { w.must(w.Expunge(w.ctx(), inbox, []uint32{1, 2})) },
	} {
		step()
		w.usedIsSum(w.mario)
	}
	if n := w.folder(w.mario, Inbox).Messages + w.folder(w.mario, "x").Messages; n != 0 {
		w.Errorf("%d entries are left", n)
	}
	if got := w.count("message") - messages; got != 3 {
		w.Errorf("%d messages, want 3: they stay when entries go", got)
	}
}

func (w *world) usedIsSum(m Mailbox) {
	w.Helper()
	var sum int64
	w.must(w.read.QueryRowContext(w.ctx(), `SELECT coalesce(sum(e.size), 0) FROM entry e JOIN folder f ON f.id = e.folder WHERE f.mailbox = $1`, m.ID[:]).Scan(&sum))
	if got, err := w.MailboxByID(w.ctx(), m.ID); err != nil || got.Used != sum {
		w.Errorf("%d octets are used, the entries have %d: %v", got.Used, sum, err)
	}
}

func (w *world) copy(from, to ID, move bool, uids ...uint32) (source, copied []uint32) {
	w.Helper()
	source, copied, err := w.CopyTo(w.ctx(), from, to, uids, move)
	w.must(err)
	return source, copied
}

func copiesAndMoves(w *world) {
	inbox := w.inbox(w.mario)
	w.addFolders(w.mario, "x")
	x := w.folder(w.mario, "x").ID
	for _, text := range []string{"one", "two", "three"} {
		w.append(w.mario, inbox, text)
	}
	w.must(w.SetFlags(w.ctx(), inbox, []uint32{2}, func([]string) []string { return []string{`\Seen`, "$a"} }))
	w.append(w.mario, x, "other")
	w.clock.jump(time.Hour)
	source, copied := w.copy(inbox, x, false, 3, 9, 2)
	if !slices.Equal(source, []uint32{2, 3}) || !slices.Equal(copied, []uint32{2, 3}) {
		w.Errorf("copied %v to %v", source, copied)
	}
	old, es := w.entries(inbox), w.entries(x)
	if e := es[1]; e.Message != old[1].Message || !e.At.Equal(old[1].At) || strings.Join(e.Flags, " ") != `\Seen $a` || e.Size != old[1].Size {
		w.Errorf("%+v became %+v", old[1], e)
	}
	source, copied = w.copy(inbox, x, true, 1, 2)
	if !slices.Equal(source, []uint32{1, 2}) || !slices.Equal(copied, []uint32{4, 5}) {
		w.Errorf("moved %v to %v", source, copied)
	}
	source, copied = w.copy(inbox, inbox, true, 3)
	if !slices.Equal(source, []uint32{3}) || !slices.Equal(copied, []uint32{4}) {
		w.Errorf("moved %v to %v", source, copied)
	}
	if source, copied = w.copy(inbox, x, true, 1, 2); source != nil || copied != nil {
		w.Errorf("what is gone was copied: %v, %v", source, copied)
	}
	uids, err := w.UIDs(w.ctx(), x)
	if err != nil || !slices.Equal(uids, []uint32{1, 2, 3, 4, 5}) {
		w.Errorf("UIDs %v, %v", uids, err)
	}
	w.refused(ErrConflict, func() error { _, _, err := w.CopyTo(w.ctx(), x, NewID(), []uint32{1, 2}, true); return err })
	movedTwice(w, x)
}

// movedTwice: of two sessions that move the same entry one is refused, and there is one copy. attacks.md 27.
func movedTwice(w *world, x ID) {
	uid := w.append(w.mario, w.inbox(w.mario), "twice")
	before := len(w.entries(x))
	results := make(chan error)
	for range 8 {
		go func() {
			_, copied, err := w.CopyTo(w.ctx(), w.inbox(w.mario), x, []uint32{uid}, true)
			if err == nil && len(copied) == 0 {
				err = ErrConflict // it was gone already
			}
			results <- err
		}()
	}
	moved := 0
	for range 8 {
		if err := <-results; err == nil {
			moved++
		} else if !errors.Is(err, ErrConflict) {
			w.Error(err)
		}
	}
	if added := len(w.entries(x)) - before; moved != 1 || added != 1 {
		w.Errorf("one entry was moved %d times and is there %d times", moved, added)
	}
}

func flagsChange(w *world) {
	inbox := w.inbox(w.mario)
	for _, text := range []string{"one", "two", "three"} {
		w.append(w.mario, inbox, text)
	}
	before := w.entries(inbox)
	w.must(w.SetFlags(w.ctx(), inbox, []uint32{1, 3, 9}, func([]string) []string { return []string{`\Seen`} }))
	modseq, _, err := w.State(w.ctx(), inbox)
	w.must(err)
	changed, err := w.Entries(w.ctx(), inbox, before[2].ModSeq)
	w.must(err)
	if len(changed) != 2 || changed[0].UID != 1 || changed[1].UID != 3 || changed[0].ModSeq != modseq || changed[1].ModSeq != modseq {
		w.Errorf("changed: %+v at %d", changed, modseq)
	}
	if f := w.folder(w.mario, Inbox); f.Messages != 3 || f.Unseen != 1 || f.ModSeq != modseq {
		w.Errorf("the folder: %+v", f)
	}
	w.must(w.SetFlags(w.ctx(), inbox, []uint32{1, 3}, func(old []string) []string { return old }))
	if again, _, err := w.State(w.ctx(), inbox); again != modseq || err != nil {
		w.Errorf("a change of nothing moved the mod-sequence to %d: %v", again, err)
	}
	// Somebody else's change between the look and the commit is never overwritten.
	var first string
	err = w.SetFlags(w.ctx(), inbox, []uint32{2}, func([]string) []string {
		w.must(w.SetFlags(w.ctx(), inbox, []uint32{2}, func([]string) []string { return []string{"$first"} }))
		first = w.dump()
		return []string{"$second"}
	})
	if !errors.Is(err, ErrConflict) || w.dump() != first {
		w.Errorf("the second change: %v", err)
	}
}

// appendedAt: a client may say when a message came.
func appendedAt(w *world) {
	octets := []byte("Subject: x\r\n\r\nx")
	inbox, then := w.inbox(w.mario), time.Date(1999, 12, 31, 23, 59, 59, 0, time.FixedZone("", 3600))
	for _, at := range []time.Time{then, {}} {
		c := w.content(octets)
		_, err := w.Append(w.ctx(), w.mario.ID, inbox, c, structure(octets), nil, at)
		w.must(err)
		c.Release()
	}
	if es := w.entries(inbox); !es[0].At.Equal(then) || !es[1].At.Equal(w.now()) {
		w.Errorf("the entries are of %v and %v", es[0].At, es[1].At)
	}
}

// serviceIsPruned: the service mailbox keeps what is younger, holders' mailboxes keep all.
func serviceIsPruned(w *world) {
	service := w.addMailbox(newAddress(), true)
	w.append(service, w.inbox(service), "old")
	w.append(w.mario, w.inbox(w.mario), "old")
	w.clock.jump(time.Hour)
	w.append(service, w.inbox(service), "new")
	before := w.folder(service, Inbox)
	w.must(w.PruneService(w.ctx(), time.Hour))
	if len(w.entries(before.ID)) != 2 {
		w.Error("what is as old as it may be was pruned")
	}
	w.clock.jump(time.Microsecond)
	w.must(w.PruneService(w.ctx(), time.Hour))
	after := w.folder(service, Inbox)
	if es := w.entries(after.ID); len(es) != 1 || es[0].UID != 2 {
		w.Errorf("the service mailbox has %+v", es)
	}
	if after.Expunges != before.Expunges+1 || after.ModSeq <= before.ModSeq || len(w.entries(w.inbox(w.mario))) != 1 {
		w.Errorf("before %+v, after %+v", before, after)
	}
	w.usedIsSum(service)
	w.usedIsSum(w.mario)
}

func mailboxesAreOnePerAddress(w *world) {
	w.refused(ErrConflict, func() error { _, err := w.AddMailbox(w.ctx(), "MARIO.rossi@Alfa.test", false, ""); return err })
	m, err := w.Mailbox(w.ctx(), "mario.ROSSI@alfa.test")
	if err != nil || m.ID != w.mario.ID || m.Address != mario || !m.Enabled || m.Service {
		w.Errorf("%+v, %v", m, err)
	}
	for _, err := range []error{w.SetEnabled(w.ctx(), anna, true), w.SetPassword(w.ctx(), anna, "long enough")} {
		if !errors.Is(err, ErrNotFound) {
			w.Errorf("a change of a mailbox that is not there: %v", err)
		}
	}
	all, err := w.Mailboxes(w.ctx())
	if err != nil || len(all) != 2 || all[0].Address != luigi {
		w.Errorf("%+v, %v", all, err)
	}
}

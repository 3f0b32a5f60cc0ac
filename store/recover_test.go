package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// TestCrashInACommit: at each place in a group, the fact is there whole or not at all, and what is there reads. attacks.md 25.
func TestCrashInACommit(t *testing.T) {
	t.Parallel()
	for place, there := range map[Place]bool{AfterOctets: false, AfterRows: false, AfterCommit: true} {
		t.Run(string(place), func(t *testing.T) {
			w := newCrashWorld(t)
			w.accepted()
			before, marked := w.count("message"), w.end().offset
			c := w.content(noise(1, memoryLimit+1))
			defer c.Release()
			a := w.acceptance(w.instant(), "<crash@host>", noise(2, memoryLimit+1))
			dir := w.crash(place, func() error { return w.Accept(w.ctx(), a) })
			w.must(w.failedStaysFailed())

			after := reopened(t, dir)
			_, err := after.Envelope(w.ctx(), alfa, a.Envelope.PEC)
			if there != (err == nil) || !there && !errors.Is(err, ErrNotFound) {
				t.Errorf("the fact: %v, want it there: %t", err, there)
			}
			want, files := before, 2 // of c, and of the submission that no fact names
			if there {
				want, files = before+2, 1
			}
			if n := len(readTree(t, dir, lostDir)); there && n != files || !there && n != files+1 {
				t.Errorf("%d files in lost+found, want those of %d contents and the marked group", n, files)
			}
			if !there && w.engine().segments.end.offset == marked {
				t.Error("no group was ahead: this test shows nothing")
			}
			after.must(after.Close())
			opens(t, dir, want)
		})
	}
}

// tornWorld is a directory that crashed with one marked group ahead of the database.
func tornWorld(t *testing.T) (dir string, messages int, committed, whole int64) {
	w := newCrashWorld(t)
	w.said("one")
	w.said("two")
	messages, committed = w.count("message"), w.end().offset
	dir = w.crash(AfterOctets, func() error {
		b, m := plainBatch(), w.message(KindOwn, "", Recipe{Literal([]byte("x"))})
		w.must(b.message(m))
		return w.commit(w.ctx(), b)
	})
	return dir, messages, committed, int64(len(readTree(t, dir, w.segment(1))[w.segment(1)]))
}

// TestTornEnd: whatever a power cut left of a group that was not committed moves to lost+found.
func TestTornEnd(t *testing.T) {
	t.Parallel()
	dir, messages, committed, whole := tornWorld(t)
	name := filepath.Join(segmentsDir, segmentName(1))
	crashed := readTree(t, dir, "")
	segment := crashed[name]
	for n := committed; n <= whole; n++ {
		// The octets behind may never have been written, or the file never have grown.
		fill := []string{"", "\x00", "\xff"}[n%3]
		end := append(bytes.Clone(segment[committed:n]), bytes.Repeat([]byte(fill), int(whole-n))...)
		write(t, dir, name, append(bytes.Clone(segment[:committed]), end...))
		w := reopened(t, dir)
		if got := w.everythingReads(t); got != messages {
			t.Fatalf("torn at %d: %d messages, want %d", n, got, messages)
		}
		w.must(w.Close())
		if got := readTree(t, dir, name)[name]; !bytes.Equal(got, segment[:committed]) {
			t.Fatalf("torn at %d: the segment has %d octets, want %d", n, len(got), committed)
		}
		if !bytes.Equal(lost(t, dir), end) {
			t.Fatalf("torn at %d: %d octets in lost+found, want %d", n, len(lost(t, dir)), len(end))
		}
		restore(t, dir, crashed)
	}
	opens(t, dir, messages)
}

// TestLostAndFoundKeepsAll: a second crash at the same place does not write over what the first left.
func TestLostAndFoundKeepsAll(t *testing.T) {
	t.Parallel()
	dir, _, committed, whole := tornWorld(t)
	name := filepath.Join(segmentsDir, segmentName(1))
	end := readTree(t, dir, name)[name][committed:]
	for i := 1; i <= 2; i++ {
		w := reopened(t, dir)
		w.must(w.Close())
		if got := lost(t, dir); int64(len(got)) != int64(i)*(whole-committed) {
			t.Fatalf("%d octets in lost+found after %d crashes", len(got), i)
		}
		alter(t, dir, name, func(b []byte) []byte { return append(b, end...) })
	}
}

// TestCommittedOctetsThatAreGone: of the last committed group, no octet may be missing and no bit be flipped.
func TestCommittedOctetsThatAreGone(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	w.said("one")
	before := w.end().offset
	w.said("two")
	last := w.end().offset
	w.must(w.hold("y"))
	end := w.end().offset
	w.must(w.Close())
	name := w.segment(1)
	whole := readTree(t, w.Dir(), name)[name]
	for n := last; n < end; n += 17 {
		alter(t, w.Dir(), name, cutAt(n))
		reasons := []string{"damaged", "Restore the segments", "nothing was changed"}
		if n < end-markFrame { // else its mark alone is damaged
			reasons = append(reasons, "held <y@alfa.test>")
		}
		refuses(t, w.Dir(), reasons...)
		write(t, w.Dir(), name, whole)
		alter(t, w.Dir(), name, flipAt(n))
		refuses(t, w.Dir(), reasons...)
		write(t, w.Dir(), name, whole)
	}
	// The cure works.
	alter(t, w.Dir(), name, flipAt(before+frameHeader))
	refuses(t, w.Dir(), "own <>, held <y@alfa.test>")
	alter(t, w.Dir(), name, flipAt(before+frameHeader))
	opens(t, w.Dir(), 3)
}

// TestDamageBeforeTheCheckpoint: it fails its own message, and no other.
func TestDamageBeforeTheCheckpoint(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	first := w.said("one") // the first group of a segment is a checkpoint
	checked := w.end().offset
	second := w.said("two")
	w.must(w.Close())
	for n := int64(segmentHeader); n < checked-markFrame; n += 7 {
		alter(t, w.Dir(), w.segment(1), flipAt(n))
		after := reopened(t, w.Dir())
		after.reads(second, "two")
		var damage *DamageError
		if _, err := after.Open(after.ctx(), first, nil); !errors.As(err, &damage) {
			t.Fatalf("a bit at %d is flipped: %v", n, err)
		}
		after.must(after.Close())
		alter(t, w.Dir(), w.segment(1), flipAt(n))
	}
}

// TestDatabaseOlderThanTheOctets: one group ahead is a crash, two are a database from a copy. attacks.md 31.
func TestDatabaseOlderThanTheOctets(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{segmentLimit, 1} { // all in one segment, or each group in its own
		w := newCrashWorld(t)
		w.limit(limit)
		w.said("one")
		old := copyDir(t, w.Dir())
		w.said("two")
		w.said("three")
		w.must(w.Close())
		whole := readTree(t, w.Dir(), databaseName)[databaseName]
		remove(t, w.Dir(), databaseName)
		for _, name := range []string{databaseName, databaseName + "-wal"} {
			write(t, w.Dir(), name, readTree(t, old, name)[name])
		}
		refuses(t, w.Dir(), "the database is older than the messages", "Restore the database", "nothing was changed")
		write(t, w.Dir(), databaseName, whole)
		opens(t, w.Dir(), 3)
	}
}

// TestDatabaseOfOtherOctets: the committed frames end with the mark of the group that the database names.
func TestDatabaseOfOtherOctets(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	w.said("one")
	w.said("two")
	w.must(w.Close())
	files := readTree(t, w.Dir(), "")
	for _, change := range []string{"grp = grp + 1", "grp = grp - 1", "place = place - 1", "place = place + 1", "place = checked_place"} {
		execRaw(t, w.Dir(), "UPDATE tail SET "+change)
		refuses(t, w.Dir(), "committed octets are damaged", "nothing was changed")
		restore(t, w.Dir(), files)
	}
	opens(t, w.Dir(), 2)
}

// TestNoDatabase: octets without their database are never taken for garbage.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	w.said("one") // one group ahead would be a crash
	w.must(w.Close())
	remove(t, w.Dir(), databaseName)
	before := octetsOf(t, w.Dir())
	if s, err := Open(t.Context(), options(t, w.Dir(), newClock())); err == nil {
		s.Close()
		t.Error("it opened")
	} else if !strings.Contains(err.Error(), "belongs to another store") {
		t.Errorf("%v", err)
	}
	if after := octetsOf(t, w.Dir()); after != before {
		t.Errorf("the octets were changed:\n%s", difference(before, after))
	}
}

// TestNewSegment: a segment that was begun for a group that never came is moved away, whatever there is of it.
func TestNewSegment(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	w.said("one")
	w.said("two")
	messages := w.count("message")
	w.limit(1)
	dir := w.crash(AfterOctets, func() error { return w.hold("x") })
	name := w.segment(2)
	segment := readTree(t, dir, name)[name]
	if len(segment) <= segmentHeader {
		t.Fatalf("the second segment has %d octets", len(segment))
	}
	crashed := readTree(t, dir, "")
	for _, n := range []int{0, 1, len(segmentMagic), segmentHeader - 1, segmentHeader, segmentHeader + 1, len(segment) - 1, len(segment)} {
		for _, octets := range [][]byte{segment[:n], make([]byte, n)} {
			write(t, dir, name, octets)
			opens(t, dir, messages)
			if !bytes.Equal(lost(t, dir), octets) {
				t.Errorf("cut at %d: %d octets in lost+found", n, len(lost(t, dir)))
			}
			restore(t, dir, crashed)
		}
	}
}

// TestSegmentsRotate: messages lie in many segments, all are found, and each segment is looked at when the store is opened.
func TestSegmentsRotate(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	w.limit(500)
	for range 10 {
		w.said("one of many")
	}
	last := w.end().segment
	if last < 4 {
		t.Fatalf("%d segments", last)
	}
	w.must(w.Close())
	dir, whole, middle := w.Dir(), readTree(t, w.Dir(), ""), w.segment(2)
	for _, c := range []struct {
		name   string
		change func()
		reason string
	}{
		{"cut", func() { alter(t, dir, middle, func(b []byte) []byte { return b[:len(b)-1] }) }, "is cut at"},
		{"empty", func() { alter(t, dir, middle, cutAt(0)) }, "header cannot be read"},
		{"missing", func() { remove(t, dir, middle) }, "00000002.seg is missing. Restore the segments from a copy; nothing was changed. Messages concerned: own <>"},
		{"of another store", func() { alter(t, dir, middle, flipAt(int64(len(segmentMagic)))) }, "belongs to another store"},
		{"under another number", func() { swap(t, dir, middle, w.segment(3)) }, "is not segment"},
		{"no segment", func() { write(t, dir, filepath.Join(segmentsDir, "1.seg"), nil) }, "does not belong into the segments' directory"},
		{"last cut", func() { alter(t, dir, w.segment(last), cutAt(int64(segmentHeader))) }, "committed octets are damaged"},
		{"last missing", func() { remove(t, dir, w.segment(last)) }, "is missing"},
	} {
		c.change()
		t.Log(c.name)
		refuses(t, dir, c.reason)
		restore(t, dir, whole)
	}
	opens(t, dir, 10)
}

func swap(t testing.TB, dir, a, b string) {
	t.Helper()
	x, y := readTree(t, dir, a)[a], readTree(t, dir, b)[b]
	alter(t, dir, a, func([]byte) []byte { return y })
	alter(t, dir, b, func([]byte) []byte { return x })
}

// TestForeignSegmentAhead: a whole segment of another store is no crash of ours.
func TestForeignSegmentAhead(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	w.limit(1)
	w.said("one")
	w.said("two")
	dir := w.crash(AfterOctets, func() error { return w.hold("three") })
	alter(t, dir, w.segment(3), flipAt(int64(len(segmentMagic))))
	refuses(t, dir, w.segment(3)+" belongs to another store")
}

// TestContentFiles: one that no row names moves away; one that is gone or short fails its own message.
func TestContentFiles(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	c := w.content(noise(3, memoryLimit+1))
	long := w.kept(Recipe{{Span: Span{Content: c.ID, Length: c.Size}}}, c)
	short := w.said("one")
	stray := w.content(noise(4, memoryLimit+1))
	defer stray.Release()
	dir := copyDir(t, w.Dir())
	after := reopened(t, dir)
	if after.everythingReads(t) != 2 || !bytes.Equal(lost(t, dir), noise(4, memoryLimit+1)) {
		t.Errorf("%d octets in lost+found", len(lost(t, dir)))
	}
	after.must(after.Close())
	path := pathOf(after.Store, c.ID)
	for _, change := range []func() error{func() error { return os.Truncate(path, memoryLimit) }, func() error { return os.Remove(path) }} {
		w.must(change())
		after := reopened(t, dir)
		after.reads(short, "one")
		if o, err := after.OpenSpan(t.Context(), Span{Content: c.ID}); err != nil || o.Size() != 0 {
			t.Errorf("nothing of a content file: %v", err) // it was not even opened, so nothing stays open
		}
		var damage *DamageError
		if _, err := after.Open(after.ctx(), long, nil); !errors.As(err, &damage) || damage.Content != c.ID {
			t.Errorf("a content file that is not whole: %v", err)
		}
		after.must(after.Close())
	}
}

func TestRefusedDirectories(t *testing.T) {
	t.Parallel()
	foreign := t.TempDir()
	file := filepath.Join(foreign, "lock") // a name that others use too
	for _, name := range []string{"lock", "letters"} {
		if err := os.WriteFile(filepath.Join(foreign, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for dir, reason := range map[string]string{foreign: "is no data directory of this program", file: "cannot be", filepath.Join(file, "below"): "cannot be made"} {
		if s, err := Open(t.Context(), options(t, dir, newClock())); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want %q", dir, err, reason)
			s.Close()
		}
	}
	if n := len(readTree(t, foreign, "")); n != 2 {
		t.Errorf("the foreign directory has %d files", n)
	}
	o := options(t, t.TempDir(), newClock())
	o.ReadOnly = true
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "holds no store") {
		t.Errorf("a snapshot of nothing: %v", err)
	}
}

func TestOneOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	said := w.said("one")
	if _, err := Open(t.Context(), options(t, w.Dir(), newClock())); !errors.Is(err, ErrLocked) {
		t.Errorf("a second owner: %v", err)
	}
	o := options(t, w.Dir(), newClock())
	o.ReadOnly = true
	snapshot, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	beside := &world{TB: t, Store: snapshot, clock: w.clock}
	beside.reads(said, "one")
	if err := snapshot.SetEnabled(t.Context(), mario, false); err == nil {
		t.Error("a snapshot was changed")
	}
	beside.must(snapshot.Close())
	w.said("two")
	w.must(w.Close())
	if err := w.Note(t.Context(), w.instant(), record(w.instant(), pec.EventRepeated, "")); !errors.Is(err, ErrClosed) {
		t.Errorf("a commit after the end: %v", err)
	}
	opens(t, w.Dir(), 2)
}

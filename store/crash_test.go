package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// A crash is the copy of a data directory at a moment at which the writer stands still.

// copyDir copies the files of a data directory, but for those that the memory of a process backs.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	for name, octets := range readTree(t, from, "") {
		if strings.HasSuffix(name, "-shm") {
			continue
		}
		path := filepath.Join(to, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, octets, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// readTree is the files at or below a place in a directory, by their names in it.
func readTree(t testing.TB, dir, place string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(filepath.Join(dir, place), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// crashWorld is a world whose writer can be stopped.
type crashWorld struct {
	*world
	fatal []error
}

func newCrashWorld(t testing.TB) *crashWorld {
	t.Helper()
	w := &crashWorld{}
	w.world = newWorld(t, func(t testing.TB, o Options) *Store {
		o.Fatal = func(err error) { w.fatal = append(w.fatal, err) }
		return openSQLiteDir(t, o)
	})
	return w
}

func (w *crashWorld) engine() *sqliteEngine { return w.Store.engine.(*sqliteEngine) }

// pathOf is the file of a long content.
func pathOf(s *Store, id ID) string { return s.engine.(*sqliteEngine).files.path(id) }

var errCrash = errors.New("the power went")

// crash commits with try, which is stopped at a place in its group, and returns the directory as it is there.
func (w *crashWorld) crash(place Place, try func() error) (dir string) {
	w.Helper()
	w.fault = func(at Place) error {
		if at != place {
			return nil
		}
		dir = copyDir(w, w.Dir())
		return errCrash
	}
	if err := try(); !errors.Is(err, ErrUnknown) {
		w.Fatalf("got %v, want %v", err, ErrUnknown)
	}
	return dir
}

// limit makes the segments short. The first one is not begun yet.
func (w *crashWorld) limit(n int64) { w.engine().segments.limit = n }

// said is a message of some octets of its own, as mario's entry.
func (w *world) said(text string) ID {
	w.Helper()
	w.append(w.mario, w.inbox(w.mario), text)
	es := w.entries(w.inbox(w.mario))
	return es[len(es)-1].Message
}

// hold keeps a message for the operators.
func (w *world) hold(text string) error {
	w.Helper()
	at, c := w.instant(), w.content([]byte(text))
	m := w.message(KindHeld, pec.ID(text+"@alfa.test"), Recipe{{Span: Span{Content: c.ID, Length: c.Size}}})
	return w.Hold(w.ctx(), at, record(at, pec.EventHeld, m.PEC), Held{}, c, m, nil)
}

func saidText(text string) string { return "Subject: " + text + "\r\n\r\n" + text }

func (w *world) reads(message ID, text string) {
	w.Helper()
	if got := string(w.octets(message, nil)); got != saidText(text) {
		w.Errorf("%q came back as %q", saidText(text), got)
	}
}

func (w *crashWorld) segment(no int64) string {
	return filepath.Join(segmentsDir, segmentName(no))
}

// reopened is the world of a directory after a crash.
func reopened(t testing.TB, dir string) *world {
	t.Helper()
	c := newClock()
	w := &world{TB: t, clock: c, Store: openSQLiteDir(t, options(t, dir, c))}
	var err error
	w.mario, err = w.Mailbox(t.Context(), mario)
	w.must(err)
	w.luigi, err = w.Mailbox(t.Context(), luigi)
	w.must(err)
	return w
}

// opens sees that a directory opens, that all its messages can be read, that a next commit succeeds, and that it opens again.
func opens(t testing.TB, dir string, messages int) {
	t.Helper()
	w := reopened(t, dir)
	if n := w.everythingReads(t); n != messages {
		t.Errorf("%d messages are there, want %d", n, messages)
	}
	w.said("next")
	w.must(w.Close())
	w = reopened(t, dir)
	if n := w.everythingReads(t); n != messages+1 {
		t.Errorf("%d messages are there, want %d", n, messages+1)
	}
	w.must(w.Close())
}

// refuses sees that a directory is refused for reasons that are said, and that nothing in it was changed.
func refuses(t testing.TB, dir string, reasons ...string) {
	t.Helper()
	trees, rows := octetsOf(t, dir), rowsOf(t, dir)
	s, err := Open(t.Context(), options(t, dir, newClock()))
	if err == nil {
		s.Close()
		t.Fatalf("it opened, want %q", reasons)
	}
	for _, reason := range reasons {
		if !strings.Contains(err.Error(), reason) {
			t.Errorf("%v: it does not say %q", err, reason)
		}
	}
	if after := octetsOf(t, dir); after != trees {
		t.Errorf("the octets were changed:\n%s", difference(trees, after))
	}
	if after := rowsOf(t, dir); after != rows {
		t.Errorf("the rows were changed:\n%s", difference(rows, after))
	}
}

// octetsOf names the files with octets in a data directory by their digests.
func octetsOf(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	for name, octets := range readTree(t, dir, "") {
		if strings.HasPrefix(name, segmentsDir) || strings.HasPrefix(name, contentsDir) || strings.HasPrefix(name, lostDir) {
			lines = append(lines, fmt.Sprintf("%s %d %x\n", name, len(octets), sha256.Sum256(octets)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// rowsOf dumps the database of a data directory.
func rowsOf(t testing.TB, dir string) string {
	t.Helper()
	o := options(t, dir, newClock())
	o.ReadOnly = true
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := &world{TB: t, Store: s}
	var b strings.Builder
	w.dumpTable(&b, "tail")
	return b.String() + w.dump()
}

// lost is the octets in lost+found, one file after the other.
func lost(t testing.TB, dir string) []byte {
	t.Helper()
	files := readTree(t, dir, lostDir)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var all [][]byte
	for _, name := range names {
		all = append(all, files[name])
	}
	return bytes.Join(all, nil)
}

// alter changes a file of a data directory.
func alter(t testing.TB, dir, name string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	octets, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(octets), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// restore makes the files of a data directory, but for the contents, those of readTree; the directories stay, for they cost
// most.
func restore(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for _, place := range []string{segmentsDir, lostDir, databaseName + "-wal"} {
		if _, err := os.Stat(filepath.Join(dir, place)); err != nil {
			continue
		}
		for name := range readTree(t, dir, place) {
			if _, ok := files[name]; !ok {
				remove(t, dir, name)
			}
		}
	}
	for name, octets := range files {
		write(t, dir, name, octets)
	}
}

// write puts a file into a data directory.
func write(t testing.TB, dir, name string, octets []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), octets, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func cutAt(n int64) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }

func flipAt(n int64) func([]byte) []byte {
	return func(b []byte) []byte {
		b[n] ^= 0x10
		return b
	}
}

// end is where the committed frames end, as the database knows it.
func (w *crashWorld) end() position {
	w.Helper()
	var p position
	w.must(w.read.QueryRowContext(w.ctx(), `SELECT segment, place FROM tail`).Scan(&p.segment, &p.offset))
	return p
}

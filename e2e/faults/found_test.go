package faults

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// finding is something that is wrong with the data when the provider starts.
type finding struct {
	name string
	// make damages the data; it returns how to repair them, and what takes the place of % in says.
	make func(h *house) (undo func(), names string)
	says string // what an operator reads, a regular expression; ~ is the data directory
}

// refused are the findings with which the provider does not start: it says so in one line and changes nothing.
func refused() []finding {
	const damaged, restore = "committed octets are damaged: ", `\. Restore the segments from a copy; nothing was changed\. Messages concerned: .*<%>`
	const older = `~/segments/00000001\.seg holds group \d+, but the database knows only \d+: the database is older than the messages\. Restore the database that belongs to them; nothing was changed$`
	return []finding{
		{"a flipped bit in the last group", flippedLast, damaged + `~/segments/00000001\.seg has a bad frame at \d+` + restore},
		{"the last group is cut", cutLast, damaged + `~/segments/00000001\.seg has a bad frame at \d+` + restore},
		{"a segment is missing", noSegment, damaged + `~/segments/00000001\.seg is missing` + restore},
		{"the segments are older than the database", oldSegments, damaged + `~/segments/00000001\.seg has a bad frame at \d+` + restore},
		{"the database is older than the segments", oldDatabase, older},
		{"the database's log is gone", noLog, older},
		{"a segment of another store", altered("segments/00000001.seg", len("CERALACCA-SEG 1\n")), `~/segments/00000001\.seg belongs to another store \(.*\): restore the segments and the database that belong together$`},
		{"a segment in another format", altered("segments/00000001.seg", 0), `~/segments/00000001\.seg is not segment 1 of this program's format: restore it from a copy$`},
		{"a foreign file among the segments", added("segments/00000001.seg.bak"), `~/segments/00000001\.seg\.bak does not belong into the segments' directory: move it away$`},
		{"a database that is none", altered("store.db", 0), `~/store\.db is damaged: restore it from a copy: .*`},
		{"another process holds the data", locked, `the data directory cannot be taken: ~/lock: another process holds the data directory: end it first$`},
		{"the database is missing", func(h *house) (func(), string) { return h.removed("store.db"), "" }, `~/store\.db is missing, but its messages are there: restore it from a copy$`},
		{"a foreign file beside the contents", added("contents/notes.txt"), `~/contents/notes\.txt does not belong into the contents' directory: move it away$`},
	}
}

// TestRefusedFindings: the provider does not start, and says what is wrong in one line. Nothing is changed: once the cause
// is gone it starts, and everything that was answered is there. attacks.md 31.
func TestRefusedFindings(t *testing.T) {
	t.Parallel()
	for _, f := range refused() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			undo, names := f.make(h)
			h.refuses(strings.ReplaceAll(f.says, "%", names))
			undo()
			h.survives()
		})
	}
	for _, f := range []diskFault{
		{"the data directory is read-only", "-P ~/lock -e inject=openat:error=EROFS", 0, `the data directory cannot be taken: open ~/lock: read-only file system`},
		{"the data directory cannot be synced", "-P ~ -e inject=fsync:error=EIO", 0, `syncing ~: .*input/output error`},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.refuses(f.says, h.strace(f)...)
			h.survives()
		})
	}
}

// refuses expects that the provider does not start.
func (h *house) refuses(line string, through ...string) {
	h.Helper()
	before := h.listing()
	status, said := h.launch(through...).wait()
	if status != 1 || strings.Count(said, "\n") != 1 {
		h.Errorf("it ends with status %d, not 1, or not in one line:\n%s", status, clip(said))
	}
	h.says(said, `^ceralacca: opening the data: .*`+line)
	if after := h.listing(); !maps.Equal(before, after) {
		h.Errorf("something was changed:\n%v\n%v", before, after)
	}
}

// listing is the digest of every file of the data but the database's log, which SQLite may make and take in.
func (h *house) listing() map[string]string {
	h.Helper()
	all := map[string]string{}
	h.must(filepath.WalkDir(h.data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasPrefix(d.Name(), "store.db-") {
			all[path] = fmt.Sprintf("%x", sha256.Sum256(h.read(path)))
		}
		return err
	}))
	return all
}

// changed writes a file of the data anew, and returns how to bring back what it was.
func (h *house) changed(name string, change func(octets []byte) []byte) (undo func()) {
	h.Helper()
	file := filepath.Join(h.data, name)
	was := h.read(file)
	h.write(file, change(slices.Clone(was)))
	return func() { h.write(file, was) }
}

// removed removes a file of the data, and returns how to bring it back.
func (h *house) removed(name string) (undo func()) {
	h.Helper()
	file := filepath.Join(h.data, name)
	was := h.read(file)
	h.must(os.Remove(file))
	return func() { h.write(file, was) }
}

func flip(at int) func([]byte) []byte {
	return func(octets []byte) []byte { octets[at] ^= 1; return octets }
}

// altered flips a bit at a place of a file.
func altered(name string, at int) func(*house) (func(), string) {
	return func(h *house) (func(), string) { return h.changed(name, flip(at)), "" }
}

// added adds a file.
func added(name string) func(*house) (func(), string) {
	return func(h *house) (func(), string) {
		file := filepath.Join(h.data, name)
		h.write(file, []byte("non toccare"))
		return func() { h.must(os.Remove(file)) }, ""
	}
}

const segment = "segments/00000001.seg"

// frame is where the octets of a message's own part lie in the first segment, and what the message is called; the last one
// if the order is DESC.
func (h *house) frame(order string) (at int, message string) {
	h.Helper()
	row := h.query("SELECT c.place, m.message_id FROM content c JOIN message m ON m.recipe = c.id WHERE c.segment = 1 ORDER BY c.place " + order + " LIMIT 1")
	if _, err := fmt.Sscanf(strings.ReplaceAll(row, "|", " "), "%d %s", &at, &message); err != nil {
		h.Fatalf("%q: %v", row, err)
	}
	return at, message
}

func flippedLast(h *house) (func(), string) {
	at, message := h.frame("DESC")
	return h.changed(segment, flip(at+100)), message
}

func cutLast(h *house) (func(), string) {
	at, message := h.frame("DESC")
	return h.changed(segment, func(octets []byte) []byte { return octets[:at+100] }), message
}

func noSegment(h *house) (func(), string) {
	_, message := h.frame("ASC")
	return h.removed(segment), message
}

// more lets the provider go on for some letters, and returns what the database and the segment were before.
func (h *house) more() (database, segments []byte) {
	h.Helper()
	database, segments = h.read(filepath.Join(h.data, "store.db")), h.read(filepath.Join(h.data, segment))
	p := h.start()
	for range 2 {
		h.must(h.submit(newLetter(h.to, shortBy)))
	}
	h.must(whenIdle(h.data, p.ended))
	h.must(p.stop())
	return database, segments
}

func oldSegments(h *house) (func(), string) {
	_, old := h.more()
	_, message := h.frame("DESC")
	return h.changed(segment, func([]byte) []byte { return old }), message
}

func oldDatabase(h *house) (func(), string) {
	old, _ := h.more()
	return h.changed("store.db", func([]byte) []byte { return old }), ""
}

// noLog: after a kill everything new is in the log alone; somebody takes it for a leftover.
func noLog(h *house) (func(), string) {
	p := h.start()
	for range 2 {
		h.must(h.submit(newLetter(h.to, shortBy)))
	}
	h.must(p.cmd.Process.Kill())
	p.wait()
	log := h.removed("store.db-wal")
	h.must(os.Remove(filepath.Join(h.data, "store.db-shm")))
	return func() {
		h.must(errors.Join(os.RemoveAll(filepath.Join(h.data, "store.db-wal")), os.RemoveAll(filepath.Join(h.data, "store.db-shm"))))
		log()
	}, ""
}

func locked(h *house) (func(), string) {
	p := h.start()
	return func() {
		h.must(h.submit(newLetter(h.to, shortBy)))
		h.must(p.stop())
	}, ""
}

// TestAcceptedFindings: the provider starts, and what it says tells where the trouble is or what was moved away.
func TestAcceptedFindings(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(*house){
		"a torn end":                         tornEnd,
		"a torn end that cannot be cut":      uncutEnd,
		"a file among the contents":          fileAmongContents,
		"a foreign file beside the database": fileBesideDatabase,
		"a flipped bit in an older group":    flippedFirst,
		"a content file is missing":          noContentFile,
		"a content file is cut":              cutContentFile,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			find(newHouse(t))
		})
	}
}

func tornEnd(h *house) {
	octets := h.read(filepath.Join(h.data, segment))
	end := append(slices.Clone(octets[len(octets)/2:]), 0, 0, 0)
	h.changed(segment, func(octets []byte) []byte { return append(octets, end...) })
	h.movesAway(end, `"octets that no fact names were moved away" from=~/`+segment+` to=~/lost.found/.* octets=`+fmt.Sprint(len(end)))
}

// uncutEnd: the end has been saved, but the disk fails when it is cut. The next start goes on from there.
func uncutEnd(h *house) {
	h.changed(segment, func(octets []byte) []byte { return append(octets, "CERALACCA"...) })
	f := diskFault{through: "-P ~/" + segment + " -e inject=fsync:error=EIO"}
	status, said := h.launch(h.strace(f)...).wait()
	if status != 1 {
		h.Errorf("it ends with status %d", status)
	}
	h.says(said, "^ceralacca: .*cutting the uncommitted end of a segment: sync ~/"+segment+": input/output error$")
	h.survives()
}

func fileAmongContents(h *house) {
	file, _ := h.contentFile()
	h.write(filepath.Join(h.data, filepath.Dir(file), "foreign"), []byte("non toccare"))
	h.movesAway([]byte("non toccare"), `"a file that no fact names was moved away" to=~/lost.found/foreign`)
}

func fileBesideDatabase(h *house) {
	undo, _ := added("notes.txt")(h)
	h.survives()
	undo() // it is still there
}

func flippedFirst(h *house) {
	at, message := h.frame("ASC")
	h.failsAlone(message, h.changed(segment, flip(at+100)), "")
}

func noContentFile(h *house) {
	file, message := h.contentFile()
	h.failsAlone(message, h.removed(file), `level=ERROR msg="a message's file is missing: that message cannot be read until it is restored" .*<`+message+">")
}

func cutContentFile(h *house) {
	file, message := h.contentFile()
	h.failsAlone(message, h.changed(file, func(octets []byte) []byte { return octets[:len(octets)/2] }), "")
}

// movesAway expects that the provider starts, and finds those octets in lost+found.
func (h *house) movesAway(octets []byte, line string) {
	h.Helper()
	p := h.start()
	h.must(p.stop())
	h.says(content(p.log), line)
	var found []string
	lost, err := filepath.Glob(filepath.Join(h.data, "lost+found", "*"))
	h.must(err)
	for _, f := range lost {
		found = append(found, string(h.read(f)))
	}
	if !slices.Equal(found, []string{string(octets)}) {
		h.Errorf("%d files in lost+found, not the one that was moved away", len(found))
	}
	h.survives()
}

// contentFile is the file of the long letter, and the name of its envelope.
func (h *house) contentFile() (file, message string) {
	h.Helper()
	files, err := filepath.Glob(filepath.Join(h.data, "contents", "*", "*"))
	h.must(err)
	if len(files) != 1 {
		h.Fatalf("content files: %q", files)
	}
	file, err = filepath.Rel(h.data, files[0])
	h.must(err)
	message = h.query("SELECT DISTINCT m.message_id FROM message m JOIN reference r ON r.message = m.id JOIN content c ON c.id = r.content WHERE c.segment = 0 AND m.kind = 'posta-certificata'")
	return file, message
}

// failsAlone expects that the provider starts, with a line if one is given; that the message cannot be read, which sounds
// an alarm, and all others can; and that check names it. Then it is repaired.
func (h *house) failsAlone(message string, undo func(), line string) {
	h.Helper()
	p := h.start()
	var unread []string
	for row := range strings.Lines(h.query("SELECT b.address, e.uid, m.message_id FROM entry e JOIN message m ON m.id = e.message JOIN folder f ON f.id = e.folder JOIN mailbox b ON b.id = f.mailbox")) {
		column := strings.Split(strings.TrimSpace(row), "|")
		cmd := exec.Command("curl", "-sS", "--cacert", filepath.Join(h.dir, "ca.pem"), "-u", column[0]+":"+h.from.Password,
			"--connect-to", "::"+h.imaps, "imaps://127.0.0.1/INBOX;UID="+column[1])
		if octets, err := cmd.Output(); err != nil || !strings.Contains(string(octets), column[2]) {
			unread = append(unread, column[2])
		}
	}
	h.must(p.stop())
	if !slices.Contains(unread, message) || len(unread) > 2 {
		h.Errorf("not to be read: %q, want %s and at most the receipt that has its octets", unread, message)
	}
	h.says(content(p.log), `level=ERROR msg="imapd: stored octets are damaged" .* command=FETCH`)
	if line != "" {
		h.says(content(p.log), line)
	}
	if status, out := h.check(); status != 1 || !strings.Contains(out, message) {
		h.Errorf("check ends with status %d, or does not name %s:\n%s", status, message, clip(out))
	} else {
		h.Log(out)
	}
	undo()
	h.survives()
}

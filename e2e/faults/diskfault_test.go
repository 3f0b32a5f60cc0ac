package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// hugeBy is lines: a letter of 5 MB.
const hugeBy = 80_000

// diskFault is a disk that begins to fail while the provider runs.
type diskFault struct {
	name    string
	through string // what the program is run by; ~ is the data directory. strace counts calls per thread
	lines   int    // of the letters
	says    string // what an operator reads, a regular expression
}

// ends are the faults after which nobody knows what is on the disk: the process ends with status 3, and whoever waits for
// an answer gets none (design.md 4).
func ends() []diskFault {
	const octets, rows = "-P ~/segments/00000001.seg -e inject=", "-P ~/store.db-wal -e inject="
	full, broken, readOnly := "no space left on device", "input/output error", "read-only file system"
	appending, syncing := `"appending to ~/segments/00000001.seg: write ~/segments/00000001.seg: `, `"syncing ~/segments/00000001.seg: fdatasync: `
	return []diskFault{
		{"no space for a segment", octets + "pwrite64:error=ENOSPC:when=2+", shortBy, appending + full},
		{"a segment cannot be written", octets + "pwrite64:error=EIO:when=2+", shortBy, appending + broken},
		{"a segment has become read-only", octets + "pwrite64:error=EROFS:when=2+", shortBy, appending + readOnly},
		{"a segment cannot be synced", octets + "fdatasync:error=EIO:when=2+", shortBy, syncing + broken},
		{"no space to sync a segment", octets + "fdatasync:error=ENOSPC:when=2+", shortBy, syncing + full},
		{"no space for the database", rows + "pwrite64:error=ENOSPC:when=50+", shortBy, `"writing ~/store\.db: .*database or disk is full`},
		{"the database cannot be written", rows + "pwrite64:error=EIO:when=50+", shortBy, `"writing ~/store\.db: .*disk I/O error`},
		{"the database cannot be synced", rows + "fsync,fdatasync:error=EIO:when=2+", shortBy, `"writing ~/store\.db: .*disk I/O error`},
		{"the log cannot be copied into the database", "-P ~/store.db -e inject=pwrite64:error=EIO", shortBy, `"copying the log into ~/store\.db: disk I/O error`},
		{"no space to copy the log into the database", "-P ~/store.db -e inject=pwrite64:error=ENOSPC", shortBy, `"copying the log into ~/store\.db: database or disk is full`},
		{"the database cannot be synced after that", "-P ~/store.db -e inject=fsync,fdatasync:error=EIO", shortBy, `"copying the log into ~/store\.db: disk I/O error`},
		{"the contents' directory cannot be synced", "-P ~/contents -e inject=fsync:error=EIO", longBy, `"syncing ~/contents: .*` + broken},
		{"a content file cannot be synced", "-e inject=fdatasync:error=EIO:when=1", longBy, `"syncing ~/contents/.*` + broken},
		{"a content's directory cannot be synced", "~~ -e inject=fsync:error=EIO:when=1", longBy, `"syncing ~/contents/.*` + broken},
	}
}

// TestDiskFails: the process ends with status 3 and says why; it starts again, and nothing that was
// answered is lost.
// norms.md 91
func TestDiskFails(t *testing.T) {
	t.Parallel()
	for _, f := range ends() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.endsBy(f, h.start(h.strace(f)...))
		})
	}
	t.Run("the first segment's name cannot be synced", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t)
		h.empty()
		f := diskFault{"", "-P ~/segments -e inject=fsync:error=EIO:when=1", shortBy, `"syncing a new segment: .*~/segments: input/output error`}
		h.endsBy(f, h.start(h.strace(f)...))
	})
}

// endsBy submits until the process ends.
func (h *house) endsBy(f diskFault, p *process) {
	h.Helper()
	var unanswered answered
	for tries := 0; ; tries++ {
		unanswered = newLetter(h.to, f.lines)
		err := h.submit(unanswered)
		if err != nil && code(err) == 0 {
			break
		}
		if tries == 150 {
			h.Fatal("it goes on, whatever fails")
		}
	}
	status, said := p.wait()
	if status != 3 {
		h.Errorf("it ends with status %d, not 3", status)
	}
	h.says(said, `level=ERROR msg="the process ends: see to the disk, then start it again; nothing that was answered is lost" error=.*`+f.says+`.*`)
	h.survives(unanswered)
}

// empty leaves a provider with two new mailboxes and no message.
func (h *house) empty() {
	h.Helper()
	directory := h.read(filepath.Join(h.data, "directory.ldif.p7m"))
	h.must(os.RemoveAll(h.data))
	for _, address := range []string{h.from.Address, h.to} {
		h.tool("sh", "-c", `echo "$1" | "$2" mailbox add "$3" -c "$4"`, "sh", h.from.Password, h.program, address, h.config)
	}
	h.write(filepath.Join(h.data, "directory.ldif.p7m"), directory)
	h.said = nil
}

// strace is the command that makes the fault. The program is its own process, and ends as if it were run alone. ~~ stands
// for all directories of long contents.
func (h *house) strace(f diskFault) []string {
	h.Helper()
	if strings.Contains(f.through, "~~") {
		var all []string
		for i := range 256 {
			dir := fmt.Sprintf("%s/contents/%02x", h.data, i)
			h.must(os.MkdirAll(dir, 0o700))
			all = append(all, "-P "+dir)
		}
		f.through = strings.ReplaceAll(f.through, "~~", strings.Join(all, " "))
	}
	args := []string{"strace", "-D", "-f", "-qq", "-e", "signal=none", "-o", filepath.Join(h.provider, "trace")}
	return append(args, strings.Fields(strings.ReplaceAll(f.through, "~", h.data))...)
}

// says expects one line that matches; ~ is the data directory.
func (h *house) says(said, line string) {
	h.Helper()
	line = strings.ReplaceAll(line, "~", regexp.QuoteMeta(h.data))
	found := regexp.MustCompile(`(?m)^.*`+line+`.*$`).FindAllString(strings.ReplaceAll(said, `\"`, `"`), -1)
	if len(found) == 0 {
		h.Errorf("no line matches %s:\n%s", line, clip(said))
	}
	for _, l := range found {
		h.Log(l)
	}
}

// TestOneLetterCannotBeSpooled: its client is told 452 and nobody else is harmed (design.md 4).
func TestOneLetterCannotBeSpooled(t *testing.T) {
	t.Parallel()
	const strace = "-e inject=mkdirat:error="
	for _, f := range []diskFault{
		{"no space for a directory", strace + "ENOSPC", longBy, "mkdir ~/contents/.*no space left on device"},
		{"a directory cannot be made", strace + "EROFS", longBy, "mkdir ~/contents/.*read-only file system"},
		{"a file cannot be written", "prlimit --fsize=4000000", hugeBy, "write ~/contents/.*file too large"},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			through := strings.Fields(f.through)
			if through[0] != "prlimit" {
				through = h.strace(f)
			}
			p := h.start(through...)
			long := newLetter(h.to, f.lines)
			if err := h.submit(long); code(err) != 452 || !strings.Contains(err.Error(), "4.3.1") {
				t.Errorf("%v, not 452 4.3.1", err)
			}
			h.must(h.submit(newLetter(h.to, shortBy)))
			h.must(p.stop())
			h.says(content(p.log), "level=ERROR.*refused.*code=452.*the message cannot be written to disk: "+f.says)
			h.survives(long)
			if left, err := os.ReadDir(filepath.Join(h.data, "lost+found")); err != nil || len(left) > 0 {
				t.Errorf("what could not be written was left: %v %v", left, err)
			}
		})
	}
}

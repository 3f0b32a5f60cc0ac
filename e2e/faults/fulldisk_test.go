package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFullDisk fills a small disk: clients are told 452 as long as that can be done, then the process ends, and when there
// is room again nothing is missing (design.md 3, 4). Where no disk may be mounted, TestDiskFails is all there is.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if !h.onSmallDisk() {
		return
	}
	h.reserve(1 << 20)
	p := h.start()
	short := newLetter(h.to, shortBy)
	h.waitsForRoom(short, 500_000)
	h.must(p.stop())
	h.says(content(p.log), `level=ERROR .*code=452.*\d+ octets of the disk are free, the reserve is 1048576`)

	h.reserve(1)
	p = h.start()
	h.waitsForRoom(newLetter(h.to, longBy), 200_000)
	h.says(content(p.log), `level=ERROR .*code=452.*the message cannot be written to disk: write ~/contents/.*: no space left on device`)

	more := h.fill(8_000)
	last := newLetter(h.to, shortBy)
	if err := h.submit(last); err == nil || code(err) != 0 {
		t.Errorf("%v, not nothing", err)
	}
	status, said := p.wait()
	if status != 3 {
		t.Errorf("it ends with status %d, not 3", status)
	}
	h.says(said, `level=ERROR msg="the process ends: see to the disk, then start it again; nothing that was answered is lost" error=.*(no space left on device|disk is full)`)
	h.stillFull()
	h.must(os.Remove(more))
	h.survives(last)
}

// onSmallDisk moves the data to a disk of 16 MB; false if this machine does not let us.
func (h *house) onSmallDisk() bool {
	h.Helper()
	aside := h.data + ".aside"
	h.must(os.Rename(h.data, aside))
	h.must(os.Mkdir(h.data, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", h.data).CombinedOutput(); err != nil {
		h.Logf("no disk can be mounted here: %v: %s", err, out)
		return false
	}
	h.Cleanup(func() { h.tool("umount", "--lazy", h.data) })
	h.tool("cp", "-a", aside+"/.", h.data)
	return true
}

// reserve writes into the configuration how much of the disk submissions must leave free.
func (h *house) reserve(octets int) {
	h.Helper()
	line := regexp.MustCompile(`(?m)^disk_reserve = .*$`)
	h.write(h.config, line.ReplaceAll(h.read(h.config), fmt.Appendf(nil, "disk_reserve = %d", octets)))
}

// fill leaves so many octets free when there is nothing left to do, and returns the file to remove.
func (h *house) fill(left int) string {
	h.Helper()
	h.must(whenIdle(h.data, make(chan error, 1)))
	var blocks, size int
	if _, err := fmt.Sscan(h.tool("stat", "-f", "-c", "%a %S", h.data), &blocks, &size); err != nil {
		h.Fatal(err)
	}
	file := filepath.Join(h.data, "ballast")
	h.write(file, make([]byte, blocks*size-left))
	return file
}

// waitsForRoom: the letter is refused for now while the disk is so full, and taken when there is room.
func (h *house) waitsForRoom(a answered, left int) {
	h.Helper()
	ballast := h.fill(left)
	if err := h.submit(a); code(err) != 452 || !strings.Contains(err.Error(), "4.3.1") {
		h.Errorf("%v, not 452 4.3.1", err)
	}
	h.must(os.Remove(ballast))
	h.must(h.submit(a))
}

// stillFull starts the provider while there is no room: it must not run and lose what it has.
func (h *house) stillFull() {
	h.Helper()
	status, said := h.launch().wait()
	if status != 1 && status != 3 {
		h.Errorf("with a full disk it ends with status %d", status)
	}
	h.says(said, `(no space left on device|disk is full)`)
	if left, err := os.ReadDir(filepath.Join(h.data, "lost+found")); err != nil || len(left) > 0 {
		h.Errorf("a start that could not save the end has left %v %v", left, err)
	}
}

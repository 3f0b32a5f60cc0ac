// Package faults shows that what the program has said is durable, as design.md 8 asks: kill -9 does not, for the page cache
// survives it. The real program runs once under strace, from an empty directory, with clients that write down each 250 that
// they read. The trace has the octets of every write and the time and outcome of every sync. Two things are drawn from it:
//
//   - the order: what a 250 answers for was covered by a sync that had returned before the reply was written;
//   - power cuts: what a disk may hold after a cut at any moment, from which the program must start, sound and whole.
//
// Both are also shown to fail when the trace is read as if one kind of sync had not been made.
//
// The second half is about disks that fail, made by strace in the calls of one provider, by a small disk that is filled, and
// about data that are not what was written. Each case is a row with the one line that its operator reads; when the cause is
// gone, everything that was answered must be there once.
//
// The package imports nothing of ours. It needs Linux, strace, sqlite3, curl and prlimit. When a test fails, all is kept.
package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// work is the directory of everything that the tests write. TestMain makes it.
var work = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ceralacca-faults-")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir) // the trace has real paths
})

func TestMain(m *testing.M) {
	dir, err := work()
	if err == nil {
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	if status == 0 {
		os.RemoveAll(dir)
	} else {
		fmt.Fprintf(os.Stderr, "kept for a look: %s\n", dir)
	}
	os.Exit(status)
}

// build builds the program into dir.
func build(dir string) error {
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "ceralacca"), "../..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return nil
}

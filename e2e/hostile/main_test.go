// Package hostile runs the real program, `ceralacca sandbox` and `ceralacca serve`, against clients that mean harm: the
// classes of docs/rules/attacks.md at the edges, each a named test that cites its number. Like package e2e it imports
// nothing of ours, and has small clients of its own that say whatever they are told to.
//
// When a test is over the program must still serve, settle what is pending, have no violation for `ceralacca check`, and
// stop cleanly. Nothing sleeps, and no time is asserted but bounds against hanging.
package hostile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain builds the program once and puts it first into PATH.
func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	bin, err := os.MkdirTemp("", "ceralacca-hostile-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "ceralacca"), "../..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Package e2e runs the real program as processes and talks to it as holders, other providers, strangers and operators
// do: by SMTP, IMAP, HTTP, subcommands and signals, with curl, swaks, mbsync, openssl and xmllint beside small clients of
// its own. It imports nothing of the program, so that it cannot share our misreadings.
//
// Its tests hold for both engines: with CERALACCA_ENGINE=postgres the sandboxes keep their data in a real PostgreSQL. What
// looks into the embedded engine's files, or breaks them, starts its sandbox by startEmbedded and always runs on that engine.
//
// Every sandbox runs on free ports in a directory of its own. Nothing sleeps: a test moves the sandbox's clock, which
// answers when all that was due has been done, or looks again and again until a deadline. When a test is over, the
// invariants of both providers are checked and the program must stop cleanly.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// TestMain builds the program once and puts it first into PATH.
func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	bin, err := os.MkdirTemp("", "ceralacca-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "ceralacca"), "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return postgrestest.Main(m)
}

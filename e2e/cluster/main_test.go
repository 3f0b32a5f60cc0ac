// Package cluster runs the real program as processes that share one real PostgreSQL: the provider Alfa is two processes of
// `ceralacca serve`, Beta is one. Clients send to either of Alfa's and read from either, while the tests kill and freeze
// processes, cut connections and stop the database. It imports nothing of the program, so that it cannot share our misreadings.
//
// Every cluster has a server, ports and a directory of its own. What the clients were told by 250 is compared with what is in
// the mailboxes, message for message, when everything has come to rest; then `ceralacca check` must find nothing.
// TestHistory is as long as HISTORY_SECONDS says. Nothing sleeps but the intervals that are themselves the fault (a process frozen longer than its lease, a database that is
// down for some seconds).
package cluster

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
	bin, err := os.MkdirTemp("", "ceralacca-cluster-")
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

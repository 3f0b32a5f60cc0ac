package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ceralacca/ceralacca/postgrestest"
)

func TestStorageNamesNoPassword(t *testing.T) {
	s, err := Options{Database: "postgres://user:secret@[::1]:5432/ceralacca?password=secret"}.storage()
	if want := (Storage{Engine: enginePostgres, Server: "[::1]:5432/ceralacca"}); err != nil || s != want {
		t.Errorf("got %+v and %v, want %+v", s, err, want)
	}
	if _, err := (Options{Database: "user:secret"}).storage(); err == nil || fits(err, "secret") {
		t.Errorf("got %v", err)
	}
}

// TestServersFirstProcess: only that is taken, because the others are its children.
func TestServersFirstProcess(t *testing.T) {
	first := serverPID(t, postgrestest.Start(t))
	if err := checkServer(first); err != nil {
		t.Error(err)
	}
	members, err := family(first)
	if err != nil || len(members) < 3 {
		t.Fatalf("the server has %d processes, %v", len(members), err)
	}
	for _, s := range members {
		// One that has ended since it was listed is none.
		if err := checkServer(s.pid); s.pid != first && (err == nil || !fits(err, "its first process is "+strconv.Itoa(first)) && !fits(err, "there is no process")) {
			t.Errorf("process %d: %v", s.pid, err)
		}
	}
	if err := checkServer(os.Getpid()); err == nil || !fits(err, "not postgres") {
		t.Errorf("this process: %v", err)
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	if err := checkServer(ended.Process.Pid); err == nil || !fits(err, "there is no process") {
		t.Errorf("a process that has ended: %v", err)
	}
}

// TestAttachThatIsRefused tells what strace said.
func TestAttachThatIsRefused(t *testing.T) {
	refused := script(t, "echo not permitted >&2; exit 1")
	if _, err := attach(t.Context(), refused, nil, os.Getpid()); err == nil || !fits(err, "not permitted") {
		t.Errorf("got %v", err)
	}
	if _, err := attach(t.Context(), filepath.Join(t.TempDir(), "absent"), nil, os.Getpid()); err == nil {
		t.Error("a program that is not there was started")
	}
}

package postgrestest

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asChild is what a re-executed test binary is to do.
const asChild = "POSTGRESTEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(asChild) {
	case "withoutMain":
		os.Exit(m.Run())
	case "holdServer":
		os.Exit(holdServer())
	default:
		os.Exit(Main(m))
	}
}

// holdServer tells the URL of a server and waits to be killed.
func holdServer() int {
	s, err := launch()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(s.URL())
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// child is this test binary run again.
type child struct {
	*exec.Cmd
	left *os.File // ends when the child and all of its descendants have
	tmp  string   // where they make their directories
}

func newChild(t *testing.T, role string, args ...string) child {
	t.Helper()
	left, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp("", "postgrestest-child-") // unlike t.TempDir, with parents that everybody may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left.Close()
		held.Close()
		os.RemoveAll(tmp)
	})
	if err := os.Chmod(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	c := child{exec.Command(os.Args[0], args...), left, tmp}
	c.Env = append(os.Environ(), asChild+"="+role, "TMPDIR="+tmp, Variable+"=", "GORACE=atexit_sleep_ms=0")
	c.ExtraFiles = []*os.File{held} // descendants inherit it: nobody marks it close-on-exec
	return c
}

// awaitEnd waits until all of the child's processes have ended, and wants no directory of theirs to be left.
func (c child) awaitEnd(t *testing.T) {
	t.Helper()
	c.ExtraFiles[0].Close()
	if _, err := io.ReadAll(c.left); err != nil {
		t.Fatal(err)
	}
	c.expectClean(t)
}

func (c child) expectClean(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(c.tmp)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// table makes the schema of a URL, and in it a table for what fits into one column.
func table(t *testing.T, location string) {
	t.Helper()
	Query(t, location, "create schema "+schemaOf(t, location)+"; create table said (word text)")
}

func schemaOf(t *testing.T, location string) string {
	t.Helper()
	parsed, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Query().Get("search_path")
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %.200q, want %.200q", what, got, want)
	}
}

func contains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: %.2000q, want %q in it", what, got, want)
	}
}

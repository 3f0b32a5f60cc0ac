package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedDirectories: what cannot be understood is left as it is, and so is all the rest.
func TestDamagedDirectories(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, 1)
	s.submit(t, s.alfa(), s.alfa().Mailboxes[0], plainLetter(s.alfa().Mailboxes[0].Address, s.beta().Mailboxes[0].Address))
	s.settle(t)
	s.stop(t)
	for _, d := range []struct {
		name, reason string
		damage       func(t *testing.T, dir string)
	}{
		{"no CA", "ca.pem", remove("ca.pem")},
		{"no signing key", "signing.key", remove("alfa/signing.key")},
		{"the signing key of another", "signing", func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "alfa/signing.key"), readFile(t, filepath.Join(dir, "beta/signing.key")))
		}},
		{"a clock that is none", "clock", write("clock", "domani\n")},
		{"a database that is none", "store.db", func(t *testing.T, dir string) {
			write("beta/data/store.db", strings.Repeat("niente ", 1000))(t, dir)
			removeLog(t, dir)
		}},
		{"no database beside its octets", "beta/data", func(t *testing.T, dir string) {
			remove("beta/data/store.db")(t, dir)
			removeLog(t, dir)
		}},
		{"a segment cut short", "beta", cutSegments("beta/data/segments")},
	} {
		t.Run(d.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "sandbox")
			tool(t, "cp", "-a", s.dir, dir)
			d.damage(t, dir)
			before := listing(t, dir, rewrittenAtStart()...)
			checkRefusal(t, d.reason, "sandbox", "--dir", dir, "--base-port", "0", "--mailboxes", "1")
			checkSame(t, before, listing(t, dir, rewrittenAtStart()...))
		})
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// removeLog removes what the last stop may have left of the database's log: the database alone has to be judged.
func removeLog(t *testing.T, dir string) {
	for _, name := range []string{"store.db-wal", "store.db-shm"} {
		if err := os.RemoveAll(filepath.Join(dir, "beta/data", name)); err != nil {
			t.Fatal(err)
		}
	}
}

func write(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, name), []byte(text)) }
}

// cutSegments leaves half of every file of a directory.
func cutSegments(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		files, err := filepath.Glob(filepath.Join(dir, name, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", name, err)
		}
		for _, f := range files {
			octets := readFile(t, f)
			writeFile(t, f, octets[:len(octets)/2])
		}
	}
}

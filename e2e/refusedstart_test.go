package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRefusedStarts: what keeps a sandbox from starting is told in one line; the status is not 0 and nothing is changed.
func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 1)
	s.submit(t, s.alfa(), s.alfa().Mailboxes[0], plainLetter(s.alfa().Mailboxes[0].Address, s.beta().Mailboxes[0].Address))
	s.settle(t)
	s.check(t)
	t.Run("second sandbox", func(t *testing.T) { refusedStart(t, s.dir, "another sandbox", "--dir", s.dir, "--base-port", "0") })
	t.Run("second sandbox, fresh", func(t *testing.T) {
		refusedStart(t, s.dir, "another sandbox", "--dir", s.dir, "--base-port", "0", "--fresh")
	})
	s.stop(t)
	t.Run("port in use", func(t *testing.T) { refusedPort(t, s.dir) })
	t.Run("foreign directory", func(t *testing.T) {
		for _, more := range [][]string{nil, {"--fresh"}} {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "tesi.txt"), []byte("non toccare"))
			refusedStart(t, dir, "tesi.txt", append(more, "--dir", dir, "--base-port", "0")...)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "file"), nil)
		refusedStart(t, dir, "--dir", "--dir", filepath.Join(dir, "file", "sandbox"), "--base-port", "0")
	})
	damagedDirectories(t, s)
	s.start(t)
	if n := s.count(t, s.beta().Mailboxes[0]); n != 1 {
		t.Errorf("%d messages after all this, not 1", n)
	}
}

// refusedStart runs a sandbox that must not start, and compares what is in dir before and after.
func refusedStart(t *testing.T, dir, reason string, args ...string) {
	t.Helper()
	before := listing(t, dir)
	checkRefusal(t, reason, append([]string{"sandbox"}, args...)...)
	checkSame(t, before, listing(t, dir))
}

// checkRefusal: the process ends by itself, with a status that is not 0 and one line that names the reason.
func checkRefusal(t *testing.T, reason string, args ...string) {
	t.Helper()
	d := startDaemon(t, filepath.Join(t.TempDir(), "log"), args...)
	defer d.kill()
	select {
	case <-d.ended:
	case <-time.After(15 * time.Second):
		t.Fatalf("it has not ended:\n%s", clip(d.log()))
	}
	said := strings.TrimSuffix(d.log(), "\n")
	if status := d.cmd.ProcessState.ExitCode(); status == 0 {
		t.Error("the status is 0")
	}
	if strings.Contains(said, "\n") || !strings.HasPrefix(said, "ceralacca: ") || !strings.Contains(said, reason) {
		t.Errorf("it says, not in one line or without %q:\n%s", reason, said)
	}
	t.Log(said)
}

func refusedPort(t *testing.T, dir string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	refusedStart(t, dir, "--base-port", "--dir", dir, "--base-port", strconv.Itoa(port))
	refusedStart(t, t.TempDir(), "--base-port", "--dir", filepath.Join(t.TempDir(), "new"), "--base-port", strconv.Itoa(port))
}

// rewrittenAtStart are the files of a sandbox that every start may write, without changing what they say: the configurations
// have the ports, a database takes in its own log.
func rewrittenAtStart() []string {
	return []string{"ceralacca.toml", "store.db", "store.db-wal", "store.db-shm"}
}

// damagedDirectories: what cannot be understood is left as it is, and so is all the rest.
func damagedDirectories(t *testing.T, s *sandbox) {
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

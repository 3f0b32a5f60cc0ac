package e2e

import (
	"net"
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
	t.Run("second sandbox", func(t *testing.T) { s.refusedStart(t, s.dir, "another sandbox", "--dir", s.dir, "--base-port", "0") })
	t.Run("second sandbox, fresh", func(t *testing.T) {
		s.refusedStart(t, s.dir, "another sandbox", "--dir", s.dir, "--base-port", "0", "--fresh")
	})
	s.stop(t)
	t.Run("port in use", s.refusedPort)
	t.Run("foreign directory", func(t *testing.T) {
		for _, more := range [][]string{nil, {"--fresh"}} {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "tesi.txt"), []byte("non toccare"))
			s.refusedStart(t, dir, "tesi.txt", append(more, "--dir", dir, "--base-port", "0")...)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "file"), nil)
		s.refusedStart(t, dir, "--dir", "--dir", filepath.Join(dir, "file", "sandbox"), "--base-port", "0")
	})
	s.start(t)
	if n := s.count(t, s.beta().Mailboxes[0]); n != 1 {
		t.Errorf("%d messages after all this, not 1", n)
	}
}

// refusedStart runs a sandbox that must not start, and compares what is in dir before and after.
func (s *sandbox) refusedStart(t *testing.T, dir, reason string, args ...string) {
	t.Helper()
	before := listing(t, dir)
	checkRefusal(t, reason, s.command(args...)...)
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

func (s *sandbox) refusedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	s.refusedStart(t, s.dir, "--base-port", "--dir", s.dir, "--base-port", strconv.Itoa(port))
	s.refusedStart(t, t.TempDir(), "--base-port", "--dir", filepath.Join(t.TempDir(), "new"), "--base-port", strconv.Itoa(port))
}

// rewrittenAtStart are the files of a sandbox that every start may write, without changing what they say: the configurations
// have the ports, a database takes in its own log, a process on PostgreSQL leaves its token.
func rewrittenAtStart() []string {
	return []string{"ceralacca.toml", "store.db", "store.db-wal", "store.db-shm", "node"}
}

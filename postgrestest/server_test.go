package postgrestest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestServer has one server for all, for each takes a second to make.
func TestServer(t *testing.T) {
	t.Parallel()
	s := Start(t)
	t.Run("keeps what was committed", func(t *testing.T) { keepsWhatWasCommitted(t, s) })
	t.Run("frozen", func(t *testing.T) { standsStill(t, s) })
	t.Run("down", func(t *testing.T) { endsConnections(t, s) })
}

func keepsWhatWasCommitted(t *testing.T, s *Server) {
	location := s.URL()
	table(t, location)
	Query(t, location, "insert into said values ('committed')")
	open := dial(t, location)
	open.query("begin; insert into said values ('not committed')")
	open.until('Z')

	s.Stop(t)
	open.expectEnd()
	if _, err := connect(location); err == nil {
		t.Error("a stopped server has taken a connection")
	}
	if err := s.supervisor.order("stop"); err == nil {
		t.Error("a stopped server was stopped")
	}

	s.Restart(t)
	equal(t, "rows after the restart", Query(t, location, "select word from said"), "committed")
	contains(t, "log", s.supervisor.logSince(0), "database system was not properly shut down")
	if err := s.supervisor.order("start " + s.port); err == nil {
		t.Error("a running server was started")
	}
	equal(t, "rows after all", Query(t, location, "select word from said"), "committed")
}

func standsStill(t *testing.T, s *Server) {
	location := s.URL()
	client := dial(t, location)
	s.Freeze(t)
	for moving := true; moving; { // the signals are on their way; one that has ended meanwhile is a zombie
		moving = strings.Trim(states(t, s), "TZ") != ""
	}
	client.query("select 1")
	client.expectSilence()
	s.Thaw(t)
	equal(t, "answers after the thaw", client.until('Z'), "TDCZ")

	s.Freeze(t)
	s.Stop(t)
	s.Restart(t)
	equal(t, "answer of the restarted server", Query(t, location, "select 1"), "1")
}

// states returns the state of each process of a server, a letter as ps gives it.
func states(t *testing.T, s *Server) string {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(s.supervisor.dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	postmaster, _, _ := strings.Cut(string(lock), "\n")
	output, err := exec.Command("ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "stat=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var letters strings.Builder
	for line := range strings.Lines(string(output)) {
		if f := strings.Fields(line); f[0] == postmaster || f[1] == postmaster {
			letters.WriteByte(f[2][0])
		}
	}
	if letters.Len() < 3 {
		t.Fatalf("%d processes of the server", letters.Len())
	}
	return letters.String()
}

// endsConnections looks at a server that is down through a proxy.
func endsConnections(t *testing.T, s *Server) {
	proxy := NewProxy(t, s.URL())
	client := dial(t, proxy.URL())
	s.Stop(t)
	client.expectEnd()
	expectRefusal(t, proxy)
	s.Restart(t)
	equal(t, "answer", Query(t, proxy.URL(), "select 1"), "1")
}

func TestServerDoesNotOutliveAKilledProcess(t *testing.T) {
	t.Parallel()
	c := newChild(t, "holdServer")
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	location, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	location = strings.TrimSpace(location)
	open := dial(t, location)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Error("the child was not killed")
	}
	open.expectEnd()
	c.awaitEnd(t)
	if _, err := connect(location); err == nil {
		t.Error("the server has outlived the child")
	}
}

// TestFailureShowsTheLog runs itself again, to fail there.
func TestFailureShowsTheLog(t *testing.T) {
	t.Parallel()
	if os.Getenv(asChild) == "failing" {
		Query(t, URL(t), "do $$ begin raise log 'the shared server was here'; end $$")
		Start(t).Query(t, "select 'before'; select 1/0; select 'after'")
		t.Log("not reached")
	}
	c := newChild(t, "failing", "-test.run=^TestFailureShowsTheLog$")
	output, err := c.CombinedOutput()
	if err == nil {
		t.Error("the statement has not failed")
	}
	told := string(output)
	contains(t, "psql's complaint", told, "psql of")
	contains(t, "the shared server's log", told, "LOG:  the shared server was here")
	contains(t, "the other server's log", told, "STATEMENT:  select 1/0;")
	if strings.Contains(told, "not reached") {
		t.Error("the test went on")
	}
	c.awaitEnd(t)
}

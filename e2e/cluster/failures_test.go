package cluster

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

const (
	lease     = 15 * time.Second
	someMore  = 30              // messages that show that things go on
	frozenFor = lease + lease/5 // nobody renews a lease meanwhile
	downFor   = 6 * time.Second
)

// TestFrozen: a process that is frozen longer than its lease loses its work to the other one. When it goes on it does nothing
// twice, whatever it was about to do (design.md 4, 7).
// norms.md 146
func TestFrozen(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	l := c.newLoad(2, c.alfa.Mailboxes[0], c.alfa.Mailboxes[1], c.beta.Mailboxes[0])
	for _, s := range l.senders {
		s.patience = 3 * time.Second
	}
	first, second := c.nodes[0], c.nodes[1]
	end := l.sendUntilReceived(someMore)
	first.signal(t, "STOP")
	wait(frozenFor)
	end()
	l.finishedBy(second)
	first.signal(t, "CONT")
	eventually(t, leaseEnd, "the frozen process has seen that it was taken for dead", func() bool {
		return strings.Contains(first.log(), "this process was taken for dead")
	})
	l.sendUntilReceived(someMore)()
	l.drain()
	c.stop()
}

// finishedBy waits until all that is expected of the accepted letters, and needs nobody but Alfa, is done though only one
// process of Alfa is alive.
func (l *load) finishedBy(n *node) {
	l.t.Helper()
	l.expectAll()
	missing := "nobody has looked"
	ours := func(what string) bool {
		return strings.HasPrefix(what, "accettazione ") || strings.HasPrefix(what, "posta-certificata clalfa")
	}
	if !within(leaseEnd, func() bool {
		if missing = l.missing(n, l.alfa.Mailboxes, ours); missing == "" {
			missing = l.missing(l.beta.nodes[0], l.beta.Mailboxes, ours)
		}
		return missing == ""
	}) {
		l.t.Errorf("%s has not taken over: %s", n.name, missing)
	}
}

// TestKilled: what a killed process leaves is done by the other one; when both are killed, by themselves later.
// norms.md 146
func TestKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	l := c.newLoad(3, c.alfa.Mailboxes[0], c.alfa.Mailboxes[1], c.beta.Mailboxes[0])
	first, second := c.nodes[0], c.nodes[1]
	end := l.sendUntilReceived(someMore)
	first.kill()
	end()
	l.finishedBy(second)
	end = l.sendUntilReceived(someMore)
	c.start(first)
	l.received(someMore)
	first.kill()
	second.kill()
	end()
	c.start(first, second)
	l.drain()
	c.stop()
}

// TestDatabaseDown: while the database is away nothing is answered that does not hold, and nothing is refused for good. It comes
// back, and so does everything (design.md 3, unknown outcomes).
// norms.md 91
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	l := c.newLoad(4, c.alfa.Mailboxes[0], c.alfa.Mailboxes[1], c.beta.Mailboxes[0])
	end := l.sendUntilReceived(someMore)
	reader, err := c.openInbox(c.nodes[0], c.alfa.Mailboxes[0], replyPatience)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	c.server.Stop(t)
	down := time.After(downFor)
	c.refused("STATUS", func() error { _, err := reader.count(); return err })
	c.refused("FETCH", func() error { _, err := reader.do("UID FETCH 1:* BODY.PEEK[]"); return err })
	c.refused("LOGIN and SELECT", func() error {
		inbox, err := c.openInbox(c.nodes[1], c.alfa.Mailboxes[2], replyPatience)
		if err == nil {
			inbox.Close()
		}
		return err
	})
	<-down
	c.server.Restart(t)
	eventually(t, leaseEnd, "the connection of before is good again", func() bool { _, err := reader.count(); return err == nil })
	l.received(someMore)
	end()
	deferred := 0
	for _, s := range l.senders {
		deferred += s.deferred
	}
	t.Logf("%d letters were deferred", deferred)
	for _, n := range c.nodes {
		if !n.running() {
			t.Errorf("%s has ended: %v", n.name, n.cmd.ProcessState)
		}
	}
	l.drain()
	c.stop()
}

// refused: a command that needs the database is answered by a NO that says so, or by the end of the connection.
func (c *cluster) refused(command string, do func() error) {
	c.t.Helper()
	err := do()
	var no refusedError
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		c.t.Errorf("%s while the database is down: %v", command, err)
	case errors.As(err, &no) && !strings.HasPrefix(string(no), "NO [UNAVAILABLE]") && !strings.HasPrefix(string(no), "* BYE"):
		c.t.Errorf("%s is answered: %v", command, err)
	}
}

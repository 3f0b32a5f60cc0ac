package imapd

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilenceEnds: how long a read waits, and what the client hears in the end (attacks.md 39).
func TestSilenceEnds(t *testing.T) {
	t.Parallel()
	const silent = "* BYE nothing came for too long\r\n"
	cases := []struct {
		name     string
		age      time.Duration // of the connection
		loggedIn bool
		patience time.Duration // of the library
		waits    time.Duration
		bye      string
		err      error
	}{
		{"a stranger", 0, false, 30 * time.Second, 30 * time.Second, silent, io.EOF},
		{"a stranger who dallies", 50 * time.Second, false, 30 * time.Second, 10 * time.Second, silent, io.EOF},
		{"between commands", time.Hour, true, 35 * time.Minute, 35 * time.Minute, silent, io.EOF},
		{"inside a command", time.Hour, true, 30 * time.Second, 30 * time.Second, "", os.ErrDeadlineExceeded},
	}
	for _, cs := range cases {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			c := newConn(ours)
			c.began, c.loggedIn = time.Now().Add(-cs.age), cs.loggedIn
			heard := make(chan string)
			go func() {
				b, _ := io.ReadAll(theirs) // a pipe that was closed
				heard <- string(b)
			}()
			start := time.Now()
			if err := c.SetReadDeadline(start.Add(cs.patience)); err != nil {
				t.Fatal(err)
			}
			_, err := c.Read(make([]byte, 10))
			if d := time.Since(start); d != cs.waits || !errors.Is(err, cs.err) {
				t.Errorf("%s: %v after %s", cs.name, err, d)
			}
			c.abort()
			if got := <-heard; got != cs.bye {
				t.Errorf("%s hears %q", cs.name, got)
			}
		})
	}
}

// TestPatienceBeginsAnew with every read: a slow literal gets through (RFC 9051 6.3.12).
func TestPatienceBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := newConn(ours)
		c.welcome()
		if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		go func() {
			for range 10 {
				<-time.After(20 * time.Second)   // of the bubble's clock
				_, _ = theirs.Write([]byte("x")) // the reader judges
			}
			theirs.Close()
		}()
		if got, err := io.ReadAll(c); len(got) != 10 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		c.abort()
	})
}

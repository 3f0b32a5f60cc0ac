package smtpd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipeClient is the client's end of a session over net.Pipe in a synctest bubble, where waiting costs no time.
type pipeClient struct {
	conn net.Conn
	in   *bufio.Reader
	done chan struct{} // closed when serve has returned
}

func pipe(t *testing.T, stop, work context.Context, c Config) *pipeClient {
	server, client := net.Pipe()
	p := &pipeClient{conn: client, in: bufio.NewReader(client), done: make(chan struct{})}
	s := newSession(mustNew(t, c), server)
	go func() {
		defer close(p.done)
		s.serve(stop, work)
	}()
	return p
}

// say sends octets and gives the last line of the reply.
func (p *pipeClient) say(t *testing.T, octets string) string {
	t.Helper()
	if _, err := io.WriteString(p.conn, octets); err != nil {
		t.Fatal(err)
	}
	return p.hear(t)
}

func (p *pipeClient) hear(t *testing.T) string {
	t.Helper()
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line[3] == ' ' {
			return strings.TrimSuffix(line, "\r\n")
		}
	}
}

func (p *pipeClient) open(t *testing.T) {
	t.Helper()
	p.hear(t)
	p.say(t, "EHLO x\r\n")
	p.say(t, "MAIL FROM:<a@x.test>\r\n")
	p.say(t, "RCPT TO:<b@x.test>\r\n")
	if got := p.say(t, "DATA\r\n"); !strings.HasPrefix(got, "354") {
		t.Fatal(got)
	}
}

// wantEnd wants the reply, the end of the connection, and of the session, d after start (give or take a second).
func (p *pipeClient) wantEnd(t *testing.T, reply string, start time.Time, d time.Duration) {
	t.Helper()
	if got := p.hear(t); !strings.HasPrefix(got, reply) {
		t.Fatalf("got %q, want %q", got, reply)
	}
	if rest, err := io.ReadAll(p.in); len(rest) > 0 || err != nil {
		t.Fatalf("more: %q, %v", rest, err)
	}
	<-p.done
	if took := time.Since(start); took < d || took > d+time.Second {
		t.Fatalf("took %v, want %v", took, d)
	}
}

func inBubble(t *testing.T, c Config, f func(t *testing.T, p *pipeClient)) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, t.Context(), t.Context(), c)
		defer p.conn.Close()
		f(t, p)
	})
}

func TestIdleConnectionIsClosed(t *testing.T) {
	inBubble(t, testConfig(new(record)), func(t *testing.T, p *pipeClient) {
		start := time.Now()
		p.hear(t)
		p.wantEnd(t, "421 4.4.2", start, 5*time.Minute)
	})
}

// attacks.md 39: octets that drip do not prolong a command line.
func TestDrippedCommandIsClosed(t *testing.T) {
	inBubble(t, testConfig(new(record)), func(t *testing.T, p *pipeClient) {
		start := time.Now()
		p.hear(t)
		go p.drip("x", time.Minute)
		p.wantEnd(t, "421 4.4.2", start, 5*time.Minute)
	})
}

// drip writes octets once every pause until the session is over.
func (p *pipeClient) drip(octets string, pause time.Duration) {
	for {
		select {
		case <-p.done:
			return
		case <-time.After(pause):
		}
		if _, err := io.WriteString(p.conn, octets); err != nil {
			return
		}
	}
}

// attacks.md 7: in go-smtp a body slower than its time-out has its rest executed as commands.
func TestSlowBodyIsNeverReadAsCommands(t *testing.T) {
	r := new(record)
	inBubble(t, testConfig(r), func(t *testing.T, p *pipeClient) {
		p.open(t)
		start := time.Now()
		go p.drip("MAIL FROM:<smuggled@x.test>\r\n", 4*time.Minute)
		p.wantEnd(t, "421 4.4.2", start, 3*time.Minute)
	})
	if len(r.senders) != 1 || len(r.messages) != 0 {
		t.Fatal(r.senders, r.messages)
	}
}

// Slower than the command's time-out as a whole, but steady: that is a message.
func TestSteadyBodyMayTakeLong(t *testing.T) {
	r := new(record)
	c := testConfig(r)
	c.MaxSize = 1 << 20
	inBubble(t, c, func(t *testing.T, p *pipeClient) {
		p.open(t)
		line := strings.Repeat("x", 998) + "\r\n"
		for range 200 {
			wait(t.Context(), 900*time.Millisecond)
			if _, err := io.WriteString(p.conn, line+line); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.say(t, ".\r\n"); !strings.HasPrefix(got, "250") {
			t.Fatal(got)
		}
	})
	if len(r.messages) != 1 || len(r.messages[0]) != 200*2000 {
		t.Fatal(len(r.messages))
	}
}

// attacks.md 39: a line a minute keeps within every silence, but is no progress.
func TestDrippedBodyIsClosed(t *testing.T) {
	inBubble(t, testConfig(new(record)), func(t *testing.T, p *pipeClient) {
		p.open(t)
		start := time.Now()
		go p.drip("x\r\n", time.Minute)
		p.wantEnd(t, "421 4.4.2", start, RatePatience)
	})
}

// One DATA has an end, however well it goes on.
func TestWholeBodyIsBounded(t *testing.T) {
	c := testConfig(new(record))
	c.MaxSize = 1 << 40
	inBubble(t, c, func(t *testing.T, p *pipeClient) {
		p.open(t)
		start := time.Now()
		go p.drip(strings.Repeat("x", 20<<10)+"\r\n", 10*time.Second)
		p.wantEnd(t, "421 4.4.2", start, time.Hour)
	})
}

// The known fault of the sketch: draining has a bound of time.
func TestDrainingIsBounded(t *testing.T) {
	c := testConfig(new(record))
	c.MaxSize = 1 << 30
	inBubble(t, c, func(t *testing.T, p *pipeClient) {
		p.open(t)
		start := time.Now()
		go p.drip(strings.Repeat("x", 4<<10)+"\n.\r\n", time.Second)
		p.wantEnd(t, "550 5.6.11", start, 5*time.Minute)
	})
}

// What our own work takes is not held against the peer.
func TestSlowReceiveCostsThePeerNothing(t *testing.T) {
	c := testConfig(new(record))
	c.Receive = func(_ context.Context, _ *Transaction, body io.Reader) (string, error) {
		wait(context.Background(), 2*time.Hour)
		_, err := io.Copy(io.Discard, body)
		wait(context.Background(), 2*time.Hour)
		return "2.0.0 at last", err
	}
	inBubble(t, c, func(t *testing.T, p *pipeClient) {
		p.hear(t)
		p.say(t, "EHLO x\r\n")
		p.say(t, "MAIL FROM:<a@x.test>\r\n")
		p.say(t, "RCPT TO:<b@x.test>\r\n")
		if got := p.say(t, "DATA\r\n"); !strings.HasPrefix(got, "354") {
			t.Fatal(got)
		}
		if got := p.say(t, "x\r\n.\r\n"); got != "250 2.0.0 at last" {
			t.Fatal(got)
		}
	})
}

// A peer that sends and never reads does not hold the session for ever.
func TestPeerThatNeverReads(t *testing.T) {
	inBubble(t, testConfig(new(record)), func(t *testing.T, p *pipeClient) {
		start := time.Now()
		<-p.done
		if took := time.Since(start); took != time.Minute {
			t.Fatal(took)
		}
	})
}

func TestHandshakeIsBounded(t *testing.T) {
	c := testConfig(new(record))
	c.Implicit = true
	inBubble(t, c, func(t *testing.T, p *pipeClient) {
		start := time.Now()
		<-p.done
		if took := time.Since(start); took != 10*time.Second {
			t.Fatal(took)
		}
	})
}

// A stop says 421 to who waits, and lets a message end.
func TestStopBetweenCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop, cancel := context.WithCancel(t.Context())
		server, client := net.Pipe()
		p := &pipeClient{conn: client, in: bufio.NewReader(client), done: make(chan struct{})}
		s := newSession(mustNew(t, testConfig(new(record))), server)
		go func() {
			defer close(p.done)
			s.serve(stop, t.Context())
		}()
		p.open(t)
		start := time.Now()
		cancel()
		s.wire.interrupt()
		synctest.Wait()
		if got := p.say(t, "x\r\n.\r\n"); !strings.HasPrefix(got, "250 2.0.0 accepted") {
			t.Fatal(got)
		}
		p.wantEnd(t, "421 4.3.2", start, 0)
	})
}

// attacks.md 9: a failed log-in takes the same time whether the user exists or not.
func TestFailedLogInsTakeTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := submissionConfig(new(record))
		c.Timeouts.Failure = 0 // the default
		c.Authenticate = func(_ context.Context, _ Peer, user, _ string) (string, error) {
			if user == "known" {
				wait(context.Background(), 300*time.Millisecond)
			}
			return "", ErrCredentials
		}
		s := newSession(mustNew(t, c), new(script))
		s.stop, s.ctx = t.Context(), t.Context()
		for _, user := range []string{"known", "unknown"} {
			start := time.Now()
			s.logIn(credentials{user: user})
			if took := time.Since(start); took != time.Second {
				t.Fatal(user, took)
			}
		}
	})
}

func TestPace(t *testing.T) {
	p := messagePace(Timeouts{}.withDefaults())
	p.spend(4*time.Minute, 0)
	if got := p.left(); got != time.Minute {
		t.Fatal(got)
	}
	p.spend(0, 30*MinimumRate)
	if got := p.left(); got != 90*time.Second {
		t.Fatal(got)
	}
	p.spend(0, 1<<40)
	if got := p.left(); got != 3*time.Minute {
		t.Fatal(got)
	}
	p.spend(55*time.Minute, 0)
	if got := p.left(); got != time.Minute {
		t.Fatal(got)
	}
}

func TestReadOfAnEndedConnectionGivesNoMessage(t *testing.T) {
	d := newDataReader(bufio.NewReader(strings.NewReader("x\r\n")), 10)
	for range 2 {
		if _, err := io.ReadAll(d); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
}

package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestNewChecks(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no host name":                   func(c *Config) { c.Hostname = "" },
		"a host name that forges a line": func(c *Config) { c.Hostname = "x\r\n250 y" },
		"no size":                        func(c *Config) { c.MaxSize = 0 },
		"negative limit":                 func(c *Config) { c.MaxPerHost = -1 },
		"implicit without TLS":           func(c *Config) { c.TLS, c.Implicit = nil, true },
		"submission without TLS":         func(c *Config) { c.TLS, c.Submission, c.Authenticate = nil, true, authenticate },
		"submission without log-in":      func(c *Config) { c.Submission = true },
		"no sender":                      func(c *Config) { c.Sender = nil },
		"no recipient":                   func(c *Config) { c.Recipient = nil },
		"no receive":                     func(c *Config) { c.Receive = nil },
	} {
		c := testConfig(new(record))
		change(&c)
		if _, err := New(c); err == nil {
			t.Error(name)
		}
	}
}

// running is a server whose stop the test decides.
type running struct {
	addr  net.Addr
	stop  context.CancelFunc
	ended chan error
}

func start(t *testing.T, c Config) *running {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{l.Addr(), stop, make(chan error, 1)}
	go func() { r.ended <- mustNew(t, c).Serve(ctx, l) }()
	return r
}

func openData(t *testing.T, d *dialogue) {
	d.expect(t, "220 .*")
	d.send(t, "HELO x\r\n")
	d.expect(t, "250 .*")
	d.send(t, envelope)
	for _, want := range []string{"250 .*", "250 .*", "354 .*"} {
		d.expect(t, want)
	}
}

// A stop: idle sessions hear 421, a message that arrives is received, new connections find nobody, no goroutine is left.
func TestStopLetsAMessageEnd(t *testing.T) {
	rec := new(record)
	r := start(t, testConfig(rec))
	idle, busy, stuck := dial(t, r.addr), dial(t, r.addr), dial(t, r.addr)
	idle.expect(t, "220 .*")
	openData(t, busy)
	stuck.expect(t, "220 .*")
	stuck.send(t, "STARTTLS") // half a command
	r.stop()
	idle.expect(t, "421 4\\.3\\.2 .*")
	idle.end(t)
	stuck.expect(t, "421 4\\.3\\.2 .*")
	busy.send(t, "x\r\n.\r\n")
	busy.expect(t, "250 2\\.0\\.0 accepted .*")
	busy.expect(t, "421 4\\.3\\.2 .*")
	busy.end(t)
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", r.addr.String()); err == nil {
		t.Fatal("still listening")
	}
	if len(rec.messages) != 1 {
		t.Fatal(rec.messages)
	}
	noGoroutinesOf(t, "smtpd.(*session)")
}

// noGoroutinesOf waits for goroutines that have done their work to be gone from the run time's list.
func noGoroutinesOf(t *testing.T, function string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for deadline := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		all := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(all, function) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(all)
		}
	}
}

// After the grace period a message that does not end is cut, and Receive's context and reader end.
func TestStopCutsAfterGrace(t *testing.T) {
	c := testConfig(new(record))
	c.Timeouts.Grace = 20 * time.Millisecond
	var seen atomic.Value
	c.Receive = func(ctx context.Context, _ *Transaction, body io.Reader) (string, error) {
		_, err := io.Copy(io.Discard, body)
		<-ctx.Done()
		seen.Store(err)
		return "", err
	}
	r := start(t, c)
	d := dial(t, r.addr)
	openData(t, d)
	r.stop()
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	if err, _ := seen.Load().(error); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	d.end(t)
	noGoroutinesOf(t, "smtpd.(*session)")
}

// brokenListener fails once, and then for good.
type brokenListener struct {
	net.Listener
	calls int
}

func (l *brokenListener) Accept() (net.Conn, error) {
	if l.calls++; l.calls == 1 {
		return nil, errors.New("no file descriptors left")
	}
	return nil, net.ErrClosed
}

func TestServeSaysWhyItEnded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken := &brokenListener{Listener: l}
	if err := mustNew(t, testConfig(new(record))).Serve(t.Context(), broken); !errors.Is(err, net.ErrClosed) || broken.calls != 2 {
		t.Fatal(err, broken.calls)
	}
}

// attacks.md 39
func TestConnectionsAreBounded(t *testing.T) {
	for name, limit := range map[string]func(*Config){
		"all": func(c *Config) { c.MaxConnections = 2 }, "host": func(c *Config) { c.MaxPerHost = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(new(record))
			limit(&c)
			addr := listen(t, c)
			first, second, third := dial(t, addr), dial(t, addr), dial(t, addr)
			first.expect(t, "220 .*")
			second.expect(t, "220 .*")
			third.expect(t, "421 4\\.7\\.0 .*")
			third.end(t)
			first.send(t, "QUIT\r\n")
			first.expect(t, "221 .*")
			first.end(t)
			for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); { // the count falls just after the end is seen
				d := dial(t, addr)
				line, _ := d.in.ReadString('\n')
				if d.conn.Close(); strings.HasPrefix(line, "220") {
					return
				}
			}
			t.Fatal("the place of the first is not free")
		})
	}
}

// attacks.md 8: a client that speaks another protocol inside TLS is not served (ALPACA).
func TestALPN(t *testing.T) {
	c := testConfig(new(record))
	c.Implicit = true
	addr := listen(t, c)
	for protocols, served := range map[string]bool{"": true, "smtp": true, "h2 http/1.1": false, "imap": false} {
		client := clientTLS()
		client.NextProtos = strings.Fields(protocols)
		conn, err := tls.Dial("tcp", addr.String(), client)
		if served != (err == nil) {
			t.Errorf("%q: %v", protocols, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// Pipelined commands that are here already do not hold up a stop.
func TestStopBetweenPipelinedCommands(t *testing.T) {
	c := testConfig(new(record))
	conn := &script{chunks: [][]byte{[]byte("EHLO x\r\n"), []byte("MAIL FROM:<a@x.test>\r\nNOOP\r\n")}}
	var s *session
	c.Sender = func(context.Context, *Transaction) error {
		s.wire.interrupt()
		return nil
	}
	s = newSession(mustNew(t, c), conn)
	s.serve(t.Context(), t.Context())
	if got := conn.out.String(); !strings.Contains(got, "250 2.1.0 ok\r\n421 4.3.2 ") || strings.Contains(got, "250 2.0.0 ok") {
		t.Fatal(got)
	}
}

// A harvest of addresses ends (attacks.md 9).
func TestRefusalsAreBounded(t *testing.T) {
	r := new(record)
	replies := play(t, testConfig(r), "EHLO x\r\nMAIL FROM:<a@x.test>\r\n", strings.Repeat("RCPT TO:<unknown@x.test>\r\n", maxRefusals+5))
	if last := replies[len(replies)-1]; !strings.HasPrefix(last, "421 4.7.0") || len(r.recipients) != maxRefusals {
		t.Fatal(last, len(r.recipients))
	}
}

// attacks.md 8: after a failed handshake go-smtp answers 550 in clear and goes on in clear.
func TestFailedHandshakeNeverGoesOnInClear(t *testing.T) {
	r := new(record)
	d := dial(t, listen(t, testConfig(r)))
	d.expect(t, "220 .*")
	d.send(t, "EHLO x\r\n")
	for range 6 {
		d.expect(t, "250.*")
	}
	d.send(t, "STARTTLS\r\n")
	d.expect(t, "220 2\\.0\\.0 .*")
	d.send(t, "MAIL FROM:<smuggled@x.test>\r\n")
	rest, err := io.ReadAll(d.in)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal(err)
	}
	if strings.Contains(string(rest), "50") || len(rest) > 7 || len(r.senders) > 0 { // one TLS alert at most
		t.Fatalf("%q, %q", rest, r.senders)
	}
}

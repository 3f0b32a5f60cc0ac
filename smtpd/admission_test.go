package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ceralacca/ceralacca/access"
	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/incoming"
)

// dialFrom connects from a loopback address, which is a network of its own.
func dialFrom(t *testing.T, from string, addr net.Addr) *dialogue {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := &dialogue{}
	d.use(t, conn)
	return d
}

// attacks.md 39: a full server lets a new network in, at the cost of the network that has most.
func TestFullServerLetsANewNetworkIn(t *testing.T) {
	for name, c := range map[string]Config{"relay": testConfig(new(record)), "submission": submissionConfig(new(record))} {
		t.Run(name, func(t *testing.T) {
			c.MaxConnections = 4
			addr := listen(t, c)
			var flood []*dialogue
			for range 4 {
				d := dialFrom(t, "127.0.0.2", addr)
				d.expect(t, "220 .*")
				flood = append(flood, d)
			}
			mario := dialFrom(t, "127.0.0.3", addr)
			mario.expect(t, "220 .*")
			flood[0].end(t)
			again := dialFrom(t, "127.0.0.2", addr)
			again.expect(t, "421 4\\.7\\.0 .*")
			mario.send(t, "NOOP\r\n")
			mario.expect(t, "250 .*")
		})
	}
}

// attacks.md 39: on port 25 a message that is under way gives way after the connections that wait.
func TestMessageGivesWayLast(t *testing.T) {
	c := testConfig(new(record))
	c.MaxConnections = 2
	addr := listen(t, c)
	busy := dialFrom(t, "127.0.0.2", addr)
	openData(t, busy)
	idle := dialFrom(t, "127.0.0.2", addr)
	idle.expect(t, "220 .*")
	dialFrom(t, "127.0.0.3", addr).expect(t, "220 .*")
	idle.end(t)
	busy.send(t, "x\r\n.\r\n")
	busy.expect(t, "250 2\\.0\\.0 accepted .*")
}

// attacks.md 39: handshakes that stall, more than there are places and turns to sign, do not shut others out.
func TestStalledHandshakesShutNobodyOut(t *testing.T) {
	c := submissionConfig(new(record))
	c.Implicit, c.MaxConnections = true, 12
	c.Handshakes = admission.NewGate(admission.GateConfig{Capacity: 1, MaxWaiting: 1})
	addr := listen(t, c)
	for i := range 36 {
		d := dialFrom(t, fmt.Sprintf("127.0.0.%d", 2+i%6), addr)
		if i%2 == 0 {
			d.send(t, "\x16\x03\x01\x02\x00\x01\x00") // the beginning of one
		}
	}
	mario := dialFrom(t, "127.0.0.9", addr)
	mario.startTLS(t)
	mario.expect(t, "220 .*")
	mario.send(t, ehlo)
	for range 5 {
		mario.expect(t, "250.*")
	}
	mario.send(t, logIn)
	mario.expect(t, "235 .*")
	for range 24 { // who has logged in stays
		dialFrom(t, "127.0.0.10", addr)
	}
	mario.send(t, "NOOP\r\n")
	mario.expect(t, "250 .*")
}

func TestConnectionsOfAnAccountAreBounded(t *testing.T) {
	c := submissionConfig(new(record))
	c.Implicit, c.MaxPerAccount = true, 1
	addr := listen(t, c)
	for i, want := range []string{"235 .*", "421 4\\.7\\.0 .*"} {
		d := dialFrom(t, fmt.Sprintf("127.0.0.%d", 2+i), addr)
		d.startTLS(t)
		d.expect(t, "220 .*")
		d.send(t, ehlo)
		for range 5 {
			d.expect(t, "250.*")
		}
		d.send(t, logIn)
		d.expect(t, want)
	}
}

// attacks.md 39: who does not log in is gone after a minute, however busy.
func TestStrangersHaveAMinute(t *testing.T) {
	for name, octets := range map[string]string{"silent": "", "slow": "N", "busy": "NOOP\r\n"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, submissionConfig(new(record)), func(t *testing.T, p *pipeClient) {
				start := time.Now()
				p.hear(t)
				if octets != "" {
					go p.drip(octets, 7*time.Second)
				}
				var last string
				for {
					line, err := p.in.ReadString('\n')
					if err != nil {
						break
					}
					last = line
				}
				<-p.done
				if took := time.Since(start); took != time.Minute || !strings.HasPrefix(last, "421 4.4.2") {
					t.Errorf("%q after %s", last, took)
				}
			})
		})
	}
}

// caller is a connection from an address, whose octets nobody sends.
type caller struct {
	script
	address string
}

func (c *caller) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.address), Port: 4711} }

// logInFrom tries a password from an address, on a connection of its own, and gives the reply.
func logInFrom(t *testing.T, s *Server, address, user, password string) string {
	conn := &caller{address: address}
	session := newSession(s, conn)
	session.stop, session.ctx = t.Context(), t.Context()
	session.peer.Hello, session.peer.TLS = "x", new(tls.ConnectionState)
	session.logIn(credentials{user: user, password: password})
	if err := session.wire.out.Flush(); err != nil {
		return err.Error()
	}
	return conn.out.String()
}

// attacks.md 9: a brute forcer on one port is slowed on the other, and slows no holder in another network, nor locks
// anybody out.
func TestBruteForceSlowsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := submissionConfig(new(record))
		c.Logins = admission.NewLogins(admission.LoginsConfig{})
		submission, submissions := mustNew(t, c), mustNew(t, c)
		want := func(s *Server, address, password, reply string, took time.Duration) {
			t.Helper()
			start := time.Now()
			got := logInFrom(t, s, address, testUser, password)
			if d := time.Since(start); !strings.HasPrefix(got, reply) || d.Truncate(time.Millisecond) != took {
				t.Errorf("%s: %q after %s, want %s after %s", address, got, d, reply, took)
			}
		}
		want(submission, "192.0.2.7", testPassword, "235", 0) // she is known there
		for range 25 {
			logInFrom(t, submission, "198.51.100.1", testUser, "sbagliata")
		}
		want(submissions, "198.51.100.1", "sbagliata", "535 5.7.8 "+ErrCredentials.Error(), 10*time.Second)
		want(submissions, "192.0.2.7", testPassword, "235", 0)
		for range 20 {
			go logInFrom(t, submission, "198.51.100.1", testUser, "sbagliata")
		}
		synctest.Wait()
		want(submissions, "198.51.100.1", "sbagliata", "454 4.7.0", 0) // too many wait there
		want(submissions, "192.0.2.7", testPassword, "235", 0)
		want(submissions, "203.0.113.5", testPassword, "235", 10*time.Second) // she is not known there
		time.Sleep(time.Minute)
	})
}

// A stop does not wait for who is being slowed.
func TestStopEndsTheWaitToLogIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := submissionConfig(new(record))
		s := mustNew(t, c)
		for range 20 {
			logInFrom(t, s, "198.51.100.1", testUser, "sbagliata")
		}
		session := newSession(s, &caller{address: "198.51.100.1"})
		stop, cancel := context.WithCancel(t.Context())
		session.stop, session.ctx = stop, t.Context()
		cancel()
		start := time.Now()
		session.logIn(credentials{user: testUser, password: testPassword})
		if took := time.Since(start); took != 0 || session.account != "" {
			t.Errorf("it took %s, account %q", took, session.account)
		}
	})
}

func TestOverloadIsTemporary(t *testing.T) {
	busy := fmt.Errorf("waiting: %w", admission.ErrBusy)
	for _, c := range []struct {
		err  error
		code int
	}{
		{submissionReply(busy), 451}, {submissionReply(access.ErrBudget), 452}, {incomingReply(busy), 451},
	} {
		var e *Error
		if !errors.As(c.err, &e) || e.Code != c.code || !validEnhanced(e.Enhanced) {
			t.Errorf("%v, want %d", c.err, c.code)
		}
	}
}

// norms.md 50: the peer comes again while its certificate cannot be judged.
func TestUnjudgedCertificateIsTemporary(t *testing.T) {
	for _, unjudged := range []error{incoming.ErrStale, incoming.ErrUnrevoked} {
		var e *Error
		if err := incomingReply(fmt.Errorf("judging: %w", unjudged)); !errors.As(err, &e) || e.Code != 451 || e.Enhanced != "4.7.5" || !errors.Is(err, unjudged) {
			t.Errorf("%v: %v", unjudged, err)
		}
	}
}

// attacks.md 9: an address has many spellings, and one count.
func TestAccountHasOneSpelling(t *testing.T) {
	c := Submission(testConfig(new(record)), &access.Point{})
	for _, user := range []string{"mario@pec.alfa.test", "MARIO@Pec.alfa.test", `"mario"@pec.alfa.test`, `"m\ario"@pec.alfa.test`} {
		if got := c.Account(user); got != "mario@pec.alfa.test" {
			t.Errorf("%s is counted as %s", user, got)
		}
	}
}

// attacks.md 39: a handshake's signature waits in the gate, and who finds it full is not served.
func TestHandshakesPassTheGate(t *testing.T) {
	c := submissionConfig(new(record))
	c.Implicit = true
	c.Handshakes = admission.NewGate(admission.GateConfig{Capacity: 1})
	addr := listen(t, c)
	leave, err := c.Handshakes.Enter(t.Context(), "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := tls.Dial("tcp", addr.String(), clientTLS()); err == nil {
		conn.Close()
		t.Error("a handshake passed a full gate")
	}
	leave()
	conn, err := tls.Dial("tcp", addr.String(), clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

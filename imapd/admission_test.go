package imapd

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/admission"
)

// connect opens a connection from a loopback address, which is a network of its own.
func (h *house) connect(t *testing.T, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", h.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// dialFrom is dial from a loopback address.
func (h *house) dialFrom(t *testing.T, from string) *client {
	t.Helper()
	conn := tls.Client(h.connect(t, from), clientTLS())
	c := &client{t: t, conn: conn, r: bufio.NewReader(conn)}
	if greeting := c.line(); !strings.HasPrefix(greeting, "* OK ") {
		t.Fatalf("greeting %q", greeting)
	}
	return c
}

// attacks.md 39: a full server lets a new network in, at the cost of the network that has most; who has logged in stays.
func TestFullServerLetsANewNetworkIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.MaxConnections = 5 })
	holder := h.dialFrom(t, "127.0.0.2")
	holder.ok("LOGIN " + testUser + " " + testPassword)
	var flood []*client
	for range 4 {
		flood = append(flood, h.dialFrom(t, "127.0.0.2"))
	}
	anna := h.dialFrom(t, "127.0.0.3")
	if rest, err := io.ReadAll(flood[0].r); len(rest) > 0 || os.IsTimeout(err) {
		t.Errorf("the oldest is still there: %q, %v", rest, err)
	}
	anna.ok("LOGIN " + testUser + " " + testPassword)
	holder.ok("NOOP")
}

// attacks.md 39: handshakes that stall, more than there are places and turns to sign, do not shut others out.
func TestStalledHandshakesShutNobodyOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) {
		c.MaxConnections = 12
		c.Handshakes = admission.NewGate(admission.GateConfig{Capacity: 1, MaxWaiting: 1})
	})
	for i := range 36 {
		conn := h.connect(t, fmt.Sprintf("127.0.0.%d", 2+i%6))
		if i%2 == 0 {
			_, _ = io.WriteString(conn, "\x16\x03\x01\x02\x00\x01\x00") // the beginning of one; the place may be lost already
		}
	}
	h.dialFrom(t, "127.0.0.9").ok("LOGIN " + testUser + " " + testPassword)
}

// attacks.md 9: who guesses from one network waits there, and with too many at once is refused; a holder in another network
// does not wait. A stop waits for nobody.
func TestBruteForceSlowsNobodyElse(t *testing.T) {
	t.Parallel()
	logins := admission.NewLogins(admission.LoginsConfig{FirstDelay: time.Hour, MaxDelay: time.Hour})
	h := newHouse(t, func(c *Config) { c.Logins, c.Grace = logins, time.Hour })
	h.dialFrom(t, "127.0.0.3").ok("LOGIN " + testUser + " " + testPassword) // she is known there
	for i := range 21 {
		// The failures are another protocol's.
		_, err := logins.Attempt(t.Context(), "127.0.0.2", fmt.Sprint("account", i), func(context.Context) (bool, error) { return false, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 { // and these are for her account
		_, err := logins.Attempt(t.Context(), fmt.Sprint("192.0.2.", i), testUser, func(context.Context) (bool, error) { return false, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	answers := make(chan string, 21)
	for range 21 {
		c := h.dialFrom(t, "127.0.0.2")
		c.send("a LOGIN " + testUser + " sbagliata\r\n")
		go func() {
			line, err := c.r.ReadString('\n')
			answers <- fmt.Sprint(line, err)
		}()
	}
	if first := <-answers; !strings.HasPrefix(first, "a NO [UNAVAILABLE] ") {
		t.Errorf("one too many: %s", first)
	}
	c := h.dialFrom(t, "127.0.0.3")
	c.ok("LOGIN " + strings.ToUpper(testUser) + " " + testPassword)
	c.ok("SELECT INBOX")
	if len(answers) > 0 {
		t.Errorf("a guess was not slowed: %s", <-answers)
	}
	if err := h.stop(); err != nil {
		t.Error(err)
	}
	for range 20 {
		if got := <-answers; !strings.HasPrefix(got, "a NO [UNAVAILABLE] ") {
			t.Errorf("at the stop: %s", got)
		}
	}
}

// attacks.md 39: a handshake's signature waits in the gate, and who finds it full is not served.
func TestHandshakesPassTheGate(t *testing.T) {
	t.Parallel()
	gate := admission.NewGate(admission.GateConfig{Capacity: 1})
	h := newHouse(t, func(c *Config) { c.Handshakes = gate })
	leave, err := gate.Enter(t.Context(), "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := tls.Dial("tcp", h.address, clientTLS()); err == nil {
		conn.Close()
		t.Error("a handshake passed a full gate")
	}
	leave()
	h.dial(t)
}

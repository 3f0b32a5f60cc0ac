package postgrestest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"
)

// TestCutAfterIsStrict plays the server: it answers before it has the whole message, and more after the cut. The client
// must hear nothing, the server must miss nothing.
func TestCutAfterIsStrict(t *testing.T) {
	proxy, listener := proxyToTest(t)
	proxy.Arm(func(m Message) Action {
		if m.Kind == 'd' {
			return CutAfter
		}
		return Pass
	})
	client, err := connect(proxy.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.conn.Close()
	client.t = t
	server, err := listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	hello, err := url.Parse(proxy.URL())
	if err != nil {
		t.Fatal(err)
	}
	expectOctets(t, server, startup(hello))

	data := message('d', string(make([]byte, 5*chunk)))
	client.send(data[:chunk])
	expectOctets(t, server, data[:chunk])
	write(t, server, message('Z', "I"))
	client.expectSilence() // though its message has not passed yet
	client.send(data[chunk:])
	if octets, err := io.ReadAll(client.r); len(octets) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client hears %q, %v; want a reset", octets, err)
	}
	write(t, server, message('D', string(make([]byte, 100*chunk))))
	expectOctets(t, server, data[chunk:])
	if octets, err := io.ReadAll(server); len(octets) > 0 || err != nil {
		t.Errorf("the server hears %d octets, %v; want a proper end", len(octets), err)
	}
}

// proxyToTest makes a proxy to a listener of the test's own.
func proxyToTest(t *testing.T) (*Proxy, *net.TCPListener) {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return NewProxy(t, "postgres://u@"+listener.Addr().String()+"/d"), listener
}

func expectOctets(t *testing.T, conn *net.TCPConn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the server hears %.100q, %v; want %.100q", got, err, want)
	}
}

func write(t *testing.T, conn *net.TCPConn, octets []byte) {
	t.Helper()
	if _, err := conn.Write(octets); err != nil {
		t.Fatal(err)
	}
}

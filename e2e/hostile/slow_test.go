package hostile

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// perPort is how many connections one hostile address opens to each port: more than it may.
const perPort = 150

// TestSlowClientsAndFloods: an address that fills every port with connections that say nothing, an octet now and then, half a
// command, half a handshake, or half a message is kept within its own bound: others are served meanwhile, memory stays in
// bounds, and a stop does not wait for it (attacks.md 39).
func TestSlowClientsAndFloods(t *testing.T) {
	t.Parallel()
	f, writing := &flood{t: t}, &flood{t: t}
	t.Cleanup(f.close) // after the stop
	s := startSandbox(t, "1")
	from := s.alfa().Mailboxes[0]
	s.wantService(t)
	before := s.peak(t)
	hello := clientHello(t)
	transaction := "EHLO x\r\nMAIL FROM:<x@y.test>\r\nRCPT TO:<" + from.Address + ">\r\nDATA\r\n"
	for i, x := range []struct{ port, opening, drip string }{
		{s.alfa().SMTP, "", ""}, {s.alfa().SMTP, "EH", "L"}, {s.alfa().SMTP, "EHLO x\r\nSTARTTLS\r\n", hello[:5]},
		{s.alfa().Submission, "NOOP\r\n", "NOOP\r\n"}, {s.alfa().Submission, "EHLO x\r\nSTARTTLS\r\n", ""},
		{s.alfa().Submissions, "", ""}, {s.alfa().Submissions, hello[:40], hello[40:41]}, {s.alfa().Submissions, hello, ""},
		{s.alfa().IMAPS, "", ""}, {s.alfa().IMAPS, hello[:40], hello[40:41]}, {s.alfa().IMAPS, hello, ""},
		{s.beta().SMTP, "\r\n", "\r\n"},
	} {
		f.open(net.IPv4(127, 0, 1, byte(i)), x.port, x.opening, x.drip)
	}
	writing.open(net.IPv4(127, 0, 1, 200), s.alfa().SMTP, transaction+"Subject: x\r\n", "y\r\n")
	if refused := f.turnedAway(); refused < f.opened/4 {
		t.Errorf("%d of %d connections were turned away", refused, f.opened)
	}
	s.wantService(t)
	if after := s.peak(t); after-before > moreMemory {
		t.Errorf("%d MB before, %d MB after", before, after)
	}
	writing.close() // a message on its way is given time when the program stops
}

// TestHandshakeFlood: handshakes that are completed and left, from many clients at once, are served or turned away, and
// then the port serves as before (attacks.md 39).
func TestHandshakeFlood(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "1")
	s.wantService(t)
	before := s.peak(t)
	for _, port := range []string{s.alfa().Submissions, s.alfa().IMAPS} {
		var all sync.WaitGroup
		for client := range 10 {
			all.Go(func() {
				from := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(client))}}
				for range 40 {
					if conn, err := tls.DialWithDialer(&from, "tcp", port, s.tls(t)); err == nil {
						conn.NetConn().Close()
					}
				}
			})
		}
		all.Wait()
	}
	s.wantService(t)
	if after := s.peak(t); after-before > moreMemory {
		t.Errorf("%d MB before, %d MB after", before, after)
	}
}

// flood are connections that are held open.
type flood struct {
	t      *testing.T
	opened int
	conns  []net.Conn
}

// open fills a port from one address: each connection sends the opening at once and the drip a little later.
func (f *flood) open(from net.IP, port, opening, drip string) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from}}
	first := len(f.conns)
	for range perPort {
		conn, err := d.Dial("tcp", port)
		if err != nil {
			f.t.Fatal(err)
		}
		f.opened++
		f.conns = append(f.conns, conn)
		_, _ = io.WriteString(conn, opening) // it may have been turned away
	}
	for _, conn := range f.conns[first:] {
		_, _ = io.WriteString(conn, drip)
	}
}

// turnedAway counts the connections that the server has closed.
func (f *flood) turnedAway() int {
	var closed atomic.Int64
	var all sync.WaitGroup
	for _, conn := range f.conns {
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			f.t.Fatal(err)
		}
		all.Go(func() {
			_, err := io.Copy(io.Discard, conn)
			if e, ok := err.(net.Error); !ok || !e.Timeout() {
				closed.Add(1)
			}
		})
	}
	all.Wait()
	return int(closed.Load())
}

func (f *flood) close() {
	for _, conn := range f.conns {
		conn.Close()
	}
}

// clientHello is the first flight of a handshake.
func clientHello(t *testing.T) string {
	t.Helper()
	here, there := net.Pipe()
	defer there.Close()
	go tls.Client(here, &tls.Config{ServerName: "127.0.0.1"}).Handshake() // it ends with the pipe
	octets := make([]byte, 16<<10)
	n, err := there.Read(octets)
	if err != nil {
		t.Fatal(err)
	}
	return string(octets[:n])
}

package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// balancer is the one address at which Alfa takes mail from other providers. Each connection goes to the next process that
// answers. It knows nothing of processes that answer and do nothing.
type balancer struct {
	listener net.Listener
	to       []string
	running  sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool // nil: it is closed
}

func newBalancer(t testing.TB, address string, to ...string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l, to: to, open: map[net.Conn]bool{}}
	b.running.Go(b.run)
	t.Cleanup(b.close)
}

func (b *balancer) run() {
	for first := 0; ; first++ {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.running.Go(func() { b.pass(conn, first) })
	}
}

// pass joins a connection with one to a process.
func (b *balancer) pass(client net.Conn, first int) {
	defer b.forget(client)
	if !b.remember(client) {
		return
	}
	for i := range b.to {
		server, err := net.DialTimeout("tcp", b.to[(first+i)%len(b.to)], time.Second)
		if err != nil {
			continue
		}
		defer b.forget(server)
		if !b.remember(server) {
			return
		}
		var back sync.WaitGroup
		back.Go(func() { copyTo(client, server) })
		copyTo(server, client)
		back.Wait()
		return
	}
}

func copyTo(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		from.Close()
	}
	to.(*net.TCPConn).CloseWrite()
}

func (b *balancer) remember(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		return false
	}
	b.open[c] = true
	return true
}

func (b *balancer) forget(c net.Conn) {
	c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, c)
}

func (b *balancer) close() {
	b.listener.Close()
	b.mu.Lock()
	for c := range b.open {
		c.Close()
	}
	b.open = nil
	b.mu.Unlock()
	b.running.Wait()
}

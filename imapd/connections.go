package imapd

import (
	"context"
	"net"
	"sync"
	"time"
)

// connections are the open connections of one Serve, which owns their goroutines.
type connections struct {
	wg       sync.WaitGroup
	mu       sync.Mutex
	open     map[*conn]struct{}
	stopping bool
}

func newConnections() *connections { return &connections{open: make(map[*conn]struct{})} }

func (o *connections) add(c *conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.stopping {
		o.open[c] = struct{}{}
	}
	return !o.stopping
}

func (o *connections) remove(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, c)
}

func (o *connections) each(f func(*conn)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.open {
		f(c)
	}
}

// stop takes leave of everybody, lets commands end for grace, then cuts what is left, and returns when nothing is.
func (o *connections) stop(grace time.Duration, cut func()) {
	o.mu.Lock()
	o.stopping = true
	o.mu.Unlock()
	o.each(func(c *conn) { c.dismiss("the server is stopping") })
	ended := make(chan struct{})
	go func() {
		o.wg.Wait()
		close(ended)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
		return
	case <-timer.C:
	}
	cut()
	o.each(func(c *conn) { c.abort() })
	<-ended
}

// handoff is the listener that the library sees: it gives out connections that have done their handshake.
type handoff struct {
	conns  chan *conn
	closed chan struct{}
	once   sync.Once
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan *conn), closed: make(chan struct{})}
}

// hand gives a connection to the library; false if ctx ended before it was taken.
func (h *handoff) hand(ctx context.Context, c *conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-ctx.Done():
		return false
	}
}

// Accept implements net.Listener.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handoff) Addr() net.Addr { return &net.UnixAddr{Name: "imapd", Net: "unix"} }

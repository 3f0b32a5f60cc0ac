package postgrestest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy passes connections to a server and harms them when told to. It holds no more of a message than 64 KiB. To a client
// that asks for encryption it says that there is none. Its methods may be called at the same time, also by a Fault.
type Proxy struct {
	url      url.URL // of the proxy itself
	server   *net.TCPAddr
	listener *net.TCPListener
	running  sync.WaitGroup

	faults sync.Mutex // held while a Fault is called, and taken before mu

	mu       sync.Mutex
	changed  *sync.Cond // hanging, or a connection's stopped or over
	conns    map[*connection]bool
	admitted int
	fault    Fault
	armed    int // how often Arm has been called
	hanging  bool
	refusing bool
	closed   bool
}

// Action is what a proxy does with a message. A cut ends both halves of the connection: nothing that came later, or from
// the other side, is passed any more. What has been passed arrives; a client whose own message is cut is reset at once.
type Action int

// The actions.
const (
	Pass      Action = iota
	CutBefore        // cut; the message is not passed
	CutWithin        // pass half of the message's octets, then cut
	CutAfter         // pass the message, then cut: its sender never hears of what it did
	Swallow          // drop this message and all later ones of its side; the connection stays up until Disarm or Arm cut it
)

// Fault chooses what to do with a message. It is called by the goroutines of connections, one call at a time, when the
// message's first octets have come and the proxy does not hang. A call may still run when Disarm returns.
type Fault func(Message) Action

// NewProxy makes a proxy to the server of a URL. It ends with the test, and its connections with it.
func NewProxy(t testing.TB, location string) *Proxy {
	t.Helper()
	address, err := url.Parse(location)
	if err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
	server, err := net.ResolveTCPAddr("tcp", hostAndPort(address))
	if err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
	p := &Proxy{url: *address, server: server, listener: listener, conns: map[*connection]bool{}}
	p.url.Host = listener.Addr().String()
	p.changed = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func hostAndPort(address *url.URL) string {
	port := address.Port()
	if port == "" {
		port = "5432"
	}
	return net.JoinHostPort(address.Hostname(), port)
}

// URL returns the server's URL with the proxy's address.
func (p *Proxy) URL() string { return p.url.String() }

// Cut ends all present connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAll()
}

// Refuse tells whether connections are refused: present ones are cut, new ones are closed at once.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = refuse
	if refuse {
		p.cutAll()
	}
}

// Hang tells whether the proxy hangs: connections stay up, new ones are taken, but no octet passes that is sent after
// Hang(true) has returned. Hang(false) passes what has waited.
func (p *Proxy) Hang(hang bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hanging = hang
	p.changed.Broadcast()
}

// Arm has f choose for each message that comes from now on.
func (p *Proxy) Arm(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	p.armed++
	p.cutSwallowed()
}

// Disarm passes every message again.
func (p *Proxy) Disarm() { p.Arm(nil) }

// cutSwallowed cuts what has a hole in it, and so cannot go on.
func (p *Proxy) cutSwallowed() {
	for c := range p.conns {
		if c.swallowed {
			c.cut()
		}
	}
}

func (p *Proxy) cutAll() {
	for c := range p.conns {
		c.cut()
	}
}

// Settle waits until the server has ended the session of every connection that has been cut: from then on, what those
// sessions committed is seen, and they commit nothing more. It waits for the sessions' locks, and for a frozen server.
func (p *Proxy) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.unsettled() {
		p.changed.Wait()
	}
}

func (p *Proxy) unsettled() bool {
	for c := range p.conns {
		if c.stopped == [2]bool{true, true} && !c.over {
			return true
		}
	}
	return false
}

func (p *Proxy) sessionOver(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.over = true
	p.changed.Broadcast()
}

// judge asks the fault about a message.
func (p *Proxy) judge(c *connection, from Side, kind byte) Action {
	p.faults.Lock()
	defer p.faults.Unlock()
	fault, n := p.count(c, from)
	if fault == nil {
		return Pass
	}
	return fault(Message{From: from, Kind: kind, N: n, Conn: c.number})
}

func (p *Proxy) count(c *connection, from Side) (Fault, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.armed[from] != p.armed {
		c.armed[from], c.counted[from] = p.armed, 0
	}
	c.counted[from]++
	return p.fault, c.counted[from]
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.AcceptTCP()
		if err != nil {
			return // closed
		}
		server, err := net.DialTCP("tcp", nil, p.server)
		if err != nil {
			reset(client)
			continue
		}
		p.admit(client, server)
	}
}

func (p *Proxy) admit(client, server *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing || p.closed {
		reset(client)
		server.Close()
		return
	}
	p.admitted++
	c := newConnection(p, p.admitted, client, server)
	p.conns[c] = true
	p.running.Go(c.run)
}

func (p *Proxy) forget(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// close ends everything and waits for it.
func (p *Proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.cutAll()
	for c := range p.conns {
		reset(c.ends[FromServer])
	}
	p.mu.Unlock()
	p.running.Wait()
}

package postgrestest

import (
	"bufio"
	"io"
	"net"
	"sync"
)

// connection is one client's. Each of its two directions is named by the side that it comes from.
type connection struct {
	proxy   *Proxy
	number  int
	ends    [2]*net.TCPConn
	readers [2]*bufio.Reader

	// Under the proxy's mu.
	stopped   [2]bool // nothing passes any more
	swallowed bool    // a direction has a hole
	over      bool    // the server has ended its session
	armed     [2]int  // the Arm that counted belongs to
	counted   [2]int  // messages since then
}

// chunk is how much is read at a time, in octets.
const chunk = 32 << 10

func newConnection(p *Proxy, number int, client, server *net.TCPConn) *connection {
	return &connection{
		proxy:   p,
		number:  number,
		ends:    [2]*net.TCPConn{client, server},
		readers: [2]*bufio.Reader{bufio.NewReaderSize(client, chunk), bufio.NewReaderSize(server, chunk)},
	}
}

// run passes messages until both sides have ended.
func (c *connection) run() {
	var directions sync.WaitGroup
	directions.Go(func() { c.pump(FromClient) })
	directions.Go(func() { c.pump(FromServer) })
	directions.Wait()
	c.proxy.forget(c)
	c.ends[FromClient].Close()
	c.ends[FromServer].Close()
}

// pump passes the messages of one direction. What may not pass is read nevertheless: to close a connection over unread
// octets is to reset it, and the other side could lose what it has not read yet.
func (c *connection) pump(from Side) {
	swallowing := c.relay(from)
	if !swallowing && c.mayPass(from) { // the end of a stream is passed as its octets are
		c.ends[from.other()].CloseWrite()
	}
	io.Copy(io.Discard, c.ends[from]) // until it ends, in whatever way
	if from == FromServer {
		c.proxy.sessionOver(c)
	}
}

// relay passes messages until the side ends or may not pass any more, and tells whether the rest is to be swallowed.
func (c *connection) relay(from Side) (swallowing bool) {
	first := from == FromClient
	for {
		f, err := nextFrame(c.readers[from], first)
		if err != nil {
			c.pass(from, int64(c.readers[from].Buffered())) // the start of a message: as it came
			return false
		}
		if first && c.refusesEncryption(f) {
			continue
		}
		first = false
		if !c.mayPass(from) {
			return false
		}
		switch action := c.proxy.judge(c, from, f.kind); action {
		case Pass:
			if !c.pass(from, f.size) {
				return false
			}
		case Swallow:
			return c.swallow(from)
		default:
			c.cutAfter(from, passedBy(action, f.size))
			return false
		}
	}
}

// passedBy returns how many octets of a message pass before the cut.
func passedBy(cut Action, size int64) int64 {
	switch cut {
	case CutAfter:
		return size
	case CutWithin:
		return size / 2
	default:
		return 0
	}
}

// refusesEncryption answers a client that asks for it, in the server's place.
func (c *connection) refusesEncryption(f frame) bool {
	r := c.readers[FromClient]
	if asks, err := asksForEncryption(r, f); err != nil || !asks {
		return false // what fails here fails again when it is read
	}
	r.Discard(int(f.size))
	c.ends[FromClient].Write([]byte{'N'})
	return true
}

// pass passes octets, and tells whether it could.
func (c *connection) pass(from Side, octets int64) bool {
	buffer := make([]byte, min(octets, chunk))
	for octets > 0 {
		n, err := c.readers[from].Read(buffer[:min(octets, chunk)])
		if n > 0 && !c.passChunk(from, buffer[:n]) || err != nil {
			return false
		}
		octets -= int64(n)
	}
	return true
}

func (c *connection) passChunk(from Side, octets []byte) bool {
	if !c.mayPass(from) {
		return false
	}
	_, err := c.ends[from.other()].Write(octets)
	return err == nil
}

// mayPass waits while the proxy hangs, and tells whether the direction is open.
func (c *connection) mayPass(from Side) bool {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	for c.proxy.hanging && !c.stopped[from] {
		c.proxy.changed.Wait()
	}
	return !c.stopped[from]
}

// cutAfter passes some octets of one side, and not one more. The other side is stopped first: the answer to what passes
// must not slip through.
func (c *connection) cutAfter(from Side, octets int64) {
	c.stop(from.other())
	c.pass(from, octets)
	c.stop(from)
	if from == FromClient {
		reset(c.ends[FromClient])
	}
	c.ends[FromClient].CloseWrite()
	c.ends[FromServer].CloseWrite()
}

func (c *connection) stop(from Side) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.stopped[from] = true
	c.proxy.changed.Broadcast()
}

// swallow marks the connection for the next Arm. If that came while the fault was choosing, it is cut now.
func (c *connection) swallow(from Side) (swallowing bool) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.armed[from] != c.proxy.armed {
		c.cut()
		return false
	}
	c.swallowed = true
	return true
}

// cut ends the connection at once. The server gets what has passed; the client is reset. The proxy's mu is held.
func (c *connection) cut() {
	c.stopped = [2]bool{true, true}
	c.proxy.changed.Broadcast()
	reset(c.ends[FromClient])
	c.ends[FromServer].CloseWrite()
}

// reset closes a connection without ceremony: what the other side has not taken yet is lost, and it is told so.
func reset(conn *net.TCPConn) {
	conn.SetLinger(0) // fails only on a connection that is closed already
	conn.Close()
}

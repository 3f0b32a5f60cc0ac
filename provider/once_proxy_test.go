package provider

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
)

// proxy stands before a port. It hands SMTP conversations on flight by flight: what a client sends until it waits, and what
// it is answered. It ends TLS on both sides, so that a flight is known by its commands and cut at the same place every time.
type proxy struct {
	listener net.Listener
	target   func() string // where the port is now; "" while nobody listens
	server   tls.Certificate
	implicit bool // TLS from the first octet
	// reached is told of every moment of every conversation, and holds it until it returns; an error cuts both sides.
	reached func(context.Context, moment) error
	gate    *gate         // for whole conversations; nil lets all pass
	first   chan struct{} // closed when the first client has come
	running sync.WaitGroup

	mu    sync.Mutex // guards what follows
	count int
	open  map[net.Conn]bool
	seen  []moment
}

// moment is a place in a conversation: before a flight of the client's is handed on, or before its answer is.
type moment struct {
	conversation int    // from 1, in the order of the connections
	flight       int    // from 1, which is the connection itself
	commands     string // the flight's commands, or greeting, TLS, message
	answered     bool
}

// gate lets one waiting conversation through at each admit, and all once it is opened.
type gate struct {
	turns  chan struct{}
	opened sync.Once
}

func newGate() *gate { return &gate{turns: make(chan struct{}, 10)} }

func (g *gate) admit() { g.turns <- struct{}{} }

func (g *gate) open() { g.opened.Do(func() { close(g.turns) }) }

func (g *gate) pass(ctx context.Context) error {
	select {
	case <-g.turns:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newProxy(implicit bool) *proxy {
	return &proxy{
		listener: must(net.Listen("tcp", "127.0.0.1:0")), server: preparedHouses().server, implicit: implicit,
		first: make(chan struct{}), open: map[net.Conn]bool{},
	}
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// run serves until the listener is closed; ctx ends what is held.
func (p *proxy) run(ctx context.Context) {
	p.running.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(ctx, client) })
		}
	})
}

// close ends everything and waits for it.
func (p *proxy) close() {
	p.listener.Close()
	p.cut()
	p.running.Wait()
}

func cut(wires []*proxy) {
	for _, p := range wires {
		p.cut()
	}
}

// cut ends the conversations under way, as the death of one side does.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		conn.Close()
	}
}

// moments lists what was reached so far.
func (p *proxy) moments() []moment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]moment(nil), p.seen...)
}

func (p *proxy) enter(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[conn] = true
}

func (p *proxy) leave(conn net.Conn) {
	conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

func (p *proxy) begin() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count++; p.count == 1 {
		close(p.first)
	}
	return p.count
}

func (p *proxy) serve(ctx context.Context, client net.Conn) {
	p.enter(client)
	defer p.leave(client)
	c := &conversation{proxy: p, ctx: ctx, no: p.begin(), client: newSide(client)}
	if p.gate != nil && p.gate.pass(ctx) != nil {
		return
	}
	defer func() {
		if c.server != nil {
			p.leave(c.server.raw)
		}
	}()
	c.talk()
}

// conversation is one connection through a proxy.
type conversation struct {
	*proxy
	ctx            context.Context
	no, flight     int
	client, server *side
}

// side is a conversation's connection with one of the two, over TLS once it has begun.
type side struct {
	raw, conn net.Conn
	r         *bufio.Reader
}

func newSide(conn net.Conn) *side { return &side{conn, conn, bufio.NewReader(conn)} }

func (s *side) over(conn *tls.Conn) error {
	s.conn, s.r = conn, bufio.NewReader(conn)
	return conn.Handshake()
}

// commands reads a flight of commands: a line, and those that came with it.
func (s *side) commands() (lines [][]byte, err error) {
	for err == nil && (len(lines) == 0 || s.r.Buffered() > 0) {
		var line []byte
		line, err = s.r.ReadBytes('\n')
		lines = append(lines, line)
	}
	return lines, err
}

// message reads the data of a message with their end.
func (s *side) message() (octets []byte, err error) {
	for err == nil && !bytes.HasSuffix(octets, []byte("\r\n.\r\n")) {
		var line []byte
		line, err = s.r.ReadBytes('\n')
		octets = append(octets, line...)
	}
	return octets, err
}

// replies reads n replies; code is that of the last one.
func (s *side) replies(n int) (octets []byte, code string, err error) {
	for n > 0 {
		line, err := s.r.ReadBytes('\n')
		if err != nil || len(line) < 4 {
			return nil, "", errors.Join(err, errors.New("no reply"))
		}
		octets = append(octets, line...)
		if line[3] == ' ' {
			n, code = n-1, string(line[:3])
		}
	}
	return octets, code, nil
}

// pass is one flight: hand gives it to the server and reads the answer, back gives that to the client.
func (c *conversation) pass(commands string, hand, back func() error) error {
	c.flight++
	for _, step := range []struct {
		answered bool
		do       func() error
	}{{false, hand}, {true, back}} {
		m := moment{c.no, c.flight, commands, step.answered}
		c.mu.Lock()
		c.seen = append(c.seen, m)
		c.mu.Unlock()
		if c.reached != nil {
			if err := c.reached(c.ctx, m); err != nil {
				return err
			}
		}
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

// exchange passes octets that are answered by n replies, and gives the code of the last one.
func (c *conversation) exchange(commands string, octets []byte, n int) (code string, err error) {
	var answer []byte
	err = c.pass(commands, func() (err error) {
		if _, err = c.server.conn.Write(octets); err == nil {
			answer, code, err = c.server.replies(n)
		}
		return err
	}, func() error {
		_, err := c.client.conn.Write(answer)
		return err
	})
	return code, err
}

// talk hands on until one side ends; whatever the error, both are cut.
func (c *conversation) talk() {
	if c.greet() != nil {
		return
	}
	for {
		lines, err := c.client.commands()
		if err != nil {
			return
		}
		verbs := verbsOf(lines)
		code, err := c.exchange(verbs, bytes.Join(lines, nil), len(lines))
		switch {
		case err != nil || verbs == "QUIT":
			return
		case verbs == "STARTTLS" && code == "220":
			err = c.pass("TLS", c.serverTLS, c.clientTLS)
		case strings.HasSuffix(verbs, "DATA") && code == "354":
			err = c.message()
		}
		if err != nil {
			return
		}
	}
}

func (c *conversation) message() error {
	octets, err := c.client.message()
	if err == nil {
		_, err = c.exchange("message", octets, 1)
	}
	return err
}

func (c *conversation) greet() error {
	var greeting []byte
	return c.pass("greeting", func() error {
		server, err := net.Dial("tcp", c.target())
		if err != nil {
			return err
		}
		c.enter(server)
		c.server = newSide(server)
		if c.implicit {
			err = c.serverTLS()
		}
		if err == nil {
			greeting, _, err = c.server.replies(1)
		}
		return err
	}, func() (err error) {
		if c.implicit {
			err = c.clientTLS()
		}
		if err == nil {
			_, err = c.client.conn.Write(greeting)
		}
		return err
	})
}

func (c *conversation) serverTLS() error {
	return c.server.over(tls.Client(c.server.conn, &tls.Config{InsecureSkipVerify: true}))
}

func (c *conversation) clientTLS() error {
	return c.client.over(tls.Server(c.client.conn, &tls.Config{Certificates: []tls.Certificate{c.proxy.server}}))
}

func verbsOf(lines [][]byte) string {
	verbs := make([]string, len(lines))
	for i, line := range lines {
		if fields := strings.Fields(string(line)); len(fields) > 0 {
			verbs[i] = strings.ToUpper(fields[0])
		}
	}
	return strings.Join(verbs, " ")
}

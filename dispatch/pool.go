package dispatch

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// Timeouts bound each step by the machine's clock; zero means the default, after RFC 5321 4.5.3.2. They do not bound a whole
// transaction, which a peer can draw out at will: the context given to Send does.
type Timeouts struct {
	Connect  time.Duration // opening the TCP connection: 30 s
	Greeting time.Duration // the first reply: 5 min
	Command  time.Duration // each reply to a command, and the TLS handshake: 5 min
	Block    time.Duration // each 64 KiB written: 3 min
	Final    time.Duration // the reply to the end of the data: 10 min
}

// PoolConfig has a Pool's settings. Zero means the default, where one is named.
type PoolConfig struct {
	Hello    string // our name in EHLO
	Dial     Dial   // default: net.Dialer's
	Timeouts Timeouts
	Now      func() time.Time // the law's clock, for the age of certificates (design.md 7); default time.Now
	PerRoute int              // transactions at once on a route, further ones wait: 20
	MaxIdle  int              // connections kept open on a route: 20; negative is none
	IdleFor  time.Duration    // how long, by the machine's clock: 60 s
	Log      *slog.Logger     // default: none
}

// maxLanes is the number of routes above which those not in use are forgotten, with their TLS sessions.
const maxLanes = 1000

// Pool sends mail over SMTP connections that it keeps and shares. Its methods may be called at the same time.
type Pool struct {
	config PoolConfig
	work   sync.WaitGroup // the Sends, and the sessions that say good-bye; grows only while closed is false or by a member

	mu     sync.Mutex // guards what follows, and the lanes' and sessions' fields that say so
	lanes  map[laneKey]*lane
	closed bool
}

// lane is what the mails of one route share.
type lane struct {
	route Route
	tls   *tls.Config   // holds the sessions to resume
	slots chan struct{} // filled by the transactions under way
	users int           // Sends in or before slots; guarded by Pool.mu
	idle  []*session    // the one used last is last; guarded by Pool.mu
}

// laneKey holds all of a Route: a connection opened under another policy is never used.
type laneKey struct {
	address, tlsName, pins string
	roots                  *x509.CertPool
	opportunistic          bool
}

func (r Route) key() laneKey {
	return laneKey{r.Address, r.TLSName, fmt.Sprintf("%x", r.Pins), r.Roots, r.Opportunistic}
}

// NewPool makes a Pool without connections.
func NewPool(config PoolConfig) *Pool {
	if config.Dial == nil {
		config.Dial = new(net.Dialer).DialContext
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	config.PerRoute = cmp.Or(config.PerRoute, 20)
	config.MaxIdle = cmp.Or(config.MaxIdle, 20)
	config.IdleFor = cmp.Or(config.IdleFor, time.Minute)
	t := &config.Timeouts
	t.Connect = cmp.Or(t.Connect, 30*time.Second)
	t.Greeting = cmp.Or(t.Greeting, 5*time.Minute)
	t.Command = cmp.Or(t.Command, 5*time.Minute)
	t.Block = cmp.Or(t.Block, 3*time.Minute)
	t.Final = cmp.Or(t.Final, 10*time.Minute)
	return &Pool{config: config, lanes: map[laneKey]*lane{}}
}

// Send carries one transaction through and tells what each recipient was answered. It uses a kept connection if there is one;
// if that is dead before the peer answered anything, one new connection is tried. When ctx ends the connection is cut, and what
// is not settled is temporary.
func (p *Pool) Send(ctx context.Context, r Route, m Mail) Outcome {
	t := newTransaction(m)
	if len(t.sent) == 0 {
		return t.outcome
	}
	l, err := p.enter(ctx, r)
	if err != nil {
		return t.fail(err).outcome
	}
	defer p.leave(l)
	if s := p.reuse(l); s != nil {
		err := p.run(ctx, l, s, t)
		if err == nil || t.heard || ctx.Err() != nil {
			return t.outcome
		}
		p.config.Log.Debug("kept connection was dead", "address", r.Address, "error", err)
		t = newTransaction(m)
	}
	s, err := p.open(ctx, l)
	if err != nil {
		return t.fail(err).outcome
	}
	_ = p.run(ctx, l, s, t) // the outcome has it
	return t.outcome
}

// run runs t on s and sees to s afterwards.
func (p *Pool) run(ctx context.Context, l *lane, s *session, t *transaction) error {
	err := s.run(ctx, t)
	switch {
	case t.outcome.Unknown:
		p.config.Log.Warn("no final reply: the peer may have taken the message", "address", l.route.Address, "error", err)
	case err != nil:
	case !t.keep || !p.keep(l, s):
		p.work.Go(s.quit)
	}
	return err
}

var errClosed = errors.New("pool is closed")

// enter waits for a place on r's lane.
func (p *Pool) enter(ctx context.Context, r Route) (*lane, error) {
	l, err := p.join(r)
	if err != nil {
		return nil, err
	}
	select {
	case l.slots <- struct{}{}:
		return l, nil
	case <-ctx.Done():
		p.part(l)
		return nil, fmt.Errorf("waiting for a connection to %s: %w", r.Address, context.Cause(ctx))
	}
}

func (p *Pool) leave(l *lane) {
	<-l.slots
	p.part(l)
}

// join finds or makes r's lane and counts its caller in.
func (p *Pool) join(r Route) (*lane, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	l := p.lanes[r.key()]
	if l == nil {
		if len(p.lanes) >= maxLanes {
			maps.DeleteFunc(p.lanes, func(_ laneKey, l *lane) bool { return l.users == 0 && len(l.idle) == 0 })
		}
		l = &lane{route: r, tls: r.tlsConfig(p.config.Now), slots: make(chan struct{}, p.config.PerRoute)}
		p.lanes[r.key()] = l
	}
	l.users++
	p.work.Add(1)
	return l, nil
}

func (p *Pool) part(l *lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.users--
	p.work.Done()
}

// reuse takes the idle session used last, or nil.
func (p *Pool) reuse(l *lane) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(l.idle) == 0 {
		return nil
	}
	s := l.idle[len(l.idle)-1]
	l.idle = l.idle[:len(l.idle)-1]
	s.expires.Stop()
	return s
}

// keep makes s idle, unless there are enough.
func (p *Pool) keep(l *lane, s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(l.idle) >= p.config.MaxIdle {
		return false
	}
	l.idle = append(l.idle, s)
	s.expires = time.AfterFunc(p.config.IdleFor, func() { p.expire(l, s) })
	return true
}

// expire ends s if it is still idle. Its timer calls it.
func (p *Pool) expire(l *lane, s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(l.idle, s); i >= 0 {
		l.idle = slices.Delete(l.idle, i, i+1)
		p.work.Go(s.quit)
	}
}

// Close ends the idle connections and waits for the Sends under way: cancel their contexts first to hurry. Later Sends fail.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for _, l := range p.lanes {
		for _, s := range l.idle {
			s.expires.Stop()
			p.work.Go(s.quit)
		}
		l.idle = nil
	}
	p.mu.Unlock()
	p.work.Wait()
}

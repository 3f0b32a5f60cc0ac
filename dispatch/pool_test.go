package dispatch

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"
	"pgregory.net/rapid"
)

// seen is what go-smtp's server was sent. Its methods are go-smtp's Backend and, by visit, its Session.
type seen struct {
	mu       sync.Mutex
	sessions int // go-smtp begins one at each first EHLO: before and after STARTTLS
	resumed  int
	messages []string
	options  []smtp.MailOptions
}

type visit struct{ *seen }

func (s *seen) NewSession(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
	if state, ok := c.TLSConnectionState(); ok && state.DidResume {
		s.resumed++
	}
	return visit{s}, nil
}

func (v visit) Mail(_ string, o *smtp.MailOptions) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.options = append(v.options, *o)
	return nil
}

func (v visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}

func (v visit) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.messages = append(v.messages, string(body))
	return err
}

func (v visit) Reset()        {}
func (v visit) Logout() error { return nil }

func (s *seen) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages[len(s.messages)-1]
}

// goSMTP starts go-smtp's server, with STARTTLS, on loopback.
func goSMTP(t *testing.T, adjust func(*smtp.Server)) (*seen, Route) {
	s := &seen{}
	server := smtp.NewServer(s)
	server.Domain, server.MaxRecipients, server.MaxMessageBytes = "peer.test", 3, 1<<20
	server.TLSConfig = serverTLS()
	if adjust != nil {
		adjust(server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		server.Close()
		served.Wait()
	})
	return s, Route{Address: l.Addr().String(), Roots: testCA().pool}
}

var serverTLS = sync.OnceValue(func() *tls.Config {
	config, _ := server(dies, false)
	return config
})

func TestGoSMTP(t *testing.T) {
	s, route := goSMTP(t, nil)
	p := newPool(t, nil)
	m := mail("b1@peer.test", "nobody@peer.test", "b2@peer.test", "b3@peer.test", "b4@peer.test", "b5@peer.test")
	m.Size, m.EightBit = int64(len(octets)), true
	o := p.Send(t.Context(), route, m)
	if codes(o) != "250 2.0.0, 550 5.1.1, 250 2.0.0, 250 2.0.0, 452 4.5.3, 452 4.5.3" || o.Err != nil {
		t.Fatal(codes(o), o.Err)
	}
	var rest []string
	for i, r := range o.Replies {
		if r.TooMany {
			rest = append(rest, m.Recipients[i])
		}
	}
	m.Recipients = rest
	if o := p.Send(t.Context(), route, m); codes(o) != "250 2.0.0, 250 2.0.0" || len(rest) != 2 {
		t.Error(rest, codes(o), o.Err)
	}
	want := smtp.MailOptions{Size: int64(len(octets)), Body: smtp.Body8BitMIME}
	if s.sessions != 2 || s.last() != octets || s.options[1] != want {
		t.Errorf("%d sessions, %q, %+v", s.sessions, s.last(), s.options)
	}
	m.Size = 1<<20 + 1
	if o := p.Send(t.Context(), route, m); codes(o) != "552 5.3.4, 552 5.3.4" || len(s.options) != 2 {
		t.Error(codes(o), o.Err, s.options)
	}
}

// What a server that is not ours reads back is the body, whatever its dots and however it was written.
func TestGoSMTPReadsTheBody(t *testing.T) {
	s, route := goSMTP(t, nil)
	p := newPool(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		body := lines().Draw(t, "body")
		writes := split(t, body)
		m := mail()
		m.Size = int64(len(body))
		m.Body = func(w io.Writer) error {
			for _, b := range writes {
				if _, err := w.Write(b); err != nil {
					return err
				}
			}
			return nil
		}
		if o := p.Send(context.Background(), route, m); codes(o) != "250 2.0.0" || s.last() != body {
			t.Fatalf("%q read back as %q (%s, %v)", body, s.last(), codes(o), o.Err)
		}
	})
	if s.sessions != 2 {
		t.Errorf("%d sessions: the connection was not kept", s.sessions)
	}
}

func TestLargeMessage(t *testing.T) {
	s, route := goSMTP(t, func(s *smtp.Server) { s.MaxMessageBytes = 0 })
	body := bytes.Repeat([]byte(".0123456789\r\n\r\n"), 1<<17)
	m := mail()
	m.Size = int64(len(body))
	m.Body = func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	}
	if o := newPool(t, nil).Send(t.Context(), route, m); codes(o) != "250 2.0.0" || s.last() != string(body) {
		t.Error(codes(o), o.Err)
	}
}

func TestTLSSessionsAreResumed(t *testing.T) {
	s, route := goSMTP(t, nil)
	p := NewPool(PoolConfig{Hello: "us.test", MaxIdle: -1})
	t.Cleanup(p.Close)
	for range 3 {
		if o := p.Send(t.Context(), route, mail()); codes(o) != "250 2.0.0" {
			t.Fatal(codes(o), o.Err)
		}
	}
	if s.resumed != 2 || s.sessions != 6 {
		t.Errorf("%d resumed of %d sessions", s.resumed, s.sessions)
	}
}

// A route has at most PerRoute transactions at once, and all get through.
func TestConcurrency(t *testing.T) {
	var open, most atomic.Int32
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return counted{conn, &open}, err
	}
	s, route := goSMTP(t, nil)
	p := NewPool(PoolConfig{Hello: "us.test", Dial: dial, PerRoute: 3})
	t.Cleanup(p.Close)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			m := mail()
			m.Body = text(fmt.Sprintf("message %02d\r\n", i))
			if o := p.Send(t.Context(), route, m); codes(o) != "250 2.0.0" {
				t.Error(codes(o), o.Err)
			}
		})
	}
	all.Wait()
	slices.Sort(s.messages)
	if n := len(slices.Compact(s.messages)); n != 40 || most.Load() > 3 {
		t.Errorf("%d messages, %d connections at once", n, most.Load())
	}
	p.Close()
	if n := open.Load(); n != 0 {
		t.Errorf("%d connections left", n)
	}
}

// counted counts itself out when it is closed.
type counted struct {
	net.Conn
	open *atomic.Int32
}

func (c counted) Close() error {
	err := c.Conn.Close()
	if err == nil {
		c.open.Add(-1)
	}
	return err
}

// A connection goes straight on with the next MAIL, and ends politely when nobody wants it for a minute.
func TestReuseAndExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, script(t, func(p *peer) {
			p.welcome()
			p.takes()
			p.takes()
			from := time.Now()
			p.bye()
			if idle := time.Since(from); idle != time.Minute {
				p.fail("idle for %v", idle)
			}
		}, func(p *peer) {
			p.welcome()
			p.takes()
			p.bye()
		}))
		send := func() {
			if o := p.Send(t.Context(), clear, mail()); codes(o) != "250 2.0.0" {
				t.Error(codes(o), o.Err)
			}
		}
		send()
		<-time.After(59 * time.Second) // of the bubble's clock, as below
		send()
		<-time.After(61 * time.Second)
		send()
	})
}

// What a kept connection's end looks like to the next mail, which must not suffer from it.
func TestDeadConnectionIsReplaced(t *testing.T) {
	again := func(p *peer) {
		p.welcome()
		p.takes()
		p.bye()
	}
	for _, c := range []struct {
		name string
		end  func(*peer)
	}{
		{"closed while idle", func(p *peer) {}},
		{"closed at MAIL", func(p *peer) { p.hear("MAIL FROM:<a@us.test>") }},
		{"421 at MAIL", func(p *peer) {
			p.hear("MAIL FROM:<a@us.test>")
			p.say("421 4.4.2 too slow")
			p.gone()
		}},
		{"silent", func(p *peer) {
			p.hear("MAIL FROM:<a@us.test>")
			p.gone()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, script(t, func(p *peer) {
					p.welcome()
					p.takes()
					c.end(p)
				}, again))
				for range 2 {
					if o := p.Send(t.Context(), clear, mail()); codes(o) != "250 2.0.0" || o.Err != nil {
						t.Error(codes(o), o.Err)
					}
				}
			})
		})
	}
}

// Once the peer has answered anything there is no second try within a Send, nor after a new connection.
func TestOneNewTryOnly(t *testing.T) {
	dead := func(p *peer) {
		p.welcome()
		p.hear("MAIL FROM:<a@us.test>")
	}
	for _, c := range []struct {
		name  string
		peers []func(*peer)
		want  string
	}{
		{"new connection dies too", []func(*peer){func(p *peer) {
			p.welcome()
			p.takes()
		}, dead}, "451 4.4.2"},
		{"answered", []func(*peer){func(p *peer) {
			p.welcome()
			p.takes()
			p.hear("MAIL FROM:<a@us.test>")
			p.say("250 ok")
		}}, "451 4.4.2"},
		{"refused for good", []func(*peer){func(p *peer) {
			p.welcome()
			p.takes()
			p.hear("MAIL FROM:<a@us.test>")
			p.say("550 5.7.1 no")
			p.bye()
		}}, "550 5.7.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, script(t, c.peers...))
				p.Send(t.Context(), clear, mail())
				if o := p.Send(t.Context(), clear, mail()); codes(o) != c.want {
					t.Error(codes(o), o.Err)
				}
			})
		})
	}
}

// A reply too many would be taken for the next command's: such a connection is not kept.
func TestDesynchronized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, script(t, func(p *peer) {
			p.welcome()
			p.hear("MAIL FROM:<a@us.test>")
			p.say("250 ok")
			p.hear("RCPT TO:<b@peer.test>")
			p.say("250 ok")
			p.hear("DATA")
			p.say("354 go")
			p.body()
			p.say("250 2.0.0 taken", "250 ok")
			p.bye()
		}, func(p *peer) {
			p.welcome()
			p.takes()
			p.bye()
		}))
		for range 2 {
			if o := p.Send(t.Context(), clear, mail()); codes(o) != "250 2.0.0" {
				t.Error(codes(o), o.Err)
			}
		}
	})
}

// A context that ends on a kept connection is no reason for another.
func TestCancelledOnKeptConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPool(t, script(t, func(p *peer) {
			p.welcome()
			p.takes()
			p.hear("MAIL FROM:<a@us.test>")
			cancel()
			p.gone()
		}))
		p.Send(ctx, clear, mail())
		if o := p.Send(ctx, clear, mail()); codes(o) != "451 4.4.2" || !errors.Is(o.Err, context.Canceled) {
			t.Error(codes(o), o.Err)
		}
	})
}

// A session that was cut just after its transaction is not kept.
func TestCutSessionIsNotKept(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newSession(ours, Timeouts{})
	s.peer.sizeLimit = 1
	m := mail()
	m.Size = 2
	settled := newTransaction(m)
	if err := s.run(ctx, settled); err != nil || settled.keep || codes(settled.outcome) != "552 5.3.4" {
		t.Error(err, settled.keep, codes(settled.outcome))
	}
}

func TestWaitingIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := NewPool(PoolConfig{Hello: "us.test", PerRoute: 1, Dial: script(t, func(p *peer) { p.gone() })})
		t.Cleanup(p.Close)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if o := p.Send(ctx, clear, mail()); codes(o) != "451 4.4.2" || !errors.Is(o.Err, context.Canceled) {
					t.Error(codes(o), o.Err)
				}
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
	})
}

func refuse(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}

func TestDialFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, refuse)
		if o := p.Send(t.Context(), clear, mail(abc...)); codes(o) != "451 4.4.2, 451 4.4.2, 451 4.4.2" || o.Err == nil {
			t.Error(codes(o), o.Err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		from := time.Now()
		p := newPool(t, func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		o := p.Send(t.Context(), clear, mail())
		if took := time.Since(from); !errors.Is(o.Err, context.DeadlineExceeded) || took != 30*time.Second {
			t.Error(o.Err, took)
		}
	})
}

func TestClosed(t *testing.T) {
	p := newPool(t, nil)
	p.Close()
	p.Close()
	if o := p.Send(t.Context(), clear, mail()); codes(o) != "451 4.4.2" || !errors.Is(o.Err, errClosed) {
		t.Error(codes(o), o.Err)
	}
	if o := p.Send(t.Context(), clear, Mail{}); len(o.Replies) != 0 || o.Err != nil {
		t.Error(o)
	}
}

// The routes of the whole Internet must not stay in memory.
func TestUnusedRoutesAreForgotten(t *testing.T) {
	p := newPool(t, refuse)
	for i := range 2*maxLanes + 10 {
		p.Send(t.Context(), Route{Address: fmt.Sprintf("mx%d.test:25", i), Opportunistic: true}, mail())
	}
	if n := len(p.lanes); n > maxLanes {
		t.Errorf("%d routes", n)
	}
}

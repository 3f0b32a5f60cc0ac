package smtpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ceralacca/ceralacca/admission"
)

// Server serves SMTP on any number of listeners, which share its limits.
type Server struct {
	config Config
	hosts  *admission.Hosts
}

// New checks the configuration.
func New(config Config) (*Server, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("smtpd: %w", err)
	}
	config = config.withDefaults()
	return &Server{config: config, hosts: admission.NewHosts(admission.HostsConfig{
		Connections: config.MaxConnections, PerNetwork: config.MaxPerHost, PerAccount: config.MaxPerAccount, Log: config.Log,
	})}, nil
}

// Serve accepts connections until ctx ends, then closes l and stops: sessions that wait for a command get 421 at once, a
// transaction that runs gets Timeouts.Grace to end, after which its functions' context ends and its connection is cut. Serve
// returns when all its goroutines have ended; so a function of Config that ignores its context delays it. It returns nil
// if ctx ended, and otherwise why accepting is over.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()

	open := newSessions()
	err := s.accept(ctx, l, func(conn net.Conn, guest *admission.Guest) {
		arrived := newSession(s, conn)
		arrived.guest = guest
		open.run(arrived, func(session *session) {
			defer guest.Leave()
			session.serve(ctx, work)
		})
	})
	open.stop(s.config.Timeouts.Grace, cut)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// accept hands on every connection within the limits, until the listener is closed. Other errors (no file descriptors left) pass: it waits and tries again.
func (s *Server) accept(ctx context.Context, l net.Listener, start func(net.Conn, *admission.Guest)) error {
	const shortest, longest = 5 * time.Millisecond, time.Second
	pause := shortest
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = shortest
			if guest, ok := s.hosts.Enter(conn.RemoteAddr().String(), func() { conn.Close() }); ok {
				start(conn, guest)
			} else {
				s.turnAway(conn)
			}
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return fmt.Errorf("smtpd: accepting: %w", err)
		default:
			s.config.Log.Error("smtpd: accepting a connection", "err", err, "retry_in", pause)
			wait(ctx, pause)
			pause = min(2*pause, longest)
		}
	}
}

// turnAway answers 421 where the peer can read it. The listener's loop does not wait for who does not read.
func (s *Server) turnAway(conn net.Conn) {
	if !s.config.Implicit {
		_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = conn.Write(replyLine(421, ' ', "4.7.0 too many connections, try again later"))
	}
	conn.Close()
}

// wait passes d, or less if ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

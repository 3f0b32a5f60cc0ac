package imapd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/ceralacca/ceralacca/admission"
)

// handshakeTime bounds a TLS handshake.
const handshakeTime = 10 * time.Second

// Serve accepts connections until ctx ends; every one begins with a TLS handshake (RFC 8314 3.2). Then it closes l and
// stops: sessions that wait for a command get BYE at once, a command under way has Config.Grace to end, after which its
// connection is cut. Serve returns when all its goroutines have ended: nil if ctx ended, otherwise why accepting is over.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()

	line, engineEnded := newHandoff(), make(chan struct{})
	go func() {
		defer close(engineEnded)
		_ = s.engine(ctx, work).Serve(line) // it fails only with the line
	}()
	open := newConnections()
	err := s.accept(ctx, l, func(raw net.Conn, guest *admission.Guest) {
		open.wg.Go(func() {
			defer guest.Leave()
			s.serveConn(ctx, raw, guest, open, line)
		})
	})
	open.stop(s.config.Grace, cut)
	line.Close()
	<-engineEnded
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// engine is the library's server, whose sessions live within work and are told of stop.
func (s *Server) engine(stop, work context.Context) *imapserver.Server {
	return imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return newSession(stop, work, s, c), &imapserver.GreetingData{}, nil
		},
		Caps:         capabilities(),
		Logger:       engineLog{s.config.Log},
		InsecureAuth: true, // every connection is inside TLS, which the library cannot see through conn
	})
}

// capabilities are those that the library does not add by itself.
func capabilities() imap.CapSet {
	set := imap.CapSet{}
	for _, c := range []imap.Cap{
		imap.CapIMAP4rev1, imap.CapIMAP4rev2, imap.CapNamespace, imap.CapUIDPlus, imap.CapESearch, imap.CapSearchRes,
		imap.CapListExtended, imap.CapListStatus, imap.CapMove, imap.CapStatusSize, imap.CapBinary, imap.CapChildren,
		imap.CapSpecialUse, imap.CapCreateSpecialUse,
	} {
		set[c] = struct{}{}
	}
	return set
}

// engineLog takes what the library has to say: broken connections, bad syntax, and panics, which are our faults.
type engineLog struct{ log *slog.Logger }

// Printf implements imapserver.Logger.
func (l engineLog) Printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if strings.HasPrefix(text, "panic") {
		l.log.Error("imapd: a command panicked", "err", text)
		return
	}
	l.log.Debug("imapd: library", "err", text)
}

// accept hands on every connection within the limits, until the listener is closed. Other errors (no file descriptors left)
// pass: it waits and tries again.
func (s *Server) accept(ctx context.Context, l net.Listener, start func(net.Conn, *admission.Guest)) error {
	const shortest, longest = 5 * time.Millisecond, time.Second
	pause := shortest
	for {
		raw, err := l.Accept()
		switch {
		case err == nil:
			pause = shortest
			if guest, ok := s.hosts.Enter(raw.RemoteAddr().String(), func() { raw.Close() }); ok {
				start(raw, guest)
			} else {
				raw.Close()
			}
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return fmt.Errorf("imapd: accepting: %w", err)
		default:
			s.config.Log.Error("imapd: accepting a connection", "err", err, "retry_in", pause)
			wait(ctx, pause)
			pause = min(2*pause, longest)
		}
	}
}

// serveConn owns one connection from the first octet to the last.
func (s *Server) serveConn(ctx context.Context, raw net.Conn, guest *admission.Guest, open *connections, line *handoff) {
	defer raw.Close()
	secured := tls.Server(raw, s.config.TLS)
	shaking, cancel := context.WithTimeout(ctx, handshakeTime)
	err := secured.HandshakeContext(shaking)
	cancel()
	if err != nil {
		s.config.Log.Debug("imapd: TLS handshake", "remote", raw.RemoteAddr(), "err", err)
		return
	}
	c := newConn(secured)
	c.guest = guest
	if !open.add(c) {
		return
	}
	defer open.remove(c)
	if line.hand(ctx, c) {
		<-c.done
	}
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

package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/ceralacca/ceralacca/admission"
)

// What a connection may do wrong before it is closed. Refused recipients are no protocol errors, but a harvest of addresses ends too.
const (
	maxFaults       = 20
	maxRefusals     = 1000
	maxAuthFailures = 3
)

// session is one connection: its state and nobody else's. Only its goroutine touches it, apart from wire.interrupt and raw.Close.
type session struct {
	config Config
	log    *slog.Logger
	raw    net.Conn // below TLS
	wire   *wire
	guest  *admission.Guest
	began  time.Time
	stop   context.Context // ends when the server stops
	ctx    context.Context // what Config's functions get

	peer    Peer
	esmtp   bool
	account string
	tx      *Transaction // nil before MAIL

	faults, refusals, authFailures int
	closing                        bool // no command is read any more
}

func newSession(s *Server, conn net.Conn) *session {
	return &session{
		config: s.config,
		log:    s.config.Log.With("peer", conn.RemoteAddr()),
		raw:    conn,
		wire:   newWire(conn, s.config.Timeouts.Write),
		guest:  new(admission.Guest),
		began:  time.Now(),
		peer:   Peer{Addr: conn.RemoteAddr()},
	}
}

// serve talks until the connection is over. stop asks it to end between two commands, work to end at once.
func (s *session) serve(stop, work context.Context) {
	var cancel context.CancelFunc
	s.stop = stop
	s.ctx, cancel = context.WithCancel(work)
	defer cancel()
	defer s.raw.Close()
	defer func() {
		if cause := recover(); cause != nil {
			s.log.Error("smtpd: panic", "cause", cause, "stack", string(debug.Stack()))
		}
	}()
	if s.config.Implicit && !s.handshake() {
		return
	}
	s.wire.reply(220, s.config.Hostname+" ESMTP")
	s.converse()
}

// converse reads commands and lets each be answered, until one closes the connection.
func (s *session) converse() {
	for !s.closing {
		line, err := s.readLine(s.config.Timeouts.Command)
		if err != nil {
			s.unreadable(err)
			break
		}
		s.command(line)
	}
	if err := s.wire.out.Flush(); err != nil {
		s.log.Debug("smtpd: last replies not sent", "err", err)
		return
	}
	s.wire.conn.Close() // says farewell in TLS; serve closes the connection below
}

// readLine gives the next line without its CRLF. Who has to log in and has not gets no more than Timeouts.Login in all.
func (s *session) readLine(patience time.Duration) (string, error) {
	if s.config.Submission && s.account == "" {
		patience = min(patience, s.config.Timeouts.Login-time.Since(s.began))
	}
	s.wire.expectCommand(patience)
	if s.wire.interrupted() {
		return "", errStopping
	}
	return readLine(s.wire.in)
}

// unreadable closes the connection over a line that could not be read, and says why if the peer can still hear it.
func (s *session) unreadable(err error) {
	s.closing = true
	switch {
	case s.wire.interrupted():
		s.wire.reply(421, "4.3.2 "+s.config.Hostname+" is stopping, try again later")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.wire.reply(421, "4.4.2 "+s.config.Hostname+" waited too long")
	case errors.Is(err, errLineTooLong), errors.Is(err, errLineOctets):
		s.log.Info("smtpd: closed over a line", "err", err)
		s.wire.reply(500, "5.5.2 "+err.Error())
	default:
		s.log.Debug("smtpd: connection ended", "err", err)
	}
}

// ok answers what went well.
func (s *session) ok(code int, text string) { s.wire.reply(code, text) }

// fault answers a violation of the protocol, and closes after too many.
func (s *session) fault(code int, text string) {
	s.wire.reply(code, text)
	if s.faults++; s.faults >= maxFaults && !s.closing {
		s.close("4.7.0 too many errors")
	}
}

// desync answers what makes it uncertain where commands begin: after it, nothing is read.
func (s *session) desync(text string) {
	s.log.Warn("smtpd: " + text)
	s.wire.reply(554, "5.5.0 "+text)
	s.closing = true
}

// refuse answers with the error of a function of Config. One that chose no reply is a failure of ours.
func (s *session) refuse(during string, err error) {
	e, meant := refusalOf(err)
	level := slog.LevelInfo
	if !meant || e.Enhanced == "4.3.1" { // no room, or a disk that fails: nobody can send
		level = slog.LevelError
	}
	s.log.Log(s.ctx, level, "smtpd: refused", "during", during, "code", e.Code, "account", s.account, "err", err)
	s.wire.reply(e.Code, e.lines()...)
	s.closing = s.closing || e.Code == 421
	if s.refusals++; s.refusals >= maxRefusals && !s.closing {
		s.close("4.7.0 too many refusals")
	}
}

func (s *session) close(reason string) {
	s.log.Info("smtpd: closing", "reason", reason)
	s.wire.reply(421, reason)
	s.closing = true
}

// handshake puts TLS on the connection and forgets what was said in clear (RFC 3207 4.2).
func (s *session) handshake() bool {
	_ = s.raw.SetDeadline(time.Now().Add(s.config.Timeouts.Handshake)) // if it fails, so does the handshake
	conn := tls.Server(s.raw, s.config.TLS)
	ctx, cancel := context.WithTimeout(s.stop, s.config.Timeouts.Handshake) // ends the wait for its turn to sign
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		s.log.Info("smtpd: TLS handshake", "err", err)
		return false
	}
	state := conn.ConnectionState()
	s.wire.upgrade(conn)
	s.peer = Peer{Addr: s.peer.Addr, TLS: &state}
	s.esmtp, s.account, s.tx = false, "", nil
	return true
}

package imapd

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-sasl"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

const (
	maxFailures = 3
	verifyTime  = time.Minute
)

// Login implements LOGIN and AUTHENTICATE PLAIN.
func (s *session) Login(username, password string) error {
	return s.do("LOGIN", func() error { return s.login(username, password) })
}

// login answers every failure alike and no sooner than the server's delay; the third ends the connection, and what was sent
// ahead is not even looked at (attacks.md 9).
func (s *session) login(username, password string) error {
	if s.failures >= maxFailures {
		return imapserver.ErrAuthFailed
	}
	mailbox, asked, err := s.authenticate(username, password)
	switch {
	case err == nil:
		return s.enter(mailbox)
	case errors.Is(err, admission.ErrBusy): // operators hear of it from Logins, at a bounded rate
		err = no(imap.ResponseCodeUnavailable, "Too many log-ins are being tried; try again later")
	case errors.Is(err, store.ErrLogin):
		s.log.Warn("imapd: log-in failed", "account", username)
		wait(s.ctx, s.server.delay-time.Since(asked))
		err = imapserver.ErrAuthFailed
	default:
		return err
	}
	if s.failures++; s.failures >= maxFailures {
		s.conn.dismiss("too many failed log-ins")
	}
	return err
}

// authenticate asks the store when it is this attempt's turn, and says when it asked. A stop ends the wait.
func (s *session) authenticate(username, password string) (mailbox store.Mailbox, asked time.Time, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, verifyTime)
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()
	network, account := admission.NetworkOf(s.conn.RemoteAddr().String()), pec.Address(username).Key()
	right, err := s.server.config.Logins.Attempt(ctx, network, account, func(ctx context.Context) (bool, error) {
		asked = time.Now()
		var err error
		if mailbox, err = s.store.Authenticate(ctx, username, password); errors.Is(err, store.ErrLogin) {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && !right {
		err = store.ErrLogin
	}
	return mailbox, asked, err
}

func (s *session) enter(mailbox store.Mailbox) error {
	log := s.log.With("account", string(mailbox.Address))
	if !s.conn.guest.Welcome(mailbox.ID.String()) {
		log.Warn("imapd: too many sessions of one mailbox")
		return no(imap.ResponseCodeLimit, "The mailbox is open in too many places")
	}
	log.Info("imapd: log-in")
	s.log, s.mailbox, s.checked = log, mailbox, time.Now()
	s.conn.welcome()
	return nil
}

// AuthenticateMechanisms implements imapserver.SessionSASL.
func (s *session) AuthenticateMechanisms() []string { return []string{sasl.Plain} }

// Authenticate implements imapserver.SessionSASL.
func (s *session) Authenticate(mechanism string) (sasl.Server, error) {
	if !strings.EqualFold(mechanism, sasl.Plain) {
		return nil, no("", "The mechanism is not known")
	}
	return plain{s.Login}, nil
}

// plain is the server's side of PLAIN (RFC 4616). The one of go-sasl makes the library write "+ =" for an empty challenge,
// which is no base64.
type plain struct {
	login func(username, password string) error
}

// Next implements sasl.Server.
func (p plain) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return nil, false, nil
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, false, bad("The response is not PLAIN")
	}
	identity, username, password := string(parts[0]), string(parts[1]), string(parts[2])
	if identity != "" && identity != username {
		return nil, false, no(imap.ResponseCodeAuthorizationFailed, "Acting for somebody else is not supported")
	}
	return nil, true, p.login(username, password)
}

package smtpd

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/ceralacca/ceralacca/admission"
)

// What ends an AUTH exchange before there is a password to check.
var (
	errAuthCancelled = errors.New("authentication was cancelled")
	errAuthSyntax    = errors.New("response is malformed")
	errAuthMechanism = errors.New("mechanism is not known")
)

// auth runs AUTH (RFC 4954 4). Nothing secret is asked for in clear (norms.md 2).
func (s *session) auth(arg string) {
	switch {
	case !s.config.Submission:
		s.fault(502, "5.5.1 command is not implemented")
	case s.peer.TLS == nil:
		s.fault(538, "5.7.11 encryption is required: STARTTLS comes first")
	case s.peer.Hello == "":
		s.fault(503, "5.5.1 EHLO comes first")
	case s.account != "":
		s.fault(503, "5.5.1 authenticated already")
	case s.tx != nil:
		s.fault(503, "5.5.1 a transaction is open")
	default:
		login, err := s.askCredentials(arg)
		if err != nil {
			s.notAsked(err)
			return
		}
		s.logIn(login)
	}
}

// notAsked answers an exchange that gave no credentials.
func (s *session) notAsked(err error) {
	switch {
	case errors.Is(err, errAuthCancelled):
		s.fault(501, "5.7.0 "+err.Error())
	case errors.Is(err, errAuthMechanism):
		s.fault(504, "5.5.4 "+err.Error())
	case errors.Is(err, errAuthSyntax):
		s.fault(501, "5.5.2 "+errAuthSyntax.Error())
	default:
		s.unreadable(err)
	}
}

// logIn checks credentials. Every failure is answered alike and no sooner than Timeouts.Failure (attacks.md 9).
func (s *session) logIn(login credentials) {
	log := s.log.With("user", login.user, "hello", s.peer.Hello)
	account, asked, err := s.authenticate(login)
	switch {
	case err == nil:
		s.welcome(log, account)
		return
	case errors.Is(err, admission.ErrBusy): // operators hear of it from Logins, at a bounded rate
		s.wire.reply(454, "4.7.0 too many log-ins are being tried, try again later")
	default:
		log.Warn("smtpd: log-in failed", "err", err)
		wait(s.stop, s.config.Timeouts.Failure-time.Since(asked))
		s.refuseLogin(err)
	}
	if s.authFailures++; s.authFailures >= maxAuthFailures && !s.closing {
		s.close("4.7.0 too many failed log-ins")
	}
}

func (s *session) welcome(log *slog.Logger, account string) {
	if !s.guest.Welcome(account) {
		s.refuse("AUTH", &Error{Code: 421, Enhanced: "4.7.0", Text: "too many connections of this account"})
		return
	}
	log.Info("smtpd: log-in", "account", account)
	s.account = account
	s.ok(235, "2.7.0 authenticated")
}

func (s *session) refuseLogin(err error) {
	var chosen *Error
	switch {
	case isWrongCredentials(err):
		s.wire.reply(535, "5.7.8 "+ErrCredentials.Error())
	case errors.As(err, &chosen):
		s.refuse("AUTH", err)
	default:
		s.refuse("AUTH", &Error{Code: 454, Enhanced: "4.7.0", Text: "temporary authentication failure", Err: err})
	}
}

// authenticate asks for the account when it is this attempt's turn, and says when it asked. A stop ends the wait.
func (s *session) authenticate(login credentials) (account string, asked time.Time, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.config.Timeouts.Auth)
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()
	network, user := admission.NetworkOf(s.peer.Addr.String()), s.config.Account(login.user)
	asked = time.Now()
	var wrong error
	_, err = s.config.Logins.Attempt(ctx, network, user, func(ctx context.Context) (bool, error) {
		asked = time.Now()
		var err error
		if account, err = s.judge(ctx, login); isWrongCredentials(err) {
			wrong, err = err, nil
		}
		return wrong == nil, err
	})
	return account, asked, cmp.Or(err, wrong)
}

func (s *session) judge(ctx context.Context, login credentials) (account string, err error) {
	if login.identity != "" && login.identity != login.user {
		return "", fmt.Errorf("acting for another: %w", ErrCredentials)
	}
	account, err = s.config.Authenticate(ctx, s.peer, login.user, login.password)
	if err == nil && account == "" {
		err = errors.New("function Authenticate named no account")
	}
	return account, err
}

// isWrongCredentials also holds for an Error with 535, whose own text might tell users apart.
func isWrongCredentials(err error) bool {
	var e *Error
	return errors.Is(err, ErrCredentials) || errors.As(err, &e) && e.Code == 535
}

// askCredentials runs the mechanism that arg names, with its initial response if there is one ("=" is an empty one).
func (s *session) askCredentials(arg string) (credentials, error) {
	name, initial, given := strings.Cut(arg, " ")
	var login credentials
	mechanism := newMechanism(name, &login)
	if mechanism == nil {
		return login, errAuthMechanism
	}
	var response []byte
	var err error
	if given {
		if initial == "=" {
			initial = ""
		}
		response, err = decodeResponse(initial)
	}
	for err == nil {
		var challenge []byte
		var done bool
		challenge, done, err = mechanism.Next(response)
		if err != nil {
			return login, fmt.Errorf("%w: %w", errAuthSyntax, err)
		}
		if done {
			return login, nil
		}
		response, err = s.challenge(challenge)
	}
	return login, err
}

// challenge asks the client and gives its response, never nil.
func (s *session) challenge(challenge []byte) ([]byte, error) {
	s.wire.reply(334, base64.StdEncoding.EncodeToString(challenge))
	line, err := s.readLine(s.config.Timeouts.Auth)
	if err != nil {
		return nil, err
	}
	if line == "*" {
		return nil, errAuthCancelled
	}
	return decodeResponse(line)
}

func decodeResponse(text string) ([]byte, error) {
	response, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAuthSyntax, err)
	}
	return append([]byte{}, response...), nil
}

// credentials are what a client claims.
type credentials struct{ identity, user, password string }

// newMechanism gives the server's side of a SASL mechanism that fills login, or nil.
func newMechanism(name string, login *credentials) sasl.Server {
	switch strings.ToUpper(name) {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			*login = credentials{identity, user, password}
			return nil
		})
	case sasl.Login:
		return &loginMechanism{login: login}
	}
	return nil
}

// loginMechanism is LOGIN: it asks for the user, unless that was the initial response, then for the password. The library has only the client's side.
type loginMechanism struct {
	login    *credentials
	haveUser bool
}

// Next implements sasl.Server.
func (m *loginMechanism) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case !m.haveUser:
		m.haveUser = true
		m.login.user = string(response)
		return []byte("Password:"), false, nil
	}
	m.login.password = string(response)
	return nil, true, nil
}

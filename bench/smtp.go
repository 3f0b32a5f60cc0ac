package bench

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/sandbox"
)

// submission is an authenticated connection to port 465.
type submission struct {
	*conn
	account sandbox.Account
}

func openSubmission(ctx context.Context, address string, roots *x509.CertPool, a sandbox.Account) (*submission, error) {
	c, err := dial(ctx, address, roots)
	if err != nil {
		return nil, fmt.Errorf("connecting for submission: %w", err)
	}
	s := &submission{c, a}
	s.cutWith(ctx)
	if err := s.logIn(); err != nil {
		s.close()
		return nil, fmt.Errorf("submission as %s: %w", a.Address, err)
	}
	return s, nil
}

func (s *submission) logIn() error {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + s.account.Address + "\x00" + s.account.Password))
	if _, err := s.reply("220"); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if err := s.command("250", "EHLO bench.localhost"); err != nil {
		return err
	}
	return s.command("235", "AUTH PLAIN "+plain)
}

// accepted is the answer to a message: the instants before its last octets were written and after the reply was read, and
// the id that it was given.
type accepted struct {
	sent, answered time.Time
	id             string
}

// send submits a message to one recipient.
func (s *submission) send(to string, message []byte) (accepted, error) {
	return s.transmit(to, nil, append(message, endOfData...))
}

// stream submits a message that is made while it is sent.
func (s *submission) stream(to string, message io.WriterTo) (accepted, error) {
	return s.transmit(to, message, []byte(endOfData))
}

func (s *submission) transmit(to string, first io.WriterTo, last []byte) (a accepted, err error) {
	if err := s.envelope(to); err != nil {
		return a, err
	}
	if first != nil {
		if _, err := first.WriteTo(s); err != nil {
			return a, err
		}
	}
	a.sent = time.Now()
	if err := s.write(last); err != nil {
		return a, err
	}
	text, err := s.reply("250")
	if err != nil {
		return a, fmt.Errorf("end of DATA: %w", err)
	}
	a.answered, a.id = time.Now(), acceptedAs(text)
	return a, nil
}

// acceptedAs is the id in the reply to a message, or "".
func acceptedAs(reply string) string {
	_, rest, _ := strings.Cut(reply, "accepted as <")
	id, _, _ := strings.Cut(rest, ">")
	return id
}

const endOfData = ".\r\n"

func (s *submission) envelope(to string) error {
	for _, c := range []struct{ code, line string }{
		{"250", "MAIL FROM:<" + s.account.Address + ">"},
		{"250", "RCPT TO:<" + to + ">"},
		{"354", "DATA"},
	} {
		if err := s.command(c.code, c.line); err != nil {
			return err
		}
	}
	return nil
}

func (s *submission) quit() error {
	defer s.close()
	return s.command("221", "QUIT")
}

func (s *submission) command(code, line string) error {
	if err := s.write([]byte(line + "\r\n")); err != nil {
		return err
	}
	if _, err := s.reply(code); err != nil {
		return fmt.Errorf("%.4s: %w", line, err)
	}
	return nil
}

// refusal is a reply that was read and is not the one that had to come.
type refusal struct{ want, got string }

func (r refusal) Error() string { return fmt.Sprintf("expected %s, got %q", r.want, r.got) }

// reply reads a whole reply, which must have the code (RFC 5321 4.2), and returns its last line.
func (s *submission) reply(code string) (string, error) {
	for {
		line, err := s.line()
		if err != nil {
			return "", err
		}
		if len(line) < 3 || line[:3] != code {
			return "", refusal{code, line}
		}
		if len(line) == 3 || line[3] != '-' {
			return line, nil
		}
	}
}

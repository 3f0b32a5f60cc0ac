package bench

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
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
	if err := s.reply("220"); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if err := s.command("250", "EHLO bench.localhost"); err != nil {
		return err
	}
	return s.command("235", "AUTH PLAIN "+plain)
}

// send submits a message to one recipient. It returns the instant before the last octets of DATA were written.
func (s *submission) send(to string, message []byte) (time.Time, error) {
	for _, c := range []struct{ code, line string }{
		{"250", "MAIL FROM:<" + s.account.Address + ">"},
		{"250", "RCPT TO:<" + to + ">"},
		{"354", "DATA"},
	} {
		if err := s.command(c.code, c.line); err != nil {
			return time.Time{}, err
		}
	}
	end := time.Now()
	if err := s.write(append(message, ".\r\n"...)); err != nil {
		return end, err
	}
	if err := s.reply("250"); err != nil {
		return end, fmt.Errorf("end of DATA: %w", err)
	}
	return end, nil
}

func (s *submission) quit() error {
	defer s.close()
	return s.command("221", "QUIT")
}

func (s *submission) command(code, line string) error {
	if err := s.write([]byte(line + "\r\n")); err != nil {
		return err
	}
	if err := s.reply(code); err != nil {
		return fmt.Errorf("%.4s: %w", line, err)
	}
	return nil
}

// reply reads a whole reply, which must have the code (RFC 5321 4.2).
func (s *submission) reply(code string) error {
	for {
		line, err := s.line()
		if err != nil {
			return err
		}
		if len(line) < 3 || line[:3] != code {
			return fmt.Errorf("expected %s, got %q", code, line)
		}
		if len(line) == 3 || line[3] != '-' {
			return nil
		}
	}
}

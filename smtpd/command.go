package smtpd

import (
	"fmt"
	"strings"
)

// command answers one command line.
func (s *session) command(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	arg = strings.Trim(arg, " ")
	verb = strings.ToUpper(verb)
	if len(line)+2 > maxCommandLine && verb != "MAIL" && verb != "RCPT" && verb != "AUTH" {
		s.fault(500, "5.5.2 "+errLineTooLong.Error())
		return
	}
	switch verb {
	case "EHLO", "HELO":
		s.hello(verb, arg)
	case "STARTTLS":
		s.startTLS(arg)
	case "AUTH":
		s.auth(arg)
	case "MAIL":
		s.mail(arg)
	case "RCPT":
		s.rcpt(arg)
	case "DATA":
		s.data(arg)
	case "NOOP":
		s.ok(250, "2.0.0 ok")
	case "VRFY":
		s.ok(252, "2.0.0 send mail and see") // tells nothing about who exists (RFC 5321 7.3)
	case "HELP":
		s.ok(214, "2.0.0 see RFC 5321")
	case "RSET", "QUIT":
		s.leave(verb, arg)
	case "EXPN", "ETRN", "TURN":
		s.fault(502, "5.5.1 command is not implemented")
	case "BDAT":
		s.desync("BDAT was not offered") // the octets of its chunk are no commands
	case "GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE":
		s.desync("this is no web server") // a browser was led here: its body may hold commands (attacks.md 8)
	default:
		s.fault(500, "5.5.2 command is unknown")
	}
}

// leave ends the transaction, or everything.
func (s *session) leave(verb, arg string) {
	switch {
	case arg != "":
		s.fault(501, "5.5.4 "+verb+" has no argument")
	case verb == "RSET":
		s.tx = nil
		s.ok(250, "2.0.0 ok")
	default:
		s.ok(221, "2.0.0 bye")
		s.closing = true
	}
}

func (s *session) hello(verb, arg string) {
	if !validHello(arg) {
		s.fault(501, "5.5.4 "+verb+" needs a host name")
		return
	}
	s.peer.Hello, s.esmtp, s.tx = arg, verb == "EHLO", nil
	if s.esmtp {
		s.wire.reply(250, append([]string{s.config.Hostname}, s.extensions()...)...)
		return
	}
	s.ok(250, s.config.Hostname)
}

// extensions are those that may be used now.
func (s *session) extensions() []string {
	list := []string{"PIPELINING", fmt.Sprintf("SIZE %d", s.config.MaxSize), "ENHANCEDSTATUSCODES"}
	if s.config.EightBit {
		list = append(list, "8BITMIME")
	}
	if s.config.TLS != nil && s.peer.TLS == nil {
		list = append(list, "STARTTLS")
	}
	if s.config.Submission && s.peer.TLS != nil {
		list = append(list, "AUTH PLAIN LOGIN")
	}
	return list
}

// validHello wants what can stand in a Received header as it is: the octets of an atom (RFC 5322 3.2.3), dots, and those of an address
// literal. Clients call themselves many things that are no domain.
func validHello(name string) bool {
	const more = "!#$%&'*+-/=?^_`{|}~.[]:"
	return name != "" && len(name) <= 255 && !strings.ContainsFunc(name, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune(more, r)
	})
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func (s *session) startTLS(arg string) {
	switch {
	case s.wire.in.Buffered() > 0: // commands meant to run inside TLS (attacks.md 8)
		s.desync("octets behind STARTTLS")
	case arg != "":
		s.fault(501, "5.5.4 STARTTLS has no argument")
	case s.config.TLS == nil:
		s.fault(502, "5.5.1 TLS is not available")
	case s.peer.TLS != nil:
		s.fault(503, "5.5.1 TLS is active already")
	default:
		s.ok(220, "2.0.0 ready to start TLS")
		if err := s.wire.out.Flush(); err != nil || !s.handshake() {
			s.closing = true
		}
	}
}

package smtpd

import (
	"strconv"
	"strings"
)

// mail begins a transaction (RFC 5321 4.1.1.2).
func (s *session) mail(arg string) {
	if code, text := s.mayMail(); code != 0 {
		s.fault(code, text)
		return
	}
	from, rest, err := parsePathArgument("FROM:", arg, true)
	if err != nil {
		s.fault(501, "5.1.7 "+err.Error())
		return
	}
	tx := &Transaction{Peer: s.peer, Account: s.account, ESMTP: s.esmtp, From: from}
	if code, text := s.mailParameters(tx, rest); code != 0 {
		s.fault(code, text)
		return
	}
	if tx.Size > s.config.MaxSize {
		s.refuse("MAIL", &Error{Code: 552, Enhanced: "5.3.4", Text: ErrTooBig.Error()})
		return
	}
	if err := s.config.Sender(s.ctx, tx); err != nil {
		s.refuse("MAIL", err)
		return
	}
	s.tx = tx
	s.ok(250, "2.1.0 ok")
}

// mayMail gives the reply to a MAIL that comes too early, or 0.
func (s *session) mayMail() (int, string) {
	switch {
	case s.peer.Hello == "":
		return 503, "5.5.1 EHLO comes first"
	case s.config.Submission && s.peer.TLS == nil:
		return 530, "5.7.0 STARTTLS comes first"
	case s.config.Submission && s.account == "":
		return 530, "5.7.0 authentication is required"
	case s.tx != nil:
		return 503, "5.5.1 a transaction is open"
	}
	return 0, ""
}

// mailParameters reads SIZE, BODY and AUTH into tx. What was not announced is refused (RFC 5321 4.1.1.11). It gives the reply to a wrong one, or 0.
func (s *session) mailParameters(tx *Transaction, rest string) (int, string) {
	seen := make(map[string]bool)
	for field := range strings.FieldsSeq(rest) {
		keyword, value, _ := strings.Cut(field, "=")
		keyword = strings.ToUpper(keyword)
		if seen[keyword] {
			return 501, "5.5.4 " + keyword + " is given twice"
		}
		seen[keyword] = true
		valid := true
		switch {
		case keyword == "SIZE":
			tx.Size, valid = parseSize(value)
		case keyword == "BODY" && s.config.EightBit:
			tx.EightBit = strings.EqualFold(value, "8BITMIME")
			valid = tx.EightBit || strings.EqualFold(value, "7BIT")
		case keyword == "AUTH" && s.config.Submission:
			valid = value != "" // says who wrote it first (RFC 4954 5): of no use to us
		default:
			return 555, "5.5.4 parameter is not known"
		}
		if !valid {
			return 501, "5.5.4 " + keyword + " has a wrong value"
		}
	}
	return 0, ""
}

// parseSize reads up to 20 digits (RFC 1870 4). What no integer holds is surely too big.
func parseSize(digits string) (int64, bool) {
	if digits == "" || len(digits) > 20 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	size, _ := strconv.ParseInt(digits, 10, 64) // out of range gives the largest, which is what is meant
	return size, true
}

// rcpt adds a recipient (RFC 5321 4.1.1.3).
func (s *session) rcpt(arg string) {
	if s.tx == nil {
		s.fault(503, "5.5.1 MAIL comes first")
		return
	}
	to, rest, err := parsePathArgument("TO:", arg, false)
	switch {
	case err != nil:
		s.fault(501, "5.1.3 "+err.Error())
		return
	case rest != "":
		s.fault(555, "5.5.4 parameter is not known")
		return
	case len(s.tx.Recipients) >= s.config.MaxRecipients:
		s.refuse("RCPT", &Error{Code: 452, Enhanced: "4.5.3", Text: "too many recipients"})
		return
	}
	if err := s.config.Recipient(s.ctx, s.tx, to); err != nil {
		s.refuse("RCPT", err)
		return
	}
	s.tx.Recipients = append(s.tx.Recipients, to)
	s.ok(250, "2.1.5 ok")
}

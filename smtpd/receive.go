package smtpd

import "errors"

// drainSlack is what may still come of a message already refused, beyond MaxSize, before the connection is closed.
const drainSlack = 1 << 20

// data takes a message (RFC 5321 4.1.1.4). DATA ends a group of pipelined commands (RFC 2920 3.1): octets behind it were not sent by
// who waits for the reply, and would be commands if it were a refusal.
func (s *session) data(arg string) {
	switch {
	case s.wire.in.Buffered() > 0:
		s.desync("octets behind DATA")
	case arg != "":
		s.fault(501, "5.5.4 DATA has no argument")
	case s.tx == nil:
		s.fault(503, "5.5.1 MAIL comes first")
	case len(s.tx.Recipients) == 0:
		s.fault(554, "5.5.1 no valid recipients")
	default:
		s.ok(354, "end with CRLF.CRLF")
		s.message()
	}
}

// message hands the octets to Receive and answers once, after the true end or never to read again; only an unknown outcome has no answer.
func (s *session) message() {
	tx := s.tx
	s.tx = nil
	s.guest.Busy()
	defer s.guest.Idle()
	s.wire.expectData(messagePace(s.config.Timeouts))
	body := newDataReader(s.wire.in, s.config.MaxSize)
	text, err := s.config.Receive(s.ctx, tx, body)
	if errors.Is(err, ErrHangUp) {
		s.log.Error("smtpd: closed without a reply", "during", "DATA", "account", s.account, "err", err)
		s.closing = true
		return
	}
	if err == nil && !body.ended {
		err = errors.Join(errors.New("function Receive did not read to the end"), body.err)
	}
	if !body.ended && !broken(body) {
		s.wire.expectData(drainPace(s.config.Timeouts))
		body.drain(s.config.MaxSize + drainSlack)
	}
	// Who sends bare line ends may see the end of the message elsewhere: what follows is not to be trusted as commands.
	s.closing = !body.ended || body.bare
	if refusal := s.refusal(body, err); refusal != nil {
		s.refuse("DATA", refusal)
		return
	}
	s.ok(250, text)
}

// broken says whether the connection failed while Receive read.
func broken(body *dataReader) bool { return body.err != nil && body.fault() == nil }

// refusal is the error to answer, or nil for a message that was received. A bare line end outranks whatever Receive made of the message, even if only
// draining found it; the size counts if Receive met it.
func (s *session) refusal(body *dataReader, err error) error {
	switch {
	case body.bare:
		return &Error{Code: 550, Enhanced: "5.6.11", Text: ErrBare.Error(), Err: err}
	case errors.Is(body.err, ErrTooBig):
		return &Error{Code: 552, Enhanced: "5.3.4", Text: ErrTooBig.Error(), Err: err}
	case !body.ended && broken(body):
		return &Error{Code: 421, Enhanced: "4.4.2", Text: "the message did not arrive", Err: err}
	}
	return err
}

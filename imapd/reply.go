package imapd

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/store"
)

// errCut: the client is gone, or a part of an answer is on the wire that cannot be completed.
var errCut = errors.New("the connection cannot be used further")

// errUnreadable: the octets of one message cannot be read.
var errUnreadable = errors.New("stored octets cannot be read")

// no is a refusal whose text the client sees.
func no(code imap.ResponseCode, text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// bad is a refusal of what the protocol does not allow.
func bad(text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeBad, Code: imap.ResponseCodeClientBug, Text: text}
}

// answer turns what went wrong into what the client may know; the cause goes to the log only.
func (s *session) answer(command string, err error) error {
	var refusal *imap.Error
	var damage *store.DamageError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &damage):
		s.log.Error("imapd: stored octets are damaged", "command", command, "content", damage.Content.String(), "err", err)
		return no(imap.ResponseCodeCorruption, "Some octets cannot be read; the provider has been told")
	case errors.Is(err, store.ErrUnknown):
		// Nobody knows what happened, so nothing may be said (design.md 3).
		s.conn.abort()
		return err
	case errors.Is(err, store.ErrUnavailable) && !errors.Is(err, errCut):
		s.log.Warn("imapd: a command could not be done now", "command", command, "err", err)
		return no(imap.ResponseCodeUnavailable, "It cannot be done now; try again later")
	case errors.Is(err, errUnreadable):
		s.log.Error("imapd: stored octets cannot be read", "command", command, "err", err)
		return no(imap.ResponseCodeCorruption, "Some octets cannot be read; the provider has been told")
	case errors.Is(err, errCut):
		s.log.Info("imapd: the connection broke", "command", command, "err", err)
		s.conn.abort()
		return no(imap.ResponseCodeUnavailable, "The connection broke")
	case errors.Is(err, store.ErrNotFound):
		return no(imap.ResponseCodeNonExistent, "There is no such mailbox or message")
	case errors.Is(err, store.ErrConflict):
		return no(imap.ResponseCodeInUse, "Somebody else changed it meanwhile; try again")
	case errors.Is(err, store.ErrSpool):
		s.log.Error("imapd: a command found no room", "command", command, "err", err)
		return no(imap.ResponseCodeUnavailable, "The disk is full; try again later")
	case errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		s.log.Warn("imapd: a command could not be done now", "command", command, "err", err)
		return no(imap.ResponseCodeUnavailable, "It cannot be done now; try again later")
	}
	s.log.Error("imapd: a command failed", "command", command, "err", err)
	return no(imap.ResponseCodeServerBug, "Internal error")
}

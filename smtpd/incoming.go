package smtpd

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/incoming"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Incoming gives c the functions of the incoming point (RFC 6109 2.2.2, 5.3): port 25.
func Incoming(c Config, point *incoming.Point) Config {
	c.Submission, c.EightBit = false, true
	c.Sender = func(context.Context, *Transaction) error { return nil }
	c.Recipient = func(ctx context.Context, tx *Transaction, to string) error {
		a, err := incomingPath(point, to)
		if err != nil {
			return err
		}
		return incomingReply(point.Recipient(ctx, pec.Address(tx.From), a))
	}
	c.Receive = func(ctx context.Context, tx *Transaction, body io.Reader) (string, error) {
		a := incoming.Arrival{From: pec.Address(tx.From), Hello: tx.Peer.Hello, Remote: host(tx.Peer.Addr), Secure: tx.Peer.TLS != nil, Body: body}
		for _, to := range tx.Recipients {
			to, err := incomingPath(point, to)
			if err != nil {
				return "", err
			}
			a.Recipients = append(a.Recipients, to)
		}
		if err := point.Receive(ctx, a); err != nil {
			return "", incomingReply(err)
		}
		return "2.0.0 taken", nil
	}
	return c
}

// incomingPath reads a forward path; postmaster without a domain is that of the main unit (RFC 5321 4.5.1).
func incomingPath(point *incoming.Point, to string) (pec.Address, error) {
	if strings.EqualFold(to, "postmaster") {
		to += "@" + point.Units[0].Address.Domain()
	}
	return forwardPath(to)
}

// incomingReply is the table of replies to what the incoming point says.
func incomingReply(err error) error {
	var imitation *incoming.NotCertified
	switch {
	case errors.As(err, &imitation):
		return &Error{Code: 550, Enhanced: "5.7.1", Text: "il messaggio non risulta di posta certificata / this is not certified mail: " + string(imitation.Check), Err: err}
	case errors.Is(err, incoming.ErrStale):
		return &Error{Code: 451, Enhanced: "4.7.5", Text: "the signer is in no directory that we have, and ours is old, try again later", Err: err}
	case errors.Is(err, incoming.ErrUnrevoked):
		return &Error{Code: 451, Enhanced: "4.7.5", Text: "whether the signer's certificate was revoked is not known at present, try again later", Err: err}
	case errors.Is(err, incoming.ErrFull):
		return &Error{Code: 452, Enhanced: "4.2.2", Text: "casella piena / the mailbox is full", Err: err}
	case errors.Is(err, incoming.ErrOrdinary):
		return &Error{Code: 550, Enhanced: "5.7.1", Text: "questa casella riceve solo posta certificata / this mailbox takes certified mail only", Err: err}
	case errors.Is(err, incoming.ErrNotLocal):
		return &Error{Code: 550, Enhanced: "5.7.1", Text: "relaying is denied", Err: err}
	case errors.Is(err, incoming.ErrNoDirectory):
		return &Error{Code: 451, Enhanced: "4.4.3", Text: "no providers' directory for this domain yet, try again later", Err: err}
	case errors.Is(err, incoming.ErrNoMailbox):
		return &Error{Code: 550, Enhanced: "5.1.1", Text: "casella inesistente / no such mailbox", Err: err}
	case errors.Is(err, admission.ErrBusy):
		return &Error{Code: 451, Enhanced: "4.3.2", Text: "too busy, try again later", Err: err}
	case errors.Is(err, store.ErrUnknown):
		return errors.Join(ErrHangUp, err)
	case errors.Is(err, store.ErrSpool):
		return &Error{Code: 452, Enhanced: "4.3.1", Text: "not enough space, try again later", Err: err}
	}
	return err
}

package smtpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/ceralacca/ceralacca/access"
	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Submission gives c the functions of the access point: holders log in and send as themselves alone (RFC 6109 3.1, 5.2).
func Submission(c Config, point *access.Point) Config {
	c.Submission, c.EightBit = true, false
	c.Account = func(user string) string { return pec.Address(user).Key() }
	c.Authenticate = func(ctx context.Context, _ Peer, user, password string) (string, error) {
		m, err := point.Store.Authenticate(ctx, user, password)
		if errors.Is(err, store.ErrLogin) || err == nil && m.Service {
			return "", ErrCredentials
		}
		return string(m.Address), err
	}
	c.Sender = func(_ context.Context, tx *Transaction) error { return ownPath(tx) }
	c.Recipient = func(_ context.Context, _ *Transaction, to string) error {
		_, err := forwardPath(to)
		return err
	}
	c.Receive = func(ctx context.Context, tx *Transaction, body io.Reader) (string, error) {
		id, err := submit(ctx, point, tx, body)
		if err != nil {
			return "", submissionReply(err)
		}
		return fmt.Sprintf("2.0.0 accepted as <%s>", id), nil
	}
	return c
}

// ownPath lets a holder send under no other address (norms.md 3; attacks.md 1).
func ownPath(tx *Transaction) error {
	if pec.Address(tx.From).Key() != pec.Address(tx.Account).Key() {
		return &Error{Code: 553, Enhanced: "5.7.1", Text: "il mittente non e' la casella autenticata / the sender is not the mailbox that logged in"}
	}
	return nil
}

func forwardPath(to string) (pec.Address, error) {
	a, err := pec.ParseAddress(to)
	if err != nil {
		return "", &Error{Code: 553, Enhanced: "5.1.3", Text: "indirizzo del destinatario non valido / invalid recipient address", Err: err}
	}
	return a, nil
}

func submit(ctx context.Context, point *access.Point, tx *Transaction, body io.Reader) (pec.ID, error) {
	m, err := point.Store.Mailbox(ctx, pec.Address(tx.Account))
	if err != nil {
		return "", err
	}
	if !m.Enabled {
		return "", &Error{Code: 550, Enhanced: "5.7.1", Text: "casella disabilitata / the mailbox is disabled"}
	}
	if m.Suspended {
		return "", &Error{Code: 550, Enhanced: "5.7.1", Text: "casella sospesa: non puo' inviare / the mailbox is suspended: it may not send"}
	}
	s := access.Submission{Mailbox: m, Hello: tx.Peer.Hello, Remote: host(tx.Peer.Addr), Body: body}
	for _, to := range tx.Recipients {
		a, err := forwardPath(to)
		if err != nil {
			return "", err
		}
		s.Recipients = append(s.Recipients, a)
	}
	return point.Submit(ctx, s)
}

// submissionReply is the table of replies to what the access point says.
func submissionReply(err error) error {
	var refused *access.Refused
	switch {
	case errors.As(err, &refused):
		return formalReply(refused)
	case errors.Is(err, store.ErrUnknown):
		return errors.Join(ErrHangUp, err)
	case errors.Is(err, store.ErrSpool):
		return &Error{Code: 452, Enhanced: "4.3.1", Text: "spazio insufficiente, riprovare / not enough space, try again later", Err: err}
	case errors.Is(err, access.ErrBudget):
		return &Error{Code: 452, Enhanced: "4.7.0", Text: "troppi messaggi in un'ora da questa casella, riprovare / this mailbox has sent too much within an hour, try again later", Err: err}
	case errors.Is(err, admission.ErrBusy):
		return &Error{Code: 451, Enhanced: "4.3.2", Text: "troppi messaggi in attesa, riprovare / too busy, try again later", Err: err}
	case errors.Is(err, access.ErrNoDirectory):
		return &Error{Code: 451, Enhanced: "4.4.3", Text: "indice dei gestori non disponibile, riprovare / no providers' directory for this domain yet, try again later", Err: err}
	}
	return err
}

// formalReply names the notice and every fault, each on a line of its own: the first fault gives the code (RFC 6109 3.1.1; RFC 3463).
// The client is told at once as well, so that no holder takes a message for sent whose notice was overlooked (docs/divergences.md).
func formalReply(r *access.Refused) error {
	var faults []string
	for _, f := range r.Faults {
		faults = append(faults, f.Italian+" / "+f.English)
	}
	code := 550
	if r.Faults[0].Enhanced == "5.3.4" {
		code = 552
	}
	return &Error{Code: code, Enhanced: r.Faults[0].Enhanced, Text: "messaggio non accettato, avviso / not accepted, notice " + string(r.Notice), More: faults, Err: r}
}

// host is the address of a peer without its port.
func host(a net.Addr) string {
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}

package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ceralacca/ceralacca/imapd"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smtpd"
	"github.com/ceralacca/ceralacca/store"
)

// outside is an ordinary mail server with one mailbox: what certified mail to the outside meets. It signs nothing and
// answers nothing; another local part than the mailbox's is refused, so that failures can be seen too.
type outside struct {
	store   *store.Store
	mailbox store.Mailbox
	plan    *plan
	smtp    *smtpd.Server
	imap    *imapd.Server
	smtpL   net.Listener
	imapL   net.Listener
}

func openOutside(ctx context.Context, s *Sandbox) (*outside, error) {
	pair, err := tls.LoadX509KeyPair(s.path(outsideCert), s.path(outsideKey))
	if err != nil {
		return nil, fmt.Errorf("the sandbox in %s is damaged: %w. Begin anew with --fresh", s.o.Dir, err)
	}
	log := s.o.Log.With("provider", "outside")
	database, err := s.o.database("outside")
	if err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, store.Options{Dir: s.path(outsideData), Database: database, Now: s.clock.Now, Jumped: s.clock.Jumped, Fatal: s.o.Fatal, Log: log})
	if err != nil {
		return nil, err
	}
	o := &outside{store: st, plan: s.plan}
	tlsConfig := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	o.smtp, err = smtpd.New(smtpd.Config{
		Hostname: "mx." + o.plan.outside.domain, TLS: tlsConfig, MaxSize: 200_000_000, EightBit: true, Log: log,
		Sender:    func(context.Context, *smtpd.Transaction) error { return nil },
		Recipient: func(_ context.Context, _ *smtpd.Transaction, to string) error { return o.recipient(to) },
		Receive:   o.receive,
	})
	if err == nil {
		o.imap, err = imapd.New(imapd.Config{Store: st, TLS: tlsConfig.Clone(), MaxAppend: 200_000_000, Log: log})
	}
	if err == nil {
		err = o.open(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

func (o *outside) open(ctx context.Context) error {
	var err error
	o.mailbox, err = o.store.Mailbox(ctx, pec.Address(o.plan.outside.mailbox))
	if errors.Is(err, store.ErrNotFound) {
		o.mailbox, err = o.store.AddMailbox(ctx, pec.Address(o.plan.outside.mailbox), false, Password)
	}
	if err != nil {
		return err
	}
	if o.smtpL, err = o.plan.listen(o.plan.outside.smtp, "the outside SMTP server"); err != nil {
		return err
	}
	o.imapL, err = o.plan.listen(o.plan.outside.imaps, "the outside IMAP server")
	return err
}

func (o *outside) recipient(to string) error {
	if !strings.EqualFold(to, o.plan.outside.mailbox) {
		return &smtpd.Error{Code: 550, Enhanced: "5.1.1", Text: "no such user here"}
	}
	return nil
}

func (o *outside) receive(ctx context.Context, tx *smtpd.Transaction, body io.Reader) (string, error) {
	spool, scan := o.store.NewSpool(), pec.NewScanner(nil)
	to := io.MultiWriter(spool, scan)
	fmt.Fprintf(to, "Return-Path: <%s>\r\n", tx.From)
	if _, err := io.Copy(to, body); err != nil {
		spool.Discard()
		return "", err
	}
	c, err := spool.Seal(ctx)
	if err != nil {
		return "", err
	}
	defer c.Release()
	inbox, err := o.store.InboxID(ctx, o.mailbox.ID)
	if err != nil {
		return "", err
	}
	_, err = o.store.Append(ctx, o.mailbox.ID, inbox, c, scan.Finish(), nil, time.Time{})
	return "2.0.0 taken", err
}

func (o *outside) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return o.smtp.Serve(ctx, o.smtpL) })
	g.Go(func() error { return o.imap.Serve(ctx, o.imapL) })
	return g.Wait()
}

func (o *outside) close() error {
	for _, l := range []net.Listener{o.smtpL, o.imapL} {
		if l != nil {
			l.Close() // closed already by its server after a run
		}
	}
	return o.store.Close()
}

package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ceralacca/ceralacca/sandbox"
)

// load is the holders of Alfa who write to those of Beta: each has a mailbox, an open connection for submission, and one
// to see what arrives.
type load struct {
	alfa, beta sandbox.ProviderContract
	roots      *x509.CertPool
	kept       []*submission
	senders    []*inbox // of the same index
	service    *inbox   // Alfa's service mailbox
}

// openLoad connects everybody. The sandbox must have a mailbox for each connection.
func openLoad(ctx context.Context, dir string, c sandbox.Contract) (*load, error) {
	l := &load{alfa: c.Providers[0], beta: c.Providers[1], roots: x509.NewCertPool()}
	ca, err := os.ReadFile(filepath.Join(dir, c.CAFile))
	if err != nil {
		return nil, err
	}
	if !l.roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("there is no certificate in %s", c.CAFile)
	}
	if len(l.alfa.Mailboxes) < connections || len(l.beta.Mailboxes) < connections {
		return nil, fmt.Errorf("the sandbox has %d and %d mailboxes, not %d", len(l.alfa.Mailboxes), len(l.beta.Mailboxes), connections)
	}
	if err := l.connect(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *load) connect(ctx context.Context) error {
	for i := range connections {
		s, err := openSubmission(ctx, l.alfa.Submissions, l.roots, l.alfa.Mailboxes[i])
		if err != nil {
			return err
		}
		l.kept = append(l.kept, s)
		in, err := openInbox(ctx, l.alfa.IMAPS, l.roots, l.alfa.Mailboxes[i])
		if err != nil {
			return err
		}
		l.senders = append(l.senders, in)
	}
	var err error
	l.service, err = openInbox(ctx, l.alfa.IMAPS, l.roots, l.alfa.ServiceMailbox)
	return err
}

func (l *load) close() {
	for _, s := range l.kept {
		s.close()
	}
	for _, in := range l.senders {
		in.close()
	}
	if l.service != nil {
		l.service.close()
	}
}

// exchange sends n messages, or fewer if the limit ends first, over all connections at once, and waits until their
// receipts are there. Fresh: over a new connection each. It returns how many were sent.
func (l *load) exchange(ctx context.Context, n int, limit time.Duration, fresh bool) (int, error) {
	sent, err := l.submit(ctx, n, limit, fresh)
	if err != nil {
		return sent, err
	}
	if sent == 0 {
		return 0, errors.New("nothing was sent within the time limit")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, in := range append(l.senders[:connections:connections], l.service) {
		if err := in.settle(ctx); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// submit sends and notes what has to come back: acceptance and delivery receipt to the sender, the taking in charge to
// the service mailbox.
func (l *load) submit(ctx context.Context, n int, limit time.Duration, fresh bool) (int, error) {
	var taken, sent atomic.Int64
	until := time.Now().Add(limit)
	g, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		g.Go(func() error {
			for taken.Add(1) <= int64(n) && time.Now().Before(until) {
				if err := l.submitOne(ctx, i, fresh); err != nil {
					return err
				}
				sent.Add(1)
				l.senders[i].want += 2
			}
			return nil
		})
	}
	err := g.Wait()
	l.service.want += int(sent.Load())
	return int(sent.Load()), err
}

func (l *load) submitOne(ctx context.Context, i int, fresh bool) error {
	from, to := l.alfa.Mailboxes[i], l.beta.Mailboxes[i].Address
	message := compose(from.Address, to, time.Now())
	if !fresh {
		_, err := l.kept[i].send(to, message)
		return err
	}
	s, err := openSubmission(ctx, l.alfa.Submissions, l.roots, from)
	if err != nil {
		return err
	}
	if _, err := s.send(to, message); err != nil {
		s.close()
		return err
	}
	return s.quit()
}

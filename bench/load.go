package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// openLoad connects everybody.
func openLoad(ctx context.Context, dir string, c sandbox.Contract) (*load, error) {
	l := &load{alfa: c.Providers[0], beta: c.Providers[1]}
	var err error
	if l.roots, err = authorityOf(dir, c); err != nil {
		return nil, err
	}
	if len(l.alfa.Mailboxes) == 0 || len(l.alfa.Mailboxes) != len(l.beta.Mailboxes) {
		return nil, fmt.Errorf("the sandbox has %d and %d mailboxes, not as many of each", len(l.alfa.Mailboxes), len(l.beta.Mailboxes))
	}
	if err := l.connect(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// authorityOf is who certifies the servers of a sandbox.
func authorityOf(dir string, c sandbox.Contract) (*x509.CertPool, error) {
	ca, err := os.ReadFile(filepath.Join(dir, c.CAFile))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("there is no certificate in %s", c.CAFile)
	}
	return roots, nil
}

func (l *load) connect(ctx context.Context) error {
	for _, a := range l.alfa.Mailboxes {
		s, err := openSubmission(ctx, l.alfa.Submissions, l.roots, a)
		if err != nil {
			return err
		}
		l.kept = append(l.kept, s)
		in, err := openInbox(ctx, l.alfa.IMAPS, l.roots, a)
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

// post submits one message over the connection i.
type post func(ctx context.Context, i int) error

// exchange posts n messages, or fewer if the limit ends first, over all connections at once, and waits until their
// receipts are there. It returns how many were sent.
func (l *load) exchange(ctx context.Context, n int, limit time.Duration, one post) (int, error) {
	sent, err := l.submit(ctx, n, limit, one)
	if err != nil {
		return sent, err
	}
	if sent == 0 {
		return 0, errors.New("nothing was sent within the time limit")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return sent, l.settle(ctx)
}

// warm makes exchanges that nobody measures.
func (l *load) warm(ctx context.Context, n int) error {
	if _, err := l.exchange(ctx, n, startTime, l.overKept); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	return nil
}

// settle waits until every receipt that is wanted is there.
func (l *load) settle(ctx context.Context) error {
	for _, in := range append(slices.Clone(l.senders), l.service) {
		if err := in.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// submit sends and notes what has to come back: acceptance and delivery receipt to the sender, the taking in charge to
// the service mailbox.
func (l *load) submit(ctx context.Context, n int, limit time.Duration, one post) (int, error) {
	var taken, sent atomic.Int64
	until := time.Now().Add(limit)
	g, ctx := errgroup.WithContext(ctx)
	for i := range l.kept {
		g.Go(func() error {
			for taken.Add(1) <= int64(n) && time.Now().Before(until) {
				if err := one(ctx, i); err != nil {
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

// who is the sender and the recipient of a connection.
func (l *load) who(i int) (from sandbox.Account, to string) {
	return l.alfa.Mailboxes[i], l.beta.Mailboxes[i].Address
}

// overKept posts over the open connection.
func (l *load) overKept(_ context.Context, i int) error {
	from, to := l.who(i)
	_, err := l.kept[i].send(to, compose(from.Address, to, time.Now()))
	return err
}

// overFresh posts over a new connection.
func (l *load) overFresh(ctx context.Context, i int) error {
	from, to := l.who(i)
	s, err := openSubmission(ctx, l.alfa.Submissions, l.roots, from)
	if err != nil {
		return err
	}
	if _, err := s.send(to, compose(from.Address, to, time.Now())); err != nil {
		s.close()
		return err
	}
	return s.quit()
}

// attached posts a message of so many octets over the open connection.
func (l *load) attached(octets int64) post {
	return func(_ context.Context, i int) error {
		from, to := l.who(i)
		_, err := l.kept[i].stream(to, newAttachment(from.Address, to, octets, time.Now()))
		return err
	}
}

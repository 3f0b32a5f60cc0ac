package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Kills is what P10 rests on. Accepted is the holders' own list of 250s; Lost and Doubled are what the mailboxes say of
// them (findings).
type Kills struct {
	Kills    int     `json:"kills"`
	Accepted int     `json:"accepted"`
	Repeated int     `json:"repeated"` // messages that got no answer and were sent again, octet by octet
	P50      float64 `json:"ready_p50_s"`
	Max      float64 `json:"ready_max_s"`
	Lost     int     `json:"lost"`
	Doubled  int     `json:"doubled"`
}

const (
	killAfterLeast = 200 * time.Millisecond // of load
	killAfterMost  = 1200 * time.Millisecond
)

func (k *Kills) measures() []Measure {
	return []Measure{
		single("P10", fmt.Sprintf("kill -9 under load to everything answers, longest of %d", k.Kills), unitOfSeconds, k.Max, below(2)),
		single("P10", "accepted messages lost", unitOfMails, float64(k.Lost), atMost(0)),
		single("P10", "accepted messages doubled", unitOfMails, float64(k.Doubled), atMost(0)),
	}
}

// takeKills measures P10.
func (b *bench) takeKills(ctx context.Context) (measures []Measure, err error) {
	s := &siege{launch: b.launch("killed")}
	defer func() { err = errors.Join(err, s.remove(ctx)) }()
	k := &Kills{Kills: b.Kills}
	c, ready, err := s.rounds(ctx, b.Kills)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if err := s.inventory(ctx, c, k); err != nil {
		return nil, err
	}
	if k.Accepted < b.Kills {
		return nil, fmt.Errorf("only %d messages were accepted before %d kills: that was no load", k.Accepted, b.Kills)
	}
	if _, err := b.checkAll(ctx, c); err != nil {
		return nil, err
	}
	k.P50, k.Max = quantile(ready, 0.5).Seconds(), quantile(ready, 1).Seconds()
	b.report.Kills = k
	return k.measures(), nil
}

// siege is a sandbox that is killed again and again, and those who write meanwhile.
type siege struct {
	launch
	writers []*writer
}

// rounds kills n times and returns how long each start after a kill took until everything answered. The last sandbox is
// left running, and what had got no answer has been sent again.
func (s *siege) rounds(ctx context.Context, n int) (c *child, ready []time.Duration, err error) {
	if c, err = startChild(ctx, s.launch); err != nil {
		return nil, nil, err
	}
	for i, from := range c.contract.Providers[0].Mailboxes {
		to := c.contract.Providers[1].Mailboxes[i]
		s.writers = append(s.writers, &writer{from: from.Address, to: to.Address, accepted: map[string]string{}})
	}
	for range n {
		if err := s.loadAndKill(ctx, c); err != nil {
			return nil, nil, errors.Join(err, c.stop())
		}
		began := time.Now()
		if c, err = startChild(ctx, s.launch); err != nil {
			return nil, nil, err
		}
		if err := everythingAnswers(ctx, c); err != nil {
			return nil, nil, errors.Join(err, c.stop())
		}
		ready = append(ready, time.Since(began))
	}
	if err := s.settle(ctx, c); err != nil {
		return nil, nil, errors.Join(err, c.stop())
	}
	return c, ready, nil
}

// loadAndKill lets all write and kills the child at a random moment.
func (s *siege) loadAndKill(ctx context.Context, c *child) error {
	conns, err := s.connect(ctx, c)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	var doomed atomic.Bool // set before the kill: connections that break from then on have a reason
	var g errgroup.Group
	for i, w := range s.writers {
		g.Go(func() error {
			err := w.writeOn(conns[i])
			if refused := (refusal{}); doomed.Load() && !errors.As(err, &refused) {
				return nil
			}
			return err
		})
	}
	g.Go(func() error {
		err := pause(ctx, killAfterLeast+rand.N(killAfterMost-killAfterLeast))
		doomed.Store(true)
		return errors.Join(err, c.kill())
	})
	return g.Wait()
}

// settle sends again what had got no answer.
func (s *siege) settle(ctx context.Context, c *child) error {
	conns, err := s.connect(ctx, c)
	defer closeAll(conns)
	for i, w := range s.writers {
		if err == nil && w.pending != nil {
			err = w.write(conns[i])
		}
	}
	return err
}

// connect opens a connection for each writer. What was opened is returned after an error too.
func (s *siege) connect(ctx context.Context, c *child) ([]*submission, error) {
	conns := make([]*submission, len(s.writers))
	roots, err := authorityOf(c.dir, c.contract)
	if err != nil {
		return conns, err
	}
	alfa := c.contract.Providers[0]
	g, gctx := errgroup.WithContext(ctx)
	for i := range conns {
		g.Go(func() error {
			conn, err := openSubmission(gctx, alfa.Submissions, roots, alfa.Mailboxes[i])
			if err != nil {
				return err
			}
			conn.free() // gctx ends when all are open
			conn.cutWith(ctx)
			conns[i] = conn
			return nil
		})
	}
	return conns, g.Wait()
}

func closeAll(conns []*submission) {
	for _, c := range conns {
		if c != nil {
			c.close()
		}
	}
}

// everythingAnswers hears the greeting of each service of both providers.
func everythingAnswers(ctx context.Context, c *child) error {
	for _, p := range c.contract.Providers {
		for _, address := range []string{p.SMTP, p.Submission, p.Submissions, p.IMAPS} {
			if err := greeting(ctx, c, address, address == p.Submissions || address == p.IMAPS); err != nil {
				return fmt.Errorf("%s after a kill: %w", address, err)
			}
		}
	}
	return nil
}

func greeting(ctx context.Context, c *child, address string, withTLS bool) error {
	var conn *conn
	roots, err := authorityOf(c.dir, c.contract)
	if err == nil && withTLS {
		conn, err = dial(ctx, address, roots)
	} else if err == nil {
		conn, err = dialPlain(ctx, address)
	}
	if err != nil {
		return err
	}
	defer conn.close()
	_, err = conn.line()
	return err
}

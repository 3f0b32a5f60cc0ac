package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ceralacca/ceralacca/sandbox"
)

// Postfix is a scale beside the measures: what a plain durable relay, without TLS, signatures and receipts, costs on the
// same machine for the same messages over as many connections. It has no goal.
type Postfix struct {
	NotTaken string         `json:"not_taken,omitempty"`
	Version  string         `json:"version,omitempty"`
	Rounds   []PostfixRound `json:"rounds,omitempty"`
}

// PostfixRound is messages that were kept coming for some time, until the last of them had been handed to the next server.
type PostfixRound struct {
	Messages int     `json:"messages"`
	Seconds  float64 `json:"wall_seconds"`
	CPU      float64 `json:"cpu_ms"` // of all processes of Postfix, for one message
	P50      float64 `json:"accepted_p50_ms"`
	P99      float64 `json:"accepted_p99_ms"`
}

const postfixRounds = 3

// takePostfix measures Postfix. That it could not be measured is in the result and no error.
func (b *bench) takePostfix(ctx context.Context) *Postfix {
	x := &Postfix{}
	if err := b.postfixRounds(ctx, x); err != nil {
		return &Postfix{NotTaken: err.Error()}
	}
	return x
}

func (b *bench) postfixRounds(ctx context.Context, x *Postfix) (err error) {
	r, err := startRelay(ctx, b.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	x.Version = r.version
	conns, err := openRelay(ctx, r.address, b.sizes.connections)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	window := max(b.Sustain/sustainedParts, leastWindow)
	if _, err := r.round(ctx, conns, min(window, time.Second)); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	for range postfixRounds {
		p, err := r.round(ctx, conns, window)
		if err != nil {
			return err
		}
		x.Rounds = append(x.Rounds, p)
	}
	return nil
}

// openRelay opens n plain connections to a server that relays for this machine.
func openRelay(ctx context.Context, address string, n int) (conns []*submission, err error) {
	for i := range n {
		c, err := dialPlain(ctx, address)
		if err != nil {
			return conns, err
		}
		s := &submission{c, sandbox.Account{Address: fmt.Sprintf("mittente%d@alfa.test", i)}}
		s.cutWith(ctx)
		conns = append(conns, s)
		if _, err := s.reply("220"); err != nil {
			return conns, fmt.Errorf("greeting: %w", err)
		}
		if err := s.command("250", "EHLO bench.localhost"); err != nil {
			return conns, err
		}
	}
	return conns, nil
}

// round sends over all connections for the time of the window and waits until everything was handed on.
func (r *relay) round(ctx context.Context, conns []*submission, window time.Duration) (p PostfixRound, err error) {
	before, err := r.cpu()
	if err != nil {
		return p, err
	}
	began := time.Now()
	took, err := flood(ctx, conns, began.Add(window))
	if err != nil {
		return p, err
	}
	r.accepted += len(took)
	if err := r.delivered(ctx); err != nil {
		return p, err
	}
	p.Messages, p.Seconds = len(took), time.Since(began).Seconds()
	after, err := r.cpu()
	if len(took) == 0 {
		return p, errors.Join(err, errors.New("nothing was sent"))
	}
	p.CPU = milliseconds(after-before) / float64(len(took))
	p.P50, p.P99 = milliseconds(quantile(took, 0.5)), milliseconds(quantile(took, 0.99))
	return p, err
}

// flood sends over each connection whenever its last message was answered, and returns how long the answers took.
func flood(ctx context.Context, conns []*submission, until time.Time) (took []time.Duration, err error) {
	byConn := make([][]time.Duration, len(conns))
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range conns {
		g.Go(func() error {
			for to := fmt.Sprintf("destinatario%d@beta.test", i); ctx.Err() == nil && time.Now().Before(until); {
				a, err := c.send(to, compose(c.account.Address, to, time.Now()))
				if err != nil {
					return err
				}
				byConn[i] = append(byConn[i], a.answered.Sub(a.sent))
			}
			return nil
		})
	}
	err = g.Wait()
	for _, x := range byConn {
		took = append(took, x...)
	}
	return took, err
}

// freeAddress is one that nobody listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// needsRoot is why Postfix cannot be measured by everybody.
func needsRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("Postfix changes to its own user: it needs root")
	}
	return nil
}

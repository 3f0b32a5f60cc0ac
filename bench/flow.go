package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// Flow is exchanges that were kept going for some time, as many at once as the program can use.
type Flow struct {
	Exchanges int       `json:"exchanges"`               // all of them whole: with every receipt
	Seconds   float64   `json:"wall_seconds"`            // from the first message to the last receipt
	Drain     float64   `json:"drain_seconds"`           // the part of these after the last message was accepted
	Owed      int       `json:"receipts_owed"`           // when sending ended; an exchange under way is owed one or two
	CPU       float64   `json:"cpu_ms"`                  // of the child for one exchange
	Server    float64   `json:"server_cpu_ms,omitempty"` // of the database server
	Generator float64   `json:"generator_cores"`         // what this process used of the machine meanwhile
	P50       float64   `json:"accepted_p50_ms"`         // from the end of DATA to the 250, wall time
	P99       float64   `json:"accepted_p99_ms"`         //
	Tenths    []float64 `json:"accepted_by_tenth"`       // messages accepted a second, in each tenth of the sending
}

// rate is the whole exchanges of a second, the wait for the last of them included.
func (f *Flow) rate() float64 { return float64(f.Exchanges) / f.Seconds }

const (
	tenths = 10
	// owedPerCore times the cores bounds what a holder is owed before he sends the next message: a queue in the program
	// cannot grow without bound, and enough exchanges are under way to keep every core busy (doc.go).
	owedPerCore = 4
)

// holder keeps exchanges under way.
type holder struct {
	*submission
	in   *inbox
	to   string
	seen int           // messages in his INBOX
	owed chan struct{} // one for each receipt that he waits for
	sent []accepted
}

// flow measures what the holders get through when each sends for the time of the window.
func (m *meter) flow(ctx context.Context, window time.Duration) (*Flow, error) {
	f := &Flow{}
	used, _, err := m.cost(ctx, func() (int, error) {
		err := m.run(ctx, window, f)
		return f.Exchanges, err
	})
	f.CPU, f.Server = milliseconds(used.child), milliseconds(used.server)
	return f, err
}

// run fills all but the CPU.
func (l *load) run(ctx context.Context, window time.Duration, f *Flow) error {
	hs, err := l.holders()
	if err != nil {
		return err
	}
	own, err := processCPU(os.Getpid())
	if err != nil {
		return err
	}
	began := time.Now()
	if err := keepGoing(ctx, hs, began.Add(window)); err != nil {
		return err
	}
	ended := time.Now()
	for _, h := range hs {
		f.Owed += len(h.owed)
		h.in.want += 2 * len(h.sent)
		l.service.want += len(h.sent)
	}
	limited, cancel := context.WithTimeout(ctx, window+startTime)
	defer cancel()
	if err := l.settle(limited); err != nil {
		return fmt.Errorf("waiting for the last receipts: %w", err)
	}
	over := time.Now()
	ownAfter, err := processCPU(os.Getpid())
	f.Seconds, f.Drain = over.Sub(began).Seconds(), over.Sub(ended).Seconds()
	f.Generator = (ownAfter - own).Seconds() / f.Seconds
	f.answers(hs, began, window)
	if err == nil && f.Exchanges == 0 {
		err = errors.New("nothing was sent")
	}
	return err
}

// holders are ready to send, and watch their INBOX.
func (l *load) holders() ([]*holder, error) {
	var hs []*holder
	for i, in := range l.senders {
		_, to := l.who(i)
		if err := in.idle(); err != nil {
			return nil, err
		}
		hs = append(hs, &holder{submission: l.kept[i], in: in, to: to, seen: in.want, owed: make(chan struct{}, max(2, owedPerCore*runtime.NumCPU()))})
	}
	return hs, nil
}

func keepGoing(ctx context.Context, hs []*holder, until time.Time) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, h := range hs {
		g.Go(func() error { return h.watch() })
		g.Go(func() error { return errors.Join(h.keepSending(ctx, until), h.in.done()) })
	}
	return g.Wait()
}

// watch counts what arrives until IDLE ends.
func (h *holder) watch() error {
	for {
		n, ended, err := h.in.announcement()
		if err != nil || ended {
			return err
		}
		for ; h.seen < n; h.seen++ {
			select {
			case <-h.owed:
			default:
				return fmt.Errorf("%s has %d messages: more than were expected", h.in.address, n)
			}
		}
	}
}

// keepSending sends whenever it is owed few enough receipts.
func (h *holder) keepSending(ctx context.Context, until time.Time) error {
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	for time.Now().Before(until) {
		for place := range 2 { // an acceptance and a delivery receipt
			select {
			case h.owed <- struct{}{}:
			case <-over.C:
				if place == 1 {
					<-h.owed
				}
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		a, err := h.send(h.to, compose(h.account.Address, h.to, time.Now()))
		if err != nil {
			return err
		}
		h.sent = append(h.sent, a)
	}
	return nil
}

// answers sums up how the messages were accepted.
func (f *Flow) answers(hs []*holder, began time.Time, window time.Duration) {
	var took []time.Duration
	f.Tenths = make([]float64, tenths)
	for _, h := range hs {
		for _, a := range h.sent {
			took = append(took, a.answered.Sub(a.sent))
			tenth := int(a.answered.Sub(began) * tenths / window)
			if tenth < tenths { // the last ones are answered after the window
				f.Tenths[tenth] += tenths / window.Seconds()
			}
		}
	}
	if f.Exchanges = len(took); f.Exchanges > 0 {
		f.P50, f.P99 = milliseconds(quantile(took, 0.5)), milliseconds(quantile(took, 0.99))
	}
}

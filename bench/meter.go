package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// meter measures a load while it runs.
type meter struct {
	load *load
	cpu  func() (time.Duration, error) // of the program, so far
	rsa  *rsaWork
}

const (
	idleTime  = time.Second / 2
	quietTime = 50 * time.Millisecond
	quietCPU  = time.Millisecond // in quietTime, at most
	quietWait = 2 * time.Second  // background work of the program may never let it be so quiet
)

// idle is the CPU seconds that the program uses in a second while nothing moves.
func (m *meter) idle(ctx context.Context) (float64, error) {
	if err := m.quiet(ctx); err != nil {
		return 0, err
	}
	used, err := m.during(func() error { return pause(ctx, idleTime) })
	return used.Seconds() / idleTime.Seconds(), err
}

// during is the CPU that the program uses while do runs.
func (m *meter) during(do func() error) (time.Duration, error) {
	before, err := m.cpu()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := m.cpu()
	return after - before, err
}

// quiet waits until the program has done what it still had to do, such as noting that a receipt was sent.
func (m *meter) quiet(ctx context.Context) error {
	for until := time.Now().Add(quietWait); time.Now().Before(until); {
		used, err := m.during(func() error { return pause(ctx, quietTime) })
		if err != nil || used <= quietCPU {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// rounds measures n exchanges over kept connections and n over fresh ones, in turns, so that the two share the machine's moods.
func (m *meter) rounds(ctx context.Context, n int, limit time.Duration) (kept, fresh []Round, err error) {
	parts := min(rounds, n)
	for i := range parts {
		for _, way := range []struct {
			rounds *[]Round
			fresh  bool
		}{{&kept, false}, {&fresh, true}} {
			r, err := m.round(ctx, share(n, parts, i), limit/time.Duration(parts), way.fresh)
			if err != nil {
				return nil, nil, err
			}
			*way.rounds = append(*way.rounds, r)
		}
	}
	return kept, fresh, nil
}

func (m *meter) round(ctx context.Context, n int, limit time.Duration, fresh bool) (Round, error) {
	var sent int
	sample := m.rsa.start()
	began := time.Now()
	used, err := m.during(func() (err error) {
		if sent, err = m.load.exchange(ctx, n, limit, fresh); err != nil {
			return err
		}
		return m.quiet(ctx)
	})
	wall := time.Since(began)
	sign, verify, rsaErr := sample.stop()
	if err := errors.Join(err, rsaErr); err != nil {
		return Round{}, err
	}
	return Round{sent, wall.Seconds(), milliseconds(used) / float64(sent), milliseconds(sign), milliseconds(verify)}, nil
}

// latency measures n exchanges one by one on the idle system, and after each a sync of the same disk.
func (m *meter) latency(ctx context.Context, dir string, n int, limit time.Duration) (Latency, error) {
	f, err := os.Create(filepath.Join(dir, "fdatasync"))
	if err != nil {
		return Latency{}, err
	}
	defer f.Close()
	if err := m.load.senders[0].idle(); err != nil {
		return Latency{}, err
	}
	var announced, synced []time.Duration
	for until := time.Now().Add(limit); len(announced) < n && (time.Now().Before(until) || len(announced) == 0); {
		a, err := m.load.timed()
		if err != nil {
			return Latency{}, err
		}
		if err := m.quiet(ctx); err != nil {
			return Latency{}, err
		}
		s, err := timedSync(f)
		if err != nil {
			return Latency{}, err
		}
		announced, synced = append(announced, a), append(synced, s)
	}
	return newLatency(announced, synced), m.load.senders[0].endIdle()
}

// timed is the time from the end of DATA of one message to its acceptance announced in IDLE. It returns when the delivery
// receipt is there too.
func (l *load) timed() (time.Duration, error) {
	in, to := l.senders[0], l.beta.Mailboxes[0].Address
	end, err := l.kept[0].send(to, compose(in.address, to, time.Now()))
	if err != nil {
		return 0, err
	}
	announced, err := in.exists(in.want + 1)
	if err != nil {
		return 0, err
	}
	in.want += 2
	l.service.want++
	_, err = in.exists(in.want)
	return announced.Sub(end), err
}

// timedSync appends 4 KB and syncs them.
func timedSync(f *os.File) (time.Duration, error) {
	began := time.Now()
	if _, err := f.Write(make([]byte, 4<<10)); err != nil {
		return 0, err
	}
	if err := fdatasync(f); err != nil {
		return 0, fmt.Errorf("fdatasync: %w", err)
	}
	return time.Since(began), nil
}

package bench

import (
	"context"
	"time"
)

// meter measures a load while it runs.
type meter struct {
	*load
	child *child
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
	before, err := m.child.cpu()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := m.child.cpu()
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

// cost is the CPU of one of the exchanges that do makes, until the program is quiet again, and how many it made.
func (m *meter) cost(ctx context.Context, do func() (int, error)) (each time.Duration, n int, err error) {
	used, err := m.during(func() (err error) {
		if n, err = do(); err != nil {
			return err
		}
		return m.quiet(ctx)
	})
	if err != nil {
		return 0, n, err
	}
	return used / time.Duration(n), n, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// meter measures a load while it runs.
type meter struct {
	*load
	child  *child
	server int // first process of the database server; 0: there is none, or it is not known
}

// cpu is what was used. There is none of the database server where the meter does not know its process.
type cpu struct{ child, server time.Duration }

const (
	idleTime  = time.Second / 2
	quietTime = 50 * time.Millisecond
	quietCPU  = time.Millisecond // in quietTime, at most
	quietWait = 2 * time.Second  // background work of the program may never let it be so quiet
)

// idle is the CPU seconds that the program, and the database server, use in a second while nothing moves.
func (m *meter) idle(ctx context.Context) (child, server float64, err error) {
	if err := m.quiet(ctx); err != nil {
		return 0, 0, err
	}
	used, err := m.during(func() error { return pause(ctx, idleTime) })
	return used.child.Seconds() / idleTime.Seconds(), used.server.Seconds() / idleTime.Seconds(), err
}

// during is the CPU that is used while do runs.
func (m *meter) during(do func() error) (cpu, error) {
	before, err := m.cpu()
	if err != nil {
		return cpu{}, err
	}
	if err := do(); err != nil {
		return cpu{}, err
	}
	after, err := m.cpu()
	return cpu{after.child - before.child, after.server - before.server}, err
}

// cpu is what has been used so far.
func (m *meter) cpu() (c cpu, err error) {
	if c.child, err = m.child.cpu(); err == nil && m.server != 0 {
		c.server, err = familyCPU(m.server)
	}
	return c, err
}

// quiet waits until the program has done what it still had to do, such as noting that a receipt was sent.
func (m *meter) quiet(ctx context.Context) error {
	for until := time.Now().Add(quietWait); time.Now().Before(until); {
		before, errBefore := m.child.cpu()
		err := pause(ctx, quietTime)
		after, errAfter := m.child.cpu()
		if err := errors.Join(errBefore, err, errAfter); err != nil || after-before <= quietCPU {
			return err
		}
	}
	return nil
}

// cost is the CPU of one of the exchanges that do makes, until the program is quiet again, and how many it made.
func (m *meter) cost(ctx context.Context, do func() (int, error)) (each cpu, n int, err error) {
	used, err := m.during(func() (err error) {
		if n, err = do(); err != nil {
			return err
		}
		return m.quiet(ctx)
	})
	if err != nil {
		return cpu{}, n, err
	}
	if m.server != 0 && used.server <= 0 {
		return cpu{}, n, fmt.Errorf("process %d used no CPU for %d exchanges: it is not the server of their database", m.server, n)
	}
	return cpu{used.child / time.Duration(n), used.server / time.Duration(n)}, n, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

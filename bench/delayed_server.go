package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// delayServer takes the flows of one sandbox in turns, the plain ones alone and the others while strace is attached to the
// database server.
func (b *bench) delayServer(ctx context.Context, strace, log string, d *Delayed) error {
	if b.DatabasePID == 0 {
		return errNotKnown
	}
	return b.within(ctx, func(ctx context.Context, m *meter) error {
		for range b.sizes.delayedRounds {
			if err := b.serverRound(ctx, m, strace, log, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) serverRound(ctx context.Context, m *meter, strace, log string, d *Delayed) (err error) {
	var r DelayedRound
	if r.Plain, err = m.flow(ctx, b.delayedWindow()); err != nil {
		return err
	}
	if r.Traced, _, err = b.attachedFlow(ctx, m, strace, syncOptions(log, noDelay)); err != nil {
		return err
	}
	before, err := b.checkAll(ctx, m.child)
	if err != nil {
		return err
	}
	if r.Delayed, r.Tracer, err = b.attachedFlow(ctx, m, strace, syncOptions(log, syncDelay)); err != nil {
		return err
	}
	after, err := b.checkAll(ctx, m.child)
	if err != nil {
		return err
	}
	syncs, err := countSyncs(log)
	d.Rounds, d.Syncs, d.Facts = append(d.Rounds, r), d.Syncs+syncs, d.Facts+after-before
	return err
}

// attachedFlow is a flow while strace is at the database server, and the cores that strace used.
func (b *bench) attachedFlow(ctx context.Context, m *meter, strace string, options []string) (f *Flow, cores float64, err error) {
	t, err := attach(ctx, strace, options, b.DatabasePID)
	if err != nil {
		return nil, 0, err
	}
	f, cores, err = tracedFlow(ctx, m, t.cmd.Process.Pid, b.delayedWindow())
	return f, cores, errors.Join(err, t.detach())
}

// tracer is a strace at processes that go on when it ends.
type tracer struct {
	cmd   *exec.Cmd
	end   context.CancelFunc
	ended chan struct{}
	err   error // of its end; read after ended is closed
	said  *tail
}

const attachTime = 10 * time.Second

// attach returns when strace is at a process and all its children. It follows those that are made later.
func attach(ctx context.Context, strace string, options []string, pid int) (*tracer, error) {
	members, err := family(pid)
	if err != nil {
		return nil, err
	}
	for _, s := range members {
		options = append(options, "-p", strconv.Itoa(s.pid))
	}
	ctx, end := context.WithCancel(ctx)
	t := &tracer{cmd: exec.CommandContext(ctx, strace, options...), end: end, ended: make(chan struct{}), said: &tail{}}
	t.cmd.Cancel = func() error { return t.cmd.Process.Signal(syscall.SIGTERM) }
	t.cmd.WaitDelay = stopTime
	t.cmd.Stderr = t.said
	endsWithUs(t.cmd) // or the server would stay slow
	if err := t.cmd.Start(); err != nil {
		end()
		return nil, err
	}
	go func() {
		defer close(t.ended)
		t.err = t.cmd.Wait()
	}()
	if err := t.everywhere(ctx, pid); err != nil {
		return nil, errors.Join(fmt.Errorf("attaching strace to the database server: %w", err), t.detach())
	}
	return t, nil
}

// everywhere waits until strace is at every process of the family. One that was made before strace was at its parent, and
// after it was told of the children, is never traced.
func (t *tracer) everywhere(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, attachTime)
	defer cancel()
	for {
		missing, err := t.missing(pid)
		if err != nil || missing == 0 {
			return err
		}
		select {
		case <-t.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("it is not at process %d: %w", missing, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// missing is one of the family that strace is not at, or 0.
func (t *tracer) missing(pid int) (int, error) {
	members, err := family(pid)
	if err != nil {
		return 0, err
	}
	for _, s := range members {
		traced, err := tracedBy(s.pid, t.cmd.Process.Pid)
		if err != nil || !traced {
			return s.pid, err
		}
	}
	return 0, nil
}

// detach ends strace, which lets go of all processes. That it had ended by itself is an error.
func (t *tracer) detach() error {
	select {
	case <-t.ended:
		t.end()
		said := t.said.String() // a line for each process
		return fmt.Errorf("strace ended: %w: %s", t.err, said[strings.LastIndexByte(said, '\n')+1:])
	default:
	}
	t.end()
	<-t.ended
	return nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ceralacca/ceralacca/sandbox"
)

const (
	startTime = time.Minute      // for keys, certificates and mailboxes of a new sandbox
	stopTime  = 15 * time.Second // from SIGTERM to kill
	lookEvery = 20 * time.Millisecond
)

// launch is how a sandbox is started.
type launch struct {
	program   string
	dir       string   // what an earlier one left in it goes on
	database  string   // URL; "": everything is in dir
	mailboxes int      // of each provider
	under     []string // the command that starts the program in its turn, such as strace with its options
}

// child is a running sandbox.
type child struct {
	launch
	contract sandbox.Contract
	cmd      *exec.Cmd
	pid      atomic.Int64 // the sandbox's own; until it is known, that of the command
	end      context.CancelFunc
	ended    chan struct{}
	err      error // of its end; read after ended is closed
	said     *tail
}

// startChild returns when everything in the sandbox answers.
func startChild(ctx context.Context, l launch) (*child, error) {
	ctx, end := context.WithCancel(ctx)
	c := &child{launch: l, end: end, ended: make(chan struct{}), said: &tail{}}
	if err := c.start(ctx); err != nil {
		end()
		return nil, fmt.Errorf("starting the sandbox: %w", err)
	}
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the sandbox: %w", err), c.stop())
	}
	return c, nil
}

func (c *child) start(ctx context.Context) error {
	// A sandbox that was killed has left the description of services that are gone.
	if err := os.Remove(c.description()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	command := append(slices.Clone(c.under), c.program, "sandbox", "--dir", c.dir, "--base-port", "0", "--mailboxes", strconv.Itoa(c.mailboxes))
	if c.database != "" {
		command = append(command, "--database", c.database)
	}
	c.cmd = exec.CommandContext(ctx, command[0], command[1:]...)
	c.cmd.Cancel = func() error { return c.signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopTime
	c.cmd.Stderr = c.said
	inGroup(c.cmd)
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.pid.Store(int64(c.cmd.Process.Pid))
	go func() {
		defer close(c.ended)
		c.err = c.cmd.Wait()
	}()
	return nil
}

func (c *child) description() string { return filepath.Join(c.dir, "sandbox.json") }

// ready waits for sandbox.json, which is written when everything answers (design.md 9).
func (c *child) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		var err error
		if c.contract, err = sandbox.ReadContract(c.description()); err == nil {
			break
		}
		select {
		case <-c.ended:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", ctx.Err())
		case <-time.After(lookEvery):
		}
	}
	if len(c.contract.Providers) != 2 {
		return fmt.Errorf("it has %d providers, not 2", len(c.contract.Providers))
	}
	c.pid.Store(int64(c.contract.PID))
	return nil
}

// cpu is what the sandbox has used so far.
func (c *child) cpu() (time.Duration, error) { return processCPU(int(c.pid.Load())) }

func (c *child) signal(s os.Signal) error {
	p, err := os.FindProcess(int(c.pid.Load()))
	if err != nil {
		return err
	}
	return p.Signal(s)
}

// stop ends the child, and tells what it said if its end was not an orderly one.
func (c *child) stop() error {
	c.end()
	<-c.ended
	var err error
	if len(c.under) > 0 {
		err = killGroup(c.cmd.Process.Pid) // what the command started may have outlived it
	}
	if c.err == nil || errors.Is(c.err, context.Canceled) {
		return err
	}
	return errors.Join(err, fmt.Errorf("the sandbox ended: %w; the last that it said: %s", c.err, c.said))
}

// kill ends the child as a fault of the machine would: it has no time for anything.
func (c *child) kill() error {
	err := c.signal(os.Kill)
	<-c.ended
	c.end()
	return err
}

// tail keeps the end of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailLength = 2000

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailLength):]
	return len(p), nil
}

// String implements fmt.Stringer.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

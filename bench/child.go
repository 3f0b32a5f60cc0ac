package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ceralacca/ceralacca/sandbox"
)

const (
	startTime = time.Minute      // for keys, certificates and mailboxes of a new sandbox
	stopTime  = 15 * time.Second // from SIGTERM to kill
	lookEvery = 20 * time.Millisecond
)

// child is a running sandbox.
type child struct {
	dir      string
	contract sandbox.Contract
	pid      int
	end      context.CancelFunc
	ended    chan struct{}
	err      error // of its end; read after ended is closed
	said     *tail
}

// startChild returns when everything in the sandbox answers.
func startChild(ctx context.Context, program, dir string) (*child, error) {
	ctx, end := context.WithCancel(ctx)
	c := &child{dir: filepath.Join(dir, "sandbox"), end: end, ended: make(chan struct{}), said: &tail{}}
	cmd := exec.CommandContext(ctx, program, "sandbox", "--dir", c.dir, "--base-port", "0", "--mailboxes", strconv.Itoa(connections))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	cmd.Stderr = c.said
	if err := cmd.Start(); err != nil {
		end()
		return nil, fmt.Errorf("starting the sandbox: %w", err)
	}
	c.pid = cmd.Process.Pid
	go func() {
		defer close(c.ended)
		c.err = cmd.Wait()
	}()
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the sandbox: %w", err), c.stop())
	}
	return c, nil
}

// ready waits for sandbox.json, which is written when everything answers (design.md 9).
func (c *child) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		var err error
		if c.contract, err = sandbox.ReadContract(filepath.Join(c.dir, "sandbox.json")); err == nil {
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
	return nil
}

// cpu is what the child has used so far.
func (c *child) cpu() (time.Duration, error) { return processCPU(c.pid) }

// stop ends the child, and tells what it said if its end was not an orderly one.
func (c *child) stop() error {
	c.end()
	<-c.ended
	if c.err == nil || errors.Is(c.err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("the sandbox ended: %w; the last that it said: %s", c.err, c.said)
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

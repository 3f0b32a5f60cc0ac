package faults

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is the program serving one provider.
type process struct {
	cmd   *exec.Cmd
	log   *os.File
	limit *time.Timer
	ended chan error
}

// serve starts the program with its log in a new file. After 30 s it has to show its goroutines and to end.
func serve(log string, command ...string) (*process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(command[0], command[1:]...), log: f, ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%q: %w", command, err)
	}
	p.limit = time.AfterFunc(30*time.Second, func() { p.cmd.Process.Signal(syscall.SIGQUIT) })
	go func() { p.ended <- p.cmd.Wait() }()
	return p, nil
}

// whenRunning returns when the provider says that it runs; an error if it has ended.
func (p *process) whenRunning() error {
	if err := whenTrue(p.ended, func() bool { return strings.Contains(content(p.log), "the provider is running") }); err != nil {
		return fmt.Errorf("starting: %w\n%s", err, clip(content(p.log)))
	}
	return nil
}

// wait waits for the end, and returns the exit status and all that was said.
func (p *process) wait() (status int, said string) {
	p.ended <- <-p.ended
	p.limit.Stop()
	defer p.log.Close()
	return p.cmd.ProcessState.ExitCode(), content(p.log)
}

// stop asks the process to end, which it must do with status 0.
func (p *process) stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself: the status tells
	if status, said := p.wait(); status != 0 {
		return fmt.Errorf("it ends with status %d\n%s", status, clip(said))
	}
	return nil
}

package postgrestest

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

//go:embed supervise.sh
var superviseScript string

// supervisor is the shell that keeps one server and outlives the test process for as long as it takes to end it.
type supervisor struct {
	dir string
	cmd *exec.Cmd

	mu      sync.Mutex // held from an order to its answer
	orders  io.WriteCloser
	answers *bufio.Reader
}

func newSupervisor() (*supervisor, error) {
	bin, err := serverPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgrestest-")
	if err != nil {
		return nil, err
	}
	v := &supervisor{dir: dir, cmd: exec.Command("sh", "-c", superviseScript, "supervise", bin, dir)}
	if err := v.run(); err != nil {
		return nil, fmt.Errorf("start the shell that keeps the server: %w", removing(dir, err))
	}
	return v, nil
}

// removing tells err, after the directory that it makes useless is gone.
func removing(dir string, err error) error {
	if failed := os.RemoveAll(dir); failed != nil {
		return fmt.Errorf("%w (and %w)", err, failed)
	}
	return err
}

func (v *supervisor) run() error {
	v.cmd.Dir = v.dir // the server's user may not enter ours
	v.cmd.Env = withoutPG(os.Environ())
	if err := detach(v.cmd, v.dir); err != nil {
		return err
	}
	orders, err := v.cmd.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := v.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	v.orders, v.answers = orders, bufio.NewReader(answers)
	return v.cmd.Start()
}

// withoutPG takes away what libpq would add to what it is told.
func withoutPG(environment []string) []string {
	return slices.DeleteFunc(environment, func(variable string) bool { return strings.HasPrefix(variable, "PG") })
}

// order has one of the script's functions called.
func (v *supervisor) order(order string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, err := io.WriteString(v.orders, order+"\n"); err != nil {
		return fmt.Errorf("%s: %w", order, err)
	}
	answer, err := v.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s: the shell that keeps the server has ended: %w", order, err)
	}
	if answer != "done\n" {
		return fmt.Errorf("%s: failed; the server's log:\n%s", order, v.logSince(0))
	}
	return nil
}

// end ends the server and waits until all is gone.
func (v *supervisor) end() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.orders.Close(); err != nil {
		return err
	}
	// The script's last command may fail to remove what lies in a directory that is ours only.
	waited := v.cmd.Wait()
	if err := os.RemoveAll(v.dir); err != nil {
		return fmt.Errorf("%w (the shell that keeps the server: %v)", err, waited)
	}
	return nil
}

// logged returns how many octets the server has logged.
func (v *supervisor) logged() int64 {
	info, err := os.Stat(filepath.Join(v.dir, "log"))
	if err != nil {
		return 0 // nothing yet
	}
	return info.Size()
}

// logSince returns what the server logged after its first octets, the last 64 KiB at most.
func (v *supervisor) logSince(first int64) string {
	const atMost = 64 << 10
	file, err := os.Open(filepath.Join(v.dir, "log"))
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, max(first, v.logged()-atMost), atMost))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

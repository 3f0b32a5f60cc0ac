package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Options say what is measured and for how long.
type Options struct {
	Program   string        // path of the built program
	Exchanges int           // for P1, and as many for P1b; at most 200 of them for P7
	Limit     time.Duration // a measure sends nothing more after this time; what is under way may take as long again
	Dir       string        // where the temporary directory is made: the disk that is measured; "" is the system's
}

const (
	connections = 16 // open and authenticated, each with a mailbox of its own (design.md 8)
	rounds      = 5
	warmUp      = 4 * connections // exchanges before the first round
	maxTimed    = 200             // exchanges for P7
)

// Run measures. It fails if the program does not start, refuses or loses a message, or answers nothing for half a minute;
// a goal that is missed is no error.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Exchanges < 1 || o.Limit <= 0 {
		return nil, errors.New("bench: exchanges and time limit must be positive")
	}
	if _, err := processCPU(os.Getpid()); err != nil {
		return nil, fmt.Errorf("bench: reading the CPU of a process: %w", err)
	}
	dir, err := os.MkdirTemp(o.Dir, "ceralacca-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	report := &Report{
		Machine:    Machine{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU()},
		Operations: Operations{signatures, verifications, chains},
	}
	err = runIn(ctx, dir, o, report)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return report, nil
}

func runIn(ctx context.Context, dir string, o Options, report *Report) error {
	var err error
	if report.Floor, err = measureFloor(); err != nil {
		return err
	}
	c, err := startChild(ctx, o.Program, dir)
	if err != nil {
		return err
	}
	return errors.Join(measure(ctx, c, o, report), c.stop())
}

// measure fills the report from a child that runs.
func measure(ctx context.Context, c *child, o Options, report *Report) error {
	l, err := openLoad(ctx, c.dir, c.contract)
	if err != nil {
		return err
	}
	defer l.close()
	m := &meter{load: l, cpu: c.cpu}
	if m.rsa, err = newRSAWork(c.dir, c.contract); err != nil {
		return err
	}
	if _, err := l.exchange(ctx, warmUp, o.Limit, false); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	if report.IdleCPU, err = m.idle(ctx); err != nil {
		return err
	}
	if report.Kept, report.Fresh, err = m.rounds(ctx, o.Exchanges, o.Limit); err != nil {
		return fmt.Errorf("measuring P1 and P1b: %w", err)
	}
	report.Latency, err = m.latency(ctx, filepath.Dir(c.dir), min(o.Exchanges, maxTimed), o.Limit)
	if err != nil {
		return fmt.Errorf("measuring P7: %w", err)
	}
	report.judge()
	return nil
}

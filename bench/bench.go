package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Options say what is measured and for how long.
type Options struct {
	Program   string        // path of the built program
	Only      []string      // names of measures; without any, all are taken
	Exchanges int           // for P1, and as many for P1b; at most 200 of them for P7
	Limit     time.Duration // P1, P1b, P3 and P7 send nothing more after this time; what is under way may take as long again
	Sustain   time.Duration // P2 sends for so long; P4 for a sixth of it, six times, nine with a database server; Postfix for a sixth, three times
	Kills     int           // for P10
	Postfix   bool          // measure a Postfix beside the program
	Dir       string        // where the temporary directory is made: the disk that is measured; "" is the system's

	// Database is the URL of a PostgreSQL database that the sandboxes keep their data in, each in schemas of its own, which are
	// removed at its end; "" is SQLite. DatabasePID is the first process of its server on this machine: what needs it is not
	// taken if it is 0.
	Database    string
	DatabasePID int

	Progress io.Writer // told what begins; nil is nobody

	sizes *sizes // of the package's tests; nil is what the measures ask for
}

const (
	rounds   = 5
	maxTimed = 200 // exchanges for P7
)

// sizes are what a test of the package cannot wait for.
type sizes struct {
	floorTime     time.Duration // of a figure of the floor, in each of its rounds
	connections   int           // open and authenticated, each with a mailbox of its own
	warmUp        int           // exchanges before a measure
	volumeRounds  int           // of P3
	delayedRounds int           // of P4
	large, bulky  int64         // octets of a message of P3 and of P8
	calm          time.Duration
}

// fullSizes are those of design.md 8.
func fullSizes() *sizes {
	return &sizes{
		floorTime: floorTime, connections: 16, warmUp: 64, volumeRounds: rounds, delayedRounds: delayedRounds,
		large: largeOctets, bulky: bulkyOctets, calm: calmTime,
	}
}

// measurement takes the measures of those names, which share a load.
type measurement struct {
	names []string
	take  func(*bench, context.Context) ([]Measure, error)
}

func measurements() []measurement {
	return []measurement{
		{[]string{"P1", "P1b"}, (*bench).takeRounds},
		{[]string{"P2"}, (*bench).takeSustained},
		{[]string{"P3"}, (*bench).takeVolume},
		{[]string{"P4"}, (*bench).takeDelayed},
		{[]string{"P7"}, (*bench).takeLatency},
		{[]string{"P8"}, (*bench).takeMemory},
		{[]string{"P10"}, (*bench).takeKills},
	}
}

// Names are the measures that can be taken.
func Names() []string {
	var names []string
	for _, m := range measurements() {
		names = append(names, m.names...)
	}
	return names
}

// bench is one run.
type bench struct {
	Options
	dir    string
	report *Report
}

// Run takes the measures. A goal that is missed is no error, and a measure that fails is one in the report only
// (Report.Err). Run itself fails if the options are wrong, nothing can be measured at all, or ctx ends.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	storage, err := o.storage()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if _, err := processCPU(os.Getpid()); err != nil {
		return nil, fmt.Errorf("bench: reading the CPU of a process: %w", err)
	}
	dir, err := os.MkdirTemp(o.Dir, "ceralacca-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if o.sizes == nil {
		o.sizes = fullSizes()
	}
	b := &bench{Options: o, dir: dir, report: &Report{
		Machine:    Machine{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU()},
		Operations: Operations{signatures, verifications, chains},
		Storage:    storage,
	}}
	if err := errors.Join(b.run(ctx), os.RemoveAll(dir)); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return b.report, nil
}

func (o Options) check() error {
	if o.Exchanges < 1 || o.Limit <= 0 || o.Sustain <= 0 || o.Kills < 1 {
		return errors.New("exchanges, kills and times must be positive")
	}
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("there is no measure %q: there are %q", name, Names())
		}
	}
	return nil
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.report.Floor, err = measureFloor(b.sizes.floorTime); err != nil {
		return err
	}
	for _, m := range measurements() {
		if !slices.ContainsFunc(m.names, b.wants) {
			continue
		}
		b.tell("measuring %v", m.names)
		measures, err := m.take(b, ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b.add(m.names, measures, err)
	}
	if b.Postfix {
		b.tell("measuring Postfix")
		b.report.Postfix = b.takePostfix(ctx)
	}
	return ctx.Err()
}

func (b *bench) wants(name string) bool { return len(b.Only) == 0 || slices.Contains(b.Only, name) }

// add puts the measures that are wanted into the report, or that they were not taken.
func (b *bench) add(names []string, measures []Measure, err error) {
	if err != nil {
		measures = nil
		for _, name := range names {
			measures = append(measures, Measure{Name: name, NotTaken: err.Error()})
		}
		if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, errNotKnown) {
			b.report.failed = append(b.report.failed, fmt.Errorf("measuring %v: %w", names, err))
		}
	}
	for _, m := range measures {
		if b.wants(m.Name) {
			b.report.Measures = append(b.report.Measures, m)
		}
	}
}

func (b *bench) tell(format string, args ...any) {
	if b.Progress != nil {
		fmt.Fprintf(b.Progress, format+"\n", args...)
	}
}

// launch is how a new sandbox is started in a directory of that name.
func (b *bench) launch(name string) launch {
	return launch{program: b.Program, dir: filepath.Join(b.dir, name), database: b.Database, mailboxes: b.sizes.connections}
}

// within runs do on a new sandbox that is warm and has everybody connected. The sandbox and its data are gone afterwards.
func (b *bench) within(ctx context.Context, do func(context.Context, *meter) error) error {
	return b.inside(ctx, "sandbox", nil, do)
}

// inside is within, in a directory of that name and under that command.
func (b *bench) inside(ctx context.Context, name string, under []string, do func(context.Context, *meter) error) (err error) {
	l := b.launch(name)
	l.under = under
	defer func() { err = errors.Join(err, l.remove(ctx)) }()
	c, err := startChild(ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	people, err := openLoad(ctx, c.dir, c.contract)
	if err != nil {
		return err
	}
	defer people.close()
	m := &meter{people, c, b.report.Storage.PID}
	if err := m.warm(ctx, b.sizes.warmUp); err != nil {
		return err
	}
	return do(ctx, m)
}

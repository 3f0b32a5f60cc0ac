package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Delayed is what P4 rests on: two sandboxes in turns, one of them under strace, which delays the return of every fsync
// and fdatasync by 10 ms; or one sandbox whose database server has strace at it in every other flow. Syncs and facts are
// those of all delayed flows, at both providers.
type Delayed struct {
	Rounds []DelayedRound `json:"rounds"`
	Syncs  int            `json:"syncs"`
	Facts  int            `json:"facts"`
}

// DelayedRound is a flow without and one with delays. Tracer is the cores that strace itself used in the second. A strace
// at a database server stops it at every system call: Traced is a flow with strace there and no delay.
type DelayedRound struct {
	Plain   *Flow   `json:"plain"`
	Traced  *Flow   `json:"traced,omitempty"`
	Delayed *Flow   `json:"delayed"`
	Tracer  float64 `json:"strace_cores"`
}

func (d *Delayed) measures(s Storage) []Measure {
	whose := ""
	if s.Engine == enginePostgres {
		whose = " of the database server"
	}
	values := each(d.Rounds, func(r DelayedRound) float64 { return r.Delayed.rate() / r.Plain.rate() })
	return []Measure{
		spread("P4", "exchanges/s with every sync"+whose+" 10 ms longer / without", values, atLeast(0.8)),
		single("P4", "syncs"+whose+" per fact, with that delay", "", float64(d.Syncs)/float64(d.Facts), atMost(0.1)),
	}
}

const (
	delayedRounds  = 3
	sustainedParts = 2 * delayedRounds // of the time of P2, each flow has one
	leastWindow    = time.Second / 2
)

// takeDelayed measures P4.
func (b *bench) takeDelayed(ctx context.Context) ([]Measure, error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return nil, err
	}
	d := &Delayed{}
	take := b.delayProgram
	if b.report.Storage.Engine == enginePostgres {
		take = b.delayServer
	}
	if err := take(ctx, strace, filepath.Join(b.dir, "syncs"), d); err != nil {
		return nil, err
	}
	if d.Syncs <= 0 || d.Facts <= 0 {
		return nil, fmt.Errorf("%d syncs and %d facts were counted", d.Syncs, d.Facts)
	}
	b.report.Delayed = d
	return d.measures(b.report.Storage), nil
}

const (
	syncDelay = 10 * time.Millisecond // design.md 8, P4
	noDelay   = time.Microsecond      // the least that strace knows
)

// syncOptions let every sync of what strace traces take so much longer and be a line in the log.
func syncOptions(log string, delay time.Duration) []string {
	const syncs = "fsync,fdatasync"
	inject := fmt.Sprintf("inject=%s:delay_exit=%d", syncs, delay.Microseconds())
	return []string{"-f", "-qq", "-o", log, "-e", "signal=none", "-e", "trace=" + syncs, "-e", inject}
}

// delayProgram takes the flows of two sandboxes in turns, of which one runs under strace. With --seccomp-bpf other system
// calls do not stop for that.
func (b *bench) delayProgram(ctx context.Context, strace, log string, d *Delayed) error {
	under := append([]string{strace, "--seccomp-bpf"}, syncOptions(log, syncDelay)...)
	return b.within(ctx, func(ctx context.Context, plain *meter) error {
		return b.inside(ctx, "delayed", under, func(ctx context.Context, delayed *meter) error {
			return b.delayedRounds(ctx, plain, delayed, log, d)
		})
	})
}

// delayedWindow is how long each flow lasts.
func (b *bench) delayedWindow() time.Duration { return max(b.Sustain/sustainedParts, leastWindow) }

func (b *bench) delayedRounds(ctx context.Context, plain, delayed *meter, log string, d *Delayed) error {
	before, err := b.ledger(ctx, delayed.child, log)
	if err != nil {
		return err
	}
	for range b.sizes.delayedRounds {
		r, err := delayedRound(ctx, plain, delayed, b.delayedWindow())
		if err != nil {
			return err
		}
		d.Rounds = append(d.Rounds, r)
	}
	after, err := b.ledger(ctx, delayed.child, log)
	d.Syncs, d.Facts = after.syncs-before.syncs, after.facts-before.facts
	return err
}

func delayedRound(ctx context.Context, plain, delayed *meter, window time.Duration) (r DelayedRound, err error) {
	if r.Plain, err = plain.flow(ctx, window); err != nil {
		return r, err
	}
	r.Delayed, r.Tracer, err = tracedFlow(ctx, delayed, delayed.child.cmd.Process.Pid, window)
	return r, err
}

// tracedFlow is a flow with delays, and the cores that strace used meanwhile.
func tracedFlow(ctx context.Context, m *meter, strace int, window time.Duration) (f *Flow, cores float64, err error) {
	before, err := processCPU(strace)
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	if f, err = m.flow(ctx, window); err != nil {
		return nil, 0, fmt.Errorf("with delays: %w", err)
	}
	after, err := processCPU(strace)
	return f, (after - before).Seconds() / time.Since(began).Seconds(), err
}

// ledger is how much was done so far.
type ledger struct{ syncs, facts int }

func (b *bench) ledger(ctx context.Context, c *child, log string) (l ledger, err error) {
	if l.facts, err = b.checkAll(ctx, c); err != nil {
		return l, err
	}
	l.syncs, err = countSyncs(log)
	return l, err
}

// countSyncs counts the syncs that have returned. Each must have been delayed.
func countSyncs(log string) (n int, err error) {
	f, err := os.Open(log)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		_, result, returned := bytes.Cut(lines.Bytes(), []byte(" = "))
		if !returned {
			continue // it is under way, or the process has ended
		}
		if !bytes.Equal(result, []byte("0 (DELAYED)")) {
			return 0, fmt.Errorf("strace says %q where a sync was to be delayed", lines.Text())
		}
		n++
	}
	return n, lines.Err()
}

// checkAll runs `ceralacca check` for both providers and returns how many facts they have. A violation is an error.
func (b *bench) checkAll(ctx context.Context, c *child) (facts int, err error) {
	for _, p := range c.contract.Providers {
		cmd := exec.CommandContext(ctx, b.Program, "check", "--config", filepath.Join(c.dir, p.ConfigFile))
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return 0, errors.Join(fmt.Errorf("checking %s: %w", p.Name, err), errors.New(lastOf(string(out)+said.String())))
		}
		n, err := parseFacts(string(out))
		if err != nil {
			return 0, err
		}
		facts += n
	}
	return facts, nil
}

func lastOf(text string) string {
	t := &tail{}
	t.Write([]byte(text)) // it never fails
	return t.String()
}

// parseFacts reads the last line of `ceralacca check`, which is all that it says of sound data.
func parseFacts(said string) (n int, err error) {
	if _, err := fmt.Sscanf(said, "%d facts, ", &n); err != nil {
		return 0, fmt.Errorf("check said %q: %w", said, err)
	}
	return n, nil
}

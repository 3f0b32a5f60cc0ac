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
// and fdatasync by 10 ms. Syncs and facts are those of all delayed flows, at both providers.
type Delayed struct {
	Rounds []DelayedRound `json:"rounds"`
	Syncs  int            `json:"syncs"`
	Facts  int            `json:"facts"`
}

// DelayedRound is a flow without and one with delays. Tracer is the cores that strace itself used in the second.
type DelayedRound struct {
	Plain   *Flow   `json:"plain"`
	Delayed *Flow   `json:"delayed"`
	Tracer  float64 `json:"strace_cores"`
}

func (d *Delayed) measures() []Measure {
	values := each(d.Rounds, func(r DelayedRound) float64 { return r.Delayed.rate() / r.Plain.rate() })
	return []Measure{
		spread("P4", "exchanges/s with every sync 10 ms longer / without", values, atLeast(0.8)),
		single("P4", "syncs per fact, with that delay", "", float64(d.Syncs)/float64(d.Facts), atMost(0.1)),
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
	log := filepath.Join(b.dir, "syncs")
	err = b.within(ctx, func(ctx context.Context, plain *meter) error {
		return b.inside(ctx, "delayed", straced(strace, log), func(ctx context.Context, delayed *meter) error {
			return b.delayedRounds(ctx, plain, delayed, log, d)
		})
	})
	if err != nil {
		return nil, err
	}
	b.report.Delayed = d
	return d.measures(), nil
}

// straced runs a program so that every sync takes 10 ms longer and is a line in the log. With --seccomp-bpf other system
// calls do not stop for strace.
func straced(strace, log string) []string {
	const syncs = "fsync,fdatasync"
	return []string{strace, "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", "signal=none", "-e", "trace=" + syncs, "-e", "inject=" + syncs + ":delay_exit=10000"}
}

func (b *bench) delayedRounds(ctx context.Context, plain, delayed *meter, log string, d *Delayed) error {
	before, err := b.ledger(ctx, delayed.child, log)
	if err != nil {
		return err
	}
	window := max(b.Sustain/sustainedParts, leastWindow)
	for range b.sizes.delayedRounds {
		r, err := delayedRound(ctx, plain, delayed, window)
		if err != nil {
			return err
		}
		d.Rounds = append(d.Rounds, r)
	}
	after, err := b.ledger(ctx, delayed.child, log)
	if d.Syncs, d.Facts = after.syncs-before.syncs, after.facts-before.facts; err == nil && (d.Syncs <= 0 || d.Facts <= 0) {
		err = fmt.Errorf("%d syncs and %d facts were counted", d.Syncs, d.Facts)
	}
	return err
}

func delayedRound(ctx context.Context, plain, delayed *meter, window time.Duration) (r DelayedRound, err error) {
	if r.Plain, err = plain.flow(ctx, window); err != nil {
		return r, err
	}
	tracer := delayed.child.cmd.Process.Pid
	before, err := processCPU(tracer)
	if err != nil {
		return r, err
	}
	began := time.Now()
	if r.Delayed, err = delayed.flow(ctx, window); err != nil {
		return r, fmt.Errorf("with delays: %w", err)
	}
	after, err := processCPU(tracer)
	r.Tracer = (after - before).Seconds() / time.Since(began).Seconds()
	return r, err
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

package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Latency is from the end of DATA to the acceptance announced over IMAP IDLE, and 4 KB appended to a file and synced in
// the same directory, in turns; milliseconds of wall time.
type Latency struct {
	Exchanges    int     `json:"exchanges"`
	P50          float64 `json:"p50_ms"`
	P99          float64 `json:"p99_ms"`
	FdatasyncP50 float64 `json:"fdatasync_p50_ms"`
	FdatasyncP99 float64 `json:"fdatasync_p99_ms"`
}

func newLatency(announced, synced []time.Duration) *Latency {
	return &Latency{
		len(announced), milliseconds(quantile(announced, 0.5)), milliseconds(quantile(announced, 0.99)),
		milliseconds(quantile(synced, 0.5)), milliseconds(quantile(synced, 0.99)),
	}
}

func (l *Latency) measures() []Measure {
	const alone, syncs = 10, 6 // ms, and times p50 of fdatasync
	goal := atMost(alone + syncs*l.FdatasyncP50)
	const what = "end of DATA to acceptance over IDLE, "
	return []Measure{single("P7", what+"p50", unitOfMillis, l.P50, goal), single("P7", what+"p99", unitOfMillis, l.P99, goal)}
}

// takeLatency measures P7 in a sandbox that does nothing else.
func (b *bench) takeLatency(ctx context.Context) ([]Measure, error) {
	var l *Latency
	err := b.within(ctx, func(ctx context.Context, m *meter) (err error) {
		if err := m.quiet(ctx); err != nil {
			return err
		}
		l, err = m.latency(ctx, b.dir, min(b.Exchanges, maxTimed), b.Limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.report.Latency = l
	return l.measures(), nil
}

// latency measures n exchanges one by one on the idle system, and after each a sync of the same disk.
func (m *meter) latency(ctx context.Context, dir string, n int, limit time.Duration) (*Latency, error) {
	f, err := os.Create(filepath.Join(dir, "fdatasync"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := m.senders[0].idle(); err != nil {
		return nil, err
	}
	var announced, synced []time.Duration
	for until := time.Now().Add(limit); len(announced) < n && (time.Now().Before(until) || len(announced) == 0); {
		a, err := m.timed()
		if err != nil {
			return nil, err
		}
		if err := m.quiet(ctx); err != nil {
			return nil, err
		}
		s, err := timedSync(f)
		if err != nil {
			return nil, err
		}
		announced, synced = append(announced, a), append(synced, s)
	}
	return newLatency(announced, synced), m.senders[0].endIdle()
}

// timed is the time from the end of DATA of one message to its acceptance announced in IDLE. It returns when the delivery
// receipt is there too.
func (l *load) timed() (time.Duration, error) {
	in, to := l.senders[0], l.beta.Mailboxes[0].Address
	a, err := l.kept[0].send(to, compose(in.address, to, time.Now()))
	if err != nil {
		return 0, err
	}
	announced, err := in.exists(in.want + 1)
	if err != nil {
		return 0, err
	}
	in.want += 2
	l.service.want++
	_, err = in.exists(in.want)
	return announced.Sub(a.sent), err
}

// timedSync appends 4 KB and syncs them.
func timedSync(f *os.File) (time.Duration, error) {
	began := time.Now()
	if _, err := f.Write(make([]byte, 4<<10)); err != nil {
		return 0, err
	}
	if err := fdatasync(f); err != nil {
		return 0, fmt.Errorf("fdatasync: %w", err)
	}
	return time.Since(began), nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// Memory is what P8 rests on: resident memory of the child (VmRSS, which is RssAnon and pages of files and shared memory
// that it has mapped), in octets. The peak is the kernel's own (VmHWM) since the idle state, so no sampling misses it.
type Memory struct {
	Messages int     `json:"messages"`
	Octets   int64   `json:"octets"` // of each
	Idle     int64   `json:"idle"`   // the least that was seen while nothing moved, before and after
	Peak     int64   `json:"peak"`
	IdleAnon int64   `json:"idle_anonymous"`
	PeakAnon int64   `json:"peak_anonymous"` // sampled
	Seconds  float64 `json:"wall_seconds"`
}

// resident is what the kernel says of a process, in octets.
type resident struct{ All, Anonymous, Peak int64 }

const (
	bulky        = 8
	bulkyOctets  = 100_000_000
	megabyte     = 1_000_000
	sampleEvery  = 20 * time.Millisecond
	bulkPatience = 5 * time.Minute // for one answer, and for all that follows from the messages
)

func (x *Memory) measures() []Measure {
	each := float64(x.Peak-x.Idle) / float64(x.Messages) / megabyte
	return []Measure{single("P8", "peak resident memory above idle, each of 8 x 100 MB", unitOfMemory, each, atMost(4))}
}

// takeMemory measures P8, in a sandbox that has had no other load than the one that warms it.
func (b *bench) takeMemory(ctx context.Context) ([]Measure, error) {
	x := &Memory{Messages: min(bulky, b.sizes.connections), Octets: b.sizes.bulky}
	err := b.within(ctx, func(ctx context.Context, m *meter) error { return m.memory(ctx, x, b.sizes) })
	if err != nil {
		return nil, err
	}
	b.report.Memory = x
	return x.measures(), nil
}

func (m *meter) memory(ctx context.Context, x *Memory, s *sizes) error {
	readers, err := m.readers(ctx, x.Messages, s.warmUp)
	defer func() {
		for _, in := range readers {
			in.close()
		}
	}()
	if err != nil {
		return err
	}
	pid := int(m.child.pid.Load())
	before, err := leastResident(ctx, pid, s.calm)
	if err != nil {
		return err
	}
	if err := forgetPeak(pid); err != nil {
		return err
	}
	w := watchMemory(pid)
	began := time.Now()
	err = m.allAtOnce(ctx, readers, x.Octets)
	x.Seconds = time.Since(began).Seconds()
	anonymous, errWatch := w.stop()
	peak, errPeak := residentMemory(pid)
	after, errAfter := leastResident(ctx, pid, s.calm)
	x.Idle, x.IdleAnon = min(before.All, after.All), min(before.Anonymous, after.Anonymous)
	x.Peak, x.PeakAnon = peak.Peak, anonymous
	return errors.Join(err, errWatch, errPeak, errAfter)
}

// calmTime is how long memory must not have become less before it counts as idle.
const calmTime = 5 * time.Second

// leastResident waits until the program gives nothing back any more: the messages could use for nothing what was left by
// others before them.
func leastResident(ctx context.Context, pid int, calm time.Duration) (least resident, err error) {
	if least, err = residentMemory(pid); err != nil {
		return least, err
	}
	for since := time.Now(); time.Since(since) < calm; {
		if err := pause(ctx, sampleEvery); err != nil {
			return least, err
		}
		now, err := residentMemory(pid)
		if err != nil {
			return least, err
		}
		if now.All < least.All {
			least, since = now, time.Now()
		}
	}
	return least, nil
}

// memoryWatch samples the anonymous memory, of which the kernel keeps no peak.
type memoryWatch struct {
	halt, ended chan struct{}
	most        int64
	err         error
}

func watchMemory(pid int) *memoryWatch {
	w := &memoryWatch{halt: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for w.err == nil {
			var now resident
			now, w.err = residentMemory(pid)
			w.most = max(w.most, now.Anonymous)
			select {
			case <-w.halt:
				return
			case <-time.After(sampleEvery):
			}
		}
	}()
	return w
}

func (w *memoryWatch) stop() (most int64, err error) {
	close(w.halt)
	<-w.ended
	return w.most, w.err
}

// readers are open connections to the mailboxes of the first n recipients. After their log-ins, which take 19 MiB each to
// check a password, the program is warmed once more, so that it gives those back.
func (l *load) readers(ctx context.Context, n, warmUp int) (ins []*inbox, err error) {
	for _, a := range l.beta.Mailboxes[:n] {
		in, err := openInbox(ctx, l.beta.IMAPS, l.roots, a)
		if err != nil {
			return ins, err
		}
		ins = append(ins, in)
	}
	if err := l.warm(ctx, warmUp); err != nil {
		return ins, err
	}
	for _, in := range ins {
		if in.want, err = in.messages(); err != nil {
			return ins, err
		}
	}
	return ins, nil
}

// allAtOnce exchanges a message for each reader at the same time. Each fetches his as soon as he has it.
func (l *load) allAtOnce(ctx context.Context, readers []*inbox, octets int64) error {
	ctx, cancel := context.WithTimeout(ctx, bulkPatience)
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	for i, in := range readers {
		g.Go(func() error { return l.bulk(gctx, i, in, octets) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	l.service.want += len(readers)
	return l.settle(ctx)
}

// bulk sends one message and fetches it from the recipient's mailbox.
func (l *load) bulk(ctx context.Context, i int, in *inbox, octets int64) error {
	in.patience, l.kept[i].patience, l.senders[i].patience = bulkPatience, bulkPatience, bulkPatience
	if err := l.attached(octets)(ctx, i); err != nil {
		return fmt.Errorf("sending %d octets: %w", octets, err)
	}
	in.want++
	l.senders[i].want += 2
	if err := in.settle(ctx); err != nil {
		return err
	}
	got, err := in.fetch(in.want)
	if err == nil && got < octets {
		err = fmt.Errorf("%d octets were fetched of a message of %d", got, octets)
	}
	return err
}

package admission

import (
	"log/slog"
	"sync"
	"time"
)

// How many lines notices writes at once, and the period for one more.
const (
	noticesAtOnce = 10
	noticeEvery   = 6 * time.Second
)

// notices tells operators what goes on at a bounded rate, so that an attack does not fill the log.
type notices struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	written level
	leftOut int
}

func newNotices(log *slog.Logger, now func() time.Time) *notices {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &notices{log: log, now: now}
}

func (n *notices) warn(text string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	written := n.written.after(now, noticeEvery)
	if written > noticesAtOnce-1 {
		n.leftOut++
		return
	}
	n.written = level{written + 1, now}
	if n.leftOut > 0 {
		args = append(args, "left_out_before", n.leftOut)
		n.leftOut = 0
	}
	n.log.Warn(text, args...)
}

func orNow(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

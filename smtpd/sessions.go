package smtpd

import (
	"sync"
	"time"
)

// sessions are the open sessions of one Serve, which owns their goroutines.
type sessions struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	open map[*session]struct{}
}

func newSessions() *sessions { return &sessions{open: make(map[*session]struct{})} }

func (o *sessions) run(s *session, serve func(*session)) {
	o.mu.Lock()
	o.open[s] = struct{}{}
	o.mu.Unlock()
	o.wg.Go(func() {
		defer o.forget(s)
		serve(s)
	})
}

func (o *sessions) forget(s *session) {
	o.mu.Lock()
	delete(o.open, s)
	o.mu.Unlock()
}

func (o *sessions) each(f func(*session)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for s := range o.open {
		f(s)
	}
}

// stop wakes who waits for a command, lets the others work for grace, then cuts them, and returns when none is left.
func (o *sessions) stop(grace time.Duration, cut func()) {
	o.each(func(s *session) { s.wire.interrupt() })
	ended := make(chan struct{})
	go func() {
		o.wg.Wait()
		close(ended)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
		return
	case <-timer.C:
	}
	cut()
	o.each(func(s *session) { s.raw.Close() })
	<-ended
}

package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrBusy: too much of the same key waits already, or the wait was too long. The peer may try again later.
var ErrBusy = errors.New("too much waits already")

// GateConfig says what a Gate lets in.
type GateConfig struct {
	Capacity   int           // weight inside at once
	MaxWaiting int           // of one key
	Patience   time.Duration // longest wait; 0 means until the context ends
}

// Gate lets work in while its weight stays within a capacity. Those who wait are served in turns by key, in their order within
// one key; nobody overtakes the one whose turn it is, so what is heavy is served too.
type Gate struct {
	config GateConfig

	mu     sync.Mutex
	inside int
	turns  []*line // the keys that wait, the next one first
	lines  map[string]*line
}

// line is who waits under one key.
type line struct {
	key     string
	waiting []*entrant
}

// entrant is one piece of work.
type entrant struct {
	key      string
	weight   int
	admitted chan struct{} // closed once it is inside
}

// NewGate makes a gate.
func NewGate(config GateConfig) *Gate {
	return &Gate{config: config, lines: map[string]*line{}}
}

// Enter waits until the work may be done; leave must be called when it is, more calls do nothing. A weight over the capacity
// counts as the capacity. The error is ErrBusy or the context's.
func (g *Gate) Enter(ctx context.Context, key string, weight int) (leave func(), err error) {
	e, err := g.ask(key, weight)
	if err != nil {
		return nil, err
	}
	if err := g.await(ctx, e); err != nil {
		g.withdraw(e)
		return nil, err
	}
	return sync.OnceFunc(func() { g.release(e) }), nil
}

func (g *Gate) await(ctx context.Context, e *entrant) error {
	select {
	case <-e.admitted:
		return nil
	default:
	}
	var over <-chan time.Time
	if g.config.Patience > 0 {
		timer := time.NewTimer(g.config.Patience)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-e.admitted:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a turn: %w", context.Cause(ctx))
	case <-over:
		return fmt.Errorf("%w: no turn came within %s", ErrBusy, g.config.Patience)
	}
}

// ask puts work into its line; it may be inside already when ask returns.
func (g *Gate) ask(key string, weight int) (*entrant, error) {
	e := &entrant{key: key, weight: min(max(weight, 1), g.config.Capacity), admitted: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[key]
	if l == nil {
		l = &line{key: key}
		g.lines[key] = l
		g.turns = append(g.turns, l)
	}
	l.waiting = append(l.waiting, e)
	g.admit()
	if !e.isInside() && len(l.waiting) > g.config.MaxWaiting {
		l.waiting = l.waiting[:len(l.waiting)-1]
		g.forgetEmpty(l)
		return nil, ErrBusy
	}
	return e, nil
}

// admit lets in what fits, one of each key in turn.
func (g *Gate) admit() {
	for len(g.turns) > 0 {
		l := g.turns[0]
		e := l.waiting[0]
		if g.inside+e.weight > g.config.Capacity {
			return
		}
		g.inside += e.weight
		close(e.admitted)
		l.waiting, g.turns = l.waiting[1:], append(g.turns[1:], l)
		g.forgetEmpty(l)
	}
}

func (g *Gate) forgetEmpty(l *line) {
	if len(l.waiting) == 0 {
		g.turns = slices.DeleteFunc(g.turns, func(other *line) bool { return other == l })
		delete(g.lines, l.key)
	}
}

func (g *Gate) release(e *entrant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside -= e.weight
	g.admit()
}

// withdraw takes back what waits, or what came in just now.
func (g *Gate) withdraw(e *entrant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.isInside() {
		g.inside -= e.weight
	} else {
		l := g.lines[e.key]
		l.waiting = slices.DeleteFunc(l.waiting, func(other *entrant) bool { return other == e })
		g.forgetEmpty(l)
	}
	g.admit()
}

func (e *entrant) isInside() bool {
	select {
	case <-e.admitted:
		return true
	default:
		return false
	}
}

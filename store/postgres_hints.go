package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// hints are what this process has to tell others. They are only hints: nothing waits for them, and any may be lost.
type hints struct {
	mu      sync.Mutex
	nobody  bool // listens
	pending map[string]bool
	ready   chan struct{}
}

const (
	hintEvery = 20 * time.Millisecond
	hintWords = 200 // in one notification, which may have 8000 octets
)

func newHints() hints { return hints{pending: map[string]bool{}, ready: make(chan struct{}, 1)} }

func (h *hints) alone(yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nobody = yes
}

// take empties what is pending, in portions.
func (h *hints) take() (portions [][]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for word := range h.pending {
		if n := len(portions); n == 0 || len(portions[n-1]) == hintWords {
			portions = append(portions, nil)
		}
		last := &portions[len(portions)-1]
		*last = append(*last, word)
	}
	clear(h.pending)
	return portions
}

func (e *postgresEngine) hint(folders []ID, kinds []TaskKind) {
	h := &e.hints
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.nobody || len(folders)+len(kinds) == 0 {
		return
	}
	for _, f := range folders {
		h.pending[f.String()] = true
	}
	for _, k := range kinds {
		h.pending[string(k)] = true
	}
	wake(h.ready)
}

// tell sends what has come together: who speaks, folders that changed, kinds of tasks that are to be had.
func (e *postgresEngine) tell() {
	for {
		select {
		case <-e.hints.ready:
		case <-e.life.Done():
			return
		}
		for _, words := range e.hints.take() {
			ctx, cancel := context.WithTimeout(e.life, leaseEvery)
			_, err := e.service.Exec(ctx, `SELECT pg_notify($1, $2)`, e.channel, e.node+" "+strings.Join(words, " "))
			cancel()
			if err != nil && e.life.Err() == nil {
				e.store.log.Debug("other processes could not be told of changes", "error", err)
			}
		}
		pause(e.life, hintEvery)
	}
}

// listen hears what others tell. After each interruption everybody looks: something may have been missed.
func (e *postgresEngine) listen() {
	for e.life.Err() == nil {
		err := e.hear(e.life)
		if e.life.Err() == nil {
			e.store.log.Debug("changes that other processes make are not heard at once", "error", err)
			pause(e.life, time.Second)
		}
	}
}

func (e *postgresEngine) hear(ctx context.Context) error {
	config := e.config.Copy()
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := e.enter(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `LISTEN `+pgx.Identifier{e.channel}.Sanitize()); err != nil {
		return err
	}
	e.heard("", nil)
	for {
		// A connection that says nothing may be dead: ask now and then.
		waiting, cancel := context.WithTimeout(ctx, time.Minute)
		n, err := conn.WaitForNotification(waiting)
		cancel()
		switch {
		case err == nil:
			speaker, words, _ := strings.Cut(n.Payload, " ")
			e.heard(speaker, strings.Fields(words))
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return err
		default:
			if err := conn.Ping(ctx); err != nil {
				return err
			}
		}
	}
}

// heard does what a hint asks for; one of nobody asks for everything.
func (e *postgresEngine) heard(speaker string, words []string) {
	if speaker == e.node {
		return
	}
	if speaker == "" {
		e.store.watch.signalAll()
		for _, q := range e.store.work.queues {
			q.invite()
		}
		return
	}
	for _, w := range words {
		if q := e.store.work.queues[TaskKind(w)]; q != nil {
			q.invite()
		} else if id, err := ParseID(w); err == nil {
			e.store.watch.signal(id)
		}
	}
}

package store

import (
	"context"
	"database/sql"
	"sync"
)

// reader runs queries on what is committed; each text is prepared once a connection.
type reader struct {
	db *sql.DB

	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

// maxStmts bounds the texts that are kept prepared: some are put together as they are needed.
const maxStmts = 200

func newReader(db *sql.DB) *reader { return &reader{db: db, stmts: map[string]*sql.Stmt{}} }

// prepared is the statement of a text, or nil if it is to be run as it is.
func (r *reader) prepared(ctx context.Context, text string) *sql.Stmt {
	r.mu.RLock()
	st, full := r.stmts[text], len(r.stmts) >= maxStmts
	r.mu.RUnlock()
	if st != nil || full {
		return st
	}
	st, err := r.db.PrepareContext(ctx, text)
	if err != nil {
		return nil // running the text gives the error
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if first := r.stmts[text]; first != nil {
		st.Close() // another goroutine was faster
		return first
	}
	r.stmts[text] = st
	return st
}

func (r *reader) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if st := r.prepared(ctx, text); st != nil {
		return st.QueryContext(ctx, args...)
	}
	return r.db.QueryContext(ctx, text, args...)
}

func (r *reader) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	if st := r.prepared(ctx, text); st != nil {
		return st.QueryRowContext(ctx, args...)
	}
	return r.db.QueryRowContext(ctx, text, args...)
}

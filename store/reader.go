package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// reader runs queries on what is committed.
type reader struct {
	// query and queryRow are those of a database, or of a transaction that sees one state of it.
	query    func(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	queryRow func(ctx context.Context, query string, args ...any) *sql.Row
	// patience bounds a query on a database that may be far away; 0: it is here.
	patience time.Duration
	// judge says what the error of a query means; nil: nothing more than it says.
	judge func(error) error
	// arg gives an argument the form that the database takes; nil: as it is.
	arg func(any) any

	// Each text is prepared once a connection, where the driver does not see to that.
	prepare func(ctx context.Context, query string) (*sql.Stmt, error)
	mu      sync.RWMutex
	stmts   map[string]*sql.Stmt
}

// maxStmts bounds the texts that are kept prepared: some are put together as they are needed.
const maxStmts = 200

func newReader(db *sql.DB) *reader {
	return &reader{query: db.QueryContext, queryRow: db.QueryRowContext, prepare: db.PrepareContext, stmts: map[string]*sql.Stmt{}}
}

// prepared is the statement of a text, or nil if it is to be run as it is.
func (r *reader) prepared(ctx context.Context, text string) *sql.Stmt {
	if r.prepare == nil {
		return nil
	}
	r.mu.RLock()
	st, full := r.stmts[text], len(r.stmts) >= maxStmts
	r.mu.RUnlock()
	if st != nil || full {
		return st
	}
	st, err := r.prepare(ctx, text)
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

// rows are the result of a query. Close them.
type rows struct {
	*sql.Rows
	reader *reader
	end    context.CancelFunc
}

// Close ends the query.
func (r *rows) Close() error {
	defer r.end()
	return r.reader.verdict(r.Rows.Close())
}

// Err is what ended the rows early.
func (r *rows) Err() error { return r.reader.verdict(r.Rows.Err()) }

// row is the result of a query for one row. Scan it.
type row struct {
	*sql.Row
	reader *reader
	end    context.CancelFunc
}

// Scan reads the row and ends the query.
func (r row) Scan(into ...any) error {
	defer r.end()
	return r.reader.verdict(r.Row.Scan(into...))
}

func (r *reader) verdict(err error) error {
	if err == nil || r.judge == nil {
		return err
	}
	return r.judge(err)
}

func (r *reader) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.patience == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, r.patience)
}

func (r *reader) converted(args []any) []any {
	if r.arg == nil {
		return args
	}
	all := make([]any, len(args))
	for i, a := range args {
		all[i] = r.arg(a)
	}
	return all
}

func (r *reader) QueryContext(ctx context.Context, text string, args ...any) (*rows, error) {
	st := r.prepared(ctx, text)
	ctx, end := r.bounded(ctx)
	args = r.converted(args)
	var found *sql.Rows
	var err error
	if st != nil {
		found, err = st.QueryContext(ctx, args...)
	} else {
		found, err = r.query(ctx, text, args...)
	}
	if err != nil {
		end()
		return nil, r.verdict(err)
	}
	return &rows{found, r, end}, nil
}

func (r *reader) QueryRowContext(ctx context.Context, text string, args ...any) row {
	st := r.prepared(ctx, text)
	ctx, end := r.bounded(ctx)
	args = r.converted(args)
	if st != nil {
		return row{st.QueryRowContext(ctx, args...), r, end}
	}
	return row{r.queryRow(ctx, text, args...), r, end}
}

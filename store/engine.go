package store

import (
	"context"
	"database/sql"
)

// engine keeps batches. There is one a store; the conformance suite of this package holds every engine to this contract.
type engine interface {
	// commit makes the batch durable and then returns nil. ErrConflict, ErrStale, ErrClosed or any other error but ErrUnknown:
	// nothing of the batch is or will be stored. ErrUnknown: nobody knows; the engine has called the store's fatal function.
	// Batches of several goroutines share syncs; none waits on purpose while the disk is idle.
	commit(ctx context.Context, b *batch) error
	// reader reads what is committed.
	reader() *sql.DB
	// due lists tasks of a kind whose time has come and whose target is not one of busy, the oldest first, at most limit.
	due(ctx context.Context, kind TaskKind, now int64, limit int, busy []string) ([]Task, error)
	// close ends the engine after the batches under way.
	close() error
}

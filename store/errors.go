package store

import (
	"errors"
	"fmt"
)

// What a caller does about an error is part of its meaning.
var (
	// ErrConflict: the fact was refused because what it rests on has changed (a guard), or another fact was there first.
	// Nothing of it is stored. Read again and decide again.
	ErrConflict = errors.New("another fact was there first")
	// ErrStale: the fact's instant was older than two seconds when its commit could begin. Nothing is stored. Answer 451, or
	// run the task again with a new instant.
	ErrStale = errors.New("the instant is too old to be certified")
	// ErrUnknown: nobody knows whether the fact is stored. Say nothing to anybody; recovery decides.
	ErrUnknown = errors.New("the outcome of a commit is unknown")
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrLocked: another process holds the data directory.
	ErrLocked = errors.New("another process holds the data directory: end it first")
	// ErrSpool: the octets of one message could not be written (disk full, for example). Answer 452; nothing else suffers.
	ErrSpool = errors.New("the message cannot be written to disk")
	// ErrUnavailable: the database cannot be reached now. Nothing was stored; answer 451, or run the task again later.
	ErrUnavailable = errors.New("the database cannot be reached")
	// ErrClosed: the store is being closed, or an earlier write failed; nothing was stored.
	ErrClosed = errors.New("the store is closed")
)

// CheckReserve is an ErrSpool when less of the disk is free than the reserve: what is owed must always be writable
// (design.md 3), so new work waits.
func (s *Store) CheckReserve(reserve int64) error {
	free, err := FreeSpace(s.dir)
	if err == nil && free < reserve {
		err = fmt.Errorf("%w: %d octets of the disk are free, the reserve is %d", ErrSpool, free, reserve)
	}
	return err
}

func movedError(from, to string) error {
	return fmt.Errorf("the data in %s were moved to %s: use them there", from, to)
}

// DamageError tells that octets that were durable are not what was written. The message that needs them is lost to the
// program until an operator restores it; others are not touched.
type DamageError struct {
	Content ID
	Reason  string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("content %s is damaged: %s", e.Content, e.Reason)
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// outcome is what an attempt's error says about the batch.
type outcome int

const (
	committed  outcome = iota
	refused            // nothing of it is there, and trying again would not help
	doneBefore         // its id is there
	again              // nothing of it is there, another attempt may succeed
	notKnown           // it may be there
)

// unsentError is of an attempt that sent nothing.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// The codes of errors that matter (PostgreSQL, appendix A).
const (
	codeUnique        = "23505"
	codeForeignKey    = "23503"
	codeCheck         = "23514"
	codeSerialization = "40001"
	codeUnclear       = "40003"
	codeDeadlock      = "40P01"
	codeLockTimeout   = "55P03"
	codeCancelled     = "57014"
	codeReadOnly      = "25006"
	codeDiskFull      = "53100"
	codeTooMany       = "53300"
)

func outcomeOf(err error, unknown bool) outcome {
	var pe *pgconn.PgError
	switch {
	case err == nil:
		return committed
	case errors.Is(err, ErrStale):
		return refused
	case errors.As(err, new(unsentError)), pgconn.SafeToRetry(err):
		return again
	case errors.As(err, &pe):
		return saidOutcome(pe, unknown)
	case errors.As(err, new(pgx.ErrPreprocessingBatch)):
		return refused // a fault of the program: it was never sent whole
	}
	return notKnown
}

// saidOutcome is what the database said. FATAL ends the connection, perhaps after the commit.
func saidOutcome(pe *pgconn.PgError, unknown bool) outcome {
	if pe.SeverityUnlocalized != "ERROR" && pe.Severity != "ERROR" {
		return notKnown
	}
	switch pe.Code {
	case codeUnclear:
		return notKnown
	case codeSerialization, codeDeadlock, codeLockTimeout, codeCancelled, codeReadOnly, codeTooMany:
		return again
	case codeUnique:
		if pe.ConstraintName == "once_pkey" || unknown && pe.ConstraintName == "fact_pkey" {
			return doneBefore
		}
	}
	return refused
}

// conflicts tells a refusal by a constraint from others.
func conflicts(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && (pe.Code == codeUnique || pe.Code == codeForeignKey || pe.Code == codeCheck)
}

// meaning is a refusal as callers know it.
func meaning(err error) error {
	var pe *pgconn.PgError
	switch {
	case conflicts(err):
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case errors.As(err, &pe) && pe.Code == codeDiskFull:
		return fmt.Errorf("%w: %w", ErrSpool, err)
	}
	return err
}

// judgeRead tells a database that cannot be reached from what is wrong with a query.
func judgeRead(err error) error {
	var pe *pgconn.PgError
	switch {
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &pe) && pe.SeverityUnlocalized == "ERROR" && pe.Code[:2] != "53" && pe.Code[:2] != "57":
		return err
	case strings.HasPrefix(err.Error(), "sql: "):
		return err // of Scan
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

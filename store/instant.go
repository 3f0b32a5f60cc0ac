package store

import "time"

// Instant is the one temporal reference of a transaction (RFC 6109 4.1; D.M. 2 November 2005 art. 9): the law's time, and
// when it was read by the machine's monotonic clock, so that the store can refuse to certify a time that has passed.
type Instant struct {
	At    time.Time // UTC, microseconds
	drawn time.Time
}

// maxAge is how old an instant may be when the first commit of its fact begins (design.md 3).
const maxAge = 2 * time.Second

// Instant reads the law's clock for one transaction. It is never before cause, the instant of the event that led to it.
func (s *Store) Instant(cause time.Time) Instant {
	at := s.now().UTC().Truncate(time.Microsecond)
	if at.Before(cause) {
		at = cause.UTC()
	}
	return Instant{At: at, drawn: time.Now()}
}

func (i Instant) stale() bool { return !i.drawn.IsZero() && time.Since(i.drawn) > maxAge }

// micros is an instant's form in the database.
func micros(t time.Time) int64 { return t.UnixMicro() }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

package pec

import "time"

// The terms of the notices to a sender whose recipient's provider stays silent (RFC 6109 3.1.6, norms.md 35-38), counted from
// the acceptance.
const (
	FirstOverdue = 12 * time.Hour // without a taking in charge or an outcome
	FinalOverdue = 22 * time.Hour // without an outcome; the law gives until 24 hours
)

// Progress is what is known of one certified recipient of a message. Zero instants: nothing was heard.
type Progress struct {
	Accepted time.Time // by the sender's provider
	Taken    time.Time // a taking in charge was heard
	Outcome  time.Time // a delivery or a non-delivery was heard or issued, also one for a virus

	First, Final bool // the notice was issued
}

// Overdue tells which notices are owed at an instant, the first to be issued before the final. Whether the first is owed is
// decided by what was heard within twelve hours: what comes later, or what is noticed late after an outage, does not undo it.
// Only an outcome keeps the final one away.
func (p Progress) Overdue(now time.Time) (first, final bool) {
	first = !p.First && !now.Before(p.Accepted.Add(FirstOverdue)) && !p.inTime(p.Taken) && !p.inTime(p.Outcome)
	final = !p.Final && !now.Before(p.Accepted.Add(FinalOverdue)) && p.Outcome.IsZero()
	return first, final
}

func (p Progress) inTime(t time.Time) bool {
	return !t.IsZero() && t.Before(p.Accepted.Add(FirstOverdue))
}

// NextOverdue is when a notice may come to be owed that is not owed now; zero if none can.
func (p Progress) NextOverdue(now time.Time) time.Time {
	first, final := p.Accepted.Add(FirstOverdue), p.Accepted.Add(FinalOverdue)
	switch {
	case !p.First && now.Before(first) && !p.inTime(p.Taken) && !p.inTime(p.Outcome):
		return first
	case !p.Final && now.Before(final) && p.Outcome.IsZero():
		return final
	}
	return time.Time{}
}

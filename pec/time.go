package pec

import (
	"sync"
	"time"
	_ "time/tzdata" // the legal time must be known on a machine without zone files
)

// Rome is Italian legal time, in which every instant for people is written (RFC 6109 4.2).
func Rome() *time.Location { return rome() }

// rome never changes once computed. The zone is linked into the program: a failure is a
// broken build, which must not be turned into a wrong hour on evidence.
var rome = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		panic("pec: Italian legal time is not linked in: " + err.Error())
	}
	return zone
})

// legal is the instant as the certification data bear it: Italian legal time, whole seconds.
func legal(at time.Time) time.Time {
	return at.In(Rome()).Truncate(time.Second)
}

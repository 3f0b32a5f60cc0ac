package admission

import "time"

// recent is a map that forgets: what was not put for two periods is gone, for one it may be; and of more than twice bound
// keys, those put longest ago.
type recent[V any] struct {
	bound  int
	period time.Duration

	turned     time.Time // when young was begun
	young, old map[uint64]V
}

func newRecent[V any](bound int, period time.Duration, now time.Time) recent[V] {
	return recent[V]{bound: bound, period: period, turned: now, young: map[uint64]V{}}
}

func (r *recent[V]) get(now time.Time, key uint64) (V, bool) {
	r.forget(now)
	v, ok := r.young[key]
	if !ok {
		v, ok = r.old[key]
	}
	return v, ok
}

func (r *recent[V]) put(now time.Time, key uint64, v V) {
	r.forget(now)
	if _, ok := r.young[key]; !ok && len(r.young) >= r.bound {
		r.turn(now)
	}
	r.young[key] = v
	delete(r.old, key)
}

func (r *recent[V]) forget(now time.Time) {
	switch age := now.Sub(r.turned); {
	case age >= 2*r.period:
		r.turn(now)
		r.old = nil
	case age >= r.period:
		r.turn(now)
	}
}

func (r *recent[V]) turn(now time.Time) {
	r.turned, r.old, r.young = now, r.young, map[uint64]V{}
}

// level is an amount that sinks with time.
type level struct {
	amount float64
	at     time.Time
}

// after is what is left of it when it sinks by one in every period.
func (l level) after(now time.Time, period time.Duration) float64 {
	return max(0, l.amount-float64(now.Sub(l.at))/float64(period))
}

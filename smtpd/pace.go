package smtpd

import "time"

// A peer inside DATA must send MinimumRate octets a second on average, once RatePatience has passed: a message of 1 MB
// may take 22 minutes (attacks.md 39).
const (
	MinimumRate  = 1 << 10
	RatePatience = 5 * time.Minute
)

// pace is how long a peer may still keep us waiting. Only the time spent in reads counts: what our own work takes between them is not the peer's fault.
type pace struct {
	silence time.Duration // one read
	total   time.Duration // all reads
	rate    int64         // octets a second that earn further time; 0 asks for none
	waited  time.Duration
	octets  int64
}

func linePace(total time.Duration) pace { return pace{silence: total, total: total} }

func messagePace(t Timeouts) pace {
	return pace{silence: t.Data, total: t.Message, rate: MinimumRate}
}

func drainPace(t Timeouts) pace {
	return pace{silence: t.Data, total: t.Drain, rate: MinimumRate}
}

// left is how long the next read may wait; nothing left means a time-out.
func (p *pace) left() time.Duration {
	left := p.total - p.waited
	if p.rate > 0 {
		earned := RatePatience + time.Duration(p.octets/p.rate)*time.Second
		left = min(left, earned-p.waited)
	}
	return min(left, p.silence)
}

func (p *pace) spend(d time.Duration, octets int) {
	p.waited += d
	p.octets += int64(octets)
}

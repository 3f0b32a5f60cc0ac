package bench

import (
	"context"
	"errors"
	"time"
)

// Rounds are what P1 and P1b rest on. IdleCPU is the CPU seconds a second of the child while nothing moves,
// IdleServer those of the database server.
type Rounds struct {
	IdleCPU    float64 `json:"idle_cpu_share"`
	IdleServer float64 `json:"idle_server_cpu_share,omitempty"`
	Kept       []Round `json:"kept_connections"`
	Fresh      []Round `json:"fresh_connections"`
}

// Round is some exchanges until all that follows from them has settled. CPU is the child's for one exchange, Server
// that of the database server; Sign and Verify are the RSA operations of one exchange, done in this process in the meantime.
type Round struct {
	Exchanges int     `json:"exchanges"`
	Seconds   float64 `json:"wall_seconds"`
	CPU       float64 `json:"cpu_ms"`
	Server    float64 `json:"server_cpu_ms,omitempty"`
	Sign      float64 `json:"sign_ms"`
	Verify    float64 `json:"verify_ms"`
}

// outsideRSA is P1 of one round, of the whole with the database server.
func (r Round) outsideRSA(whole bool) float64 {
	used := r.CPU
	if whole {
		used += r.Server
	}
	return (used - r.Sign - r.Verify) / r.Sign
}

func (r *Rounds) measures(s Storage) []Measure {
	kept := func(whole bool) []float64 {
		return each(r.Kept, func(x Round) float64 { return x.outsideRSA(whole) })
	}
	more := func(whole bool) []float64 {
		values := each(r.Fresh, func(x Round) float64 { return x.outsideRSA(whole) })
		for i, k := range kept(whole) {
			values[i] -= k
		}
		return values
	}
	return append(
		s.ofCPU("P1", "CPU of one exchange outside RSA / 4 signatures", atMost(0.5), kept),
		s.ofCPU("P1b", "more than that for a fresh connection", atMost(0.5), more)...)
}

// takeRounds measures P1 and P1b in one sandbox.
func (b *bench) takeRounds(ctx context.Context) ([]Measure, error) {
	r := &Rounds{}
	err := b.within(ctx, func(ctx context.Context, m *meter) error {
		w, err := newRSAWork(m.child.dir, m.child.contract)
		if err != nil {
			return err
		}
		if r.IdleCPU, r.IdleServer, err = m.idle(ctx); err != nil {
			return err
		}
		return m.rounds(ctx, w, b.Exchanges, b.Limit, r)
	})
	if err != nil {
		return nil, err
	}
	b.report.Rounds = r
	return r.measures(b.report.Storage), nil
}

// rounds measures n exchanges over kept connections and n over fresh ones, in turns, so that the two share the machine's moods.
func (m *meter) rounds(ctx context.Context, w *rsaWork, n int, limit time.Duration, r *Rounds) error {
	parts := min(rounds, n)
	for i := range parts {
		for _, way := range []struct {
			rounds *[]Round
			one    post
		}{{&r.Kept, m.overKept}, {&r.Fresh, m.overFresh}} {
			x, err := m.round(ctx, w, share(n, parts, i), limit/time.Duration(parts), way.one)
			if err != nil {
				return err
			}
			*way.rounds = append(*way.rounds, x)
		}
	}
	return nil
}

func (m *meter) round(ctx context.Context, w *rsaWork, n int, limit time.Duration, one post) (Round, error) {
	beside := startSampling(w.once)
	began := time.Now()
	used, sent, err := m.cost(ctx, func() (int, error) { return m.exchange(ctx, n, limit, one) })
	wall := time.Since(began)
	sign, verify, rsaErr := beside.stop()
	if err := errors.Join(err, rsaErr); err != nil {
		return Round{}, err
	}
	return Round{sent, wall.Seconds(), milliseconds(used.child), milliseconds(used.server), milliseconds(sign), milliseconds(verify)}, nil
}

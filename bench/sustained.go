package bench

import (
	"context"
	"errors"
)

// Sustained is what P2 rests on. CalmCPU and CalmServer are the CPU of one exchange in rounds before, as those of P1.
type Sustained struct {
	Flow
	CalmCPU    float64 `json:"calm_cpu_ms"`
	CalmServer float64 `json:"calm_server_cpu_ms,omitempty"`
	Cores      float64 `json:"cores_left"` // by this process, which makes the load
}

// share is the share of the ideal that exchanges a second are: that every core left does nothing but exchanges, each at
// the lower of the two costs. So neither a dear calm exchange nor CPU wasted under load makes the share better.
func (s *Sustained) share(rate float64) float64 {
	return rate / (s.Cores / (min(s.CPU+s.Server, s.CalmCPU+s.CalmServer) / 1000))
}

func (s *Sustained) measures(data Storage) []Measure {
	whole := single("P2", "exchanges/s sustained / (cores left / CPU of one exchange"+data.apart()+")", "", s.share(s.rate()), atLeast(0.8))
	// Low and high are by the messages accepted in each tenth of the time but the first, in which what is under way gathers.
	whole.Low, whole.High = s.share(quantile(s.Tenths[1:], 0)), s.share(quantile(s.Tenths[1:], 1))
	return []Measure{whole, single("P2", "end of DATA to 250 under that load, p99", unitOfMillis, s.P99, below(1000))}
}

const calmRounds = 3

// takeSustained measures P2.
func (b *bench) takeSustained(ctx context.Context) ([]Measure, error) {
	s := &Sustained{}
	err := b.within(ctx, func(ctx context.Context, m *meter) error {
		var calm, server []float64
		for i := range calmRounds {
			n := max(1, share(b.Exchanges, calmRounds, i))
			used, _, err := m.cost(ctx, func() (int, error) { return m.exchange(ctx, n, b.Limit, m.overKept) })
			if err != nil {
				return err
			}
			calm, server = append(calm, milliseconds(used.child)), append(server, milliseconds(used.server))
		}
		s.CalmCPU, s.CalmServer = median(calm), median(server)
		f, err := m.flow(ctx, b.Sustain)
		s.Flow = *f
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.Cores = float64(b.report.Machine.Cores) - s.Generator; s.Cores <= 0 {
		return nil, errors.New("the benchmark itself used every core")
	}
	b.report.Sustained = s
	return s.measures(b.report.Storage), nil
}

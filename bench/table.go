package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteJSON writes everything as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes the measures beside their goals, why some were not taken, and what the others rest on.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\t\tvalue\tlow - high\tgoal\tmet")
	for _, m := range r.Measures {
		if m.NotTaken != "" {
			fmt.Fprintf(t, "%s\t%s\t-\t\t\tno\n", m.Name, cmp.Or(m.What, "not taken, see below"))
			continue
		}
		met := map[bool]string{true: "yes", false: "no"}[m.Met]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.What, m.figure(m.Value), m.spread(), m.Bound+" "+m.figure(m.Goal), met)
	}
	fmt.Fprintln(t)
	for _, m := range r.Measures {
		if m.NotTaken != "" {
			fmt.Fprintf(t, "%s\tnot taken: %s\n", m.Name, m.why())
		}
	}
	for _, line := range r.ground() {
		fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
	}
	return t.Flush()
}

// why tells which of the figures of that name was not taken, and why.
func (m Measure) why() string {
	if m.What == "" {
		return m.NotTaken
	}
	return m.What + ": " + m.NotTaken
}

func (m Measure) spread() string {
	if m.Low == m.High {
		return ""
	}
	return m.figure(m.Low) + " - " + m.figure(m.High)
}

// ground is what the measures rest on, name and figure a line.
func (r *Report) ground() [][2]string {
	lines := [][2]string{
		{"machine", fmt.Sprintf("%s, %s, %d cores", r.Machine.Go, r.Machine.System, r.Machine.Cores)},
		r.Storage.ground(),
		{"floor", fmt.Sprintf("RSA-2048: %.0f signatures/s, %.0f verifications/s; SHA-256: %.0f MB/s; one core", r.Floor.Signatures, r.Floor.Verifications, r.Floor.SHA256)},
	}
	add := func(taken bool, more func() [][2]string) {
		if taken {
			lines = append(lines, more()...)
		}
	}
	add(r.Rounds != nil, func() [][2]string {
		return append([][2]string{{"P1, RSA", r.Operations.String()}}, r.Rounds.ground(r.Storage)...)
	})
	add(r.Sustained != nil, func() [][2]string { return r.Sustained.ground(r.Storage) })
	add(r.Volume != nil, func() [][2]string { return r.Volume.ground(r.Storage) })
	add(r.Delayed != nil, func() [][2]string { return r.Delayed.ground() })
	add(r.Latency != nil, func() [][2]string { return r.Latency.ground() })
	add(r.Memory != nil, func() [][2]string { return r.Memory.ground(r.Storage) })
	add(r.Kills != nil, func() [][2]string { return r.Kills.ground() })
	add(r.Postfix != nil, func() [][2]string { return r.Postfix.ground() })
	return lines
}

// String says how many there are of each.
func (o Operations) String() string {
	return fmt.Sprintf("%d signatures, %d verifications, %d certificates verified an exchange", o.Signatures, o.Verifications, o.Chains)
}

func (r *Rounds) ground(s Storage) [][2]string {
	return [][2]string{
		{"P1, kept connections", summary(r.Kept, s)},
		{"P1b, fresh connections", summary(r.Fresh, s)},
		{"P1, idle", fmt.Sprintf("%.2f %% of a core%s, in the figures above", 100*r.IdleCPU, s.beside(" and %.2f %%", 100*r.IdleServer))},
	}
}

func summary(rs []Round, s Storage) string {
	var exchanges int
	var seconds float64
	for _, r := range rs {
		exchanges, seconds = exchanges+r.Exchanges, seconds+r.Seconds
	}
	cpu := median(each(rs, func(r Round) float64 { return r.CPU }))
	sign := median(each(rs, func(r Round) float64 { return r.Sign }))
	verify := median(each(rs, func(r Round) float64 { return r.Verify }))
	server := median(each(rs, func(r Round) float64 { return r.Server }))
	return fmt.Sprintf("%d exchanges in %.1f s; medians of CPU: %.2f ms an exchange%s, %.2f ms its signatures, %.2f ms its verifications",
		exchanges, seconds, cpu, s.beside(" and %.2f ms", server), sign, verify)
}

func (s *Sustained) ground(data Storage) [][2]string {
	return [][2]string{
		{"P2, load", fmt.Sprintf("%.1f exchanges/s: %d in %.1f s, of these %.1f s for what was under way at the end (%d receipts owed)", s.rate(), s.Exchanges, s.Seconds, s.Drain, s.Owed)},
		{"P2, cost", fmt.Sprintf("%.2f ms of CPU an exchange%s, %.2f ms%s in calm rounds before; %.2f cores left by the generator",
			s.CPU, data.beside(" and %.2f ms", s.Server), s.CalmCPU, data.beside(" and %.2f ms", s.CalmServer), s.Cores)},
		{"P2, acceptance", fmt.Sprintf("end of DATA to 250: p50 %.1f ms, p99 %.1f ms", s.P50, s.P99)},
	}
}

func (v *Volume) ground(s Storage) [][2]string {
	large := median(each(v.Rounds, func(r VolumeRound) float64 { return r.Large }))
	small := median(each(v.Rounds, func(r VolumeRound) float64 { return r.Small }))
	largeServer := median(each(v.Rounds, func(r VolumeRound) float64 { return r.LargeServer }))
	smallServer := median(each(v.Rounds, func(r VolumeRound) float64 { return r.SmallServer }))
	passes := median(each(v.Rounds, func(r VolumeRound) float64 { return r.Hashes + r.Seals }))
	return [][2]string{{"P3, exchanges", fmt.Sprintf("%d rounds; medians of CPU: %.1f ms%s with %.0f MiB, %.2f ms%s with 5 KB, %.2f ms the 12 passes over 1 MiB",
		len(v.Rounds), large, s.beside(" and %.1f ms", largeServer), float64(v.Octets)/mebibyte, small, s.beside(" and %.2f ms", smallServer), passes)}}
}

func (d *Delayed) ground() [][2]string {
	plain := median(each(d.Rounds, func(r DelayedRound) float64 { return r.Plain.rate() }))
	delayed := median(each(d.Rounds, func(r DelayedRound) float64 { return r.Delayed.rate() }))
	tracer := median(each(d.Rounds, func(r DelayedRound) float64 { return r.Tracer }))
	return [][2]string{{"P4, exchanges", fmt.Sprintf("medians of %d rounds: %.1f exchanges/s without delay, %s%.1f with it; %d syncs, %d facts; strace itself used %.2f cores",
		len(d.Rounds), plain, d.traced(), delayed, d.Syncs, d.Facts, tracer)}}
}

// traced is what strace alone makes of the exchanges, where that was measured.
func (d *Delayed) traced() string {
	if d.Rounds[0].Traced == nil {
		return ""
	}
	return fmt.Sprintf("%.1f with strace and no delay, ", median(each(d.Rounds, func(r DelayedRound) float64 { return r.Traced.rate() })))
}

func (l *Latency) ground() [][2]string {
	return [][2]string{{"P7, disk", fmt.Sprintf("%d exchanges one by one; fdatasync of 4 KB appended: p50 %.2f ms, p99 %.2f ms", l.Exchanges, l.FdatasyncP50, l.FdatasyncP99)}}
}

func (x *Memory) ground(s Storage) [][2]string {
	without := ""
	if s.Engine == enginePostgres {
		without = "; the database server's is not in it"
	}
	mb := func(octets int64) float64 { return float64(octets) / megabyte }
	return [][2]string{{"P8, memory", fmt.Sprintf("VmRSS: idle %.1f MB, peak %.1f MB; of it anonymous: %.1f MB, %.1f MB; %d exchanges of %.0f MB in %.1f s%s",
		mb(x.Idle), mb(x.Peak), mb(x.IdleAnon), mb(x.PeakAnon), x.Messages, mb(x.Octets), x.Seconds, without)}}
}

func (k *Kills) ground() [][2]string {
	return [][2]string{{"P10, kills", fmt.Sprintf("%d; ready after: p50 %.2f s; %d messages were accepted, %d times one without an answer was sent again", k.Kills, k.P50, k.Accepted, k.Repeated)}}
}

func (x *Postfix) ground() [][2]string {
	if x.NotTaken != "" {
		return [][2]string{{"Postfix", "not measured: " + x.NotTaken}}
	}
	rate := median(each(x.Rounds, func(r PostfixRound) float64 { return float64(r.Messages) / r.Seconds }))
	cpu := median(each(x.Rounds, func(r PostfixRound) float64 { return r.CPU }))
	p99 := median(each(x.Rounds, func(r PostfixRound) float64 { return r.P99 }))
	return [][2]string{{"Postfix " + x.Version, fmt.Sprintf("relaying 5 KB without TLS, medians of %d rounds: %.1f messages/s, %.2f ms of CPU a message, end of DATA to 250 p99 %.1f ms",
		len(x.Rounds), rate, cpu, p99)}}
}

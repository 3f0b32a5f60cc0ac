package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report is what one run measured. Times are in milliseconds of CPU unless said otherwise.
type Report struct {
	Machine    Machine    `json:"machine"`
	Measures   []Measure  `json:"measures"`
	Floor      Floor      `json:"floor"`
	Operations Operations `json:"rsa_operations_of_an_exchange"`
	IdleCPU    float64    `json:"idle_cpu_share"` // CPU seconds a second of the child while nothing moves
	Kept       []Round    `json:"rounds_kept_connections"`
	Fresh      []Round    `json:"rounds_fresh_connections"`
	Latency    Latency    `json:"latency"`
}

// Machine is what the figures were measured on.
type Machine struct {
	Go     string `json:"go"`
	System string `json:"system"`
	Cores  int    `json:"cores"`
}

// Measure is one figure beside its goal of design.md 8. Low and High are its lowest and highest round; where there are no
// rounds they are the value.
type Measure struct {
	Name  string  `json:"name"`
	What  string  `json:"what"`
	Unit  string  `json:"unit,omitempty"`
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Goal  float64 `json:"goal"`
	Met   bool    `json:"met"`
}

// Floor is what one core of the machine does while nothing else is asked of it here.
type Floor struct {
	Signatures    float64 `json:"rsa2048_signatures_per_second"`
	Verifications float64 `json:"rsa2048_verifications_per_second"`
	SHA256        float64 `json:"sha256_mb_per_second"` // MB are 1,000,000 octets
}

// Operations is how many RSA operations an exchange was counted to have.
type Operations struct {
	Signatures    int `json:"signatures_2048"`
	Verifications int `json:"verifications_2048"`
	Chains        int `json:"certificates_verified"` // under the authority's key, which is longer
}

// Round is some exchanges until all that follows from them has settled. CPU is the child's for one exchange; Sign and
// Verify are the RSA operations of one exchange, done in this process in the meantime.
type Round struct {
	Exchanges int     `json:"exchanges"`
	Seconds   float64 `json:"wall_seconds"`
	CPU       float64 `json:"cpu_ms"`
	Sign      float64 `json:"sign_ms"`
	Verify    float64 `json:"verify_ms"`
}

// outsideRSA is P1 of one round.
func (r Round) outsideRSA() float64 { return (r.CPU - r.Sign - r.Verify) / r.Sign }

// Latency is from the end of DATA to the acceptance announced over IMAP IDLE, and 4 KB appended to a file and synced in
// the same directory, in turns; milliseconds of wall time.
type Latency struct {
	Exchanges    int     `json:"exchanges"`
	P50          float64 `json:"p50_ms"`
	P99          float64 `json:"p99_ms"`
	FdatasyncP50 float64 `json:"fdatasync_p50_ms"`
	FdatasyncP99 float64 `json:"fdatasync_p99_ms"`
}

func newLatency(announced, synced []time.Duration) Latency {
	return Latency{
		len(announced), milliseconds(quantile(announced, 0.5)), milliseconds(quantile(announced, 0.99)),
		milliseconds(quantile(synced, 0.5)), milliseconds(quantile(synced, 0.99)),
	}
}

// The goals of design.md 8.
const (
	goalP1       = 0.5
	goalP1b      = 0.5
	goalP7       = 10 // ms
	goalP7Syncs  = 6  // times p50 of fdatasync
	textP1       = "CPU of one exchange outside RSA / 4 signatures"
	textP1b      = "more than that for a fresh connection"
	textP7       = "end of DATA to acceptance over IDLE, "
	unitOfMillis = "ms"
)

// judge holds the figures against the goals.
func (r *Report) judge() {
	kept, more := make([]float64, len(r.Kept)), make([]float64, len(r.Kept))
	for i := range r.Kept {
		kept[i] = r.Kept[i].outsideRSA()
		more[i] = r.Fresh[i].outsideRSA() - kept[i]
	}
	goal := goalP7 + goalP7Syncs*r.Latency.FdatasyncP50
	r.Measures = []Measure{
		ratio("P1", textP1, kept, goalP1),
		ratio("P1b", textP1b, more, goalP1b),
		single("P7", textP7+"p50", unitOfMillis, r.Latency.P50, goal),
		single("P7", textP7+"p99", unitOfMillis, r.Latency.P99, goal),
	}
}

func ratio(name, what string, values []float64, goal float64) Measure {
	m := single(name, what, "", median(values), goal)
	m.Low, m.High = quantile(values, 0), quantile(values, 1)
	return m
}

func single(name, what, unit string, value, goal float64) Measure {
	return Measure{name, what, unit, value, value, value, goal, value <= goal}
}

// WriteJSON writes everything as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes the measures beside their goals, then what they rest on.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\t\tvalue\tlow - high\tgoal\tmet")
	for _, m := range r.Measures {
		met := map[bool]string{true: "yes", false: "no"}[m.Met]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.What, m.figure(m.Value), m.spread(), "<= "+m.figure(m.Goal), met)
	}
	fmt.Fprintln(t)
	for _, line := range r.ground() {
		fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
	}
	return t.Flush()
}

func (m Measure) figure(v float64) string {
	if m.Unit == "" {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f %s", v, m.Unit)
}

func (m Measure) spread() string {
	if m.Low == m.High {
		return ""
	}
	return fmt.Sprintf("%.2f - %.2f", m.Low, m.High)
}

// ground is what the measures rest on, name and figure a line.
func (r *Report) ground() [][2]string {
	return [][2]string{
		{"machine", fmt.Sprintf("%s, %s, %d cores", r.Machine.Go, r.Machine.System, r.Machine.Cores)},
		{"floor", fmt.Sprintf("RSA-2048: %.0f signatures/s, %.0f verifications/s; SHA-256: %.0f MB/s; one core", r.Floor.Signatures, r.Floor.Verifications, r.Floor.SHA256)},
		{"fdatasync", fmt.Sprintf("4 KB appended: p50 %.2f ms, p99 %.2f ms", r.Latency.FdatasyncP50, r.Latency.FdatasyncP99)},
		{"RSA of an exchange", fmt.Sprintf("%d signatures, %d verifications, %d certificates verified", r.Operations.Signatures, r.Operations.Verifications, r.Operations.Chains)},
		{"kept connections", summary(r.Kept)},
		{"fresh connections", summary(r.Fresh)},
		{"idle", fmt.Sprintf("%.2f %% of a core, in the figures above", 100*r.IdleCPU)},
		{"latency", fmt.Sprintf("%d exchanges one by one", r.Latency.Exchanges)},
	}
}

func summary(rs []Round) string {
	var exchanges int
	var seconds float64
	var cpu, sign, verify []float64
	for _, r := range rs {
		exchanges, seconds = exchanges+r.Exchanges, seconds+r.Seconds
		cpu, sign, verify = append(cpu, r.CPU), append(sign, r.Sign), append(verify, r.Verify)
	}
	return fmt.Sprintf("%d exchanges in %.1f s; medians of CPU: %.2f ms an exchange, %.2f ms its signatures, %.2f ms its verifications",
		exchanges, seconds, median(cpu), median(sign), median(verify))
}

package bench

import (
	"errors"
	"fmt"
)

// Report is what one run measured. Times are in milliseconds of CPU unless said otherwise; what was not measured is nil.
type Report struct {
	Machine    Machine    `json:"machine"`
	Storage    Storage    `json:"storage"`
	Measures   []Measure  `json:"measures"`
	Floor      Floor      `json:"floor"`
	Operations Operations `json:"rsa_operations_of_an_exchange"`
	Rounds     *Rounds    `json:"rounds,omitempty"`
	Sustained  *Sustained `json:"sustained,omitempty"`
	Volume     *Volume    `json:"volume,omitempty"`
	Delayed    *Delayed   `json:"delayed,omitempty"`
	Latency    *Latency   `json:"latency,omitempty"`
	Memory     *Memory    `json:"memory,omitempty"`
	Kills      *Kills     `json:"kills,omitempty"`
	Postfix    *Postfix   `json:"postfix,omitempty"`

	failed []error
}

// Err is why measures could not be taken. That a program is missing which a measure needs is no error; it is in the report.
func (r *Report) Err() error { return errors.Join(r.failed...) }

// Machine is what the figures were measured on.
type Machine struct {
	Go     string `json:"go"`
	System string `json:"system"`
	Cores  int    `json:"cores"`
}

// Measure is one figure beside its goal of design.md 8. Low and High are its lowest and highest round; where there are no
// rounds they are the value.
type Measure struct {
	Name     string  `json:"name"`
	What     string  `json:"what"`
	Unit     string  `json:"unit,omitempty"`
	Value    float64 `json:"value"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Bound    string  `json:"bound"` // how the value must stand to the goal: <=, >= or <
	Goal     float64 `json:"goal"`
	Met      bool    `json:"met"`
	NotTaken string  `json:"not_taken,omitempty"` // why there is no value
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

// Units of measures that are no ratios.
const (
	unitOfMillis  = "ms"
	unitOfSeconds = "s"
	unitOfMemory  = "MB"
	unitOfMails   = "messages"
)

// goal is what a value must keep.
type goal struct {
	bound string
	value float64
}

func atMost(v float64) goal  { return goal{"<=", v} }
func atLeast(v float64) goal { return goal{">=", v} }
func below(v float64) goal   { return goal{"<", v} }

func (g goal) metBy(v float64) bool {
	switch g.bound {
	case ">=":
		return v >= g.value
	case "<":
		return v < g.value
	}
	return v <= g.value
}

// spread is the median of rounds.
func spread(name, what string, values []float64, g goal) Measure {
	m := single(name, what, "", median(values), g)
	m.Low, m.High = quantile(values, 0), quantile(values, 1)
	return m
}

func single(name, what, unit string, value float64, g goal) Measure {
	return Measure{Name: name, What: what, Unit: unit, Value: value, Low: value, High: value, Bound: g.bound, Goal: g.value, Met: g.metBy(value)}
}

func (m Measure) figure(v float64) string {
	switch {
	case m.Unit == "" && m.Goal < 0.2:
		return fmt.Sprintf("%.3f", v)
	case m.Unit == "" || m.Unit == unitOfSeconds:
		return fmt.Sprintf("%.2f%s", v, suffix(m.Unit))
	case m.Unit == unitOfMails:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f%s", v, suffix(m.Unit))
}

func suffix(unit string) string {
	if unit == "" {
		return ""
	}
	return " " + unit
}

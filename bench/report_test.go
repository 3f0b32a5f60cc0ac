package bench

import (
	"bytes"
	"math"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{7}, 0, 7}, {[]float64{7}, 0.5, 7}, {[]float64{7}, 1, 7},
		{[]float64{3, 1, 2}, 0, 1}, {[]float64{3, 1, 2}, 0.5, 2}, {[]float64{3, 1, 2}, 1, 3},
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100},
		{hundred[:50], 0.99, 100}, // 50 values: the largest
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile %g of %d values: got %g, want %g", c.q, len(c.values), got, c.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("quantile changed the order of its argument")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{4}, 4}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}, {[]float64{8, 2, 4, 1}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: got %g, want %g", c.values, got, c.want)
		}
	}
}

func TestShareAddsUp(t *testing.T) {
	for _, n := range []int{1, 4, 5, 7, 300} {
		sum := 0
		for i := range rounds {
			sum += share(n, rounds, i)
		}
		if sum != n {
			t.Errorf("%d shared among %d: %d in all", n, rounds, sum)
		}
	}
	if share(7, 7, 6) != 1 {
		t.Error("one each was not shared as one each")
	}
}

// sampleReport has rounds whose ratios are easy to see: P1 is 0.25, 0.5 and 1; P1b is 0.25, 0.75 and 0.5.
func sampleReport() *Report {
	r := &Report{
		Machine: Machine{"go1.26.0", "linux/amd64", 2}, Operations: Operations{4, 7, 3},
		Floor:   Floor{1000, 30000, 1700},
		IdleCPU: 0.0012,
		Kept:    []Round{{60, 0.5, 6, 4, 1}, {60, 0.75, 7, 4, 1}, {61, 0.75, 9, 4, 1}},
		Fresh:   []Round{{60, 1, 7, 4, 1}, {60, 1, 10, 4, 1}, {61, 1, 20.5, 7.5, 1.75}},
		Latency: newLatency(
			[]time.Duration{9 * time.Millisecond, 8 * time.Millisecond, 14 * time.Millisecond},
			[]time.Duration{500 * time.Microsecond, 400 * time.Microsecond, 2 * time.Millisecond}),
	}
	r.judge()
	return r
}

func TestJudge(t *testing.T) {
	want := []Measure{
		{"P1", textP1, "", 0.5, 0.25, 1, 0.5, true},
		{"P1b", textP1b, "", 0.5, 0.25, 0.75, 0.5, true},
		{"P7", textP7 + "p50", "ms", 9, 9, 9, 13, true},
		{"P7", textP7 + "p99", "ms", 14, 14, 14, 13, false},
	}
	got := sampleReport().Measures
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Error(diff)
	}
}

func TestWrite(t *testing.T) {
	r := sampleReport()
	var table, object bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&object); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"testdata/table.txt": table.String(), "testdata/report.json": object.String()} {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestComposeHasItsSize(t *testing.T) {
	a := compose("mario.rossi@pec.alfa.test", "luigi.verdi@pec.beta.test", time.Unix(0, 0))
	b := compose("mario.rossi@pec.alfa.test", "luigi.verdi@pec.beta.test", time.Unix(0, 0))
	if len(a) != messageSize || !bytes.HasSuffix(a, []byte("\r\n")) {
		t.Errorf("%d octets that end in %q", len(a), a[len(a)-2:])
	}
	if bytes.Equal(a, b) {
		t.Error("two messages are the same: the second would be a repeated submission")
	}
	for line := range bytes.SplitSeq(a, []byte("\r\n")) {
		if len(line) > 998 || bytes.HasPrefix(line, []byte(".")) {
			t.Errorf("a line that SMTP would have to change: %q", line)
		}
	}
}

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sampleReport has figures whose ratios are easy to see: P1 is 0.25, 0.5 and 1; P1b is 0.25, 0.75 and 0.5.
func sampleReport() *Report {
	flow := func(rate float64) *Flow {
		return &Flow{Exchanges: int(10 * rate), Seconds: 10, Drain: 0.5, Owed: 40, CPU: 12, Generator: 0.1, P50: 20, P99: 90}
	}
	r := &Report{
		Machine: Machine{"go1.26.0", "linux/amd64", 2}, Storage: Storage{Engine: engineSQLite}, Operations: Operations{4, 7, 3}, Floor: Floor{1000, 30000, 1700},
		Rounds: &Rounds{
			IdleCPU: 0.0012,
			Kept:    []Round{{60, 0.5, 6, 0, 4, 1}, {60, 0.75, 7, 0, 4, 1}, {61, 0.75, 9, 0, 4, 1}},
			Fresh:   []Round{{60, 1, 7, 0, 4, 1}, {60, 1, 10, 0, 4, 1}, {61, 1, 20.5, 0, 7.5, 1.75}},
		},
		Sustained: &Sustained{Flow: *flow(100), CalmCPU: 16, Cores: 1.5},
		Volume:    &Volume{Octets: 10*mebibyte + messageSize, Rounds: []VolumeRound{{112, 12, 0, 0, 4, 1}, {162, 12, 0, 0, 4, 1}, {132, 12, 0, 0, 4, 1}}},
		Delayed:   &Delayed{Rounds: []DelayedRound{{flow(100), nil, flow(75), 0.1}, {flow(100), nil, flow(50), 0.2}, {flow(50), nil, flow(50), 0.3}}, Syncs: 104, Facts: 1000},
		Latency: newLatency(
			[]time.Duration{9 * time.Millisecond, 8 * time.Millisecond, 14 * time.Millisecond},
			[]time.Duration{500 * time.Microsecond, 400 * time.Microsecond, 2 * time.Millisecond}),
		Memory:  &Memory{Messages: 8, Octets: bulkyOctets, Idle: 50 * megabyte, Peak: 70 * megabyte, IdleAnon: 30 * megabyte, PeakAnon: 45 * megabyte, Seconds: 9},
		Kills:   &Kills{Kills: 20, Accepted: 900, Repeated: 300, P50: 0.5, Max: 2, Lost: 1},
		Postfix: &Postfix{Version: "3.7.11", Rounds: []PostfixRound{{5000, 10, 2, 10, 50}, {6000, 10, 1.5, 8, 40}, {4000, 10, 3, 12, 60}}},
	}
	r.Sustained.Tenths = []float64{200, 100, 90, 110, 100, 100, 100, 100, 100, 100}
	r.take()
	return r
}

// take makes the measures of the figures.
func (r *Report) take() {
	r.Measures = slices.Concat(
		r.Rounds.measures(r.Storage), r.Sustained.measures(r.Storage), r.Volume.measures(r.Storage), r.Delayed.measures(r.Storage),
		r.Latency.measures(), r.Memory.measures(), r.Kills.measures())
}

// samplePostgresReport is the sample with the CPU of a database server, which uses half as much as the sandbox.
func samplePostgresReport() *Report {
	r := sampleReport()
	r.Storage = Storage{enginePostgres, "127.0.0.1:5432/ceralacca", 4711}
	r.Rounds.IdleServer = r.Rounds.IdleCPU / 2
	for _, rounds := range [][]Round{r.Rounds.Kept, r.Rounds.Fresh} {
		for i := range rounds {
			rounds[i].Server = rounds[i].CPU / 2
		}
	}
	r.Sustained.Server, r.Sustained.CalmServer = r.Sustained.CPU/2, r.Sustained.CalmCPU/2
	for i := range r.Volume.Rounds {
		x := &r.Volume.Rounds[i]
		x.LargeServer, x.SmallServer = x.Large/2, x.Small/2
	}
	for i := range r.Delayed.Rounds {
		r.Delayed.Rounds[i].Traced = &Flow{Exchanges: 600, Seconds: 10}
	}
	r.take()
	return r
}

type figures struct {
	name             string
	value, low, high float64
	bound            string
	goal             float64
	met              bool
}

func checkMeasures(t *testing.T, measures []Measure, want []figures) {
	t.Helper()
	var got []figures
	for _, m := range measures {
		got = append(got, figures{m.Name, m.Value, m.Low, m.High, m.Bound, m.Goal, m.Met})
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	if diff := cmp.Diff(want, got, near, cmp.AllowUnexported(figures{})); diff != "" {
		t.Error(diff)
	}
}

func TestMeasures(t *testing.T) {
	want := []figures{
		{"P1", 0.5, 0.25, 1, "<=", 0.5, true},
		{"P1b", 0.5, 0.25, 0.75, "<=", 0.5, true},
		{"P2", 0.8, 0.72, 0.88, ">=", 0.8, true}, // by the lower cost, 12 ms: 100/s of 125/s; the first tenth is left out
		{"P2", 90, 90, 90, "<", 1000, true},
		{"P3", 2.4, 2, 3, "<=", 2.5, true},
		{"P4", 0.75, 0.5, 1, ">=", 0.8, false},
		{"P4", 0.104, 0.104, 0.104, "<=", 0.1, false},
		{"P7", 9, 9, 9, "<=", 13, true},
		{"P7", 14, 14, 14, "<=", 13, false},
		{"P8", 2.5, 2.5, 2.5, "<=", 4, true},
		{"P10", 2, 2, 2, "<", 2, false},
		{"P10", 1, 1, 1, "<=", 0, false},
		{"P10", 0, 0, 0, "<=", 0, true},
	}
	checkMeasures(t, sampleReport().Measures, want)
}

// TestMeasuresWithADatabaseServer: CPU is given without the server's and with it, and P2 is by both together.
func TestMeasuresWithADatabaseServer(t *testing.T) {
	checkMeasures(t, samplePostgresReport().Measures[:7], []figures{
		{"P1", 0.5, 0.25, 1, "<=", 0.5, true},
		{"P1", 1.375, 1, 2.125, "<=", 0.5, false},
		{"P1b", 0.5, 0.25, 0.75, "<=", 0.5, true},
		{"P1b", 0.7416666666666667, 0.375, 1.125, "<=", 0.5, false},
		{"P2", 1.2, 1.08, 1.32, ">=", 0.8, true}, // 100/s of 1.5 cores at 18 ms
		{"P2", 90, 90, 90, "<", 1000, true},
		{"P3", 2.4, 2, 3, "<=", 2.5, true},
	})
	whole := samplePostgresReport().Measures[7]
	checkMeasures(t, []Measure{whole}, []figures{{"P3", 3.6, 3, 4.5, "<=", 2.5, false}})
}

// TestServerThatIsNotKnown: what needs it stands in the report with the reason, and the other figures say what is not in them.
func TestServerThatIsNotKnown(t *testing.T) {
	r := samplePostgresReport()
	r.Storage.PID = 0
	r.take()
	var missing, what []string
	for _, m := range r.Measures {
		if m.NotTaken != "" {
			missing = append(missing, m.Name)
		}
		what = append(what, m.What)
	}
	if diff := cmp.Diff([]string{"P1", "P1b", "P3"}, missing); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(what, "exchanges/s sustained / (cores left / CPU of one exchange, the database server's not known)") {
		t.Errorf("got %q", what)
	}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "--database-pid names it") {
		t.Errorf("%v:\n%s", err, &table)
	}
}

// TestDearCalmExchangesDoNotFlatter: P2 takes the lower of the two costs, whichever it is.
func TestDearCalmExchangesDoNotFlatter(t *testing.T) {
	a := Sustained{Flow: Flow{CPU: 12}, CalmCPU: 20, Cores: 2}
	b := Sustained{Flow: Flow{CPU: 20}, CalmCPU: 12, Cores: 2}
	if a.share(100) != b.share(100) || math.Abs(a.share(100)-0.6) > 1e-9 {
		t.Errorf("got %g and %g, want 0.6", a.share(100), b.share(100))
	}
}

func TestWrite(t *testing.T) {
	r := sampleReport()
	r.Measures = append(r.Measures, Measure{Name: "P99", NotTaken: "the tool is not there"})
	var table, postgres, object bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := samplePostgresReport().WriteTable(&postgres); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&object); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"testdata/table.txt": table.String(), "testdata/postgres.txt": postgres.String(), "testdata/report.json": object.String()} {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestFailureIsInTheReport: a measure that could not be taken stands in the report, whatever the reason. Only a program
// that is not installed is no error.
func TestFailureIsInTheReport(t *testing.T) {
	for _, c := range []struct {
		err    error
		failed bool
	}{{errors.New("a message was lost"), true}, {fmt.Errorf("no strace: %w", exec.ErrNotFound), false}, {errNotKnown, false}} {
		b := &bench{Options: Options{Only: []string{"P1b", "P2"}}, report: &Report{}}
		b.add([]string{"P1", "P1b"}, nil, c.err)
		want := []Measure{{Name: "P1b", NotTaken: c.err.Error()}}
		if diff := cmp.Diff(want, b.report.Measures); diff != "" {
			t.Errorf("%v: %s", c.err, diff)
		}
		if got := b.report.Err(); (got != nil) != c.failed {
			t.Errorf("%v: the report's error is %v", c.err, got)
		}
	}
}

func TestOnlyWhatIsWanted(t *testing.T) {
	b := &bench{Options: Options{Only: []string{"P1b"}}, report: &Report{}}
	b.add([]string{"P1", "P1b"}, []Measure{{Name: "P1"}, {Name: "P1b"}}, nil)
	if len(b.report.Measures) != 1 || b.report.Measures[0].Name != "P1b" {
		t.Errorf("got %+v", b.report.Measures)
	}
	all := &bench{report: &Report{}}
	all.add([]string{"P1", "P1b"}, []Measure{{Name: "P1"}, {Name: "P1b"}}, nil)
	if len(all.report.Measures) != 2 {
		t.Errorf("got %+v", all.report.Measures)
	}
}

func TestFigures(t *testing.T) {
	for _, c := range []struct {
		m    Measure
		want string
	}{
		{Measure{Value: 0.104, Goal: 0.1}, "0.104"}, {Measure{Value: 2.651, Goal: 0.5}, "2.65"},
		{Measure{Value: 0.3926, Unit: unitOfSeconds, Goal: 2}, "0.39 s"}, {Measure{Value: 3, Unit: unitOfMails}, "3"},
		{Measure{Value: 5.25, Unit: unitOfMillis, Goal: 13}, "5.2 ms"}, {Measure{Value: 1.26, Unit: unitOfMemory, Goal: 4}, "1.3 MB"},
	} {
		if got := c.m.figure(c.m.Value); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.m, got, c.want)
		}
	}
}

func TestPostfixThatIsNotThereIsSaid(t *testing.T) {
	r := &Report{Postfix: &Postfix{NotTaken: "Postfix is not installed"}}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "not measured: Postfix is not installed") {
		t.Errorf("%v:\n%s", err, &table)
	}
}

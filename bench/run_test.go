package bench

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// TestRun measures the real program with so few exchanges that the figures mean nothing: it asserts that they are there.
func TestRun(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ceralacca")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/ceralacca/ceralacca").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	t.Run(engineSQLite, func(t *testing.T) {
		t.Parallel()
		runAll(t, Options{Program: program})
	})
	t.Run(enginePostgres, func(t *testing.T) {
		t.Parallel()
		server := postgrestest.Start(t)
		var refused []string
		if !mayTrace(t) {
			refused = []string{"P4"}
		}
		r := runAll(t, Options{Program: program, Database: server.URL(), DatabasePID: serverPID(t, server)}, refused...)
		checkServerFigures(t, r)
		if left := server.Query(t, `SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'public')`); left != "" {
			t.Errorf("schemas are left behind: %s", left)
		}
	})
}

func serverPID(t *testing.T, server *postgrestest.Server) int {
	t.Helper()
	pid, err := strconv.Atoi(server.Query(t, `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)`))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// mayTrace tells whether this machine lets strace at a server: root's runs as another user, which needs CAP_SYS_PTRACE;
// others' is their own, which Yama may forbid.
func mayTrace(t *testing.T) bool {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nCapEff:\t")
	text, _, _ := strings.Cut(rest, "\n")
	capabilities, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	const sysPtrace = 19 // capability.h
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	own := errors.Is(err, os.ErrNotExist) || string(scope) == "0\n"
	return capabilities&(1<<sysPtrace) != 0 || os.Geteuid() != 0 && own
}

// runAll takes all measures, each as small as can be. Those that are refused say so.
func runAll(t *testing.T, o Options, refused ...string) *Report {
	t.Helper()
	o.Exchanges, o.Limit, o.Sustain, o.Kills, o.Dir, o.sizes = 10, 20*time.Second, leastWindow, 1, t.TempDir(), smallSizes()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil && len(refused) == 0 {
		t.Fatal(err)
	}
	var names []string
	for _, m := range r.Measures {
		names = append(names, m.Name)
		if (m.NotTaken != "") != slices.Contains(refused, m.Name) {
			t.Errorf("%s was not taken: %s", m.Name, m.NotTaken)
		}
	}
	if diff := cmp.Diff(Names(), slices.Compact(names)); diff != "" {
		t.Error(diff)
	}
	checkRounds(t, r.Rounds)
	checkOthers(t, r)
	if len(refused) == 0 {
		checkDelayed(t, r.Delayed)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r
}

// checkServerFigures: the CPU of a database server is in every figure that has it apart.
func checkServerFigures(t *testing.T, r *Report) {
	t.Helper()
	for _, rounds := range [][]Round{r.Rounds.Kept, r.Rounds.Fresh} {
		for _, x := range rounds {
			if x.Server <= 0 {
				t.Errorf("a round without the server: %+v", x)
			}
		}
	}
	if s := r.Sustained; s.Server <= 0 || s.CalmServer <= 0 {
		t.Errorf("sustained: %+v", s)
	}
	for _, v := range r.Volume.Rounds {
		if v.SmallServer <= 0 || v.LargeServer <= 0 {
			t.Errorf("volume: %+v", v)
		}
	}
}

func smallSizes() *sizes {
	return &sizes{floorTime: time.Millisecond, connections: 4, warmUp: 2, volumeRounds: 1, delayedRounds: 1, large: mebibyte, bulky: mebibyte}
}

func checkRounds(t *testing.T, r *Rounds) {
	t.Helper()
	for name, rounds := range map[string][]Round{"kept": r.Kept, "fresh": r.Fresh} {
		n := 0
		for _, x := range rounds {
			n += x.Exchanges
			if x.CPU <= 0 || x.Sign <= 0 || x.Verify <= 0 || x.Seconds <= 0 {
				t.Errorf("%s connections: a round without figures: %+v", name, x)
			}
		}
		if n != 10 {
			t.Errorf("%s connections: %d exchanges, not 10", name, n)
		}
	}
	if r.IdleCPU < 0 {
		t.Errorf("idle: %g", r.IdleCPU)
	}
}

func checkOthers(t *testing.T, r *Report) {
	t.Helper()
	if f := r.Floor; f.Signatures <= 0 || f.Verifications <= f.Signatures || f.SHA256 <= 0 {
		t.Errorf("floor: %+v", f)
	}
	if s := r.Sustained; !whole(&s.Flow) || s.CalmCPU <= 0 || s.Cores <= 0 || s.Cores > float64(r.Machine.Cores) {
		t.Errorf("sustained: %+v", s)
	}
	for _, v := range r.Volume.Rounds {
		if v.Small <= 0 || v.Large <= v.Small || v.Hashes <= 0 || v.Seals <= 0 {
			t.Errorf("volume: %+v", v)
		}
	}
	if l := r.Latency; l.Exchanges != 10 || l.P50 <= 0 || l.P99 < l.P50 || l.FdatasyncP50 <= 0 || l.FdatasyncP99 < l.FdatasyncP50 {
		t.Errorf("latency: %+v", l)
	}
	if x := r.Memory; x.Idle <= 0 || x.Peak < x.Idle || x.IdleAnon <= 0 || x.IdleAnon >= x.Idle || x.PeakAnon > x.Peak {
		t.Errorf("memory: %+v", x)
	}
	if k := r.Kills; k.Kills != 1 || k.Accepted <= 0 || k.P50 <= 0 || k.Max < k.P50 || k.Lost != 0 || k.Doubled != 0 {
		t.Errorf("kills: %+v", k)
	}
}

// checkDelayed: a delay is longer than 10 ms, and everything was counted.
func checkDelayed(t *testing.T, d *Delayed) {
	t.Helper()
	for _, r := range d.Rounds {
		if !whole(r.Plain) || !whole(r.Delayed) || r.Delayed.P50 < 10 || r.Traced != nil && !whole(r.Traced) {
			t.Errorf("delayed: %+v, plain %+v, traced %+v, with delays %+v", r, r.Plain, r.Traced, r.Delayed)
		}
	}
	if d.Syncs <= 0 || d.Facts <= 0 {
		t.Errorf("delayed: %d syncs, %d facts", d.Syncs, d.Facts)
	}
}

// whole tells whether the flow has all figures.
func whole(f *Flow) bool {
	return f.Exchanges > 0 && f.Seconds > f.Drain && f.Drain >= 0 && f.CPU > 0 && f.Generator > 0 && f.P50 > 0 && f.P99 >= f.P50
}

func TestOptionsAreChecked(t *testing.T) {
	good := Options{Exchanges: 1, Limit: time.Second, Sustain: time.Second, Kills: 1}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func(*Options){
		func(o *Options) { o.Exchanges = 0 }, func(o *Options) { o.Limit = 0 }, func(o *Options) { o.Sustain = -time.Second },
		func(o *Options) { o.Kills = 0 }, func(o *Options) { o.Only = []string{"P1", "P99"} },
		func(o *Options) { o.DatabasePID = os.Getpid() }, func(o *Options) { o.Database = "ceralacca" },
		func(o *Options) { o.Database, o.DatabasePID = "postgres://localhost/ceralacca", os.Getpid() },
	} {
		o := good
		spoil(&o)
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// TestMeasuresThatFail: a program that does not start leaves a report that says so of every measure that was wanted.
func TestMeasuresThatFail(t *testing.T) {
	o := Options{Program: script(t, "echo the port is taken >&2; exit 3"), Only: []string{"P1", "P7", "P10"}, Exchanges: 1, Limit: time.Second, Sustain: time.Second, Kills: 1, sizes: smallSizes()}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range r.Measures {
		if names = append(names, m.Name); m.Met || !strings.Contains(m.NotTaken, "the port is taken") {
			t.Errorf("got %+v", m)
		}
	}
	if diff := cmp.Diff(o.Only, names); diff != "" || r.Err() == nil {
		t.Errorf("%v %s", r.Err(), diff)
	}
}

// TestWithoutTheServersProcess: P4 says that it needs it, and nothing has failed.
func TestWithoutTheServersProcess(t *testing.T) {
	r, err := Run(t.Context(), Options{Program: "absent", Database: "postgres://localhost/ceralacca", Only: []string{"P4"}, Exchanges: 1, Limit: time.Second, Sustain: time.Second, Kills: 1, sizes: smallSizes()})
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	if len(r.Measures) != 1 || r.Measures[0].NotTaken != errNotKnown.Error() {
		t.Errorf("got %+v", r.Measures)
	}
}

// TestWithoutTools: where strace and Postfix are not there, the report says so and nothing has failed.
func TestWithoutTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r, err := Run(t.Context(), Options{Program: "absent", Only: []string{"P4"}, Exchanges: 1, Limit: time.Second, Sustain: time.Second, Kills: 1, Postfix: true, sizes: smallSizes()})
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	if len(r.Measures) != 1 || r.Measures[0].Met || !strings.Contains(r.Measures[0].NotTaken, "strace") {
		t.Errorf("got %+v", r.Measures)
	}
	if r.Postfix == nil || !strings.Contains(r.Postfix.NotTaken, "Postfix is not installed") {
		t.Errorf("got %+v", r.Postfix)
	}
}

// script makes a program out of shell commands.
func script(t *testing.T, commands string) string {
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+commands+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChildThatFails(t *testing.T) {
	for _, c := range []struct{ program, want string }{
		{filepath.Join(t.TempDir(), "absent"), "starting the sandbox"},
		{script(t, "echo the port is taken >&2; exit 3"), "the last that it said: the port is taken"},
		{script(t, "mkdir $3; echo '{}' > $3/sandbox.json; exec sleep 60"), "it has 0 providers"},
	} {
		_, err := startChild(t.Context(), launch{program: c.program, dir: filepath.Join(t.TempDir(), "sandbox")})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q in it", err, c.want)
		}
	}
}

func TestChildEndsWithTheContext(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := startChild(ctx, launch{program: script(t, tellPID(dir)+"exec sleep 60"), dir: dir})
		failed <- err
	}()
	pid := readPID(t, dir)
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if alive(t, pid) {
		t.Error("the child is still there")
	}
}

// TestWholeGroupEnds: what the command that starts the program leaves behind is ended too.
func TestWholeGroupEnds(t *testing.T) {
	dir := t.TempDir()
	leave := script(t, "(trap '' TERM; "+tellSubshellPID(dir)+"exec sleep 60) >/dev/null 2>&1 &\nwait")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := startChild(ctx, launch{program: "unused", dir: dir, under: []string{leave}})
		failed <- err
	}()
	pid := readPID(t, dir)
	cancel()
	<-failed
	for alive(t, pid) { // until the kernel has ended it
		if err := pause(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// tellPID writes the pid of a script into the directory.
func tellPID(dir string) string {
	return "echo $$ > " + dir + "/making; mv " + dir + "/making " + dir + "/pid; "
}

// tellSubshellPID does the same for a part of a script in parentheses.
func tellSubshellPID(dir string) string {
	return "sh -c 'echo $PPID' > " + dir + "/making; mv " + dir + "/making " + dir + "/pid; "
}

// readPID waits for what a script tells.
func readPID(t *testing.T, dir string) int {
	t.Helper()
	for _, err := os.Stat(dir + "/pid"); err != nil; _, err = os.Stat(dir + "/pid") {
		if err := pause(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive tells whether a process runs. One that nobody has waited for does not.
func alive(t *testing.T, pid int) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(text), ") Z ")
}

// TestStaleDescription: what a killed sandbox has left is not taken for what the next one says.
func TestStaleDescription(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sandbox.json"), []byte(`{"providers": [{}, {}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := startChild(t.Context(), launch{program: script(t, "exit 3"), dir: dir})
	if !fits(err, "it ended at once") || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestTailIsBounded(t *testing.T) {
	x := &tail{}
	for range 1000 {
		if _, err := x.Write([]byte("many words\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.Write([]byte("the end\n")); err != nil {
		t.Fatal(err)
	}
	if got := x.String(); len(got) > tailLength || !strings.HasSuffix(got, "\nthe end") {
		t.Errorf("%d octets that end in %q", len(got), got[len(got)-20:])
	}
}

package bench

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseStatus reads /proc/PID/status (proc(5)).
func parseStatus(text string) (resident, error) {
	var r resident
	for name, octets := range map[string]*int64{"VmRSS": &r.All, "RssAnon": &r.Anonymous, "VmHWM": &r.Peak} {
		_, rest, _ := strings.Cut(text, "\n"+name+":")
		value, _, _ := strings.Cut(rest, " kB\n")
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return r, fmt.Errorf("%s of a process: %w", name, err)
		}
		*octets = n << 10
	}
	return r, nil
}

// parseTracer reads the process that traces another one from the /proc/PID/status of that; 0 is nobody.
func parseTracer(text string) (pid int, err error) {
	_, rest, _ := strings.Cut(text, "\nTracerPid:")
	value, _, _ := strings.Cut(rest, "\n")
	if pid, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
		return 0, fmt.Errorf("TracerPid of a process: %w", err)
	}
	return pid, nil
}

// stat is what is needed of a process's /proc/PID/stat.
type stat struct {
	pid, parent int
	name        string
	ended       time.Duration // CPU of its children that it has waited for
}

// parseStat reads a line of proc(5). The name, in parentheses, may hold anything.
func parseStat(line string) (s stat, err error) {
	const tick = time.Second / 100 // USER_HZ, which is 100 on every architecture of Linux that Go knows
	from, to := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[to+1:])
	if _, err := fmt.Sscan(line, &s.pid); err != nil || from < 0 || to < from || len(fields) < 15 {
		return s, fmt.Errorf("%q is no line of a process", line)
	}
	s.name = line[from+1 : to]
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return s, err
	}
	for _, i := range []int{13, 14} { // cutime, cstime
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return s, err
		}
		s.ended += time.Duration(n) * tick
	}
	return s, nil
}

package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processCPU is what a process has used so far, user and system, in all its threads, in nanoseconds.
func processCPU(pid int) (time.Duration, error) {
	const sched = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h
	return clock(int32(^pid<<3 | sched))
}

// threadCPU is what the calling thread has used so far: the goroutine must be locked to it.
func threadCPU() (time.Duration, error) { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

func clock(id int32) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, fmt.Errorf("clock %d: %w", id, err)
	}
	return time.Duration(ts.Nano()), nil
}

func fdatasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// inGroup lets a command lead a process group of its own, so that killGroup ends whatever it has started.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endsWithUs lets a command end when this process does, however that ends. Threads of ours must not end before.
func endsWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// killGroup kills the group that pid leads. That nobody is left in it is no error.
func killGroup(pid int) error {
	if err := unix.Kill(-pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return fmt.Errorf("killing process group %d: %w", pid, err)
	}
	return nil
}

// residentMemory is what a process holds now, and the most that it held since forgetPeak.
func residentMemory(pid int) (resident, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return resident{}, err
	}
	return parseStatus(string(text))
}

// forgetPeak lets the kernel's peak begin at what the process holds now (proc(5), clear_refs).
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// readStat reads what proc(5) says of a process. One that has ended is fs.ErrNotExist.
func readStat(pid int) (stat, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(name)
	if errors.Is(err, unix.ESRCH) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	if err != nil {
		return stat{}, err
	}
	s, err := parseStat(string(text))
	if err != nil {
		return stat{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// family is a process and its children.
func family(pid int) (members []stat, err error) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, dir := range all {
		other, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return nil, err
		}
		s, err := readStat(other)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended, and its parent has its CPU
		}
		if err != nil {
			return nil, err
		}
		if s.pid == pid || s.parent == pid {
			members = append(members, s)
		}
	}
	return members, nil
}

// familyCPU is what a process, its children and those of its children that have ended have used so far.
func familyCPU(pid int) (sum time.Duration, err error) {
	members, err := family(pid)
	if err != nil {
		return 0, err
	}
	for _, s := range members {
		used, err := processCPU(s.pid)
		if err != nil && !errors.Is(err, unix.EINVAL) {
			return 0, err
		}
		sum += used + s.ended
	}
	return sum, nil
}

// tracedBy tells whether a process is traced by that other one, or has ended.
func tracedBy(pid, tracer int) (bool, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	by, err := parseTracer(string(text))
	return by == tracer, err
}

package bench

import (
	"fmt"
	"os"
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

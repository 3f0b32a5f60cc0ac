//go:build !linux

package bench

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

var errOnlyLinux = fmt.Errorf("measuring needs Linux: %w", errors.ErrUnsupported)

func processCPU(int) (time.Duration, error) { return 0, errOnlyLinux }

func threadCPU() (time.Duration, error) { return 0, errOnlyLinux }

func familyCPU(int) (time.Duration, error) { return 0, errOnlyLinux }

func family(int) ([]stat, error) { return nil, errOnlyLinux }

func readStat(int) (stat, error) { return stat{}, errOnlyLinux }

func tracedBy(int, int) (bool, error) { return false, errOnlyLinux }

func fdatasync(f *os.File) error { return f.Sync() }

func inGroup(*exec.Cmd) {}

func endsWithUs(*exec.Cmd) {}

func killGroup(int) error { return errOnlyLinux }

func residentMemory(int) (resident, error) { return resident{}, errOnlyLinux }

func forgetPeak(int) error { return errOnlyLinux }

//go:build !linux

package bench

import (
	"errors"
	"fmt"
	"os"
	"time"
)

var errOnlyLinux = fmt.Errorf("measuring needs Linux: %w", errors.ErrUnsupported)

func processCPU(int) (time.Duration, error) { return 0, errOnlyLinux }

func threadCPU() (time.Duration, error) { return 0, errOnlyLinux }

func fdatasync(f *os.File) error { return f.Sync() }

package store

import (
	"os"
	"syscall"
)

// syncData makes a file's octets and length durable (fdatasync).
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

func syncDirFile(d *os.File) error { return d.Sync() }

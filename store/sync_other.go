//go:build !linux

package store

import (
	"os"
	"runtime"
)

// syncData makes a file's octets and length durable.
func syncData(f *os.File) error { return f.Sync() }

// syncDirFile makes the names of an open directory durable. Windows writes them with the files and refuses the call.
func syncDirFile(d *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return d.Sync()
}

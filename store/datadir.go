package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The names in a data directory.
const (
	databaseName = "store.db"
	lockName     = "lock"
	segmentsDir  = "segments"
	contentsDir  = "contents"
	lostDir      = "lost+found"
	spoolDir     = "spool" // with PostgreSQL
	nodeName     = "node"  // with PostgreSQL: the token of the last process
)

// takeDir makes the directory and its parts, and takes the lock, unless refuse finds that what it holds is not ours.
func takeDir(dir string, refuse func(names map[string]bool) error, parts ...string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be read: %w", err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	if err := refuse(names); err != nil {
		return nil, err
	}
	lock, err := LockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be taken: %w", err)
	}
	for _, name := range parts {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("preparing the data directory: %w", err), UnlockFile(lock))
		}
	}
	if err := errors.Join(syncDir(dir), syncDir(filepath.Dir(dir))); err != nil {
		return nil, errors.Join(err, UnlockFile(lock))
	}
	return lock, nil
}

// foreignName is one that is not of a data directory, or "".
func foreignName(names map[string]bool, ours ...string) string {
	own := map[string]bool{lockName: true}
	for _, n := range ours {
		own[n] = true
	}
	first := ""
	for n := range names {
		if !own[n] && (first == "" || n < first) {
			first = n
		}
	}
	return first
}

// refuseForeign refuses a directory that is neither empty nor an embedded store's.
func (e *sqliteEngine) refuseForeign(names map[string]bool) error {
	other := foreignName(names, databaseName, segmentsDir, contentsDir, lostDir)
	switch {
	case names[databaseName]:
		return nil
	case names[spoolDir]:
		return fmt.Errorf("%s belongs to a provider whose data are in PostgreSQL: name that database again (database under [store], --database of the sandbox), or another directory", e.dir)
	case names[segmentsDir] && other != "":
		return fmt.Errorf("%s is missing, but its messages are there: restore it from a copy", filepath.Join(e.dir, databaseName))
	case other != "":
		return fmt.Errorf("%s is no data directory of this program (it holds %s): name an empty or new one", e.dir, other)
	}
	return nil
}

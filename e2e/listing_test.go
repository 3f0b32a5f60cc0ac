package e2e

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// listing is every file below a directory with its mode and the digest of what it holds, but those with the given names.
func listing(t testing.TB, dir string, but ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || slices.Contains(but, entry.Name()) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		all[path] = info.Mode().String()
		if info.Mode().IsRegular() {
			octets, err := os.ReadFile(path)
			all[path] += fmt.Sprintf(" %d %x", len(octets), sha256.Sum256(octets))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkSame tells which files differ between two listings.
func checkSame(t testing.TB, before, after map[string]string) {
	t.Helper()
	var changed []string
	for path, was := range before {
		if now, there := after[path]; !there {
			changed = append(changed, "gone: "+path)
		} else if now != was {
			changed = append(changed, "changed: "+path+": "+was+" -> "+now)
		}
	}
	for path := range after {
		if _, there := before[path]; !there {
			changed = append(changed, "new: "+path)
		}
	}
	slices.Sort(changed)
	for _, c := range changed {
		t.Error(c)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

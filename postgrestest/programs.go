package postgrestest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// serverPrograms returns the directory of PostgreSQL's programs. What is in PATH wins over what Debian keeps out of it,
// and of that the newest.
func serverPrograms() (string, error) {
	for _, dir := range slices.Concat(besidePath(), debianDirectories(), configured()) {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no initdb in PATH, under /usr/lib/postgresql or in pg_config's bindir: " +
		"install PostgreSQL's server (scripts/install.sh does)")
}

// psqlProgram returns the path of psql: the server's own, for the one in Debian's PATH is a Perl script that looks for it.
func psqlProgram() (string, error) {
	if bin, err := serverPrograms(); err == nil {
		if psql := filepath.Join(bin, "psql"); isFile(psql) {
			return psql, nil
		}
	}
	return exec.LookPath("psql")
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// besidePath is where the initdb in PATH really lies, with its companions.
func besidePath() []string {
	found, err := exec.LookPath("initdb")
	if err != nil {
		return nil
	}
	if found, err = filepath.EvalSymlinks(found); err != nil {
		return nil
	}
	return []string{filepath.Dir(found)}
}

// debianDirectories are /usr/lib/postgresql/<version>/bin, the newest first.
func debianDirectories() []string {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil
	}
	version := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	return dirs
}

func configured() []string {
	dir, err := exec.Command("pg_config", "--bindir").Output()
	if err != nil {
		return nil
	}
	return []string{strings.TrimSpace(string(dir))}
}

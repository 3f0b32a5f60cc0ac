// Package examples runs the programs of docs/examples, in four languages, against the real program: what they print is
// what an integrator would learn, also from receipts that come late, lack something or lie.
package examples

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain builds the program and what has to be compiled of the examples, and puts all of it first into PATH.
func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

const sources = "../../docs/examples"

// jars are the libraries of Receipts.java, where Debian has them.
const jars = "/usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar:/usr/share/java/gson.jar"

func buildAndRun(m *testing.M) int {
	bin, err := os.MkdirTemp("", "ceralacca-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	for _, build := range [][]string{
		{"go", "build", "-o", filepath.Join(bin, "ceralacca"), "../.."},
		{"go", "vet", sources + "/_go"},
		{"go", "build", "-o", filepath.Join(bin, "receipts"), sources + "/_go"},
		// Debian's jars name others that it does not have, which "path" would complain about.
		{"javac", "-Xlint:all,-path", "-Werror", "-cp", jars, "-d", bin, sources + "/Receipts.java"},
	} {
		cmd := exec.Command(build[0], build[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%q: %v\n%s", build, err, out)
			return 1
		}
	}
	for name, value := range map[string]string{
		"PATH":      bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"CLASSPATH": bin + string(os.PathListSeparator) + jars,
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // the examples mostly wait
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

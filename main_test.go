package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/ceralacca/ceralacca/provider"
)

// asProgram makes the test's binary be the program: its value says which part of it.
const asProgram = "CERALACCA_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "main":
		main()
	case "fatal":
		fatal(slog.New(slog.DiscardHandler))(errors.New("the disk is gone"))
	}
	os.Exit(m.Run())
}

// ended is how the program ended.
type ended struct {
	status         int
	stdout, stderr string
}

// program runs the program in a directory, with nothing on standard input.
func program(t *testing.T, part, dir string, args ...string) ended {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Stdin = strings.NewReader("")
	// Under the race detector a process that ends well would wait for a second.
	cmd.Env = append(os.Environ(), asProgram+"="+part, "GORACE=atexit_sleep_ms=0")
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// wrongLine is a wrong command line of testdata/commandlines.txt.
type wrongLine struct {
	args   []string
	status int
	stderr string
}

func wrongLines(t *testing.T) []wrongLine {
	t.Helper()
	octets, err := os.ReadFile("testdata/commandlines.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []wrongLine
	for block := range strings.SplitSeq(strings.TrimSpace(string(octets)), "\n\n") {
		command, rest, _ := strings.Cut(block, "\n")
		line, found := strings.CutPrefix(command, "$")
		if !found {
			continue
		}
		code, said, _ := strings.Cut(rest, "\n")
		status, err := strconv.Atoi(code)
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		all = append(all, wrongLine{strings.Fields(line), status, said + "\n"})
	}
	return all
}

// place makes what the wrong command lines are about.
func place(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"empty.toml": "", "unknown.toml": "data_dri = \"x\"\nprovider.nome = \"x\"\n", "example.toml": string(provider.Example()),
		"foreign/tesi.txt": "non toccare", "issued/ca.key": "",
	} {
		write(t, dir, name, text)
	}
	return dir
}

// occupied is a port on which somebody listens until the end of the test, no higher than a base port may be.
func occupied(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if port := l.Addr().(*net.TCPAddr).Port; port <= 65000 {
			return strconv.Itoa(port)
		}
	}
}

// What is wrong is said in a line a fault, with the cure; the status tells a wrong command line from what failed; nothing
// is written to standard output.
func TestWrongCommandLines(t *testing.T) {
	dir := place(t)
	port := occupied(t)
	fill := strings.NewReplacer("DIR", dir, "PORT", port, "''", "")
	expect := strings.NewReplacer("DIR/", dir+"/", "DIR:", dir+":", ":PORT", ":"+port)
	for _, line := range wrongLines(t) {
		for i, a := range line.args {
			line.args[i] = fill.Replace(a)
		}
		want := expect.Replace(line.stderr)
		if got := program(t, "main", dir, line.args...); got.status != line.status || got.stderr != want || got.stdout != "" {
			t.Errorf("%q: status %d, want %d; it says\n%swant\n%s%s", line.args, got.status, line.status, got.stderr, want, got.stdout)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 6 { // new is there, as the last start found its port taken
		t.Errorf("they left %v, %v", left, err)
	}
}

// Who starts from the example is told of each file that has to be put there, with the line that names it.
func TestServeFromTheExample(t *testing.T) {
	dir := place(t)
	got := program(t, "main", dir, "serve", "-c", "example.toml")
	missing := regexp.MustCompile(`(?m)^ceralacca: ` + regexp.QuoteMeta(dir) + `/example\.toml:(\d+): [a-z0-9_.]+: the file cannot be read: open ` + regexp.QuoteMeta(dir) + `/([a-z-]+\.(pem|key)): no such file or directory\. Put it there, or name another one$`)
	told := missing.FindAllStringSubmatch(got.stderr, -1)
	if got.status != exitFailed || len(told) < 9 || len(told) != strings.Count(got.stderr, "\n") {
		t.Errorf("status %d, %d files:\n%s", got.status, len(told), got.stderr)
	}
	lines := strings.Split(string(provider.Example()), "\n")
	for _, m := range told {
		if n, err := strconv.Atoi(m[1]); err != nil || n > len(lines) || !strings.Contains(lines[n-1], `"`+m[2]+`"`) {
			t.Errorf("%s is not named on line %s, %v", m[2], m[1], err)
		}
	}
}

// design.md 3: after a write whose outcome is unknown the process ends, with a status of its own.
func TestUnknownOutcome(t *testing.T) {
	if got := program(t, "fatal", t.TempDir()); got.status != exitUnknown {
		t.Errorf("%+v", got)
	}
}

// root is the model of the command line.
func root(t *testing.T) *kong.Node {
	t.Helper()
	var c commands
	return newParser(&c).Model.Node
}

// helpOf is what --help prints of a subcommand.
func helpOf(t *testing.T, n *kong.Node) string {
	t.Helper()
	var c commands
	var stdout bytes.Buffer
	k := newParser(&c)
	status := -1
	k.Stdout, k.Exit = &stdout, func(code int) { status = code }
	// As the exit is not one here, the parser goes on and may miss arguments.
	_, _ = k.Parse(append(strings.Fields(n.Path()), "--help"))
	if status != 0 {
		t.Errorf("%q: the status is %d", n.Path(), status)
	}
	return stdout.String()
}

// Every subcommand says what it does, lists its flags and arguments, and how it may end; those that do something explain more.
func TestHelpOfEverySubcommand(t *testing.T) {
	for _, n := range subcommands(root(t)) {
		help := strings.Join(strings.Fields(helpOf(t, n)), " ")
		want := []string{n.Help, "Exit status: 0 done 1 it failed", "2 the command line is wrong", "3 nobody knows", "--help", "--verbose"}
		for _, f := range n.Flags {
			if f.Help == "" {
				t.Errorf("%q: --%s has no help", n.Path(), f.Name)
			}
			want = append(want, "--"+f.Name, f.Help)
		}
		for _, a := range n.Positional {
			want = append(want, a.Help)
		}
		for _, child := range n.Leaves(true) {
			want = append(want, child.Path(), child.Help)
		}
		for paragraph := range strings.SplitSeq(n.Detail, "\n") {
			want = append(want, strings.TrimPrefix(paragraph, "\t"))
		}
		for _, text := range want {
			if text = strings.Join(strings.Fields(text), " "); !strings.Contains(help, text) {
				t.Errorf("%q: the help lacks %q:\n%s", n.Path(), text, help)
			}
		}
	}
}

// 'help X' is 'X --help'.
func TestHelpSubcommand(t *testing.T) {
	dir := t.TempDir()
	for _, of := range [][]string{{}, {"mailbox"}, {"mailbox", "add"}} {
		got, want := program(t, "main", dir, append([]string{"help"}, of...)...), program(t, "main", dir, append(of, "--help")...)
		if got != want || got.status != 0 || got.stdout == "" || got.stderr != "" {
			t.Errorf("help %q: %+v, want %+v", of, got, want)
		}
	}
}

func TestVersion(t *testing.T) {
	got, want := program(t, "main", t.TempDir(), "--version"), program(t, "main", t.TempDir(), "version")
	if got != want || got.status != 0 || !strings.HasPrefix(got.stdout, "ceralacca ") {
		t.Errorf("%+v, %+v", got, want)
	}
}

// What subcommands print goes to standard output, and nothing else does.
func TestConfigExample(t *testing.T) {
	if got := program(t, "main", t.TempDir(), "config", "example"); got != (ended{0, string(provider.Example()), ""}) {
		t.Errorf("%+v", got)
	}
}

// A stranger's octets do not steer the terminal, whatever the error.
func TestComplain(t *testing.T) {
	var b bytes.Buffer
	complain(&b, errors.Join(errors.New("one\x1b[2J\r"), errors.New("two\n")))
	if got := b.String(); got != "ceralacca: one?[2J?\nceralacca: two\n" {
		t.Errorf("%q", got)
	}
}

// helpers of the tests of completion and manual pages.

// tool runs another program, which must be there.
func tool(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %q: %v\n%s", name, args, err, stderr.String())
	}
	return stdout.String()
}

// existing is a file that must be there.
func existing(t *testing.T, path ...string) string {
	t.Helper()
	octets, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(octets)
}

package main

import (
	"fmt"
	"strings"
	"testing"
)

// bash itself completes behind every subcommand: all that may follow, then what begins as was typed.
func TestBashCompletes(t *testing.T) {
	var calls, want strings.Builder
	ask := func(words ...string) {
		fmt.Fprintf(&calls, "COMP_WORDS=(ceralacca %s); COMP_CWORD=%d; _ceralacca; echo \"${COMPREPLY[*]}\"\n", strings.Join(words, " "), len(words))
	}
	for _, n := range subcommands(root(t)) {
		ask(append(strings.Fields(n.Path()), "''")...)
		var all []string
		for _, w := range wordsAt(n) {
			all = append(all, w.text)
		}
		fmt.Fprintln(&want, strings.Join(all, " "))
	}
	for _, x := range []struct{ typed, offered string }{
		{"mail", "mailbox"}, {"-v mailbox a", "add"}, {"sandbox --f", "--fresh"}, {"authority issue --provider serve --d", "--dir"},
		{"sandbox --dir ''", ""}, {"serve -c ''", ""}, {"serve x", ""}, {"completion f", "fish"}, {"nonsense mail", "mailbox"},
	} {
		ask(strings.Fields(x.typed)...)
		fmt.Fprintln(&want, x.offered)
	}
	script := "set -u\n" + bashCompletion(root(t)) + calls.String()
	if got := tool(t, script, "bash", "--norc", "--noprofile", "-s"); got != want.String() {
		t.Errorf("bash offers\n%swant\n%s", got, want.String())
	}
}

// The script is loaded as its first line says.
func TestBashLoadsTheCompletion(t *testing.T) {
	got := program(t, "main", t.TempDir(), "completion", "bash")
	if got != (ended{0, bashCompletion(root(t)), ""}) {
		t.Fatalf("%+v", got)
	}
	if told := tool(t, got.stdout+"complete -p ceralacca\n", "bash", "--norc", "--noprofile", "-s"); told != "complete -o default -F _ceralacca ceralacca\n" {
		t.Errorf("bash knows %q", told)
	}
}

// zsh and fish are not on every machine that tests: here it is seen that their scripts name everything, each with its
// help, and only once at each place.
func TestOtherShellsAreToldAll(t *testing.T) {
	for shell, names := range map[string]func(word, string) string{
		"zsh": func(w word, _ string) string {
			return "        " + shellQuoted(w.text+":"+w.help) + "\n"
		},
		"fish": func(w word, at string) string {
			begin := `complete -c ceralacca -n '__ceralacca_at \'` + at + `\''`
			if flag, ok := strings.CutPrefix(w.text, "--"); ok {
				return begin + " -l " + flag + " "
			}
			return begin + " -a " + fishQuoted(w.text) + " -d " + fishQuoted(w.help) + "\n"
		},
	} {
		script := program(t, "main", t.TempDir(), "completion", shell).stdout
		for _, n := range subcommands(root(t)) {
			part := script
			if shell == "zsh" {
				_, part, _ = strings.Cut(script, "    ("+shellQuoted(n.Path())+") offered=(\n")
				part, _, _ = strings.Cut(part, "    ) ;;\n")
			}
			for _, w := range wordsAt(n) {
				if count := strings.Count(part, names(w, n.Path())); count != 1 {
					t.Errorf("%s: %q has %q %d times:\n%s", shell, n.Path(), w.text, count, part)
				}
			}
		}
	}
}

func TestQuoting(t *testing.T) {
	const text = `it's a \ and $(x)`
	if got := tool(t, "printf %s "+shellQuoted(text), "bash", "--norc", "-s"); got != text {
		t.Errorf("bash reads %q", got)
	}
	if got := fishQuoted(text); got != `'it\'s a \\ and $(x)'` {
		t.Errorf("for fish it is %s", got)
	}
}

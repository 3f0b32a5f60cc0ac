package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Run prints the script.
func (c completionCmd) Run(k *kong.Kong) error {
	script := map[string]func(*kong.Node) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	_, err := os.Stdout.WriteString(script(k.Model.Node))
	return err
}

// word is something that may come next on a command line.
type word struct{ text, help string }

// subcommands lists a node and those below it, except the hidden ones.
func subcommands(n *kong.Node) []*kong.Node {
	all := []*kong.Node{n}
	for _, child := range n.Children {
		if !child.Hidden {
			all = append(all, subcommands(child)...)
		}
	}
	return all
}

// flagsOf are the flags that may stand behind a node's name.
func flagsOf(n *kong.Node) []*kong.Flag { return slices.Concat(n.AllFlags(true)...) }

// wordsAt is what may follow a node: subcommands, the values of an argument, flags.
func wordsAt(n *kong.Node) []word {
	var words []word
	for _, child := range n.Children {
		if !child.Hidden {
			words = append(words, word{child.Name, child.Help})
		}
	}
	for _, argument := range n.Positional {
		if argument.Enum != "" {
			for _, value := range argument.EnumSlice() {
				words = append(words, word{value, argument.Help})
			}
		}
	}
	for _, f := range flagsOf(n) {
		words = append(words, word{"--" + f.Name, f.Help})
	}
	return words
}

// valueFlags are the flags that a value follows, in all their forms.
func valueFlags(root *kong.Node) []string {
	var names []string
	for _, n := range subcommands(root) {
		for _, f := range n.Flags {
			if f.IsBool() {
				continue
			}
			names = append(names, "--"+f.Name)
			if f.Short != 0 {
				names = append(names, "-"+string(f.Short))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// paths are the names of all subcommands from the root, such as "mailbox add".
func paths(root *kong.Node) []string {
	var all []string
	for _, n := range subcommands(root)[1:] {
		all = append(all, n.Path())
	}
	return all
}

// shellQuoted is a text as one word of a POSIX shell.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quotedAll(all []string, quote func(string) string, between string) string {
	var quoted []string
	for _, s := range all {
		quoted = append(quoted, quote(s))
	}
	return strings.Join(quoted, between)
}

// Each of the three scripts walks along the words before the cursor, as far as they name a subcommand, and offers what may
// follow there; behind a flag that wants a value, file names.

func bashCompletion(root *kong.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# bash completion for %[1]s. Load it with: source <(%[1]s completion bash)
_%[1]s() {
    local at= next words= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        next="${at:+$at }${COMP_WORDS[i]}"
        case "$next" in
        %[2]s) at=$next ;;
        esac
    done
    COMPREPLY=()
    case "${COMP_WORDS[COMP_CWORD-1]}" in
    %[3]s) return ;;
    esac
    case "$at" in
`, root.Name, quotedAll(paths(root), shellQuoted, " | "), strings.Join(valueFlags(root), " | "))
	for _, n := range subcommands(root) {
		var words []string
		for _, w := range wordsAt(n) {
			words = append(words, w.text)
		}
		fmt.Fprintf(&b, "    %s) words=%s ;;\n", shellQuoted(n.Path()), shellQuoted(strings.Join(words, " ")))
	}
	fmt.Fprintf(&b, `    esac
    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _%[1]s %[1]s
`, root.Name)
	return b.String()
}

func zshCompletion(root *kong.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, `#compdef %[1]s
# zsh completion for %[1]s: a file _%[1]s in a directory of $fpath, or: source <(%[1]s completion zsh)
_%[1]s() {
    local at= next
    local -a offered
    for next in "${(@)words[2,CURRENT-1]}"; do
        next="${at:+$at }$next"
        case "$next" in
        (%[2]s) at=$next ;;
        esac
    done
    case "${words[CURRENT-1]}" in
    (%[3]s) _files; return ;;
    esac
    case "$at" in
`, root.Name, quotedAll(paths(root), shellQuoted, "|"), strings.Join(valueFlags(root), "|"))
	for _, n := range subcommands(root) {
		var words []string
		for _, w := range wordsAt(n) {
			words = append(words, shellQuoted(strings.ReplaceAll(w.text, ":", `\:`)+":"+w.help))
		}
		fmt.Fprintf(&b, "    (%s) offered=(\n        %s\n    ) ;;\n", shellQuoted(n.Path()), strings.Join(words, "\n        "))
	}
	fmt.Fprintf(&b, `    esac
    _describe -t words %[1]s offered || _files
}
if [[ "${funcstack[1]}" == _%[1]s ]]; then
    _%[1]s "$@"
else
    compdef _%[1]s %[1]s
fi
`, root.Name)
	return b.String()
}

func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func fishCompletion(root *kong.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# fish completion for %[1]s. Keep it as ~/.config/fish/completions/%[1]s.fish
function __%[1]s_at
    set -l at
    for next in (commandline -opc)[2..-1]
        set next (string join ' ' $at $next)
        if contains -- $next %[2]s
            set at $next
        end
    end
    test "$at" = "$argv"
end
complete -c %[1]s -f
`, root.Name, quotedAll(paths(root), fishQuoted, " "))
	for _, n := range subcommands(root) {
		at := fmt.Sprintf("complete -c %s -n %s", root.Name, fishQuoted("__"+root.Name+"_at "+fishQuoted(n.Path())))
		for _, w := range wordsAt(n) {
			if !strings.HasPrefix(w.text, "--") {
				fmt.Fprintf(&b, "%s -a %s -d %s\n", at, fishQuoted(w.text), fishQuoted(w.help))
			}
		}
		for _, f := range flagsOf(n) {
			fmt.Fprintf(&b, "%s -l %s", at, f.Name)
			if f.Short != 0 {
				fmt.Fprintf(&b, " -s %c", f.Short)
			}
			if !f.IsBool() {
				b.WriteString(" -r -F")
			}
			fmt.Fprintf(&b, " -d %s\n", fishQuoted(f.Help))
		}
	}
	return b.String()
}

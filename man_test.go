package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/provider"
)

// formatted is a page as it is read; groff finds nothing to complain about.
func formatted(t *testing.T, page string) string {
	t.Helper()
	return tool(t, page, "groff", "-ww", "-man", "-Tascii", "-P-cbou", "-rLL=500n")
}

// words is a text without its division into lines.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestCommandsPageHasEverySubcommandAndFlag(t *testing.T) {
	page := formatted(t, commandsPage(root(t)))
	for _, heading := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXIT STATUS", "SEE ALSO"} {
		if strings.Count(page, "\n"+heading+"\n") != 1 {
			t.Errorf("the page has no heading %s, or several:\n%s", heading, page)
		}
	}
	for _, n := range root(t).Leaves(true) {
		section := words(sectionOf(page, n.Summary()))
		want := append([]string{n.Help}, strings.Split(n.Detail, "\n")...)
		for _, f := range n.Flags {
			name := "--" + f.Name
			if !f.IsBool() {
				name += "=" + f.FormatPlaceHolder()
			}
			want = append(want, name+" "+f.Help)
		}
		for _, a := range n.Positional {
			want = append(want, a.Name+" "+a.Help)
		}
		for _, text := range want {
			if !strings.Contains(section, words(text)) {
				t.Errorf("%q: its section lacks %q:\n%s", n.Path(), text, section)
			}
		}
	}
	for _, f := range root(t).Flags {
		if !strings.Contains(words(page), "--"+f.Name+" "+f.Help) {
			t.Errorf("the page lacks --%s", f.Name)
		}
	}
}

// sectionOf is what stands below a heading, up to the next one.
func sectionOf(page, heading string) string {
	_, section, _ := strings.Cut(page, "\n   "+heading+"\n")
	if end := regexp.MustCompile(`(?m)^ {0,3}\S`).FindStringIndex(section); end != nil {
		section = section[:end[0]]
	}
	return section
}

// Every key of the example is a paragraph of the page, with its value and its remark.
func TestConfigPageHasEveryKey(t *testing.T) {
	read := words(formatted(t, configPage(string(provider.Example()))))
	keys := regexp.MustCompile(`(?m)^(?:# )?([a-z_0-9]+ = (?:"[^"]*"|\[.*?\]|\S+))`).FindAllStringSubmatch(string(provider.Example()), -1)
	if len(keys) < 30 {
		t.Fatalf("the example has %d keys", len(keys))
	}
	for _, k := range keys {
		if !strings.Contains(read, k[1]) {
			t.Errorf("the page lacks %q", k[1])
		}
	}
	for line := range strings.SplitSeq(string(provider.Example()), "\n") {
		_, remark, found := strings.Cut(line, " # ")
		if !found && !setting.MatchString(line) {
			remark = strings.TrimPrefix(line, "# ")
		}
		if !strings.Contains(read, words(remark)) {
			t.Errorf("the page lacks the remark %q", remark)
		}
	}
}

// What is written below a directory is what is printed, where man looks for it.
func TestManWritesBoth(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // a second time over the first
		if got := program(t, "main", dir, "man", "--dir", "share/man"); got != (ended{}) {
			t.Fatalf("%+v", got)
		}
	}
	for name, path := range map[string]string{"ceralacca": "man1/ceralacca.1", "ceralacca.toml": "man5/ceralacca.toml.5"} {
		if got := program(t, "main", dir, "man", name); got.status != 0 || got.stdout != existing(t, dir, "share/man", path) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Text is text to roff, whatever it begins with.
func TestRoffEscapes(t *testing.T) {
	var r roff
	r.title("x", "1")
	const text = `.TH "a" \fB-x\fR`
	r.prose(text + "\n\n\t'quoted\n\t.SH \\n")
	r.heading("SS", `"a" \ -b`)
	r.item(".word", "='v'", "'remark")
	read := words(formatted(t, r.String()))
	for _, want := range []string{text, `'quoted .SH \n`, `"a" \ -b`, ".word='v' 'remark"} {
		if !strings.Contains(read, want) {
			t.Errorf("%q is not in\n%s", want, read)
		}
	}
}

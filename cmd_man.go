package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ceralacca/ceralacca/provider"
)

type manCmd struct {
	Page string `arg:"" optional:"" default:"ceralacca" enum:"ceralacca,ceralacca.toml" help:"The page: ceralacca or ceralacca.toml."`
	Dir  string `type:"path" placeholder:"DIR" help:"Write both pages below this directory, as man does look for them."`
}

// Run prints a page or writes both.
func (c manCmd) Run(k *kong.Kong) error {
	if c.Dir == "" {
		page := commandsPage(k.Model.Node)
		if c.Page == "ceralacca.toml" {
			page = configPage(string(provider.Example()))
		}
		_, err := os.Stdout.WriteString(page)
		return err
	}
	for name, page := range map[string]string{"man1/ceralacca.1": commandsPage(k.Model.Node), "man5/ceralacca.toml.5": configPage(string(provider.Example()))} {
		path := filepath.Join(c.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing the manual pages: %w", err)
		}
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			return fmt.Errorf("writing the manual pages: %w", err)
		}
	}
	return nil
}

// roff is a manual page that grows.
type roff struct{ strings.Builder }

// escaped is a text that is shown as it is; a hyphen stays one that can be copied.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func (r *roff) title(name, section string) {
	fmt.Fprintf(r, ".TH %s %s \"\" %q Ceralacca\n", escaped(strings.ToUpper(name)), section, escaped(version()))
}

func (r *roff) heading(macro, text string) {
	fmt.Fprintf(r, ".%s \"%s\"\n", macro, strings.ReplaceAll(escaped(text), `"`, `\(dq`))
}

// prose writes paragraphs, divided by empty lines; lines that begin with a tab are examples.
func (r *roff) prose(text string) {
	if text == "" {
		return
	}
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			r.WriteString(".PP\n")
		}
		if !strings.HasPrefix(paragraph, "\t") {
			r.WriteString(escaped(paragraph) + "\n")
			continue
		}
		r.WriteString(".RS 4\n.nf\n")
		for line := range strings.SplitSeq(paragraph, "\n") {
			r.WriteString(escaped(strings.TrimPrefix(line, "\t")) + "\n")
		}
		r.WriteString(".fi\n.RE\n")
	}
}

// item writes a word that is explained, with its value if it has one.
func (r *roff) item(word, value, text string) {
	fmt.Fprintf(r, ".TP\n\\fB%s\\fR", escaped(word))
	if value != "" {
		fmt.Fprintf(r, "%s", escaped(value))
	}
	r.WriteString("\n" + escaped(text) + "\n")
}

func (r *roff) flags(flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		word, value := "--"+f.Name, ""
		if f.Short != 0 {
			word = "-" + string(f.Short) + ", " + word
		}
		if !f.IsBool() {
			value = "=" + f.FormatPlaceHolder()
		}
		r.item(word, value, f.Help)
	}
}

// commandsPage is ceralacca(1).
func commandsPage(root *kong.Node) string {
	var r roff
	r.title(root.Name, "1")
	r.heading("SH", "NAME")
	r.WriteString(`ceralacca \- provider, authority and sandbox of Italian certified e\-mail (PEC)` + "\n")
	r.heading("SH", "SYNOPSIS")
	r.WriteString(".B ceralacca\n.I command\n[flags]\n")
	r.heading("SH", "DESCRIPTION")
	r.prose("PEC gives an e-mail the legal value of a registered letter with return receipt. This program is a complete provider of it, with what its operators, and whoever writes programs for it, need besides: see the commands.")
	r.heading("SH", "OPTIONS")
	r.flags(root.Flags)
	r.heading("SH", "COMMANDS")
	for _, n := range root.Leaves(true) {
		r.heading("SS", n.Summary())
		r.prose(n.Help + "\n\n" + n.Detail)
		for _, a := range n.Positional {
			r.item(a.Name, "", a.Help)
		}
		r.flags(n.Flags)
	}
	r.heading("SH", "EXIT STATUS")
	for _, s := range exitStatuses() {
		r.item(fmt.Sprint(s.code), "", s.meaning)
	}
	r.heading("SH", "SEE ALSO")
	r.WriteString(".BR ceralacca.toml (5)\n")
	return r.String()
}

// setting is a line of the example: what may stand there, remarked out or not, and the remark behind it.
var setting = regexp.MustCompile(`^(?:# )?(\[+[a-z_.]+\]+|[a-z_0-9]+ = (?:"[^"]*"|\[[^\]]*\]|[^ #]+)) *(?:# *(.*))?$`)

// configPage is ceralacca.toml(5): the example with its remarks as text.
func configPage(example string) string {
	var r roff
	r.title("ceralacca.toml", "5")
	r.heading("SH", "NAME")
	r.WriteString("ceralacca.toml \\- configuration of a provider of certified e\\-mail\n")
	r.heading("SH", "DESCRIPTION")
	above := "" // a remark that stands before what it is about
	for line := range strings.SplitSeq(example, "\n") {
		m := setting.FindStringSubmatch(line)
		if m == nil && line != "" {
			above = strings.TrimSpace(above + " " + strings.TrimPrefix(line, "# "))
			continue
		}
		if m == nil {
			r.prose(above)
		} else if text := strings.TrimSpace(above + " " + m[2]); strings.HasPrefix(m[1], "[") {
			r.heading("SS", m[1])
			r.prose(text)
		} else {
			name, value, _ := strings.Cut(m[1], " = ")
			r.item(name, " = "+value, text)
		}
		above = ""
	}
	r.heading("SH", "SEE ALSO")
	r.WriteString(".BR ceralacca (1)\n.PP\n")
	r.WriteString(escaped("'ceralacca config example' prints all of this as a file.") + "\n")
	return r.String()
}

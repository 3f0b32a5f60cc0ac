package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rulebook holds what can be cited, in its order: by "design.md" or "RFC 6109", the numbers that it has.
type rulebook map[string][]string

const rulesDir = "docs/rules"

// The forms of docs/rules/README.md, after backticks and links are taken away. A number is what stands directly behind
// the name; behind the first, each with its separator, stand more of the same.
const (
	section   = `[0-9]+(?:\.[0-9]+)*\b`
	number    = `(?:[A-Z]?[0-9]+(?:\.[0-9]+)*b?|[A-Z])\b`
	separator = `(?:, and |, | and | or | to |-|; )`
	rfc       = `\b(RFC [0-9]+)`
	page      = `\b([a-z][a-z-]*\.md)`
)

var (
	citation = regexp.MustCompile(rfc + `(?: (appendix [A-Z]\b|` + section + `(?:` + separator + section + `)*))?|` +
		page + `(?: (` + number + `(?:` + separator + number + `)*))?`)
	ref        = regexp.MustCompile(`(` + separator + `)?(` + number + `)`)
	misform    = regexp.MustCompile(`(?:` + rfc + `|` + page + `)(?:,? (?:§|[Ss]ect|[Ii]tem|[Nn]o\. )[a-z. ]*[0-9]|, [0-9]+\.[0-9])`)
	link       = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	mark       = regexp.MustCompile(`^\s*(?://|/\*|#+ |--|\* )?\s*|\s*(?:\*/)?\s*$`)
	heading    = regexp.MustCompile(`^#+ ([0-9]+(?:\.[0-9]+)?|[A-Z])[. ]`)
	paragraph  = regexp.MustCompile(`^([0-9]+)\. `)
	row        = regexp.MustCompile(`^\| ([A-Z][0-9]+b?) \|`)
	rfcList    = regexp.MustCompile(`^(RFC [0-9]+)(?:: (.+))?$`)
	commentsIn = []string{".md", ".sql", ".smtp", ".toml"} // beside Go
)

func TestWhatIsCitedExists(t *testing.T) {
	problems, err := citationProblems(".", readRulebook(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Error(problem)
	}
}

// testedAttacks are the classes of attacks.md against which everything stands that is built already.
const testedAttacks = "attacks.md 1-16, 20, 24-26, 33, 34, 39"

// TestEveryAttackHasATest wants each of these classes cited in a test: in the comment of a function that is a test, a
// fuzz target or a subtest, or inside it, where its cases are.
func TestEveryAttackHasATest(t *testing.T) {
	sources, err := parseTree(".")
	if err != nil {
		t.Fatal(err)
	}
	book := readRulebook(t)
	for _, class := range missingAttacks(sources, book) {
		t.Errorf("no test cites %s", class)
	}
}

func missingAttacks(sources []source, book rulebook) (missing []string) {
	tests := slices.DeleteFunc(slices.Clone(sources), func(s source) bool { return !s.test })
	run := map[string]bool{}
	for _, s := range tests {
		for _, name := range handedOver(s) {
			run[name] = true
		}
	}
	covered := map[string]bool{}
	for _, s := range tests {
		for _, decl := range s.syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !run[f.Name.Name] && !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			for _, text := range s.texts(f) {
				cited, _ := book.cited(text.words)
				for _, class := range cited {
					covered[class] = true
				}
			}
		}
	}
	all, _ := book.cited(testedAttacks)
	return slices.DeleteFunc(all, func(class string) bool { return covered[class] })
}

// handedOver names the functions that are an argument or an element somewhere, as those of subtests are.
func handedOver(s source) (names []string) {
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		var values []ast.Expr
		switch n := node.(type) {
		case *ast.CallExpr:
			values = n.Args
		case *ast.CompositeLit:
			values = n.Elts
		case *ast.KeyValueExpr:
			values = []ast.Expr{n.Value}
		}
		for _, value := range values {
			if ident, ok := value.(*ast.Ident); ok {
				names = append(names, ident.Name)
			}
		}
		return true
	})
	return names
}

func readRulebook(t *testing.T) rulebook {
	t.Helper()
	book := rulebook{}
	copies, err := filepath.Glob(rulesDir + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range copies {
		if filepath.Base(name) != "README.md" {
			book.addCopy(filepath.Base(name), readLines(t, name))
		}
	}
	for _, line := range readLines(t, rulesDir+"/rfc-sections.txt") {
		list := rfcList.FindStringSubmatch(line)
		if list == nil {
			t.Fatalf("rfc-sections.txt: %q is no list of sections", line)
		}
		book[list[1]] = strings.Fields(list[2])
	}
	return book
}

// addCopy takes the numbers of headings, paragraphs and rows. Paragraph 3 of section 2 is 2.3, but in a list that goes
// on through several sections (the checklist of norms.md, the classes of attacks.md) it is 3; there, so that a number
// has one meaning, a chapter has none.
func (b rulebook) addCopy(name string, lines []string) {
	list := name == "norms.md" || name == "attacks.md"
	section := ""
	for _, line := range lines {
		if h := heading.FindStringSubmatch(line); h != nil {
			section = h[1]
			if !list || strings.Contains(section, ".") {
				b[name] = append(b[name], section)
			}
		} else if p := paragraph.FindStringSubmatch(line); p != nil && list && strings.HasPrefix(section, "5.") {
			b[name] = append(b[name], p[1])
		} else if p != nil && section != "" {
			b[name] = append(b[name], section+"."+p[1])
		} else if r := row.FindStringSubmatch(line); r != nil {
			b[name] = append(b[name], r[1])
		}
	}
}

// passage is a text as a reader reads it: without marks of comments and with its lines joined, but for an empty one.
type passage struct {
	words  string
	starts []int // where each line begins in words
	first  int   // the number of the first line in its file
}

func read(text string, first int) passage {
	p := passage{first: first}
	if !strings.Contains(text, "RFC") && !strings.Contains(text, ".md") {
		return p // cites nothing: most texts
	}
	for line := range strings.Lines(text) {
		p.starts = append(p.starts, len(p.words))
		line = strings.ReplaceAll(link.ReplaceAllString(mark.ReplaceAllString(line, ""), "$1"), "`", "")
		if line == "" {
			line = "\n"
		}
		p.words += line + " "
	}
	return p
}

func (p passage) line(offset int) int {
	i, exact := slices.BinarySearch(p.starts, offset)
	if !exact {
		i--
	}
	return p.first + i
}

// texts are the comments and the literals of strings within node. A literal is read as it is written.
func (s source) texts(node ast.Node) []passage {
	start, end := node.Pos(), node.End()
	switch n := node.(type) {
	case *ast.File:
		start, end = n.FileStart, n.FileEnd
	case *ast.FuncDecl:
		if n.Doc != nil {
			start = n.Doc.Pos()
		}
	}
	texts := s.comments(start, end)
	ast.Inspect(node, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			texts = append(texts, read(literal.Value, s.line(literal.Pos())))
		}
		return true
	})
	return texts
}

// comments joins those on neighbouring lines: one behind code may go on below.
func (s source) comments(start, end token.Pos) (texts []passage) {
	lines, first, last := "", 0, 0
	for _, group := range s.syntax.Comments {
		if group.Pos() < start || end <= group.Pos() {
			continue
		}
		if s.line(group.Pos()) > last+1 {
			texts = append(texts, read(lines, first))
			lines, first = "", s.line(group.Pos())
		}
		for _, comment := range group.List {
			lines += comment.Text + "\n"
		}
		last = s.line(group.End())
	}
	return append(texts, read(lines, first))
}

// citationProblems reads the Go files and what else has comments or is prose, but for the copies themselves.
func citationProblems(root string, book rulebook) (problems []string, err error) {
	sources, err := parseTree(root)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		for _, text := range s.texts(s.syntax) {
			problems = append(problems, book.problems(s.name, text)...)
		}
	}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		fromRoot, _ := filepath.Rel(root, name)
		fromRoot = filepath.ToSlash(fromRoot)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && (entry.Name()[0] == '.' || fromRoot == rulesDir):
			return filepath.SkipDir
		case entry.IsDir() || !slices.Contains(commentsIn, filepath.Ext(name)):
			return nil
		}
		text, err := os.ReadFile(name)
		problems = append(problems, book.problems(fromRoot, read(string(text), 1))...)
		return err
	})
	return problems, err
}

// problems says with file and line what is cited and not there.
func (b rulebook) problems(file string, p passage) (problems []string) {
	for _, at := range citation.FindAllStringIndex(p.words, -1) {
		_, wrong := b.cited(p.words[at[0]:at[1]])
		for _, w := range wrong {
			problems = append(problems, fmt.Sprintf("%s:%d: %s", file, p.line(at[0]), w))
		}
	}
	for _, at := range misform.FindAllStringIndex(p.words, -1) {
		problems = append(problems, fmt.Sprintf("%s:%d: %q is not the form of %s/README.md", file, p.line(at[0]), p.words[at[0]:at[1]], rulesDir))
	}
	return problems
}

// cited returns what a text cites, each as "attacks.md 12", and what is wrong with it. From-to cites all between.
func (b rulebook) cited(text string) (cited, wrong []string) {
	for _, c := range citation.FindAllStringSubmatch(text, -1) {
		name, refs := c[1]+c[3], ref.FindAllStringSubmatch(c[2]+c[4], -1)
		numbers, known := b[name]
		if !known && (strings.HasPrefix(name, "RFC ") || len(refs) > 0) {
			wrong = append(wrong, name+" is not in "+rulesDir+": see README.md there")
			continue
		}
		last := -1
		for _, r := range refs {
			at := slices.Index(numbers, r[2])
			through := r[1] == "-" || r[1] == " to "
			switch {
			case at < 0:
				wrong = append(wrong, name+" has no "+r[2])
			case through && last >= at:
				wrong = append(wrong, name+" runs backwards to "+r[2])
			case through && last >= 0:
				for _, number := range numbers[last+1 : at+1] {
					cited = append(cited, name+" "+number)
				}
			default:
				cited = append(cited, name+" "+r[2])
			}
			last = at
		}
	}
	return cited, wrong
}

func TestFalseCitationsAreFound(t *testing.T) {
	book := readRulebook(t)
	cases := []struct{ name, behind, want string }{
		{"design.md", " 4", ""},
		{"design.md", " 3, 9, RCPT on port 25", ""},
		{"design.md", " 8, P1b", ""},
		{"design.md", " 11", "design.md has no 11"},
		{"design.md", " 8, P12", "design.md has no P12"},
		{"design.md", " 3.1", "design.md has no 3.1"},
		{"norms.md", " 27", ""},
		{"norms.md", " 1.3 and 0.14, 2.4", ""},
		{"norms.md", " 81 to 83, 160", ""},
		{"norms.md", " 161", "norms.md has no 161"},
		{"norms.md", " 113-161", "norms.md has no 161"},
		{"norms.md", " 83-81", "norms.md runs backwards to 81"},
		{"norms.md", " 20, 162", "norms.md has no 162"},
		{"norms.md", " 1.8", "norms.md has no 1.8"},
		{"norms.md", " 0", "norms.md has no 0"},
		{"attacks.md", " 40", ""},
		{"attacks.md", " 9, 41", "attacks.md has no 41"},
		{"attacks.md", " A5", "attacks.md has no A5"},
		{"quirks.md", " A5", ""},
		{"quirks.md", " A, B10 and F", ""},
		{"quirks.md", " A17", "quirks.md has no A17"},
		{"quirks.md", " A and G", "quirks.md has no G"},
		{"quirks.md", " 5", "quirks.md has no 5"},
		{"field-notes.md", " 4.8, 2.13", ""},
		{"field-notes.md", " 2.14", "field-notes.md has no 2.14"},
		{"field-notes.md", " 14", "field-notes.md has no 14"},
		{"habits.md", " says", ""},
		{"habits.md", " 3", "habits.md is not in docs/rules"},
		{"RFC 6109", " alone", ""},
		{"RFC 6109", " 3.1.5, D.M. 2 November 2005", ""},
		{"RFC 6109", " 3.1.7", "RFC 6109 has no 3.1.7"},
		{"RFC 6109", " 3.1.1; 3.6", "RFC 6109 has no 3.6"},
		{"RFC 5321", " 4.5.3.2.7.", ""},
		{"RFC 5321", " 4.5.3.2.8", "RFC 5321 has no 4.5.3.2.8"},
		{"RFC 5280", " appendix A", ""},
		{"RFC 5280", " appendix D", "RFC 5280 has no D"},
		{"RFC 7505", " 3", "RFC 7505 has no 3"},
		{"RFC", " 61090", "61090 is not in docs/rules"},
		{"RFC 6109", ", section 3.1.5", "is not the form"},
		{"RFC 6109", " § 3.1.5", "is not the form"},
		{"RFC 6109", ", 3.1.5", "is not the form"},
		{"norms.md", " items 4-14", "is not the form"},
		{"`norms.md", "` 161", "norms.md has no 161"},
		{"[norms.md", "](rules/norms.md) 161", "norms.md has no 161"},
		{"[norms.md", " 161](rules/norms.md)", "norms.md has no 161"},
		{"norms.md", "\n161", "norms.md has no 161"},
		{"norms.md", " 1,\n161", "norms.md has no 161"},
		{"norms.md", "\n\n161 times", ""},
	}
	for _, c := range cases {
		lines := strings.Split("Behind a line: ("+c.name+c.behind+").", "\n")
		for name, text := range map[string]string{
			"docs/a.md":         "# Title\n" + strings.Join(lines, "\n"),
			"smtpd/a.smtp":      "\n# " + strings.Join(lines, "\n# "),
			"pec/doc.go":        "\n// " + strings.Join(lines, "\n// ") + "\npackage pec\n",
			"pec/end.go":        "package pec\nconst c = 1 // " + strings.Join(lines, "\n// ") + "\n",
			"pec/block.go":      "package pec\n/* " + strings.Join(lines, "\n") + " */\n",
			"pec/literal.go":    "package pec\nconst c = `" + strings.ReplaceAll(strings.Join(lines, "\n"), "`", "") + "`\n",
			"docs/rules/new.md": strings.Join(lines, "\n"),
		} {
			root := t.TempDir()
			write(t, root, name, text)
			problems, err := citationProblems(root, book)
			found := len(problems) == 1 && strings.HasPrefix(problems[0], name+":2: ") && strings.Contains(problems[0], c.want)
			if none := c.want == "" || name == "docs/rules/new.md"; err != nil || none && len(problems) > 0 || !none && !found {
				t.Errorf("%s %q: problems %q, %v; want %q", name, lines, problems, err, c.want)
			}
		}
	}
}

func TestAttackWithoutTestIsFound(t *testing.T) {
	book := readRulebook(t)
	const comment = "// attacks.md 1 to 6, 8,\n// 9 to 16, 20, 24 to 26, 33, 34 and 39."
	cases := []struct{ name, text, want string }{
		{"a_test.go", comment + "\nfunc TestA(t *testing.T) {}\n" + "// attacks.md 7\nfunc FuzzB() {}", ""},
		{"a_test.go", comment + "\nfunc FuzzA(f *testing.F) {\n// attacks.md 7\n}", ""},
		{"a_test.go", comment + "\nfunc TestA(t *testing.T) { run(`attacks.md 7`) }", ""},
		{"a_test.go", comment + "\nfunc TestA(t *testing.T) { t.Run(``, sub) }\n" + "// attacks.md 7\nfunc sub() {}", ""},
		{"a_test.go", comment + "\nfunc TestA(t *testing.T) { all(list{{``, sub}}) }\n" + "// attacks.md 7\nfunc sub() {}", ""},
		{"a_test.go", comment + "\nfunc TestA(t *testing.T) { helper(t) }\n" + "// attacks.md 7\nfunc helper() {}", "attacks.md 7"},
		{"a_test.go", comment + "\nfunc TestA(t *testing.T) {}\n\n" + "// attacks.md 7\n", "attacks.md 7"},
		{"a.go", "// attacks.md 1\nfunc TestA() {}", "attacks.md 1"},
	}
	for _, c := range cases {
		root := t.TempDir()
		write(t, root, "pec/"+c.name, "package pec\n"+c.text)
		sources, err := parseTree(root)
		missing := strings.Join(missingAttacks(sources, book), ", ")
		if err != nil || missing != c.want && (c.name == "a_test.go" || !strings.Contains(missing, c.want)) {
			t.Errorf("%q: missing %q, %v; want %q", c.text, missing, err, c.want)
		}
	}
}

func readLines(t *testing.T, name string) []string {
	t.Helper()
	octets, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(octets), "\n"), "\n")
}

package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/conformance.md anew")

const (
	checklistFile  = rulesDir + "/norms.md"
	verdictsFile   = "testdata/conformance.txt"
	conformanceDoc = "docs/conformance.md"

	// The states of an item. All but met say what is missing, or why.
	met, partly, notYet, notApplicable = "met", "partly", "not yet", "not applicable"
)

var (
	chapterLine = regexp.MustCompile(`^## (5\.[0-9]+ .+)$`)
	itemLine    = regexp.MustCompile(`^([0-9]+)\. (.+)$`)
	provenance  = regexp.MustCompile(` \((?:[^()]|\([^()]*\))*\)\.?$`)
	bareSection = regexp.MustCompile(`\bRFC ([0-9]+\.[0-9])`) // norms.md means RFC 6109
	verdictLine = regexp.MustCompile(`^([0-9]+) (met|partly|not yet|not applicable)(?:: (.+))?$`)
)

// TestConformance holds docs/conformance.md to the checklist of norms.md, the states of testdata/conformance.txt, and what
// the tests cite. A test shows an item that its comments or strings cite, by the forms of docs/rules/README.md.
func TestConformance(t *testing.T) {
	page, problems, err := conformance(".")
	if err == nil && *update && len(problems) == 0 {
		err = os.WriteFile(conformanceDoc, []byte(page), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range append(problems, stalePage(".", page)...) {
		t.Error(problem)
	}
}

func stalePage(root, page string) []string {
	written, err := os.ReadFile(filepath.Join(root, conformanceDoc))
	if err != nil || string(written) != page {
		return []string{conformanceDoc + " is not what is generated: go test -run TestConformance . -update"}
	}
	return nil
}

// demand is an item of the checklist, and what is known of it.
type demand struct {
	number, text, chapter string
	state, why            string
	shown                 []citing
}

// citing is a test that cites an item.
type citing struct{ file, test string }

// conformance reads a tree, and returns the page that it gives and what is wrong with it.
func conformance(root string) (page string, problems []string, err error) {
	var texts [2]string
	for i, name := range []string{checklistFile, verdictsFile} {
		octets, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return "", nil, err
		}
		texts[i] = strings.TrimSuffix(string(octets), "\n")
	}
	sources, err := parseTree(root)
	demands, book := checklist(texts[0]), rulebook{}
	problems = judge(demands, texts[1])
	book.addCopy(path.Base(checklistFile), strings.Split(texts[0], "\n"))
	shown := citedByTests(sources, book)
	for i, d := range demands {
		demands[i].shown = shown[d.number]
		problems = append(problems, demands[i].problems()...)
	}
	return conformancePage(demands), problems, err
}

// checklist reads the items, each without the places that it was taken from.
func checklist(norms string) (demands []demand) {
	chapter := ""
	for line := range strings.SplitSeq(norms, "\n") {
		if c := chapterLine.FindStringSubmatch(line); c != nil {
			chapter = c[1]
		} else if strings.HasPrefix(line, "#") {
			chapter = ""
		} else if i := itemLine.FindStringSubmatch(line); i != nil && chapter != "" {
			text := strings.TrimSuffix(provenance.ReplaceAllString(i[2], ""), ".")
			demands = append(demands, demand{number: i[1], text: bareSection.ReplaceAllString(text, "RFC 6109 $1"), chapter: chapter})
		}
	}
	return demands
}

// judge gives each item its state.
func judge(demands []demand, verdicts string) (problems []string) {
	for i, line := range strings.Split(verdicts, "\n") {
		v := verdictLine.FindStringSubmatch(line)
		at := slices.IndexFunc(demands, func(d demand) bool { return v != nil && d.number == v[1] })
		switch {
		case v == nil:
			problems = append(problems, fmt.Sprintf("%s:%d: %q is no number and state", verdictsFile, i+1, line))
		case at < 0:
			problems = append(problems, fmt.Sprintf("%s:%d: the checklist has no item %s", verdictsFile, i+1, v[1]))
		case demands[at].state != "":
			problems = append(problems, fmt.Sprintf("%s:%d: item %s has a state already", verdictsFile, i+1, v[1]))
		default:
			demands[at].state, demands[at].why = v[2], v[3]
		}
	}
	return problems
}

// problems says what an item's state claims and nothing bears out.
func (d demand) problems() (problems []string) {
	is := "item " + d.number + " is " + d.state
	switch {
	case d.state == "":
		return []string{"item " + d.number + " has no state"}
	case d.state == met && d.why != "":
		problems = append(problems, is+", but says what is missing")
	case d.state != met && d.why == "":
		problems = append(problems, is+", but does not say why or what is missing")
	}
	untested := strings.HasPrefix(d.why, "no test yet") // true, but not shown
	switch {
	case len(d.shown) == 0 && (d.state == met || d.state == partly && !untested):
		problems = append(problems, is+", but no test cites it")
	case len(d.shown) > 0 && (d.state == notYet || untested):
		problems = append(problems, is+", but "+d.shown[0].test+" in "+d.shown[0].file+" cites it")
	}
	return problems
}

// citedByTests finds the tests that show each item. The tests of the root judge the tree, and show nothing.
func citedByTests(sources []source, book rulebook) map[string][]citing {
	tests := slices.DeleteFunc(slices.Clone(sources), func(s source) bool { return !s.test || s.pkg == "main" })
	run := map[string]bool{} // functions that are handed over, as those of subtests are
	for _, s := range tests {
		for _, name := range handedOver(s) {
			run[s.pkg+"."+name] = true
		}
	}
	shown := map[string][]citing{}
	for _, s := range tests {
		for _, decl := range s.syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil {
				continue
			}
			name := f.Name.Name
			if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") || run[s.pkg+"."+name] {
				s.addCited(f, book, shown)
			}
		}
	}
	for _, tests := range shown {
		slices.SortFunc(tests, func(a, b citing) int { return strings.Compare(a.file+" "+a.test, b.file+" "+b.test) })
	}
	return shown
}

// addCited adds what one function cites. What stands within the lines of a t.Run whose name is a literal is that subtest's.
func (s source) addCited(f *ast.FuncDecl, book rulebook, shown map[string][]citing) {
	for _, text := range s.texts(f) {
		for _, at := range citation.FindAllStringIndex(text.words, -1) {
			e := citing{s.name, s.testAt(f, text.line(at[0]))}
			cited, _ := book.cited(text.words[at[0]:at[1]])
			for _, c := range cited {
				number := strings.TrimPrefix(c, path.Base(checklistFile)+" ")
				if !slices.Contains(shown[number], e) {
					shown[number] = append(shown[number], e)
				}
			}
		}
	}
}

// testAt is the name of the test or subtest at a line, as go test writes it.
func (s source) testAt(f *ast.FuncDecl, line int) string {
	name := f.Name.Name
	ast.Inspect(f, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || line < s.line(call.Pos()) || s.line(call.End()) < line {
			return true
		}
		if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Run" && len(call.Args) == 2 {
			if literal, ok := call.Args[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				sub, _ := strconv.Unquote(literal.Value)
				name += "/" + strings.ReplaceAll(sub, " ", "_")
			}
		}
		return true
	})
	return name
}

func conformancePage(demands []demand) string {
	count := map[string]int{}
	for _, d := range demands {
		count[d.state]++
	}
	var page strings.Builder
	fmt.Fprintf(&page, "# How far we conform\n\nEach item of the checklist of [norms.md](rules/norms.md), its state, and the tests that show it.\n"+
		"%d items: %d met, %d partly, %d not yet, %d not applicable. *Partly* is also what is true and has no test yet.\n\n"+
		"This page is generated from norms.md, [conformance.txt](../%s), and what the tests cite: change those, then\n"+
		"`go test -run TestConformance . -update`. The test fails where this page says what no test shows.\n",
		len(demands), count[met], count[partly], count[notYet], count[notApplicable], verdictsFile)
	chapter := ""
	for _, d := range demands {
		if d.chapter != chapter {
			chapter = d.chapter
			fmt.Fprintf(&page, "\n## %s\n\n| | demanded | state | shown by |\n|---|---|---|---|\n", chapter)
		}
		state := d.state
		if d.why != "" {
			state += ": " + d.why
		}
		fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", d.number, cell(d.text), cell(state), links(d.shown))
	}
	return page.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func links(tests []citing) string {
	all := make([]string, len(tests))
	for i, e := range tests {
		all[i] = fmt.Sprintf("[%s.%s](../%s)", path.Dir(e.file), cell(e.test), e.file)
	}
	return strings.Join(all, ", ")
}

func TestFalseConformanceIsFound(t *testing.T) {
	const norms = "# 4. Other\n1. Not this.\n## 5.1 First (F)\n1. One a|b (RFC" + " 2.1, DM 12(2)a).\n2. Two of RFC" + " 4.4 (see) here.\n## 5.2 Second\n3. Three.\n4. Four.\n# 6. More\n5. Nor this.\n"
	const verdicts = "1 met\n2 partly: half of it\n3 not yet: later\n4 not applicable: nobody asks\n"
	const tests = "// norms.md 1\nfunc TestA(t *testing.T) {\nt.Run(`sub`, func(t *testing.T) {\nt.Run(`x y`, f) // norms.md 1 and 2\n})\n}\n" +
		"// norms.md 3\nfunc helper() {}\n// norms.md 2\nfunc handed() {}\nvar _ = list{handed}\n"
	for _, c := range []struct{ name, file, old, new, want string }{
		{"all is well", verdictsFile, "", "", ""},
		{"another page", conformanceDoc, "4 items", "5 items", conformanceDoc + " is not what is generated"},
		{"an item more", checklistFile, "4. Four.", "4. Four.\n5. Five.", "item 5 has no state"},
		{"an item less", checklistFile, "4. Four.\n", "", "has no item 4"},
		{"no state", verdictsFile, "4 not applicable: nobody asks\n", "", "item 4 has no state"},
		{"two states", verdictsFile, "2 partly", "1 met\n2 partly", "conformance.txt:2: item 1 has a state already"},
		{"no such state", verdictsFile, "nobody asks\n", "nobody asks\n4 perhaps\n", "conformance.txt:5: "},
		{"met, but", verdictsFile, "1 met", "1 met: almost", "item 1 is met, but says what is missing"},
		{"met without a test", verdictsFile, "3 not yet: later", "3 met", "item 3 is met, but no test cites it"},
		{"partly without a test", verdictsFile, "3 not yet", "3 partly", "item 3 is partly, but no test cites it"},
		{"partly without what is missing", verdictsFile, ": half of it", "", "item 2 is partly, but does not say"},
		{"partly, no test yet", verdictsFile, "3 not yet: later", "3 partly: no test yet", conformanceDoc + " is not"},
		{"partly with a test", verdictsFile, "half of it", "no test yet", "item 2 is partly, but TestA/sub/x_y in pec/a_test.go cites it"},
		{"not yet without a reason", verdictsFile, ": later", "", "item 3 is not yet, but does not say"},
		{"not applicable without a reason", verdictsFile, ": nobody asks", "", "item 4 is not applicable, but does not say"},
		{"not yet with a test", "pec/a_test.go", "norms.md 1 and 2", "norms.md 1 to 3", "item 3 is not yet, but TestA/sub/x_y in pec/a_test.go cites it"},
		{"no test any more", "pec/a_test.go", "// norms.md 1\n", "", conformanceDoc + " is not"},
		{"cited by what is no test", "pec/a.go", "pec\n", "pec\n// norms.md 3\nfunc TestC() {}\n", ""},
	} {
		root := t.TempDir()
		files := map[string]string{checklistFile: norms, verdictsFile: verdicts, "pec/a_test.go": "package pec\n" + tests, "pec/a.go": "package pec\n"}
		for name, text := range files {
			write(t, root, name, text)
		}
		files[conformanceDoc], _, _ = conformance(root)
		write(t, root, conformanceDoc, files[conformanceDoc])
		for _, row := range []string{
			"\n4 items: 1 met, 1 partly, 1 not yet, 1 not applicable.", "\n## 5.2 Second\n", "\n| 3 | Three | not yet: later |  |\n",
			"\n| 1 | One a\\|b | met | [pec.TestA](../pec/a_test.go), [pec.TestA/sub/x_y](../pec/a_test.go) |\n",
			"\n| 2 | Two of RFC 6109 4.4 (see) here | partly: half of it | [pec.TestA/sub/x_y](../pec/a_test.go), [pec.handed](../pec/a_test.go) |\n",
		} {
			if !strings.Contains(files[conformanceDoc], row) {
				t.Fatalf("%q is not in the page:\n%s", row, files[conformanceDoc])
			}
		}
		write(t, root, c.file, strings.Replace(files[c.file], c.old, c.new, 1))
		page, problems, err := conformance(root)
		if len(problems) == 0 {
			problems = stalePage(root, page)
		}
		if found := len(problems) == 1 && strings.Contains(problems[0], c.want); err != nil || found == (c.want == "") || c.want == "" && len(problems) > 0 {
			t.Errorf("%s: problems %q, %v; want %q", c.name, problems, err, c.want)
		}
	}
}

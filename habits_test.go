package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Sizes, in lines: what the best trees of this kind have in common, held a little tighter.
const (
	maxFileLines        = 500
	maxMedianFile       = 150
	maxFunctionLines    = 120
	maxMedianFunction   = 17
	nineOfTenFunctions  = 49
	tooFewToHaveAMedian = 20
)

// exemptions are the places that leave a habit: the file and what it does there, and why.
var exemptions = map[string]string{
	"dispatch/data.go crlf":                    "two octets, handed to Write only",
	"dispatch/relay.go context.Background":     "slog asks for one with a level; it carries nothing",
	"pec/time.go panic":                        "a program without Italian legal time is a broken build",
	"provider/client.go os.Exit":               "a subcommand whose data cannot be written ends as serve does",
	"store/engine.go engine":                   "the storage engines (design.md 2)",
	"store/sqlite_group.go context.Background": "a prepared statement outlives the fact that first needs it",
}

// breaks makes the line of a habit that is left, unless the place is exempt.
func (s source) breaks(node ast.Node, what, why string) []string {
	if _, exempt := s.exempt[s.name+" "+what]; exempt {
		return nil
	}
	return []string{s.at(node, "%s: %s", what, why)}
}

func TestEveryExemptionIsNeeded(t *testing.T) {
	sources, err := parseTree(".")
	if err != nil {
		t.Fatal(err)
	}
	unneeded := map[string]string{}
	for place, why := range exemptions {
		unneeded[place] = why
	}
	for _, s := range sources {
		s.exempt = nil
		for _, rule := range fileRules {
			for _, problem := range rule(s) {
				_, told, _ := strings.Cut(problem, ": ")
				what, _, _ := strings.Cut(told, ":")
				delete(unneeded, s.name+" "+what)
			}
		}
	}
	for place := range unneeded {
		t.Errorf("%s: breaks nothing any more: take the exemption away", place)
	}
}

func isShort(s source) (problems []string) {
	if lines := s.line(s.syntax.FileEnd); lines > maxFileLines {
		problems = append(problems, s.at(s.syntax, "a file of %d lines, more than %d", lines, maxFileLines))
	}
	if s.test {
		return problems
	}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		switch node.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			if lines := s.lines(node); lines > maxFunctionLines {
				problems = append(problems, s.at(node, "a function of %d lines, more than %d", lines, maxFunctionLines))
				return false
			}
		}
		return true
	})
	return problems
}

// spread judges how the lengths lie over the whole tree, tests not counted.
func spread(sources []source) (problems []string) {
	var files, functions []int
	for _, s := range sources {
		if s.test {
			continue
		}
		files = append(files, s.line(s.syntax.FileEnd))
		for _, decl := range s.syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				functions = append(functions, s.lines(f))
			}
		}
	}
	judge := func(what string, lengths []int, tenths, limit int) {
		slices.Sort(lengths)
		if len(lengths) < tooFewToHaveAMedian {
			return
		}
		if length := lengths[len(lengths)*tenths/10]; length > limit {
			problems = append(problems, fmt.Sprintf("%s: %d of 10 may have %d lines at most, they have %d", what, tenths, limit, length))
		}
	}
	judge("files", files, 5, maxMedianFile)
	judge("functions", functions, 5, maxMedianFunction)
	judge("functions", functions, 9, nineOfTenFunctions)
	return problems
}

func isDocumented(s source) (problems []string) {
	if s.test {
		return nil
	}
	for _, decl := range s.syntax.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc.Text() == "" && d.Name.IsExported() && !explainsItself(d) && (d.Recv == nil || ast.IsExported(receiver(d))) {
				problems = append(problems, s.at(d, "%s has no doc comment", d.Name.Name))
			}
		case *ast.GenDecl:
			for _, name := range undocumented(d) {
				problems = append(problems, s.at(name, "%s has no doc comment", name.Name))
			}
		}
	}
	return problems
}

// explainsItself tells the methods of the error interfaces, whose meaning the standard library gives.
func explainsItself(d *ast.FuncDecl) bool {
	return d.Recv != nil && (d.Name.Name == "Error" || d.Name.Name == "Unwrap")
}

// undocumented returns the exported names of a declaration that nothing explains. A comment on a group serves its
// constants and variables, not its types.
func undocumented(decl *ast.GenDecl) (names []*ast.Ident) {
	for _, spec := range decl.Specs {
		switch sp := spec.(type) {
		case *ast.TypeSpec:
			single := !decl.Lparen.IsValid() && decl.Doc.Text() != ""
			if sp.Name.IsExported() && !single && sp.Doc.Text() == "" {
				names = append(names, sp.Name)
			}
		case *ast.ValueSpec:
			if decl.Doc.Text()+sp.Doc.Text()+sp.Comment.Text() != "" {
				continue
			}
			for _, name := range sp.Names {
				if name.IsExported() {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// packagesWithoutComment wants the comment where `go doc` finds it: in a test file only if there is no other.
func packagesWithoutComment(sources []source) (problems []string) {
	byDirectory := map[string][]source{}
	for _, s := range sources {
		byDirectory[path.Dir(s.name)] = append(byDirectory[path.Dir(s.name)], s)
	}
	for directory, files := range byDirectory {
		onlyTests := !slices.ContainsFunc(files, func(s source) bool { return !s.test })
		documents := func(s source) bool { return s.test == onlyTests && s.syntax.Doc.Text() != "" }
		if !slices.ContainsFunc(files, documents) {
			problems = append(problems, directory+": no package comment")
		}
	}
	return problems
}

func hasNoInit(s source) (problems []string) {
	for _, decl := range s.syntax.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			problems = append(problems, s.at(f, "no func init (design.md 2)"))
		}
	}
	return problems
}

// fixed are the calls whose results nobody writes to.
var fixed = []string{"errors.New", "fmt.Errorf", "regexp.MustCompile", "sync.OnceValue", "template.Must"}

// keepsNoState wants constants among the variables of a package: errors, patterns, what is embedded.
func keepsNoState(s source) (problems []string) {
	if s.test {
		return nil
	}
	for _, decl := range s.syntax.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR || isEmbedded(d.Doc) {
			continue
		}
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			for i, name := range v.Names {
				if name.Name != "_" && !isEmbedded(v.Doc) && !(i < len(v.Values) && isFixed(v.Values[i])) {
					problems = append(problems, s.breaks(name, name.Name, "no state in a package (design.md 2)")...)
				}
			}
		}
	}
	return problems
}

func isEmbedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func isFixed(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	called, ok := call.Fun.(*ast.SelectorExpr)
	return ok && slices.Contains(fixed, lastName(called.X)+"."+called.Sel.Name)
}

func declaresNoInterface(s source) (problems []string) {
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		if spec, ok := node.(*ast.TypeSpec); ok && !s.test {
			if _, ok := spec.Type.(*ast.InterfaceType); ok {
				problems = append(problems, s.breaks(spec, spec.Name.Name, "a seam is a function or a type of the standard library (design.md 2)")...)
			}
		}
		return true
	})
	return problems
}

func doesNotPanic(s source) (problems []string) {
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok && !s.test && isNamed(call.Fun, "panic") {
			problems = append(problems, s.breaks(call, "panic", "return an error")...)
		}
		return true
	})
	return problems
}

// reach are the uses of other packages that reach for what should be handed in.
var reach = []struct {
	path  string
	names string // "" for the whole package
	main  bool   // package main may
	test  bool   // tests may
	why   string
}{
	{"time", "Sleep", false, false, "wait for what should happen, or in a bubble of testing/synctest"},
	{"context", "Background TODO", true, true, "contexts are handed in"},
	{"os", "Exit", true, true, "only main ends the program"},
	{"os", "Setenv Unsetenv Clearenv Chdir", false, true, "the process is shared by several providers (design.md 2)"},
	{"fmt", "Print Printf Println", true, true, "only main speaks to standard output"},
	{"log", "", false, true, "the log is a slog.Logger that is handed in"},
	{"log/slog", "SetDefault Default Debug Info Warn Error Log", false, true, "the log is handed in"},
	{"net/http", "DefaultServeMux DefaultClient DefaultTransport Handle HandleFunc Get Head Post PostForm", false, true, "no state of other packages"},
}

func takesWhatItNeeds(s source) (problems []string) {
	names := map[string]string{}
	for _, spec := range s.syntax.Imports {
		names[localName(spec)] = importPath(spec)
	}
	_, bubble := names["synctest"]
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		use, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := use.X.(*ast.Ident)
		for _, r := range reach {
			named := r.names == "" || slices.Contains(strings.Fields(r.names), use.Sel.Name)
			may := r.main && s.pkg == "main" || s.test && (r.test || bubble)
			if ok && names[of.Name] == r.path && named && !may {
				problems = append(problems, s.breaks(use, path.Base(r.path)+"."+use.Sel.Name, r.why)...)
			}
		}
		return true
	})
	return problems
}

var undone = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

func leavesNothingUndone(s source) (problems []string) {
	for _, group := range s.syntax.Comments {
		for _, comment := range group.List {
			if mark := undone.FindString(comment.Text); mark != "" {
				problems = append(problems, s.at(comment, "%s: do it, or say in docs/divergences.md what is not there", mark))
			}
		}
	}
	return problems
}

func skipsNothing(s source) (problems []string) {
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		use, ok := node.(*ast.SelectorExpr)
		if ok && (use.Sel.Name == "Skipf" || use.Sel.Name == "SkipNow" || use.Sel.Name == "Skip" && isTester(s, use.X)) {
			problems = append(problems, s.at(use, "no test skips"))
		}
		return true
	})
	return problems
}

// isTester tells t.Skip from a decoder's Skip, by the names that testers have.
func isTester(s source, expr ast.Expr) bool {
	importsTesting := slices.ContainsFunc(s.syntax.Imports, func(spec *ast.ImportSpec) bool {
		return slices.Contains([]string{"testing", "pgregory.net/rapid"}, importPath(spec))
	})
	return importsTesting && slices.Contains([]string{"t", "b", "f", "tb", "rt"}, lastName(expr))
}

// lastName is x of both x and y.x, and nothing of any other expression.
func lastName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// receiver is the name of a method's type, without pointer and type parameters.
func receiver(f *ast.FuncDecl) string {
	expr := f.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		default:
			return lastName(expr)
		}
	}
}

func TestHabitsBite(t *testing.T) {
	const doc = "// Package x is here.\npackage x\n"
	long := func(lines int) string { return "func f() {" + strings.Repeat("\n", lines-1) + "}\n" }
	many := func(shorter, longer int) string {
		return doc + strings.Repeat(long(1), 20-shorter) + strings.Repeat(long(longer), shorter)
	}
	uses := func(name, use string) string { return doc + "import \"" + name + "\"\nfunc f() { " + use + " }\n" }
	bite(t, []biting{
		{"pec/a.go", "package x\n", "pec: no package comment"},
		{"pec/a.go", "//go:build linux\n\npackage x\n", "pec: no package comment"},
		{"e2e/a_test.go", "package x\n", "e2e: no package comment"},
		{"e2e/a_test.go", doc, ""},
		{"pec/a.go", doc + "func init() {}\n", "no func init"},
		{"pec/a_test.go", doc + "func init() {}\n", "no func init"},
		{"pec/a.go", doc + "type t int\nfunc (t) init() {}\n", ""},

		{"pec/a.go", doc + strings.Repeat("\n", 499), "a file of 501 lines, more than 500"},
		{"pec/a_test.go", doc + strings.Repeat("\n", 499), "a file of 501 lines, more than 500"},
		{"pec/a.go", doc + strings.Repeat("\n", 498), ""},
		{"pec/a.go", doc + long(121), "a function of 121 lines, more than 120"},
		{"pec/a.go", doc + "// f is\n// documented.\n" + long(120), ""},
		{"pec/a.go", doc + "var _ = " + strings.Replace(long(121), " f", "", 1), "a function of 121 lines, more than 120"},
		{"pec/a_test.go", doc + long(121), ""},
		{"pec/a.go", many(10, 18), "functions: 5 of 10 may have 17 lines at most, they have 18"},
		{"pec/a.go", many(9, 18), ""},
		{"pec/a.go", many(2, 50), "functions: 9 of 10 may have 49 lines at most, they have 50"},
		{"pec/a.go", many(2, 49), ""},
		{"pec/a.go", many(1, 120), ""},
		{"pec/a_test.go", many(10, 18), ""},

		{"pec/a.go", doc + "func F() {}\n", "F has no doc comment"},
		{"pec/a.go", doc + "type T int\n", "T has no doc comment"},
		{"pec/a.go", doc + "// Both.\ntype (\n\tT int\n)\n", "T has no doc comment"},
		{"pec/a.go", doc + "var V = errors.New(``)\n", "V has no doc comment"},
		{"pec/a.go", doc + "const C = 1\n", "C has no doc comment"},
		{"pec/a.go", doc + "// T is.\ntype T[E any] struct{}\nfunc (*T[E]) M() {}\n", "M has no doc comment"},
		{"pec/a.go", doc + "type t int\nfunc (t) M() {}\n", ""},
		{"pec/a.go", doc + "// Both.\nconst (\n\tC = 1\n\tD = 2\n)\n", ""},
		{"pec/a_test.go", doc + "func F() {}\n", ""},

		{"pec/a.go", doc + "var v int\n", "v: no state"},
		{"pec/a.go", doc + "var v = map[string]int{}\n", "v: no state"},
		{"pec/a.go", doc + "var v = []int{1}\n", "v: no state"},
		{"pec/a.go", doc + "var v, w = errors.New(``), make(chan int)\n", "w: no state"},
		{"pec/a.go", doc + "var v sync.Mutex\n", "v: no state"},
		{"pec/a.go", doc + "var (\n\ta = errors.New(``)\n\tv = new(T)\n)\n", "v: no state"},
		{"pec/a.go", doc + "var v = regexp.MustCompile(``)\n", ""},
		{"pec/a.go", doc + "//go:embed a\nvar v embed.FS\n", ""},
		{"pec/a.go", doc + "var _ io.Reader = T{}\n", ""},
		{"pec/a.go", doc + "func f() { var v int }\n", ""},
		{"pec/a_test.go", doc + "var v int\n", ""},
		{"pec/a.go", doc + "type i interface{ m() }\n", "i: a seam is"},
		{"pec/a.go", doc + "func f() { type i interface{ m() } }\n", "i: a seam is"},
		{"pec/a_test.go", doc + "type i interface{ m() }\n", ""},

		{"pec/a.go", doc + "func f() { panic(1) }\n", "panic: return an error"},
		{"pec/a.go", doc + "func f() { x.panic(1) }\n", ""},
		{"pec/a_test.go", doc + "func f() { panic(1) }\n", ""},
		{"store/a.go", uses("time", "time.Sleep(1)"), "time.Sleep: wait for"},
		{"a.go", uses("time", "time.Sleep(1)"), "time.Sleep: wait for"},
		{"store/a_test.go", uses("time", "time.Sleep(1)"), "time.Sleep: wait for"},
		{"store/a_test.go", doc + "import (\n\"testing/synctest\"\n\"time\"\n)\nfunc f() { time.Sleep(1) }\n", ""},
		{"store/a.go", uses("context", "context.Background()"), "context.Background: contexts"},
		{"store/a.go", uses("context", "context.TODO()"), "context.TODO: contexts"},
		{"a.go", uses("context", "context.Background()"), ""},
		{"store/a_test.go", uses("context", "context.Background()"), ""},
		{"store/a.go", uses("os", "os.Exit(1)"), "os.Exit: only main"},
		{"a.go", uses("os", "os.Exit(1)"), ""},
		{"a.go", uses("os", "os.Chdir(``)"), "os.Chdir: the process"},
		{"store/a.go", uses("fmt", "fmt.Println()"), "fmt.Println: only main"},
		{"store/a.go", uses("fmt", "fmt.Fprintln(w)"), ""},
		{"store/a.go", uses("log", "log.Fatal()"), "log.Fatal: the log"},
		{"store/a.go", doc + "func f() { s.log.Info(``) }\n", ""},
		{"store/a.go", uses("log/slog", "slog.Info(``)"), "slog.Info: the log"},
		{"store/a.go", uses("log/slog", "slog.New(h)"), ""},
		{"store/a.go", uses("net/http", "http.Handle(``, h)"), "http.Handle: no state"},
		{"store/a.go", doc + "import web \"net/http\"\nvar _ = web.DefaultClient\n", "http.DefaultClient: no state"},

		{"pec/a.go", doc + "// TO" + "DO: more\n", "TO" + "DO: do it"},
		{"pec/a_test.go", doc + "func f() {} // FIX" + "ME\n", "FIX" + "ME: do it"},
		{"pec/a.go", doc + "const c = `XX" + "X`\n", ""},
		{"pec/a_test.go", doc + "import \"testing\"\nfunc f(t *testing.T) { t.Skip() }\n", "no test skips"},
		{"pec/a_test.go", doc + "import \"testing\"\nfunc f(c c) { c.t.Skip() }\n", "no test skips"},
		{"pec/a_test.go", doc + "func f(x x) { x.SkipNow() }\n", "no test skips"},
		{"pec/a_test.go", doc + "func f(x x) { x.Skipf(``) }\n", "no test skips"},
		{"pec/a_test.go", doc + "import \"testing\"\nfunc f(decoder d) { decoder.Skip() }\n", ""},
	})
}

func TestPackageCommentBelongsOutsideTests(t *testing.T) {
	root := t.TempDir()
	write(t, root, "pec/a.go", "package pec\n")
	write(t, root, "pec/a_test.go", "// Package pec is here.\npackage pec\n")
	if problems, err := problemsOf(root); err != nil || len(problems) != 1 {
		t.Errorf("problems %q, %v; want one", problems, err)
	}
}

func TestMedianOfFiles(t *testing.T) {
	for lines, want := range map[int]int{150: 0, 151: 1} {
		root := t.TempDir()
		for i := range 20 {
			write(t, root, fmt.Sprintf("pec/%d.go", i), "// Package pec is here.\npackage pec\n"+strings.Repeat("\n", (lines-2)*(i%2)))
		}
		if problems, err := problemsOf(root); err != nil || len(problems) != want {
			t.Errorf("%d lines: problems %q, %v; want %d", lines, problems, err, want)
		}
	}
}

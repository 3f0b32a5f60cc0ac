// The rules of the tree, read from the files themselves: who imports whom (design.md 2), what is documented, how long
// things are. The files are parsed here, not by `go list`, so that a cached test runs again when one of them changes.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module           = "github.com/ceralacca/ceralacca"
	maxFileLines     = 800
	maxFunctionLines = 120
)

// mayImport says which of our packages each of them may import, in tests too (design.md 2, "Rules of import"). A
// directory below a package obeys its package's row. A package without a row is refused: it needs a decision.
var mayImport = map[string]string{
	"pec":       "",
	"smime":     "",
	"issuance":  "pec smime store",
	"directory": "smime",
	"store":     "pec",
	"access":    "admission pec issuance directory store",
	"incoming":  "admission pec smime issuance directory store",
	"delivery":  "pec issuance directory store",
	"dispatch":  "pec directory store",
	"admission": "",
	"smtpd":     "admission pec access incoming store",
	"imapd":     "admission pec store",
	"authority": "smime directory",
	"check":     "pec smime store",
	"provider":  "admission pec smime issuance directory store access incoming delivery dispatch smtpd imapd authority check",
	"sandbox":   "provider authority directory pec smime store smtpd imapd check",
	"bench":     "pec sandbox",
	"e2e":       "",
	"main": "pec smime issuance directory store access incoming delivery dispatch smtpd imapd authority check " +
		"provider sandbox bench",
}

// reserved says which package alone may import something of others. Tests may speak a protocol to what they test, but
// never go round the store.
var reserved = []struct {
	path       string
	owner      string
	openToTest bool
}{
	{"database/sql", "store", false},
	{"modernc.org/sqlite", "store", false},
	{"github.com/jackc/pgx", "store", false},
	{"github.com/minio", "store", false},
	{"net/smtp", "dispatch", true},
	{"github.com/emersion/go-smtp", "dispatch", true},
	{"github.com/emersion/go-imap", "imapd", true},
}

var (
	// impure is what pec may not import: it reads no randomness, no network, no disk.
	impure = []string{"net", "os", "syscall", "crypto/rand", "math/rand"}
	// pureOfNet is what lies below net and only parses.
	pureOfNet = []string{"net/mail", "net/textproto", "net/url", "net/netip"}
	// clock is what pec may not use of package time.
	clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep"}
)

// source is one parsed Go file of the tree.
type source struct {
	name   string // from the root, with slashes
	pkg    string // the directory below the root that it is in, or "main"
	test   bool
	fset   *token.FileSet
	syntax *ast.File
}

// fileRules each return a line for every place where a file breaks them.
var fileRules = []func(source) []string{
	importsOurs, importsReserved, pecIsPure, hasNoInit, isShort, isDocumented, skipsNothing,
}

func TestTreeKeepsTheRules(t *testing.T) {
	problems, err := problemsOf(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Error(problem)
	}
}

func problemsOf(root string) ([]string, error) {
	sources, err := parseTree(root)
	if err != nil {
		return nil, err
	}
	problems := packagesWithoutComment(sources)
	for _, s := range sources {
		for _, rule := range fileRules {
			problems = append(problems, rule(s)...)
		}
	}
	slices.Sort(problems)
	return problems, nil
}

// parseTree reads every Go file that the go command would see, whatever its build constraints.
func parseTree(root string) ([]source, error) {
	var sources []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && ignoredDirectory(entry.Name()):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		s, err := parse(root, name)
		if err != nil {
			return err
		}
		sources = append(sources, s)
		return nil
	})
	return sources, err
}

func ignoredDirectory(name string) bool {
	return name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_'
}

func parse(root, name string) (source, error) {
	octets, err := os.ReadFile(name)
	if err != nil {
		return source{}, err
	}
	fromRoot, err := filepath.Rel(root, name)
	if err != nil {
		return source{}, err
	}
	s := source{
		name: filepath.ToSlash(fromRoot),
		pkg:  "main",
		test: strings.HasSuffix(name, "_test.go"),
		fset: token.NewFileSet(),
	}
	if directory, _, below := strings.Cut(s.name, "/"); below {
		s.pkg = directory
	}
	s.syntax, err = parser.ParseFile(s.fset, s.name, octets, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

// at makes one line of a problem.
func (s source) at(node ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.name, s.line(node.Pos()), fmt.Sprintf(format, args...))
}

func (s source) line(pos token.Pos) int { return s.fset.Position(pos).Line }

// importsOurs holds a file against the table. Tests of what issues may make keys.
func importsOurs(s source) (problems []string) {
	allowed, known := mayImport[s.pkg]
	if !known {
		return []string{s.at(s.syntax, "%s has no row in the table of imports of deps_test.go", s.pkg)}
	}
	for _, spec := range s.syntax.Imports {
		ours, isOurs := strings.CutPrefix(importPath(spec), module+"/")
		imported, _, _ := strings.Cut(ours, "/")
		keys := s.test && imported == "smime" && strings.Contains(allowed, "issuance")
		if isOurs && imported != s.pkg && !keys && !slices.Contains(strings.Fields(allowed), imported) {
			problems = append(problems, s.at(spec, "%s may not import %s (design.md 2)", s.pkg, imported))
		}
	}
	return problems
}

func importsReserved(s source) (problems []string) {
	for _, spec := range s.syntax.Imports {
		for _, r := range reserved {
			if isOrBelow(importPath(spec), r.path) && s.pkg != r.owner && !(s.test && r.openToTest) {
				problems = append(problems, s.at(spec, "only %s may import %s (design.md 2)", r.owner, r.path))
			}
		}
	}
	return problems
}

func pecIsPure(s source) (problems []string) {
	if s.pkg != "pec" || s.test {
		return nil
	}
	timeName := ""
	for _, spec := range s.syntax.Imports {
		imported := importPath(spec)
		forbids := func(forbidden string) bool { return isOrBelow(imported, forbidden) }
		if slices.ContainsFunc(impure, forbids) && !slices.Contains(pureOfNet, imported) {
			problems = append(problems, s.at(spec, "pec may not import %s: it is pure (design.md 2)", imported))
		}
		if imported == "time" {
			timeName = localName(spec)
		}
	}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		use, ok := node.(*ast.SelectorExpr)
		if ok && isNamed(use.X, timeName) && slices.Contains(clock, use.Sel.Name) {
			problems = append(problems, s.at(use, "pec may not use time.%s: it reads no clock (design.md 2)", use.Sel.Name))
		}
		return true
	})
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

func isShort(s source) (problems []string) {
	if s.test {
		return nil
	}
	if lines := s.line(s.syntax.FileEnd); lines > maxFileLines {
		problems = append(problems, s.at(s.syntax, "a file of %d lines, more than %d", lines, maxFileLines))
	}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		switch node.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			if lines := s.line(node.End()) - s.line(node.Pos()) + 1; lines > maxFunctionLines {
				problems = append(problems, s.at(node, "a function of %d lines, more than %d", lines, maxFunctionLines))
				return false
			}
		}
		return true
	})
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

// isTester tells t.Skip from a decoder's Skip, by the names that testers have.
func isTester(s source, expr ast.Expr) bool {
	importsTesting := slices.ContainsFunc(s.syntax.Imports, func(spec *ast.ImportSpec) bool {
		return slices.Contains([]string{"testing", "pgregory.net/rapid"}, importPath(spec))
	})
	return importsTesting && slices.Contains([]string{"t", "b", "f", "tb", "rt"}, lastName(expr))
}

func importPath(spec *ast.ImportSpec) string {
	unquoted, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser has accepted it
	}
	return unquoted
}

func localName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path.Base(importPath(spec))
}

func isNamed(expr ast.Expr, name string) bool {
	ident, ok := expr.(*ast.Ident)
	return ok && ident.Name == name
}

func isOrBelow(imported, ancestor string) bool {
	return imported == ancestor || strings.HasPrefix(imported, ancestor+"/")
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

// TestEachRuleBites holds every rule against a small tree that breaks it once, and against one that just does not.
func TestEachRuleBites(t *testing.T) {
	const doc = "// Package x is here.\npackage x\n"
	long := func(lines int) string { return "func f() {" + strings.Repeat("\n", lines-1) + "}\n" }
	imports := func(name string) string { return doc + "import _ \"" + name + "\"\n" }
	cases := []struct {
		name string // of the file in the tree
		text string
		want string // part of the only problem; "" for none
	}{
		{"pec/a.go", imports(module + "/smime"), "pec may not import smime"},
		{"delivery/a.go", imports(module + "/access"), "delivery may not import access"},
		{"delivery/a_test.go", imports(module + "/access"), "delivery may not import access"},
		{"delivery/inner/a.go", imports(module + "/access/inner"), "delivery may not import access"},
		{"delivery/a.go", imports(module + "/store"), ""},
		{"delivery/a.go", imports(module + "/delivery/inner"), ""},
		{"e2e/a_test.go", imports(module + "/pec"), "e2e may not import pec"},
		{"provider/a.go", imports(module + "/sandbox"), "provider may not import sandbox"},
		{"a.go", imports(module + "/sandbox"), ""},
		{"utils/a.go", doc, "utils has no row"},

		{"check/a.go", imports("database/sql"), "only store may import database/sql"},
		{"check/a_test.go", imports("modernc.org/sqlite"), "only store may import modernc.org/sqlite"},
		{"check/a.go", imports("github.com/jackc/pgx/v5"), "only store may import github.com/jackc/pgx"},
		{"check/a.go", imports("github.com/minio/minio-go/v7"), "only store may import github.com/minio"},
		{"store/a.go", imports("database/sql"), ""},
		{"smtpd/a.go", imports("net/smtp"), "only dispatch may import net/smtp"},
		{"smtpd/a.go", imports("github.com/emersion/go-smtp"), "only dispatch may import github.com/emersion/go-smtp"},
		{"smtpd/a_test.go", imports("github.com/emersion/go-smtp"), ""},
		{"dispatch/a.go", imports("net/smtp"), ""},
		{"smtpd/a.go", imports("github.com/emersion/go-imap/v2"), "only imapd may import github.com/emersion/go-imap"},

		{"pec/a.go", imports("net"), "pec may not import net:"},
		{"pec/a.go", imports("net/http"), "pec may not import net/http"},
		{"pec/a.go", imports("net/mail"), ""},
		{"pec/a.go", imports("os/exec"), "pec may not import os/exec"},
		{"pec/a.go", imports("crypto/rand"), "pec may not import crypto/rand"},
		{"pec/a_test.go", imports("os"), ""},
		{"pec/a.go", doc + "import \"time\"\nvar x = time.Now()\n", "pec may not use time.Now"},
		{"pec/a.go", doc + "import \"time\"\nvar x = time.Since(y)\n", "pec may not use time.Since"},
		{"pec/a.go", doc + "import \"time\"\nvar x = time.After(y)\n", "pec may not use time.After"},
		{"pec/a.go", doc + "import clock \"time\"\nvar x = clock.Now\n", "pec may not use time.Now"},
		{"pec/a.go", doc + "import \"time\"\nvar x = time.Unix(0, 0).After(y)\n", ""},
		{"pec/a.go", doc + "var x = f().After(y)\n", ""},

		{"pec/a.go", "package x\n", "pec: no package comment"},
		{"pec/a.go", "//go:build linux\n\npackage x\n", "pec: no package comment"},
		{"e2e/a_test.go", "package x\n", "e2e: no package comment"},
		{"e2e/a_test.go", doc, ""},
		{"pec/a.go", doc + "func init() {}\n", "no func init"},
		{"pec/a_test.go", doc + "func init() {}\n", "no func init"},
		{"pec/a.go", doc + "type t int\nfunc (t) init() {}\n", ""},
		{"pec/a.go", doc + strings.Repeat("\n", 799), "a file of 801 lines, more than 800"},
		{"pec/a.go", doc + strings.Repeat("\n", 798), ""},
		{"pec/a.go", doc + long(121), "a function of 121 lines, more than 120"},
		{"pec/a.go", doc + "// f is\n// documented.\n" + long(120), ""},
		{"pec/a.go", doc + "var x = " + strings.Replace(long(121), " f", "", 1), "a function of 121 lines, more than 120"},
		{"pec/a_test.go", doc + long(121), ""},

		{"pec/a.go", doc + "func F() {}\n", "F has no doc comment"},
		{"pec/a.go", doc + "type T int\n", "T has no doc comment"},
		{"pec/a.go", doc + "// Both.\ntype (\n\tT int\n)\n", "T has no doc comment"},
		{"pec/a.go", doc + "var V int\n", "V has no doc comment"},
		{"pec/a.go", doc + "const C = 1\n", "C has no doc comment"},
		{"pec/a.go", doc + "// T is.\ntype T[E any] struct{}\nfunc (*T[E]) M() {}\n", "M has no doc comment"},
		{"pec/a.go", doc + "type t int\nfunc (t) M() {}\n", ""},
		{"pec/a.go", doc + "// Both.\nconst (\n\tC = 1\n\tD = 2\n)\n", ""},
		{"pec/a_test.go", doc + "func F() {}\n", ""},

		{"pec/a_test.go", doc + "import \"testing\"\nfunc f(t *testing.T) { t.Skip() }\n", "no test skips"},
		{"pec/a_test.go", doc + "import \"testing\"\nfunc f(c c) { c.t.Skip() }\n", "no test skips"},
		{"pec/a_test.go", doc + "func f(x x) { x.SkipNow() }\n", "no test skips"},
		{"pec/a_test.go", doc + "func f(x x) { x.Skipf(``) }\n", "no test skips"},
		{"pec/a_test.go", doc + "import \"testing\"\nfunc f(decoder d) { decoder.Skip() }\n", ""},
	}
	for _, c := range cases {
		root := t.TempDir()
		write(t, root, c.name, c.text)
		write(t, root, "pec/testdata/a.go", "not Go")
		problems, err := problemsOf(root)
		if err != nil {
			t.Errorf("%s %.80q: %v", c.name, c.text, err)
			continue
		}
		bites := len(problems) == 1 && strings.Contains(problems[0], c.want)
		if c.want == "" && len(problems) > 0 || c.want != "" && !bites {
			t.Errorf("%s %.80q: problems %q, want %q", c.name, c.text, problems, c.want)
		}
	}
}

func TestPackageCommentBelongsOutsideTests(t *testing.T) {
	root := t.TempDir()
	write(t, root, "pec/a.go", "package pec\n")
	write(t, root, "pec/a_test.go", "// Package pec is here.\npackage pec\n")
	if problems, err := problemsOf(root); err != nil || len(problems) != 1 {
		t.Errorf("problems %q, %v; want one", problems, err)
	}
}

func TestUnreadableFileIsAnError(t *testing.T) {
	root := t.TempDir()
	write(t, root, "pec/a.go", "package pec\nfunc {")
	if problems, err := problemsOf(root); err == nil {
		t.Errorf("problems %q and no error", problems)
	}
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	full := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

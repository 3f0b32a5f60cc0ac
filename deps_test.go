// The rules of the tree, read from the files themselves: who imports whom here (design.md 2), sizes and habits in
// habits_test.go, whether what is cited exists in citations_test.go. The files are parsed here, not by `go list`, so that
// a cached test runs again when one of them changes.
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

const module = "github.com/ceralacca/ceralacca"

// mayImport says which of our packages each of them may import, in tests too (design.md 2, "Rules of import"). A
// directory below a package obeys its package's row. A package without a row is refused: it needs a decision.
var mayImport = map[string]string{
	"pec":        "",
	"smime":      "",
	"dialect":    "pec smime",
	"issuance":   "pec smime store dialect",
	"directory":  "smime",
	"revocation": "",
	"mailfile":   "",
	"verify":     "pec smime directory revocation",
	"evidence":   "pec smime dialect directory revocation mailfile verify",
	"store":      "pec",
	"access":     "admission pec issuance directory store",
	"incoming":   "admission pec smime issuance directory store revocation verify",
	"delivery":   "pec issuance directory store",
	"dispatch":   "pec directory store",
	"admission":  "",
	"smtpd":      "admission pec access incoming store",
	"imapd":      "admission pec store",
	"authority":  "smime directory",
	"check":      "pec smime store",
	"provider":   "admission pec smime dialect issuance directory revocation store access incoming delivery dispatch smtpd imapd authority check",
	"sandbox":    "provider dialect authority directory revocation pec smime issuance store smtpd imapd check",
	"bench":      "pec sandbox",
	"e2e":        "",
	"main": "pec smime issuance directory store access incoming delivery dispatch smtpd imapd authority check " +
		"provider sandbox bench revocation mailfile verify evidence",
	"postgrestest": "",
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
	exempt map[string]string // see exemptions
}

// fileRules each return a line for every place where a file breaks them.
var fileRules = []func(source) []string{
	importsOurs, importsReserved, pecIsPure, // here
	isShort, isDocumented, hasNoInit, keepsNoState, declaresNoInterface, doesNotPanic, takesWhatItNeeds, leavesNothingUndone, skipsNothing,
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
	problems := append(packagesWithoutComment(sources), spread(sources)...)
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

		exempt: exemptions,
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

// lines is how long a declaration is.
func (s source) lines(node ast.Node) int { return s.line(node.End()) - s.line(node.Pos()) + 1 }

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
		database := s.test && imported == "postgrestest" // a real server: only tests have use for it
		if isOurs && imported != s.pkg && !keys && !database && !slices.Contains(strings.Fields(allowed), imported) {
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

func TestImportRulesBite(t *testing.T) {
	const doc = "// Package x is here.\npackage x\n"
	imports := func(name string) string { return doc + "import _ \"" + name + "\"\n" }
	bite(t, []biting{
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
		{"pec/a.go", doc + "import \"time\"\nvar _ = time.Now()\n", "pec may not use time.Now"},
		{"pec/a.go", doc + "import \"time\"\nvar _ = time.Since(y)\n", "pec may not use time.Since"},
		{"pec/a.go", doc + "import \"time\"\nvar _ = time.After(y)\n", "pec may not use time.After"},
		{"pec/a.go", doc + "import clock \"time\"\nvar _ = clock.Now\n", "pec may not use time.Now"},
		{"pec/a.go", doc + "import \"time\"\nvar _ = time.Unix(0, 0).After(y)\n", ""},
		{"pec/a.go", doc + "var _ = f().After(y)\n", ""},
	})
}

// biting is a file that breaks one rule, or just does not.
type biting struct {
	name string // of the file in the tree
	text string
	want string // part of the only problem; "" for none
}

// bite holds the rules against small trees, each with one of the files.
func bite(t *testing.T, cases []biting) {
	t.Helper()
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

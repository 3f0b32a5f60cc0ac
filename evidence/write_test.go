package evidence

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

var update = flag.Bool("update", false, "write the files that the tests compare with")

// sample is a report with something of everything.
func sample(t testing.TB) *Report {
	t.Helper()
	l, brief := plain(), withFile()
	l.to = append(l.to, carla)
	return examined(t, usual(), map[string][]byte{
		"1-accettazione.eml": alfa().signs(l, pec.Acceptance, "", 0), "2-consegna-luigi.eml": beta().signs(l, pec.Delivered, luigi, time.Minute),
		"3-consegna-anna.eml": edit(beta().signs(l, pec.Delivered, anna, time.Minute), "Si diffida", "Si sfida"), "4-preavviso.eml": alfa().signs(l, pec.Overdue, anna, 12*time.Hour),
		"5-accettazione.eml": alfa().signs(brief, pec.Acceptance, "", 0), "6-consegna.eml": lf(beta().signs(brief, pec.Delivered, luigi, time.Minute)),
		"7-mancata.eml": beta().signs(brief, pec.NonDelivery, anna, time.Minute), "8-inviato.eml": brief.sent(), "9-nota.txt": []byte("una nota"),
		"a-danneggiato.zip": append(zipped(map[string][]byte{"x.eml": l.sent()})[:60], "rest"...),
	})
}

// golden compares with a file of testdata, but for digests, which keys drawn anew change.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	got = regexp.MustCompile(`\b[0-9a-f]{64}\b`).ReplaceAll(got, []byte("0123...cdef"))
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("it is not %s any more; look at it, and run the test with -update:\n%s", file, got)
	}
}

func TestReports(t *testing.T) {
	r := sample(t)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"report.it.txt":  func(b *bytes.Buffer) error { return r.WriteText(b, Italian) },
		"report.en.txt":  func(b *bytes.Buffer) error { return r.WriteText(b, English) },
		"report.it.html": func(b *bytes.Buffer) error { return r.WriteHTML(b, Italian) },
		"report.json":    func(b *bytes.Buffer) error { return r.WriteJSON(b) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
		})
	}
	if err := r.WriteText(&bytes.Buffer{}, "fr"); err == nil {
		t.Error("a language that there is not")
	}
}

// The page needs nothing else, runs nothing, and foreign text cannot become a part of it (attacks.md 5).
func TestPageIsSelfContained(t *testing.T) {
	l := plain()
	l.subject = `<script>alert(1)</script> "x" onload=y`
	r := examined(t, usual(), map[string][]byte{"<img src=x>.eml": alfa().signs(l, pec.Acceptance, "", 0)})
	var b bytes.Buffer
	if err := r.WriteHTML(&b, Italian); err != nil {
		t.Fatal(err)
	}
	page := strings.ToLower(b.String())
	for _, bad := range []string{"<script", "<img", "src=", "http:", "https:", "url(", "@import", "<link", "<iframe"} {
		if strings.Contains(strings.ReplaceAll(page, "&lt;img src=x", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;alert(1)") {
		t.Error("the subject is not shown")
	}
}

// Foreign text has no room for what might pass for a line of ours.
func TestTidy(t *testing.T) {
	if got := tidy("a" + strings.Repeat(" ", 300) + "VALIDO: ricevuta"); got != "a VALIDO: ricevuta" {
		t.Errorf("%q", got)
	}
	if got := []rune(tidy(strings.Repeat("è", 1000))); len(got) != longest+1 {
		t.Errorf("%d characters", len(got))
	}
}

// Foreign text moves no cursor and turns no direction.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"a\x1b[2Jb": "a [2Jb", "a\u202eb": "a b", "a\r\nb": "a  b", "caf\u00e9": "caf\u00e9", "a\xffb": "a�b"} {
		if got := printable(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// Whatever can be said has a text in both languages.
func TestTexts(t *testing.T) {
	it, en := must(load(Italian)), must(load(English))
	for key := range it {
		if _, ok := en[key]; !ok || strings.Count(it[key], "%") != strings.Count(en[key], "%") {
			t.Errorf("%s is not the same in English", key)
		}
	}
	if len(it) != len(en) {
		t.Errorf("%d texts in Italian, %d in English", len(it), len(en))
	}
	for prefix, names := range constants(t) {
		for _, name := range names {
			if _, ok := it[prefix+name]; !ok {
				t.Errorf("there is no text %s%s", prefix, name)
			}
		}
	}
}

// docs/verify.md names every reason.
func TestReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "verify.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range constants(t)["reason."] {
		if !regexp.MustCompile(`[ (]` + name + `[ ,(|\n]`).Match(page) {
			t.Errorf("%s is not in docs/verify.md", name)
		}
	}
}

// constants are the words that the sources of this package and of verify define, under the prefix of their texts.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for glob, types := range map[string]map[string]string{
		"*.go":           {"Verdict": "verdict.", "Limit": "limit.", "State": "state.", "Oddity": "odd.", "How": "how.", "Weakness": "weak.", "verify.Reason": "reason."},
		"../verify/*.go": {"Reason": "reason."}, "../mailfile/*.go": {"Obstacle": "unread."},
	} {
		sources, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range sources {
			octets, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^(?:const)?\s+\w+\s+([\w.]+)\s+= "([a-z0-9-]+)"`).FindAllStringSubmatch(string(octets), -1) {
				if prefix, ok := types[m[1]]; ok && !strings.HasSuffix(name, "_test.go") {
					found[prefix] = append(found[prefix], m[2])
				}
			}
		}
	}
	for _, prefix := range []string{"verdict.", "limit.", "state.", "odd.", "how.", "reason.", "unread."} {
		if len(found[prefix]) < 4 {
			t.Errorf("%d constants of %s were found", len(found[prefix]), prefix)
		}
	}
	return found
}

// docs/verify.schema.json is what reports are, as the types have it, and a report is what it says.
func TestSchema(t *testing.T) {
	schema := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Report of ceralacca verify --json", "description": "Form " + Format + ". Fields may be added; what is there does not change its meaning.",
	}
	for key, value := range schemaOf(reflect.TypeFor[Report]()) {
		schema[key] = value
	}
	octets, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "docs", "verify.schema.json")
	if *update {
		if err := os.WriteFile(file, append(octets, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(octets, '\n'), want) {
		t.Errorf("%s is not what the types are any more: run the test with -update, and mind that fields may only be added", file)
	}
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem())
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case t.Kind() == reflect.Struct:
		return objectSchema(t)
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	}
	return map[string]any{"type": "integer"}
}

func objectSchema(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for i := range t.NumField() {
		name, options, tagged := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" && !tagged {
			continue
		}
		properties[name] = schemaOf(t.Field(i).Type)
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}

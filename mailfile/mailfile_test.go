package mailfile

import (
	"archive/zip"
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mail is a message that LooksLikeMessage takes for one, with a subject to know it by.
func mail(subject string) string {
	return "From: a@pec.test\r\nDate: Mon, 5 Jan 2026 10:00:00 +0100\r\nSubject: " + subject + "\r\n\r\nciao\r\n"
}

const outlook = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on"

// heard is what a walk told, in its order. The folder in which a test works is cut off names.
type heard struct {
	names    []string
	octets   []string // as Open gives them
	raw      []string // as OpenRaw gives them
	problems []string // "name: what"
	passed   []string
	err      error
}

// walk walks over paths inside dir; "" is dir itself.
func walk(t *testing.T, o Options, dir string, paths ...string) (h heard) {
	t.Helper()
	// Every name of a path that is in dir begins with this.
	prefix := visible(dir) + string(filepath.Separator)
	cut := func(name string) string { return filepath.ToSlash(strings.TrimPrefix(name, prefix)) }
	o.Problem = func(name string, err error) { h.problems = append(h.problems, cut(name)+": "+err.Error()) }
	o.PassedOver = func(name string) { h.passed = append(h.passed, cut(name)) }
	for i, path := range paths {
		paths[i] = filepath.Join(dir, path)
	}
	h.err = Walk(t.Context(), paths, o, func(m *Message) error {
		h.names = append(h.names, cut(m.Name))
		octets, raw := content(t, m.Open), content(t, m.OpenRaw)
		if m.Size != int64(len(octets)) {
			t.Errorf("%s: size %d, but Open gives %d octets", m.Name, m.Size, len(octets))
		}
		if m.Escaped != (octets != raw) {
			t.Errorf("%s: escaped %t, but the readings are %q and %q", m.Name, m.Escaped, octets, raw)
		}
		h.octets, h.raw = append(h.octets, octets), append(h.raw, raw)
		return nil
	})
	return h
}

// wants compares what a walk told; problems are given as parts of the texts.
func (h heard) wants(t *testing.T, names, problems, passed []string) {
	t.Helper()
	if h.err != nil {
		t.Errorf("the walk ended with %v", h.err)
	}
	if !slices.Equal(h.names, names) {
		t.Errorf("messages %q, want %q", h.names, names)
	}
	if !slices.EqualFunc(h.problems, problems, strings.Contains) {
		t.Errorf("problems %q, want %q", h.problems, problems)
	}
	if !slices.Equal(h.passed, passed) {
		t.Errorf("passed over %q, want %q", h.passed, passed)
	}
}

func content(t *testing.T, open func() (io.ReadCloser, error)) string {
	t.Helper()
	in, err := open()
	if err != nil {
		t.Fatal(err)
	}
	octets, err := io.ReadAll(in)
	if err != nil {
		t.Error(err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	return string(octets)
}

// tree makes a folder of these files, by name with slashes. A name that ends with a slash is an empty folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		folder := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			folder = path
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if folder == path {
			continue
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// member is one member of an archive that a test makes.
type member struct {
	name, content string
}

func zipped(t testing.TB, members ...member) string {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, m := range members {
		into, err := archive.Create(m.name)
		if err == nil {
			_, err = io.WriteString(into, m.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestEverythingTogether(t *testing.T) {
	dir := tree(t, map[string]string{
		"2024/archivio.zip":     zipped(t, member{"2024/ricevuta.eml", mail("z")}, member{"leggimi.txt", "ciao"}),
		"2024/fattura.pdf":      "%PDF-1.7\n",
		"Inbox":                 "From - Mon Jan  5 10:00:00 2026\r\n" + mail("1") + "\r\nFrom - Mon Jan  5 10:00:00 2026\r\n" + mail("2") + "\r\n",
		"Inbox.msf":             "// <!-- <mdb:mork:z v=\"1.4\"/> -->\n",
		"Inbox.sbd/Fatture":     "",
		"accettazione.eml":      mail("e"),
		"posta.msg":             outlook,
		"senza nome":            mail("s"),
		"daticert.xml":          "<?xml version=\"1.0\"?>\n<postacert/>\n",
		"igpec.ldif":            "dn: o=postacert\nmail: a@pec.test\nobjectClass: top\n",
		"postacert.eml/one.eml": mail("in a folder named like a message"),
	})
	h := walk(t, Options{}, dir, "", "accettazione.eml")
	h.wants(t,
		[]string{"2024/archivio.zip/2024/ricevuta.eml", "Inbox#1", "Inbox#2", "accettazione.eml", "postacert.eml/one.eml", "senza nome", "accettazione.eml"},
		[]string{"posta.msg: a file of Outlook or Office: save the message as .eml"},
		[]string{"2024/archivio.zip/leggimi.txt", "2024/fattura.pdf", "Inbox.msf", "Inbox.sbd/Fatture", "daticert.xml", "igpec.ldif"})
	want := []string{mail("z"), mail("1"), mail("2"), mail("e"), mail("in a folder named like a message"), mail("s"), mail("e")}
	if !slices.Equal(h.octets, want) {
		t.Errorf("octets %q, want %q", h.octets, want)
	}
}

// A name is shown on terminals and in pages: nothing in it may act there.
// attacks.md 21
func TestNamesArePrintable(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"ricevuta è qui €.eml", "ricevuta è qui €.eml"},
		{`a\b/c'd"e`, `a\b/c'd"e`},
		{"a\nb\r\tc", `a\nb\r\tc`},
		{"\x1b[2J\x00\x7f", `\x1b[2J\x00\x7f`},
		{"fattura\u202efdp.eml", `fattura\u202efdp.eml`},
		{"\u200b\u00a0\ufeff", `\u200b\u00a0\ufeff`},
		{"\xe8\xff", `\xe8\xff`},
		{"\ufffd", "\ufffd"},
		{"\U000e0041", `\U000e0041`},
		{"", ""},
	} {
		if got := visible(test.name); got != test.want {
			t.Errorf("%q is shown as %s, want %s", test.name, got, test.want)
		}
	}
}

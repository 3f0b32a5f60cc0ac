package provider

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestConfigRefusals holds what each broken configuration of testdata is told against the sentences beside it, octet for
// octet: the file, the line and the cure. Nothing is made before the configuration is known to be good.
// norms.md 113 to 117
func TestConfigRefusals(t *testing.T) {
	cases, err := filepath.Glob("testdata/config/*.toml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".toml"), func(t *testing.T) {
			path := place(t, read(t, name))
			want := read(t, strings.TrimSuffix(name, ".toml")+".want")
			if got := refusal(t, path); got+"\n" != want {
				t.Errorf("it says\n%s\nwant\n%s", got, want)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "data")); err == nil {
				t.Error("there is a data directory")
			}
		})
	}
}

// refusal is what a start with a configuration is told, with paths from the configuration's directory.
func refusal(t *testing.T, path string) string {
	t.Helper()
	c, err := LoadConfig(path)
	var clock *Clock
	if err == nil {
		clock, err = c.Clock()
	}
	var p *Provider
	if err == nil {
		p, err = Open(t.Context(), c, options(clock))
	}
	if err == nil {
		p.Close()
		t.Fatal("it is taken")
	}
	dir := filepath.Dir(path)
	return strings.NewReplacer(dir+"/", "", dir, ".").Replace(err.Error())
}

func read(t testing.TB, path string) string {
	t.Helper()
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(octets)
}

func load(t testing.TB, path string) *Config {
	t.Helper()
	c, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The example is complete, loads as it is, and what it says of a default is the default.
func TestExample(t *testing.T) {
	c := load(t, place(t, string(Example())))
	if _, err := c.load(time.Now()); err != nil {
		t.Fatal(err)
	}
	text := string(Example())
	for _, line := range []string{`data_dir = "data"`, `node = "1"`, `refresh = "24h"`, `policy = "accept"`, `max_age = "48h"`, `private_networks = false`} {
		text = replaced(t, text, "\n"+line, "\n#")
	}
	without := load(t, place(t, text[:strings.Index(text, "[limits]")]))
	without.file, without.lines = c.file, c.lines
	if !reflect.DeepEqual(c, without) {
		t.Errorf("the example is %+v, with the defaults it is %+v", c, without)
	}
}

func replaced(t testing.TB, text, from, to string) string {
	t.Helper()
	if !strings.Contains(text, from) {
		t.Fatalf("there is no %q", from)
	}
	return strings.Replace(text, from, to, 1)
}

// Every key of Config is explained in the example.
func TestExampleNamesEveryKey(t *testing.T) {
	var want func(v reflect.Type)
	want = func(v reflect.Type) {
		for i := range v.NumField() {
			f := v.Field(i)
			name := f.Tag.Get("toml")
			if name == "" {
				continue
			}
			at := f.Type
			for at.Kind() == reflect.Slice || at.Kind() == reflect.Pointer {
				at = at.Elem()
			}
			if at.Kind() == reflect.Struct && at != reflect.TypeFor[time.Time]() {
				want(at)
			} else if !strings.Contains(string(Example()), name+" = ") && f.Name != "Sandbox" && f.Name != "ClockFile" && f.Name != "Dialect" {
				t.Errorf("the example does not name %s", name)
			}
		}
	}
	want(reflect.TypeFor[Config]())
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	c := &Config{file: "/etc/pec/ceralacca.toml"}
	for path, want := range map[string]string{"": "", "data": "/etc/pec/data", "../ca.pem": "/etc/ca.pem", "/srv/data": "/srv/data"} {
		if got := c.Path(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

// attacks.md 10: every mailbox has a brake; a sandbox has one only if it is named.
func TestSignaturesPerHour(t *testing.T) {
	const limits = "\n[limits]\nsignatures_per_hour = "
	for name, c := range map[string]struct {
		sandbox bool
		limit   string
		want    int
	}{
		"default": {false, "", 20_000}, "named": {false, "600", 600}, "none": {false, "0", 0},
		"sandbox": {true, "", 0}, "sandbox, named": {true, "600", 600},
	} {
		text := minimal(t)
		if c.sandbox {
			text = "sandbox = true\n" + text
		}
		if c.limit != "" {
			text += limits + c.limit + "\n"
		}
		if got := *load(t, place(t, text)).Limits.Signatures; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

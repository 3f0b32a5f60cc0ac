package provider

import (
	"bytes"
	"maps"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

func TestKeyLines(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       map[string]int
	}{
		{"nothing", "", map[string]int{}},
		{"comments and blank lines", "# a = 1\n\n  a = 1 # b = 2\n", map[string]int{"a": 3}},
		{"table", "a = 1\n[b]\nc = 2\n[b.d]\ne.f = 3\n", map[string]int{"a": 1, "b": 2, "b.c": 3, "b.d": 4, "b.d.e.f": 5}},
		{"array", "[[u]]\na = 1\n[[u]]\na = 2\n", map[string]int{"u.0": 1, "u.0.a": 2, "u.1": 3, "u.1.a": 4}},
		{
			"arrays in arrays", "[[u]]\n[[u.k]]\nf = 1\n[[u.k]]\nf = 2\n[[u]]\n[[u.k]]\nf = 3\n[u.s]\ng = 4\n",
			map[string]int{
				"u.0": 1, "u.0.k.0": 2, "u.0.k.0.f": 3, "u.0.k.1": 4, "u.0.k.1.f": 5,
				"u.1": 6, "u.1.k.0": 7, "u.1.k.0.f": 8, "u.1.s": 9, "u.1.s.g": 10,
			},
		},
		{"array in a table", "[r]\nt = 1\n[[r.s]]\nd = 1\n[[r.s]]\nd = 2\n", map[string]int{"r": 1, "r.t": 2, "r.s.0": 3, "r.s.0.d": 4, "r.s.1": 5, "r.s.1.d": 6}},
		{"value of many lines", "a = [\n 1,\n 2,\n]\nb = \"\"\"\n\nc = 1\n\"\"\"\nd = 1\n", map[string]int{"a": 1, "b": 5, "d": 9}},
		{"inline table", "u = [{a = 1}, {a = 2}]\nb = 1\n", map[string]int{"u": 1, "b": 2}},
		{"quoted and escaped", "a = 1\n\"b\" = 2\n\"\\u0063\" = 3\n'd' = 4\n", map[string]int{"a": 1, "b": 2, "c": 3, "d": 4}},
		{"CRLF", "a = 1\r\nb = 2\r\n", map[string]int{"a": 1, "b": 2}},
	} {
		if got := keyLines([]byte(c.text)); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A key that is not there is looked for at what is around it.
func TestFaultFindsTheNearestLine(t *testing.T) {
	c := &Config{file: "f", lines: keyLines([]byte("\n[[u]]\n[[u.k]]\nf = 1\n"))}
	for key, want := range map[string]string{
		"u.0.k.0.f": "f:4: u.0.k.0.f: no", "u.0.k.0.g": "f:3: u.0.k.0.g: no", "u.0.g": "f:2: u.0.g: no", "v.g": "f: v.g: no",
	} {
		if got := c.fault(key, "no").Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Whatever configuration can be decoded, its keys have lines that are there.
func FuzzKeyLines(f *testing.F) {
	f.Add(Example())
	for _, text := range []string{"a = 1", "[[u]]\n[[u.k]]\nf = 1\n[u.s]\n", "\"\\u0061\" = 1\n'b.c'.d = 2\r\n", "\"\" = 1", "a.b.c = [{d = 1}]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v any
		if toml.Unmarshal(text, &v) != nil {
			return
		}
		last := bytes.Count(text, []byte("\n")) + 1
		for key, line := range keyLines(text) {
			if line < 1 || line > last {
				t.Errorf("%q stands on line %d of %d", key, line, last)
			}
		}
	})
}

package directory

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// FuzzParse: junk never panics, and what is read can be written and read again.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.ldif")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		seed, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ldif []byte) {
		d, err := Parse(ldif)
		if err != nil {
			return
		}
		for _, e := range d.Entries() {
			for _, domain := range e.Domains {
				if owner, ok := d.Domain(domain); ok == d.Ambiguous(domain) || ok && owner != e {
					t.Fatalf("%s of %s belongs to %v", domain, e.DN(), owner)
				}
			}
			if len(e.Domains) == 0 { // read, but not written
				return
			}
		}
		written, err := Marshal(d.Entries(), "")
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(written)
		if err != nil || !slices.EqualFunc(d.Entries(), again.Entries(), sameEntry) {
			t.Fatalf("read again: %v, %q", err, again.Problems())
		}
	})
}

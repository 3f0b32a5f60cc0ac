package sandbox

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// TestDiscard: all that a directory's sandbox has in a database goes, what another one has stays.
func TestDiscard(t *testing.T) {
	server := postgrestest.Start(t)
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	for _, d := range []string{dir, other} {
		for _, part := range []string{"alfa", "beta", "outside"} {
			name := schemaOf(t, Options{Dir: d, Database: server.URL()}, part)
			server.Query(t, fmt.Sprintf("CREATE SCHEMA %s; CREATE TABLE %s.meta ()", name, name))
		}
	}
	for range 2 { // the second time there is nothing left
		if err := Discard(t.Context(), dir, server.URL()); err != nil {
			t.Fatal(err)
		}
	}
	left := server.Query(t, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ceralacca%' ORDER BY nspname")
	if n := len(strings.Fields(left)); n != 3 || !strings.HasPrefix(left, schemaOf(t, Options{Dir: other, Database: server.URL()}, "alfa")) {
		t.Errorf("left are %q", left)
	}
}

func TestDiscardNeedsAURL(t *testing.T) {
	if err := Discard(t.Context(), t.TempDir(), ""); err != nil {
		t.Errorf("without a database: %v", err)
	}
	if err := Discard(t.Context(), t.TempDir(), "somewhere"); err == nil {
		t.Error("a word was taken for a URL")
	}
}

func schemaOf(t *testing.T, o Options, part string) string {
	t.Helper()
	location, err := o.database(part)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("search_path")
}

package store

import (
	"os"
	"testing"

	"github.com/ceralacca/ceralacca/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestPostgres(t *testing.T) { conformance(t, openPostgresSchema) }

// openPostgresSchema opens the database of o, or a schema of its own, and closes the store at the end of the test.
func openPostgresSchema(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Database == "" {
		o.Database = postgrestest.URL(t)
	}
	return openSQLiteDir(t, o)
}

// number gives facts the numbers that they would have in a moment.
func (w *world) number() {
	w.Helper()
	if e, ok := w.engine.(*postgresEngine); ok {
		w.must(e.number(w.ctx()))
	}
}

// options open the same place again.
func (w *world) options() Options {
	o := options(w, w.Dir(), w.clock)
	if e, ok := w.engine.(*postgresEngine); ok {
		o.Database = e.config.ConnString()
	}
	return o
}

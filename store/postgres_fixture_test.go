package store

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// fixtureSchema stands in the fixtures where a test puts the name of its own schema.
const fixtureSchema = "fixture_of_ceralacca"

func postgresFixture(schema int) string {
	return filepath.Join("testdata", "postgres", fmt.Sprintf("schema-%d.sql", schema))
}

// TestPostgresMigrations: data of every earlier schema open, and everything in them is there.
func TestPostgresMigrations(t *testing.T) {
	t.Parallel()
	last := schemas(t, postgresMigrations, "postgres")
	if *update {
		writePostgresFixture(t, last)
	}
	for schema := 1; schema <= last; schema++ {
		w := restored(t, schema)
		w.isFixture(schema)
		if got := postgrestest.Query(t, w.options().Database, `SELECT value FROM meta WHERE name = 'schema'`); got != fmt.Sprint(last) {
			t.Errorf("schema %d became %s", schema, got)
		}
	}
}

// restored is the world of a fixture.
func restored(t *testing.T, schema int) *world {
	t.Helper()
	text, err := os.ReadFile(postgresFixture(schema))
	if err != nil {
		t.Fatal(err)
	}
	url := postgrestest.URL(t)
	postgrestest.Query(t, url, strings.ReplaceAll(string(text), fixtureSchema, schemaOf(t, url)))
	c := newClock()
	o := options(t, t.TempDir(), c)
	o.Database = url
	w := &world{TB: t, clock: c, Store: openSQLiteDir(t, o)}
	w.mario, err = w.Mailbox(t.Context(), mario)
	w.must(err)
	w.luigi, err = w.Mailbox(t.Context(), luigi)
	w.must(err)
	return w
}

func schemaOf(t testing.TB, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config.RuntimeParams["search_path"]
}

// writePostgresFixture writes what this program stores, as pg_dump tells it. A program writes its own schema only; that of schema 1
// was made from schema 2 by hand: older in postgres_schema_test.go takes away what 0002.sql brought.
func writePostgresFixture(t *testing.T, schema int) {
	t.Helper()
	w := newPgWorld(t)
	w.fillFixture()
	dumpFixture(t, w.url, schema)
	if schema == 2 {
		w.older()
		dumpFixture(t, w.url, 1)
	}
}

// dumpFixture leaves out who has leases, and what is of one version of pg_dump.
func dumpFixture(t *testing.T, url string, schema int) {
	t.Helper()
	name := schemaOf(t, url)
	plain, _, _ := strings.Cut(url, "?")
	out, err := exec.Command("pg_dump", "--inserts", "--no-owner", "--no-privileges", "--no-comments", "--schema", name, "--exclude-table-data", name+".node", "--dbname", plain).Output()
	if err != nil {
		t.Fatal(err)
	}
	own := regexp.MustCompile(`(?m)^(--.*|\\.*|SET .*|SELECT pg_catalog.set_config.*)?\n`)
	text := strings.ReplaceAll(own.ReplaceAllString(string(out), ""), name, fixtureSchema)
	if err := os.MkdirAll(filepath.Dir(postgresFixture(schema)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(postgresFixture(schema), []byte("SET standard_conforming_strings = on;\n"+text), 0o644); err != nil {
		t.Fatal(err)
	}
}

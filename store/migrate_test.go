package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

var update = flag.Bool("update", false, "write the fixture of the schema that this program has")

// schemas is the number of an engine's schemas so far.
func schemas(t testing.TB, migrations embed.FS, engine string) int {
	t.Helper()
	steps, err := migrations.ReadDir("migrations/" + engine)
	if err != nil {
		t.Fatal(err)
	}
	return len(steps)
}

// fixtureText is what a message of a fixture says.
func fixtureText(i int) string { return saidText(fmt.Sprintf("message %d of a fixture", i)) }

const fixtureMessages = 3

// TestMigrations: data of every earlier schema open, and everything in them is there.
func TestMigrations(t *testing.T) {
	t.Parallel()
	last := schemas(t, sqliteMigrations, "sqlite")
	if *update {
		writeFixture(t, filepath.Join("testdata", "sqlite", fmt.Sprintf("schema-%d", last)))
	}
	for schema := 1; schema <= last; schema++ {
		dir := copyDir(t, filepath.Join("testdata", "sqlite", fmt.Sprintf("schema-%d", schema)))
		w := reopened(t, dir)
		w.isFixture(schema)
		if version := versionOf(t, dir); version != last {
			t.Errorf("schema %d became %d", schema, version)
		}
	}
}

// isFixture sees that what fillFixture put into a store is there, and that the store can be used.
func (w *world) isFixture(schema int) {
	w.Helper()
	es := w.entries(w.inbox(w.mario))
	if len(es) != fixtureMessages+1 { // and an acceptance
		w.Fatalf("schema %d: %d entries", schema, len(es))
	}
	for i, e := range es[:fixtureMessages] {
		if got := string(w.octets(e.Message, e.Lead)); got != fixtureText(i) {
			w.Errorf("schema %d: message %d is %q", schema, i, got)
		}
	}
	watched := 0
	ts, err := w.Tasks(w.ctx())
	w.must(err)
	for _, task := range ts {
		if task.Kind == TaskOverdue && task.Due.Sub(task.Since) == pec.FirstOverdue && task.Message == task.ID {
			watched++
		}
	}
	if watched != 1 {
		w.Errorf("schema %d: the silence of %d messages is looked after, want 1", schema, watched)
	}
	w.login(secret, nil)
	w.numbered(1)
	w.accepted()
	w.must(w.Close())
}

// fillFixture puts into a new store what later programs have to find, and closes it.
func (w *world) fillFixture() {
	w.Helper()
	w.must(w.SetPassword(w.ctx(), mario, secret))
	for i := range fixtureMessages {
		w.said(fmt.Sprintf("message %d of a fixture", i))
	}
	w.accepted()
	w.must(w.Close())
}

// writeFixture makes the data that later programs have to open.
func writeFixture(t *testing.T, dir string) {
	t.Helper()
	w := newWorld(t, openSQLiteDir)
	w.fillFixture()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, octets := range readTree(t, w.Dir(), "") {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, octets)
	}
}

func openRaw(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", sqliteDSN(filepath.Join(dir, databaseName)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// execRaw changes a database that nobody has open, and lets go of it.
func execRaw(t testing.TB, dir, statement string) {
	t.Helper()
	db := openRaw(t, dir)
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func versionOf(t testing.TB, dir string) (version int) {
	t.Helper()
	if err := openRaw(t, dir).QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

func TestEmptyDatabaseIsVersionZero(t *testing.T) {
	t.Parallel()
	c := newClock()
	dir := t.TempDir()
	write(t, dir, databaseName, nil)
	s := openSQLiteDir(t, options(t, dir, c))
	if n, err := s.Facts(t.Context()); n != 0 || err != nil {
		t.Errorf("%d facts, %v", n, err)
	}
	if at, err := s.Newest(t.Context()); !at.IsZero() || err != nil {
		t.Errorf("the newest fact is of %v, %v", at, err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	w.said("one")
	w.must(w.Close())
	newer := schemas(t, sqliteMigrations, "sqlite") + 1
	execRaw(t, w.Dir(), fmt.Sprintf(`PRAGMA user_version = %d`, newer))
	for _, readOnly := range []bool{false, true} {
		o := options(t, w.Dir(), newClock())
		o.ReadOnly = readOnly
		if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "written by a newer program") {
			t.Errorf("read only %t: %v", readOnly, err)
		}
	}
	if version := versionOf(t, w.Dir()); version != newer {
		t.Errorf("schema %d became %d", newer, version)
	}
}

// A snapshot is of this program's schema: `check` reads no columns that are not there.
func TestSnapshotOfAnOlderSchema(t *testing.T) {
	t.Parallel()
	o := options(t, copyDir(t, filepath.Join("testdata", "sqlite", "schema-1")), newClock())
	o.ReadOnly = true
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "start it once") {
		t.Errorf("got %v", err)
	}
}

func TestForeignDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	octets := bytes.Repeat([]byte("no database. "), 1000)
	write(t, dir, databaseName, octets)
	if _, err := Open(t.Context(), options(t, dir, newClock())); err == nil || !strings.Contains(err.Error(), databaseName) {
		t.Errorf("got %v", err)
	}
	if got := readTree(t, dir, databaseName)[databaseName]; !bytes.Equal(got, octets) {
		t.Error("the foreign file was changed")
	}
}

// TestFailedMigration: a step that fails leaves the schema as it was.
func TestFailedMigration(t *testing.T) {
	t.Parallel()
	db := openRaw(t, t.TempDir())
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := migrateStep(t.Context(), conn, `CREATE TABLE a (x); CREATE TABLE a (x);`, 2); err == nil {
		t.Fatal("the step succeeded")
	}
	var tables, version int
	err = conn.QueryRowContext(context.Background(), `SELECT count(*) FROM sqlite_schema`).Scan(&tables)
	if err2 := conn.QueryRowContext(context.Background(), `PRAGMA user_version`).Scan(&version); err != nil || err2 != nil || tables != 0 || version != 0 {
		t.Errorf("%d tables, version %d, %v, %v", tables, version, err, err2)
	}
}

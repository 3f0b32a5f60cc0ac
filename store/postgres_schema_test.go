package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// optionsAt are the options of a store on a database.
func optionsAt(t testing.TB, url string) Options {
	o := options(t, t.TempDir(), newClock())
	o.Database = url
	return o
}

// refusesDatabase sees that a database is refused for a reason that is said, for a process and for a snapshot.
func refusesDatabase(t testing.TB, url, reason string) {
	t.Helper()
	o := optionsAt(t, url)
	refusesOptions(t, o, reason)
	o.ReadOnly = true
	refusesOptions(t, o, reason)
}

func refusesOptions(t testing.TB, o Options, reason string) {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("read only %t: %v, want %q", o.ReadOnly, err, reason)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.said("one")
	w.must(w.Close())
	newer := fmt.Sprint(schemas(t, postgresMigrations, "postgres") + 1)
	w.sql(`UPDATE meta SET value = '` + newer + `' WHERE name = 'schema'`)
	refusesDatabase(t, w.url, "written by a newer program (schema "+newer)
	w.wantSQL(newer, `SELECT value FROM meta WHERE name = 'schema'`)
}

// TestServersThatDoNotFit: what our promises rest on.
func TestServersThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version         int
		fsync, encoding string
		want            string
	}{
		{150018, "on", "UTF8", ""},
		{140000, "on", "UTF8", ""},
		{150018, "off", "UTF8", "Set fsync = on"},
		{150018, "on", "SQL_ASCII", "make one with ENCODING 'UTF8'"},
		{130014, "on", "UTF8", "PostgreSQL 13 is too old"},
	} {
		err := unfit(c.version, c.fsync, c.encoding)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestOtherEncoding: a database that is not in UTF-8.
func TestOtherEncoding(t *testing.T) {
	t.Parallel()
	url, name := postgrestest.URL(t), "ascii_"+NewID().String()
	postgrestest.Query(t, url, `CREATE DATABASE `+name+` ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`)
	defer postgrestest.Query(t, url, `DROP DATABASE `+name+` WITH (FORCE)`)
	refusesDatabase(t, strings.Replace(url, "/postgres?", "/"+name+"?", 1), "make one with ENCODING 'UTF8'")
}

// TestSettingsOfSessions: commits wait for the disk whatever the database was told, and guards see what was committed.
func TestSettingsOfSessions(t *testing.T) {
	t.Parallel()
	w := newPgWorldAt(t, postgrestest.URL(t), "&synchronous_commit=off&default_transaction_isolation=serializable&standard_conforming_strings=off&lock_timeout=7s")
	for setting, want := range map[string]string{
		"synchronous_commit": "on", "default_transaction_isolation": "read committed", "standard_conforming_strings": "on",
		"lock_timeout": "7s", "statement_timeout": "1min", "application_name": "ceralacca",
	} {
		for name, ask := range map[string]func(*string) error{
			"reads":   func(s *string) error { return w.read.QueryRowContext(w.ctx(), `SHOW `+setting).Scan(s) },
			"commits": func(s *string) error { return w.engine().pool.QueryRow(w.ctx(), `SHOW `+setting).Scan(s) },
		} {
			var got string
			if err := ask(&got); err != nil || got != want {
				t.Errorf("%s: %s is %q, %v, want %q", name, setting, got, err, want)
			}
		}
	}
}

// older makes a database what the first program made.
func (w *pgWorld) older() {
	w.Helper()
	w.sql(`DROP TABLE anomaly; ALTER TABLE mailbox DROP COLUMN suspended, DROP COLUMN ordinary, DROP COLUMN credentials; UPDATE meta SET value = '1' WHERE name = 'schema'`)
}

// TestMigrationBesideProcesses: the schema is not changed under a program that runs, not even under one that is frozen.
func TestMigrationBesideProcesses(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.proxy.Hang(true)
	w.older()
	refusesOptions(t, optionsAt(t, w.url), "processes of the older program run on it: stop them first")
	w.wantSQL("1", `SELECT value FROM meta WHERE name = 'schema'`)
	w.proxy.Hang(false)
	w.Close() // it is not of the older program: it can no longer connect
	w.process(w.url).accepted()
}

// TestMigratedMeanwhile: a newer program changes the schema while all connections of a program are gone. That program ends.
func TestMigratedMeanwhile(t *testing.T) {
	t.Parallel()
	w := &pgWorld{url: postgrestest.URL(t)}
	w.proxy = postgrestest.NewProxy(t, w.url)
	fatal := make(chan error, 1)
	w.world = newWorld(t, func(t testing.TB, o Options) *Store {
		o.Fatal = func(err error) { fatal <- err }
		return w.open(t, o)
	})
	commit := prepareAccept(w.world)
	w.inbox(w.mario)
	s := w.session()
	w.proxy.Refuse(true)
	s.until("0", `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = (hashtext(current_schema())::bigint & 4294967295)::oid`)
	s.exec(`UPDATE meta SET value = '99' WHERE name = 'schema'`)
	before := s.rows()
	w.proxy.Refuse(false)
	if err := commit(w.instant()); err == nil {
		t.Error("it committed")
	}
	if err := await(w.world, fatal, 1)[0]; !strings.Contains(err.Error(), "written by a newer program (schema 99") {
		t.Errorf("fatal: %v", err)
	}
	if err := commit(w.instant()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
	if got := added(before, s.rows()); len(got) > 0 {
		t.Errorf("added %v", got)
	}
}

// TestManyFirstProcesses: programs that start at once on an empty database find one.
func TestManyFirstProcesses(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	var all sync.WaitGroup
	ids := make(chan ID, 10)
	for range cap(ids) {
		o := optionsAt(t, url)
		all.Go(func() {
			s, err := Open(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			id, err := identity(t.Context(), s.read)
			if err := errors.Join(err, s.Close()); err != nil {
				t.Error(err)
			}
			ids <- id
		})
	}
	all.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Errorf("one is on %s, another on %s", first, id)
		}
	}
	if got := postgrestest.Query(t, url, `SELECT count(*) FROM meta WHERE name IN ('store', 'schema')`); got != "2" {
		t.Errorf("%s marks", got)
	}
}

// TestFailedPostgresStep: a step that fails leaves nothing, and the next one may be tried.
func TestFailedPostgresStep(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	conn := w.session().conn
	for _, text := range []string{`CREATE TABLE a (x INT); CREATE TABLE a (x INT)`, `CREATE TABLE a (x INT); SELECT 1 / 0`, `CREATE TABLE a (x INT); nonsense`} {
		if err := migratePostgresStep(t.Context(), conn, text, 99); err == nil {
			t.Fatal("the step succeeded")
		}
		w.wantSQL("t|3", `SELECT to_regclass('a') IS NULL, (SELECT value FROM meta WHERE name = 'schema')`)
	}
	w.must(migratePostgresStep(t.Context(), conn, `CREATE TABLE a (x INT); INSERT INTO a VALUES (1)`, 99))
	w.wantSQL("1|99", `SELECT (SELECT x FROM a), (SELECT value FROM meta WHERE name = 'schema')`)
}

// TestForeignDirectory: the data directory of one engine is none of the other's.
func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	embedded, shared := newWorld(t, openSQLiteDir), newPgWorld(t)
	embedded.must(embedded.Close())
	shared.must(shared.Close())
	o := options(t, embedded.Dir(), embedded.clock)
	o.Database = shared.url
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "move them with `ceralacca migrate`") {
		t.Errorf("a directory with data beside a database: %v", err)
	}
	if _, err := Open(t.Context(), options(t, shared.Dir(), shared.clock)); err == nil || !strings.Contains(err.Error(), shared.Dir()) {
		t.Errorf("the directory of a process on a database: %v", err)
	}
	strange := t.TempDir()
	write(t, strange, "letters", nil)
	o.Dir = strange
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "letters") {
		t.Errorf("a directory of somebody else: %v", err)
	}
}

// TestOneDirectoryAProcess: two processes on one database do not share a directory.
func TestOneDirectoryAProcess(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	if _, err := Open(t.Context(), w.options()); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want %v", err, ErrLocked)
	}
}

// TestMovedDatabase: one that was moved away, and one that a move has not filled yet.
func TestMovedDatabase(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.must(w.Close())
	w.sql(`INSERT INTO meta VALUES ('moved', 'identity another place')`)
	refusesOptions(t, optionsAt(t, w.url), "were moved to another place: use them there")
	w.sql(`UPDATE meta SET name = 'moving' WHERE name = 'moved'`)
	refusesOptions(t, optionsAt(t, w.url), "has not ended: run the same `ceralacca migrate` again")
}

// TestDiscard: only what a URL names and nobody uses.
func TestDiscard(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	if err := Discard(t.Context(), w.url); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("one that is in use: %v", err)
	}
	w.must(w.Close())
	w.must(Discard(t.Context(), w.url))
	w.wantSQL("f", `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = current_schema())`)
	w.must(Discard(t.Context(), w.url))
	nameless, _, _ := strings.Cut(w.url, "?")
	if err := Discard(t.Context(), nameless); err == nil || !strings.Contains(err.Error(), "names no schema") {
		t.Errorf("no schema: %v", err)
	}
	for url, right := range map[string]bool{w.url: true, "postgresql://h/d": true, "": false, "host=h": false, "mysql://h/d": false, "postgres://h:x/d": false} {
		if err := CheckDatabase(url); (err == nil) != right {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestRefusedConnectionsEnd: a connection that is refused while it is made does not stay, with its lock on the schema.
func TestRefusedConnectionsEnd(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.must(w.Close())
	w.older()
	application := "refused_" + NewID().String()
	o := optionsAt(t, w.url+"&application_name="+application)
	o.ReadOnly = true
	refusesOptions(t, o, "are of an older program (schema 1, this program has ")
	w.session().until("0", `SELECT count(*) FROM pg_stat_activity WHERE application_name = '`+application+`'`)
	w.process(w.url).accepted()
}

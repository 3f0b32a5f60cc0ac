package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// Every connection of a running program holds this lock shared, so nothing changes the schema under a program, not even under
// one that is frozen: its connections stay. Who changes the schema, or moves the data, holds it alone.
const lockClass = 0x63657261 // "cera"

const (
	lockShared  = `SELECT coalesce(pg_try_advisory_lock_shared($1, hashtext(current_schema())), true)`
	lockAlone   = `SELECT coalesce(pg_try_advisory_lock($1, hashtext(current_schema())), true)`
	findVersion = `SELECT coalesce((SELECT value FROM meta WHERE name = 'schema'), '0')`
)

const (
	migratePatience = 10 * time.Second // for others to end, or to do the same
	lockPatience    = 3 * time.Second
)

// enter is the beginning of every connection but a migrator's.
func (e *postgresEngine) enter(ctx context.Context, conn *pgx.Conn) error {
	if err := fitServer(ctx, conn); err != nil {
		return err
	}
	if e.holder == nil {
		if err := e.takePart(ctx, conn); err != nil {
			return err
		}
	}
	version, known, err := e.version(ctx, conn)
	switch {
	case err != nil:
		return err
	case version > known:
		// Another program changed it while all connections of this one were gone.
		err = newerSchema(version, known)
		if e.pool != nil {
			return e.store.fail(err)
		}
		return err
	case version < known:
		return fmt.Errorf("the data in %s are of an older program (schema %d, this program has %d): start it once", e.where(), version, known)
	}
	if e.store.alone || e.snapshotting {
		return nil
	}
	return refuseMarked(e.where(), conn.QueryRow(ctx, findMarks).Scan)
}

// dial makes a connection that has not entered: a migrator's.
func (e *postgresEngine) dial(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, e.config.Copy())
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", e.where(), err)
	}
	return conn, nil
}

// take takes the lock as the query says, or waits a moment for others: a connection that was closed has it until its server's
// process has ended. It is the connection's until that ends.
func (e *postgresEngine) take(ctx context.Context, conn *pgx.Conn, query string) (taken bool, err error) {
	for limit := time.Now().Add(lockPatience); ; {
		if err := conn.QueryRow(ctx, query, lockClass).Scan(&taken); err != nil {
			return false, fmt.Errorf("locking %s: %w", e.where(), err)
		}
		if taken || time.Now().After(limit) {
			return taken, nil
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// keepOthersAway holds the lock alone until the engine is closed.
func (e *postgresEngine) keepOthersAway(ctx context.Context) error {
	conn, err := e.dial(ctx)
	if err != nil {
		return err
	}
	alone, err := e.take(ctx, conn, lockAlone)
	if err == nil && !alone {
		err = fmt.Errorf("locking %s: processes run on it: stop them first", e.where())
	}
	if err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	e.holder = conn
	return nil
}

// takePart shares the lock.
func (e *postgresEngine) takePart(ctx context.Context, conn *pgx.Conn) error {
	free, err := e.take(ctx, conn, lockShared)
	if err == nil && !free {
		err = fmt.Errorf("%s is being changed or moved: try again when that is done", e.where())
	}
	return err
}

// fitServer refuses a server that breaks what we promise, and makes commits durable.
func fitServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var fsync, encoding string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync'), current_setting('server_encoding')`).Scan(&version, &fsync, &encoding)
	if err != nil {
		return fmt.Errorf("asking the database what it is: %w", err)
	}
	if err := unfit(version, fsync, encoding); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`)
	return err
}

// unfit says why a server cannot keep certified mail; nil: it can.
func unfit(version int, fsync, encoding string) error {
	switch {
	case version < 140000:
		return fmt.Errorf("PostgreSQL %d is too old: 14 or later is needed", version/10000)
	case fsync != "on":
		return errors.New("the database runs with fsync = off: what it says is stored may be lost. Set fsync = on")
	case encoding != "UTF8":
		return fmt.Errorf("the database is encoded in %s: make one with ENCODING 'UTF8'", encoding)
	}
	return nil
}

// version is the schema's number there and the one of this program. 0: there is none.
func (e *postgresEngine) version(ctx context.Context, conn *pgx.Conn) (version, known int, err error) {
	steps, err := fs.Glob(postgresMigrations, "migrations/postgres/*.sql")
	if err != nil {
		return 0, 0, err
	}
	var made bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('meta') IS NOT NULL`).Scan(&made); err != nil {
		return 0, 0, fmt.Errorf("reading %s: %w", e.where(), err)
	}
	if !made {
		return 0, len(steps), nil
	}
	var text string
	if err := conn.QueryRow(ctx, findVersion).Scan(&text); err != nil {
		return 0, 0, fmt.Errorf("reading the schema's number in %s: %w", e.where(), err)
	}
	version, err = strconv.Atoi(text)
	return version, len(steps), err
}

// migrate brings the schema to this program's version, forward only, each step in a transaction, while nobody else is there.
func (e *postgresEngine) migrate(ctx context.Context) error {
	conn, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := fitServer(ctx, conn); err != nil {
		return fmt.Errorf("%s: %w", e.where(), err)
	}
	if err := e.makeSchema(ctx, conn); err != nil {
		return err
	}
	for limit := time.Now().Add(migratePatience); ; {
		version, known, err := e.version(ctx, conn)
		switch {
		case err != nil:
			return err
		case version == known:
			return nil
		case version > known:
			return newerSchema(version, known)
		}
		alone, err := e.take(ctx, conn, lockAlone)
		if err != nil {
			return err
		}
		if alone {
			err := e.migrateAlone(ctx, conn)
			_, unlocked := conn.Exec(ctx, `SELECT pg_advisory_unlock($1, hashtext(current_schema()))`, lockClass)
			return errors.Join(err, unlocked)
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%s has schema %d, this program brings %d, but processes of the older program run on it: stop them first", e.where(), version, known)
		}
	}
}

func (e *postgresEngine) schemaName() string { return e.config.RuntimeParams["search_path"] }

// makeSchema makes the schema that search_path names, if that is not there.
func (e *postgresEngine) makeSchema(ctx context.Context, conn *pgx.Conn) error {
	name, there := e.schemaName(), false
	// Who may use a schema may not have the right to make one.
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)`, name).Scan(&there); err != nil || there {
		return err
	}
	_, err := conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+pgx.Identifier{name}.Sanitize())
	if conflicts(err) {
		return nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("making the schema of %s: %w", e.where(), err)
	}
	return nil
}

// migrateAlone does the steps.
func (e *postgresEngine) migrateAlone(ctx context.Context, conn *pgx.Conn) error {
	// Who had the lock before may have done it.
	version, known, err := e.version(ctx, conn)
	if err != nil {
		return err
	}
	for v := version + 1; v <= known; v++ {
		text, err := postgresMigrations.ReadFile(fmt.Sprintf("migrations/postgres/%04d.sql", v))
		if err == nil {
			err = migratePostgresStep(ctx, conn, string(text), v)
		}
		if err != nil {
			return fmt.Errorf("migrating %s to schema %d: %w", e.where(), v, err)
		}
	}
	return nil
}

func migratePostgresStep(ctx context.Context, conn *pgx.Conn, text string, version int) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	// Without arguments the text goes as it is, with all its statements.
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; "+text); err != nil {
		return err
	}
	if version == 1 {
		if _, err := tx.Exec(ctx, `INSERT INTO meta (name, value) VALUES ('store', $1)`, NewID().String()); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO meta (name, value) VALUES ('schema', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, strconv.Itoa(version)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// CheckDatabase tells what is wrong with a URL, without connecting.
func CheckDatabase(url string) error {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return errors.New("a URL is needed, such as postgres://USER@HOST/NAME")
	}
	_, _, err := postgresConfig(url)
	return err
}

// Discard removes the schema that the URL's search_path names, with all that it holds. It refuses while somebody uses it.
func Discard(ctx context.Context, url string) error {
	config, _, err := postgresConfig(url)
	if err != nil {
		return err
	}
	e := &postgresEngine{config: config}
	name := e.schemaName()
	if name == "public" {
		return fmt.Errorf("%s names no schema of its own: nothing was removed", e.where())
	}
	conn, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	alone, err := e.take(ctx, conn, lockAlone)
	if err != nil {
		return err
	}
	if !alone {
		return fmt.Errorf("%s is in use: stop what uses it", e.where())
	}
	if _, err := conn.Exec(ctx, `DROP SCHEMA IF EXISTS `+pgx.Identifier{name}.Sanitize()+` CASCADE`); err != nil {
		return fmt.Errorf("emptying %s: %w", e.where(), err)
	}
	return nil
}

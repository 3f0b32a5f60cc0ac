package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// migrate brings the schema to this program's version, forward only, each step in a transaction.
func migrateSQLite(ctx context.Context, conn *sql.Conn) error {
	steps, err := fs.Glob(sqliteMigrations, "migrations/sqlite/*.sql")
	if err != nil {
		return err
	}
	var version int
	if err := conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return fmt.Errorf("this is no database of this program: %w", err)
	}
	if version > len(steps) {
		return newerSchema(version, len(steps))
	}
	for i, step := range steps[version:] {
		text, err := sqliteMigrations.ReadFile(step)
		if err != nil {
			return err
		}
		if err := migrateStep(ctx, conn, string(text), version+i+1); err != nil {
			return fmt.Errorf("migrating to schema %d: %w", version+i+1, err)
		}
	}
	return nil
}

func newerSchema(version, known int) error {
	return fmt.Errorf("the data were written by a newer program (schema %d, this program knows %d): use that program", version, known)
}

// knownSchema refuses a snapshot of another schema than this program's.
func knownSchema(ctx context.Context, r *reader) error {
	steps, err := fs.Glob(sqliteMigrations, "migrations/sqlite/*.sql")
	if err != nil {
		return err
	}
	var version int
	if err := r.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return fmt.Errorf("this is no database of this program: %w", err)
	}
	if version > len(steps) {
		return newerSchema(version, len(steps))
	}
	if version < len(steps) {
		return fmt.Errorf("the data are of an older program (schema %d, this program has %d): start it once", version, len(steps))
	}
	return nil
}

func migrateStep(ctx context.Context, conn *sql.Conn, text string, version int) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return err
	}
	if version == 1 {
		if _, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('store', $1)`, NewID().String()); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, version)); err != nil {
		return err
	}
	return tx.Commit()
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/store"
)

type migrateCmd struct {
	configFlag
	To string `required:"" placeholder:"URL|DIR" help:"Where the data go: a PostgreSQL database (postgres://USER@HOST/NAME), or a new data directory."`
}

// Validate tells a URL that cannot be used.
func (m migrateCmd) Validate() error {
	if !m.toDatabase() {
		return nil
	}
	if err := store.CheckDatabase(m.To); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	return nil
}

func (m migrateCmd) toDatabase() bool {
	return strings.Contains(m.To, "://") || strings.HasPrefix(m.To, "postgres:") || strings.HasPrefix(m.To, "postgresql:")
}

// Run moves the data of a provider that is stopped.
func (m migrateCmd) Run(ctx context.Context, log *slog.Logger) error {
	c, clock, err := m.load()
	if err != nil {
		return err
	}
	from := c.StoreOptions(clock)
	from.Log, from.Fatal = log, fatal(log)
	to := from
	if m.toDatabase() {
		work, err := os.MkdirTemp("", "ceralacca-migrate-")
		if err != nil {
			return fmt.Errorf("a directory for what is on its way cannot be made: %w", err)
		}
		defer os.RemoveAll(work)
		to.Dir, to.Database = work, m.To
	} else if to.Dir, err = filepath.Abs(m.To); err != nil {
		return err
	} else {
		to.Database = ""
	}
	var told time.Time
	moved, err := store.Move(ctx, from, to, func(table string, rows int64) {
		if time.Since(told) > time.Second {
			told = time.Now()
			log.Info("moving", "table", table, "rows", rows)
		}
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d rows and %d octets were moved to %s and compared.\n", moved.Rows, moved.Octets, moved.To)
	if m.toDatabase() {
		fmt.Printf("Now set database under [store] in %s, and name a new data_dir. The old data stay in %s and are not used any more.\n", m.Config, from.Dir)
	} else {
		fmt.Printf("Now set data_dir = %q in %s, and take database out of it.\n", to.Dir, m.Config)
	}
	return nil
}

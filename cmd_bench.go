package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ceralacca/ceralacca/bench"
	"github.com/ceralacca/ceralacca/store"
)

type benchCmd struct {
	JSON      bool          `name:"json" help:"Print JSON instead of a table."`
	Only      []string      `placeholder:"P1,P7" help:"Measures to take, of P1, P1b, P2, P3, P4, P7, P8 and P10 (default: all)."`
	Exchanges int           `default:"300" help:"Exchanges measured for P1, P1b and at most 200 for P7 (default ${default})."`
	Duration  time.Duration `default:"20s" help:"At most this long P1, P1b, P3 and P7 (default ${default})."`
	Sustain   time.Duration `default:"60s" help:"How long P2 keeps the load up; each flow of P4 has a sixth of it (default ${default})."`
	Kills     int           `default:"20" help:"How often P10 kills the program (default ${default})."`
	Engine    string        `enum:"sqlite,postgres" default:"sqlite" help:"What keeps the data: sqlite, or postgres with --database (default ${default})."`
	Database  string        `placeholder:"URL" help:"Database for --engine postgres, such as postgres://USER@HOST/NAME, on a server that does nothing else; schemas are made there and removed."`
	ServerPID int           `name:"database-pid" placeholder:"N" help:"First process of the database server on this machine (in its postmaster.pid): its CPU is counted, and P4 attaches strace to it."`
	Postfix   bool          `help:"Measure a plain relay of Postfix beside it: needs its package, and root."`
}

// Validate finds flags that do not fit each other.
func (c benchCmd) Validate() error {
	switch {
	case c.Engine == "postgres" && c.Database == "":
		return errors.New("--engine=postgres: a database is needed: --database=postgres://USER@HOST/NAME")
	case c.Engine != "postgres" && c.Database != "":
		return errors.New("--database: it is for --engine=postgres")
	case c.ServerPID != 0 && c.Database == "":
		return errors.New("--database-pid: it is for --engine=postgres")
	case c.ServerPID < 0:
		return fmt.Errorf("--database-pid=%d: it is a process", c.ServerPID)
	case c.Database == "":
		return nil
	}
	if err := store.CheckDatabase(c.Database); err != nil {
		return fmt.Errorf("--database: %w", err)
	}
	return nil
}

// Run measures this very binary as a child process.
func (c benchCmd) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	report, err := bench.Run(ctx, bench.Options{
		Program: program, Only: c.Only, Exchanges: c.Exchanges, Limit: c.Duration, Sustain: c.Sustain, Kills: c.Kills,
		Database: c.Database, DatabasePID: c.ServerPID, Postfix: c.Postfix, Progress: os.Stderr,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = report.WriteJSON(os.Stdout)
	} else {
		err = report.WriteTable(os.Stdout)
	}
	return errors.Join(err, report.Err())
}

package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/ceralacca/ceralacca/bench"
)

type benchCmd struct {
	JSON      bool          `name:"json" help:"Print JSON instead of a table."`
	Only      []string      `placeholder:"P1,P7" help:"Measures to take, of P1, P1b, P2, P3, P4, P7, P8 and P10 (default: all)."`
	Exchanges int           `default:"300" help:"Exchanges measured for P1, P1b and at most 200 for P7 (default ${default})."`
	Duration  time.Duration `default:"20s" help:"At most this long P1, P1b, P3 and P7 (default ${default})."`
	Sustain   time.Duration `default:"60s" help:"How long P2 keeps the load up, and the six flows of P4 together (default ${default})."`
	Kills     int           `default:"20" help:"How often P10 kills the program (default ${default})."`
	Postfix   bool          `help:"Measure a plain relay of Postfix beside it: needs its package, and root."`
}

// Run measures this very binary as a child process.
func (c benchCmd) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	report, err := bench.Run(ctx, bench.Options{
		Program: program, Only: c.Only, Exchanges: c.Exchanges, Limit: c.Duration, Sustain: c.Sustain, Kills: c.Kills,
		Postfix: c.Postfix, Progress: os.Stderr,
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

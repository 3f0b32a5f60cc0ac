package main

import (
	"context"
	"os"
	"time"

	"github.com/ceralacca/ceralacca/bench"
)

type benchCmd struct {
	JSON      bool          `name:"json" help:"Print JSON instead of a table."`
	Exchanges int           `default:"300" help:"Exchanges measured for P1."`
	Duration  time.Duration `default:"20s" help:"At most this long a measure."`
}

// Run measures this very binary as a child process.
func (c benchCmd) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	report, err := bench.Run(ctx, bench.Options{Program: program, Exchanges: c.Exchanges, Limit: c.Duration})
	if err != nil {
		return err
	}
	if c.JSON {
		return report.WriteJSON(os.Stdout)
	}
	return report.WriteTable(os.Stdout)
}

// Command ceralacca is a complete provider of Italian certified e-mail (PEC), with its authority, its sandbox and its
// tools. 'ceralacca --help' lists the subcommands; the README has the first steps.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line. Each field's type has the Run method that does it.
type commands struct {
	Serve     serveCmd     `cmd:"" help:"Run one provider from its configuration file."`
	Sandbox   sandboxCmd   `cmd:"" help:"Run two providers, the authority and an outside mail server on this machine, for tests."`
	Config    configCmd    `cmd:"" help:"The configuration file."`
	Mailbox   mailboxCmd   `cmd:"" help:"Add, list, open and close mailboxes, set passwords."`
	Domain    domainCmd    `cmd:"" help:"The provider's domains."`
	Held      heldCmd      `cmd:"" help:"What was accepted at SMTP and is kept for the operators."`
	Authority authorityCmd `cmd:"" help:"Certificates for a closed network of providers."`
	Check     checkCmd     `cmd:"" help:"Check the invariants of a provider's data, while it runs or not."`
	Bench     benchCmd     `cmd:"" help:"Measure this program on this machine."`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	Verbose bool `short:"v" help:"Log more."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	k := kong.Parse(&c,
		kong.Name("ceralacca"),
		kong.Description("Certified e-mail (PEC): provider, authority, sandbox, evidence."),
		kong.ShortUsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if err := k.Run(log); err != nil {
		fmt.Fprintf(os.Stderr, "ceralacca: %v\n", err)
		os.Exit(1)
	}
}

// fatal ends the process when the outcome of a write is unknown: recovery decides at the next start (design.md 3).
func fatal(log *slog.Logger) func(error) {
	return func(err error) {
		log.Error("the process ends: start it again, recovery decides", "error", err)
		os.Exit(3)
	}
}

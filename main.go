// Command ceralacca is a complete provider of Italian certified e-mail (PEC), with its authority, its sandbox and its
// tools. 'ceralacca --help' lists the subcommands; the README has the first steps.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/ceralacca/ceralacca/sandbox"
)

// commands is the command line. Each field's type has the Run method that does it; cmd_help.go has its help.
type commands struct {
	Serve      serveCmd      `cmd:"" help:"Run one provider from its configuration file."`
	Sandbox    sandboxCmd    `cmd:"" help:"Run two providers, the authority and an outside mail server on this machine, for tests."`
	Config     configCmd     `cmd:"" help:"The configuration file."`
	Mailbox    mailboxCmd    `cmd:"" help:"Add, list, open and close mailboxes, set passwords."`
	Domain     domainCmd     `cmd:"" help:"The provider's domains."`
	Events     eventsCmd     `cmd:"" help:"Count what was recorded, by kind of event."`
	Held       heldCmd       `cmd:"" help:"What was accepted at SMTP and is kept for the operators."`
	Authority  authorityCmd  `cmd:"" help:"Certificates for a closed network of providers."`
	Verify     verifyCmd     `cmd:"" help:"Say what kept messages of certified mail prove, any provider's, offline."`
	Check      checkCmd      `cmd:"" help:"Check the invariants of a provider's data, while it runs or not."`
	Migrate    migrateCmd    `cmd:"" help:"Move the data of a stopped provider into PostgreSQL, or back."`
	Bench      benchCmd      `cmd:"" help:"Measure this program on this machine."`
	Completion completionCmd `cmd:"" help:"Print what a shell needs to complete this program's command line."`
	Man        manCmd        `cmd:"" help:"Print a manual page, or write them all."`
	Help       helpCmd       `cmd:"" help:"Print the help of a subcommand."`
	Version    versionCmd    `cmd:"" help:"Print the version."`

	Verbose     bool             `short:"v" help:"Log more."`
	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// The exit statuses besides 0; exitStatuses explains them.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitUnknown  = 3
	exitInvalid  = 4
	exitUnproven = 5
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// run does what the arguments ask for and returns the exit status.
func run(ctx context.Context, args []string) int {
	var c commands
	parsed, err := newParser(&c).Parse(args)
	if err == nil {
		parsed.BindTo(ctx, (*context.Context)(nil))
		level := slog.LevelInfo
		if c.Verbose {
			level = slog.LevelDebug
		}
		err = parsed.Run(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	}
	var usage *kong.ParseError
	var verdict *verdictError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		complain(os.Stderr, misused(usage))
		return exitUsage
	case errors.As(err, &verdict):
		return verdict.status
	}
	complain(os.Stderr, err)
	return exitFailed
}

// newParser is the parser of the command line; its model is what help, completion and manual pages are made of.
func newParser(c *commands) *kong.Kong {
	return kong.Must(c,
		kong.Name("ceralacca"),
		kong.Description("Certified e-mail (PEC): provider, authority, sandbox, evidence."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Help(printHelp),
		kong.Vars{"version": version(), "engines": strings.Join(sandbox.Engines(), ", ")},
	)
}

// misused is what is wrong with the command line, and where its help is.
func misused(e *kong.ParseError) error {
	node := e.Context.Model.Node
	if selected := e.Context.Selected(); selected != nil {
		node = selected
	}
	what := strings.ReplaceAll(e.Error(), `but got "EOL" (<EOL>)`, "but nothing follows")
	if strings.HasPrefix(what, "expected ") && !node.Leaf() {
		var names []string
		for _, child := range node.Children {
			names = append(names, child.Name)
		}
		what = "a subcommand is missing: " + strings.Join(names, ", ")
	}
	return fmt.Errorf("%s (see '%s --help')", what, node.FullPath())
}

// complain writes an error, each of its lines under the program's name: a configuration may have several faults.
func complain(w io.Writer, err error) {
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		fmt.Fprintf(w, "ceralacca: %s\n", printable(line))
	}
}

// fatal ends the process when the outcome of a write is unknown: recovery decides at the next start (design.md 3).
func fatal(log *slog.Logger) func(error) {
	return func(err error) {
		log.Error("the process ends: see to the disk, then start it again; nothing that was answered is lost", "error", err)
		os.Exit(exitUnknown)
	}
}

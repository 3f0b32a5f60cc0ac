package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/provider"
	"github.com/ceralacca/ceralacca/store"
)

// configFlag names the configuration of the provider that a subcommand is about.
type configFlag struct {
	Config string `short:"c" required:"" type:"path" placeholder:"FILE" help:"The provider's configuration (TOML)."`
}

func (f configFlag) load() (*provider.Config, *provider.Clock, error) {
	c, err := provider.LoadConfig(f.Config)
	if err != nil {
		return nil, nil, err
	}
	clock, err := c.Clock()
	return c, clock, err
}

type serveCmd struct{ configFlag }

// Run serves until SIGTERM or an interrupt.
func (s serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	c, clock, err := s.load()
	if err != nil {
		return err
	}
	p, err := provider.Open(ctx, c, provider.Options{Clock: clock, Log: log, Fatal: fatal(log)})
	if err != nil {
		return err
	}
	err = errors.Join(p.Run(ctx), p.Close())
	if err == nil {
		log.Info("stopped")
	}
	return err
}

type configCmd struct {
	Example configExampleCmd `cmd:"" help:"Print a configuration with every key explained."`
}

type configExampleCmd struct{}

// Run prints the example.
func (configExampleCmd) Run() error {
	_, err := os.Stdout.Write(provider.Example())
	return err
}

type mailboxCmd struct {
	Add      mailboxAddCmd      `cmd:"" help:"Add a mailbox. Its password is read from standard input."`
	List     mailboxListCmd     `cmd:"" help:"List the mailboxes."`
	Password mailboxPasswordCmd `cmd:"" help:"Set a mailbox's password, read from standard input."`
	Disable  mailboxDisableCmd  `cmd:"" help:"Close a mailbox: it takes no mail, nobody may log in, what it holds stays."`
	Enable   mailboxEnableCmd   `cmd:"" help:"Open a mailbox again."`
	Suspend  mailboxSuspendCmd  `cmd:"" help:"Suspend a mailbox: it takes no certified mail and sends none, its holder may read it."`
	Resume   mailboxResumeCmd   `cmd:"" help:"End a suspension."`
	Quota    mailboxQuotaCmd    `cmd:"" help:"Bound what certified mail may fill of a mailbox."`
	Ordinary mailboxOrdinaryCmd `cmd:"" help:"Say what becomes of ordinary mail for a mailbox."`
}

type mailboxArg struct {
	configFlag
	Address address `arg:"" help:"The mailbox's address."`
}

// address is one of a mailbox.
type address string

// Validate says what is wrong with one before anything is done, and before a password is asked for.
func (a address) Validate() error {
	_, err := pec.ParseAddress(string(a))
	return err
}

// admin runs do with the owner of the provider's data.
func (f configFlag) admin(ctx context.Context, log *slog.Logger, do func(*provider.Admin) error) error {
	c, clock, err := f.load()
	if err != nil {
		return err
	}
	a, err := provider.Connect(ctx, c, clock, log)
	if err != nil {
		return err
	}
	return errors.Join(do(a), a.Close())
}

type mailboxAddCmd struct{ mailboxArg }

// Run adds the mailbox.
func (m mailboxAddCmd) Run(ctx context.Context, log *slog.Logger) error {
	password, err := readPassword()
	if err != nil {
		return err
	}
	return m.admin(ctx, log, func(a *provider.Admin) error { return a.AddMailbox(ctx, string(m.Address), password) })
}

type mailboxPasswordCmd struct{ mailboxArg }

// Run sets the password.
func (m mailboxPasswordCmd) Run(ctx context.Context, log *slog.Logger) error {
	password, err := readPassword()
	if err != nil {
		return err
	}
	return m.admin(ctx, log, func(a *provider.Admin) error { return a.SetPassword(ctx, string(m.Address), password) })
}

// readPassword takes one line from standard input, so that no password is seen in a list of processes.
func readPassword() (string, error) {
	if st, err := os.Stdin.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintln(os.Stderr, "Type the password (it is shown) and Return:")
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password from standard input: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("no password came on standard input: type one, or pipe it in")
	}
	return line, nil
}

type mailboxDisableCmd struct{ mailboxArg }

// Run closes the mailbox.
func (m mailboxDisableCmd) Run(ctx context.Context, log *slog.Logger) error {
	return m.admin(ctx, log, func(a *provider.Admin) error { return a.Disable(ctx, string(m.Address)) })
}

type mailboxEnableCmd struct{ mailboxArg }

// Run opens the mailbox.
func (m mailboxEnableCmd) Run(ctx context.Context, log *slog.Logger) error {
	return m.admin(ctx, log, func(a *provider.Admin) error { return a.Enable(ctx, string(m.Address)) })
}

type mailboxSuspendCmd struct{ mailboxArg }

// Run suspends the mailbox.
func (m mailboxSuspendCmd) Run(ctx context.Context, log *slog.Logger) error {
	return m.admin(ctx, log, func(a *provider.Admin) error { return a.Suspend(ctx, string(m.Address)) })
}

type mailboxResumeCmd struct{ mailboxArg }

// Run ends the suspension.
func (m mailboxResumeCmd) Run(ctx context.Context, log *slog.Logger) error {
	return m.admin(ctx, log, func(a *provider.Admin) error { return a.Resume(ctx, string(m.Address)) })
}

type mailboxQuotaCmd struct {
	mailboxArg
	Octets int64 `arg:"" help:"The most that envelopes may fill, in octets; 0 is without limit."`
}

// Validate says what is wrong with the number before anything is done.
func (m mailboxQuotaCmd) Validate() error {
	if m.Octets < 0 {
		return errors.New("a quota is not negative: give a number of octets, or 0 for none")
	}
	return nil
}

// Run sets the quota.
func (m mailboxQuotaCmd) Run(ctx context.Context, log *slog.Logger) error {
	return m.admin(ctx, log, func(a *provider.Admin) error { return a.SetQuota(ctx, string(m.Address), m.Octets) })
}

type mailboxOrdinaryCmd struct {
	mailboxArg
	Policy string `arg:"" enum:"refuse,anomaly,domain" help:"'refuse' at SMTP, 'anomaly' for an anomaly envelope, 'domain' for what the domain's policy says."`
}

// Run sets the policy.
func (m mailboxOrdinaryCmd) Run(ctx context.Context, log *slog.Logger) error {
	policy := store.Ordinary(m.Policy)
	if m.Policy == "domain" {
		policy = store.OrdinaryAsDomain
	}
	return m.admin(ctx, log, func(a *provider.Admin) error { return a.SetOrdinary(ctx, string(m.Address), policy) })
}

type mailboxListCmd struct{ configFlag }

// Run lists the mailboxes.
func (m mailboxListCmd) Run(ctx context.Context, log *slog.Logger) error {
	return m.admin(ctx, log, func(a *provider.Admin) error {
		ms, err := a.Mailboxes(ctx)
		if err != nil {
			return err
		}
		w := newTable("ADDRESS", "STATE", "KIND", "OCTETS", "QUOTA", "ORDINARY MAIL")
		for _, x := range ms {
			state, kind := "open", "holder"
			switch {
			case !x.Enabled:
				state = "disabled"
			case x.Suspended:
				state = "suspended"
			}
			if x.Service {
				kind = "service"
			}
			w.row(x.Address, state, kind, x.Used, x.Quota, cmp.Or(x.Ordinary, "as its domain"))
		}
		return w.Flush()
	})
}

type domainCmd struct {
	List domainListCmd `cmd:"" help:"List the domains and whether the directory lists them."`
}

type domainListCmd struct{ configFlag }

// Run lists the domains.
func (d domainListCmd) Run(ctx context.Context, log *slog.Logger) error {
	return d.admin(ctx, log, func(a *provider.Admin) error {
		ds, err := a.Domains(ctx)
		if err != nil {
			return err
		}
		w := newTable("DOMAIN", "SIGNED BY", "STATE")
		for _, x := range ds {
			state := "listed"
			if !x.Listed {
				state = "not in the directory: takes no mail"
			}
			w.row(x.Domain, x.Unit, state)
		}
		return w.Flush()
	})
}

type eventsCmd struct{ configFlag }

// Run lists how often each kind of event was recorded.
func (e eventsCmd) Run(ctx context.Context, log *slog.Logger) error {
	return e.admin(ctx, log, func(a *provider.Admin) error {
		counts, err := a.Events(ctx)
		if err != nil {
			return err
		}
		w := newTable("EVENT", "RECORDED")
		for _, kind := range slices.Sorted(maps.Keys(counts)) {
			w.row(kind, counts[kind])
		}
		return w.Flush()
	})
}

type heldCmd struct {
	List heldListCmd `cmd:"" help:"List what is held, the newest first."`
	Show heldShowCmd `cmd:"" help:"Print a held message as it came."`
}

type heldListCmd struct{ configFlag }

// Run lists what is held.
func (h heldListCmd) Run(ctx context.Context, log *slog.Logger) error {
	return h.admin(ctx, log, func(a *provider.Admin) error {
		hs, err := a.Held(ctx)
		if err != nil {
			return err
		}
		w := newTable("ID", "AT", "FROM", "TO", "REASON")
		for _, x := range hs {
			w.row(x.ID, x.At.Local().Format("2006-01-02 15:04:05"), cmp.Or(printable(x.Sender), "<>"), printable(strings.Join(x.Recipients, ",")), printable(x.Reason))
		}
		return w.Flush()
	})
}

// printable keeps what strangers sent from steering the operator's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

type heldShowCmd struct {
	configFlag
	ID string `arg:"" help:"The id that 'held list' shows."`
}

// Run prints the message.
func (h heldShowCmd) Run(ctx context.Context, log *slog.Logger) error {
	return h.admin(ctx, log, func(a *provider.Admin) error { return a.HeldMessage(ctx, h.ID, os.Stdout) })
}

// table is columns on standard output.
type table struct{ *tabwriter.Writer }

func newTable(columns ...any) table {
	t := table{tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)}
	t.row(columns...)
	return t
}

func (t table) row(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t, "\t")
		}
		fmt.Fprint(t, c)
	}
	fmt.Fprintln(t)
}

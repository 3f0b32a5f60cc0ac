package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/authority"
	"github.com/ceralacca/ceralacca/check"
	"github.com/ceralacca/ceralacca/sandbox"
	"github.com/ceralacca/ceralacca/store"
)

type sandboxCmd struct {
	Dir       string `type:"path" placeholder:"DIR" help:"Where everything is kept (default: ceralacca-sandbox in the user's cache)."`
	Fresh     bool   `help:"Empty the sandbox's directory first."`
	BasePort  int    `default:"20250" placeholder:"N" help:"First port; 0 takes free ones (default ${default})."`
	Mailboxes int    `default:"3" placeholder:"N" help:"Mailboxes a provider (default ${default})."`
	Database  string `placeholder:"URL" help:"Keep the data in PostgreSQL, such as postgres://USER@HOST/NAME; the sandbox makes schemas of its own there."`
	BetaAs    string `placeholder:"ENGINE" help:"Let Beta write and sign as another provider's engine: ${engines}."`
	Chaos     int    `placeholder:"N" help:"Draw faults for N percent of messages."`
	Host      string `default:"127.0.0.1" placeholder:"ADDR" help:"Address to listen on, for containers (default ${default}); the certificates name localhost, 127.0.0.1, ::1 and mx.DOMAIN."`
}

// maxSandboxMailboxes bounds what a sandbox makes at its start: each password costs 30 ms.
const maxSandboxMailboxes = 2000

// Validate finds numbers that cannot be.
func (c sandboxCmd) Validate() error {
	if c.Database != "" {
		if err := store.CheckDatabase(c.Database); err != nil {
			return fmt.Errorf("--database: %w", err)
		}
	}
	if err := sandbox.CheckEngine(c.BetaAs); c.BetaAs != "" && err != nil {
		return fmt.Errorf("--beta-as=%s: %w", c.BetaAs, err)
	}
	switch {
	case c.Chaos < 0 || c.Chaos > 100:
		return fmt.Errorf("--chaos=%d: it is a percentage, 0 to 100", c.Chaos)
	case c.Mailboxes < 1:
		return fmt.Errorf("--mailboxes=%d: there is 1 at least", c.Mailboxes)
	case c.Mailboxes > maxSandboxMailboxes:
		return fmt.Errorf("--mailboxes=%d: there are %d at most", c.Mailboxes, maxSandboxMailboxes)
	case c.BasePort < 0 || c.BasePort > 65000:
		return fmt.Errorf("--base-port=%d: it is between 1 and 65000, or 0 for free ones", c.BasePort)
	}
	return nil
}

// Run runs the sandbox until SIGTERM or an interrupt.
func (c sandboxCmd) Run(ctx context.Context, log *slog.Logger) error {
	if c.Dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("there is no cache directory: name one with --dir: %w", err)
		}
		c.Dir = filepath.Join(cache, "ceralacca-sandbox")
	}
	s, err := sandbox.Open(ctx, sandbox.Options{
		Dir: c.Dir, Fresh: c.Fresh, BasePort: c.BasePort, Mailboxes: c.Mailboxes, Host: c.Host, Database: c.Database, BetaAs: c.BetaAs, Chaos: float64(c.Chaos), Log: log, Fatal: fatal(log),
	})
	if err != nil {
		return err
	}
	err = errors.Join(s.Run(ctx, func() { fmt.Print(s.Greeting()) }), s.Close())
	if err == nil {
		log.Info("stopped")
	}
	return err
}

type authorityCmd struct {
	Issue authorityIssueCmd `cmd:"" help:"Issue a certification authority and a provider's certificates (RFC 6109 5.5)."`
}

type authorityIssueCmd struct {
	Dir      string   `required:"" type:"path" placeholder:"DIR" help:"Where the files go, one directory a provider."`
	CA       string   `name:"ca" type:"path" placeholder:"DIR" help:"Directory of an authority that is there already (ca.pem, ca.key); without it one is made."`
	Provider nameArg  `required:"" placeholder:"NAME" help:"The provider's name, as in the directory."`
	Address  address  `required:"" placeholder:"ADDRESS" help:"Its signing address, such as posta-certificata@pec.example."`
	Hostname []string `placeholder:"HOST" help:"Names of its servers, for a TLS certificate."`
}

// nameArg is a name that must be given.
type nameArg string

// Validate refuses the empty one, which a script's unset variable would be.
func (n nameArg) Validate() error {
	if strings.TrimSpace(string(n)) == "" {
		return errors.New("it is empty")
	}
	return nil
}

// Run issues and writes the files; none is overwritten.
func (c authorityIssueCmd) Run(_ context.Context) error {
	w := &fileWriter{dir: c.Dir}
	if _, err := os.Stat(filepath.Join(c.CA, "ca.pem")); c.CA != "" && err != nil {
		return fmt.Errorf("--ca: there is no authority: %w", err)
	}
	ca, err := w.authority(cmp.Or(c.CA, c.Dir))
	if err != nil {
		return err
	}
	now := time.Now()
	cert, key, err := ca.IssueProvider(authority.ProviderRequest{Provider: string(c.Provider), Address: string(c.Address), At: now})
	w.pair("signing", cert, key, err)
	cert, key, err = ca.IssueClient(string(c.Provider), now)
	w.pair("client", cert, key, err)
	if len(c.Hostname) > 0 {
		cert, key, err = ca.IssueServer(c.Hostname, nil, now)
		w.pair("server", cert, key, err)
	}
	return w.err
}

// fileWriter writes new files until the first error.
type fileWriter struct {
	dir string
	err error
}

// authority loads the CA in a directory, or makes one.
func (w *fileWriter) authority(dir string) (*authority.CA, error) {
	cert, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err == nil {
		key, err := os.ReadFile(filepath.Join(dir, "ca.key"))
		if err != nil {
			return nil, err
		}
		return authority.LoadCA(cert, key)
	}
	ca, err := authority.NewCA("Closed network of certified mail", time.Now())
	if err != nil {
		return nil, err
	}
	key, err := ca.KeyPEM()
	w.pair("ca", ca.CertificatePEM(), key, err)
	return ca, w.err
}

// pair writes both files or none that was there before.
func (w *fileWriter) pair(name string, cert, key []byte, err error) {
	if _, missing := os.Stat(filepath.Join(w.dir, name+".key")); missing == nil && w.err == nil {
		w.err = fmt.Errorf("%s is there already: move it away first", filepath.Join(w.dir, name+".key"))
	}
	w.write(name+".pem", cert, err)
	w.write(name+".key", key, err)
}

func (w *fileWriter) write(name string, octets []byte, err error) {
	if w.err != nil {
		return
	}
	if w.err = err; w.err != nil {
		return
	}
	path := filepath.Join(w.dir, name)
	if w.err = os.MkdirAll(w.dir, 0o700); w.err != nil {
		return
	}
	if _, err := os.Stat(path); err == nil {
		w.err = fmt.Errorf("%s is there already: move it away first", path)
		return
	}
	if w.err = store.WriteFile(path, octets); w.err == nil {
		fmt.Println(path)
	}
}

type checkCmd struct{ configFlag }

// Run checks the data and lists what is wrong.
func (c checkCmd) Run(ctx context.Context, log *slog.Logger) error {
	conf, clock, err := c.load()
	if err != nil {
		return err
	}
	anchors, err := conf.SigningRoots()
	if err != nil {
		return err
	}
	o := conf.StoreOptions(clock)
	o.Fatal, o.Log, o.ReadOnly = fatal(log), log, true
	st, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	report, err := check.Run(ctx, st, check.Options{Anchors: anchors})
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	for _, v := range report.Violations {
		fmt.Println(printable(v))
	}
	fmt.Printf("%d facts, %d messages, %d recipients, %d entries checked: %d violations\n", report.Facts, report.Messages, report.Recipients, report.Entries, len(report.Violations))
	if len(report.Violations) > 0 {
		return errors.New("the data break invariants: keep a copy of them and look at each")
	}
	return nil
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	_, err := fmt.Println(version())
	return err
}

// version is what this program was built from, and with.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return "ceralacca " + info.Main.Version + " " + info.GoVersion
	}
	return "ceralacca, of unknown version"
}

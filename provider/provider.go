package provider

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ceralacca/ceralacca/access"
	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/delivery"
	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/dispatch"
	"github.com/ceralacca/ceralacca/imapd"
	"github.com/ceralacca/ceralacca/incoming"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smtpd"
	"github.com/ceralacca/ceralacca/store"
)

// Options are what a provider gets besides its configuration.
type Options struct {
	Clock *Clock
	Log   *slog.Logger
	// Fatal is called when the outcome of a write is unknown: it ends the process (store.Options.Fatal).
	Fatal func(error)
	// Fault is for tests of crashes (store.Options.Fault); nil in production.
	Fault func(store.Place) error
	Hooks Hooks
}

// Provider is one running provider.
type Provider struct {
	Store *store.Store
	Units issuance.Units

	hooks       Hooks
	config      *Config
	clock       *Clock
	log         *slog.Logger
	keeper      *directory.Keeper
	revocations *revocations // nil: nobody asks
	access      *access.Point
	incoming    *incoming.Point
	delivery    *delivery.Point
	dispatch    *dispatch.Point
	servers     []*server
	control     net.Listener
}

// server is what serves one listener until its context ends; it has none if the service is not offered.
type server struct {
	service
	serve    func(context.Context, net.Listener) error
	listener net.Listener
}

// Open prepares a provider and binds its ports. After an error nothing is held.
func Open(ctx context.Context, c *Config, o Options) (*Provider, error) {
	m, err := c.load(o.Clock.Now())
	if err != nil {
		return nil, err
	}
	p := &Provider{Units: m.units, config: c, clock: o.Clock, log: o.Log}
	so := c.StoreOptions(o.Clock)
	so.Fatal, so.Log, so.Fault = o.Fatal, o.Log, o.Fault
	if c.Sandbox {
		p.hooks = o.Hooks
		p.install(o.Hooks, &so)
	}
	if p.Store, err = store.Open(ctx, so); err != nil {
		return nil, fmt.Errorf("opening the data: %w", err)
	}
	if err := p.prepare(ctx, m); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Provider) prepare(ctx context.Context, m *material) error {
	if err := p.refuseOldClock(ctx); err != nil {
		return err
	}
	if err := p.wire(m); err != nil {
		return err
	}
	if err := p.listen(); err != nil {
		return err
	}
	return p.serviceMailboxes(ctx)
}

// refuseOldClock: an instant before one that was certified must never be issued (design.md 9).
func (p *Provider) refuseOldClock(ctx context.Context) error {
	newest, err := p.Store.Newest(ctx)
	if err != nil {
		return err
	}
	if now := p.clock.Now(); newest.After(now.Add(time.Second)) {
		return fmt.Errorf("the newest fact in %s is of %s, but the clock says %s: set the clock, or name the sandbox's clock_file", p.Store.Where(), newest.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// serviceMailboxes makes the units' service mailboxes; they have no password until one is set.
func (p *Provider) serviceMailboxes(ctx context.Context) error {
	for _, u := range p.Units {
		_, err := p.Store.Mailbox(ctx, u.Service)
		if errors.Is(err, store.ErrNotFound) {
			_, err = p.Store.AddMailbox(ctx, u.Service, true, "")
			if errors.Is(err, store.ErrConflict) {
				err = nil // another process of this provider was faster
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) wire(m *material) error {
	if err := p.wireDirectory(m); err != nil {
		return err
	}
	if err := p.wireRevocation(m); err != nil {
		return err
	}
	p.wirePoints(m)
	return p.wireServers(m)
}

// directoryCopy is the last good copy of the providers' directory, in the data directory.
const directoryCopy = "directory.ldif.p7m"

func (p *Provider) wireDirectory(m *material) error {
	path := filepath.Join(p.Store.Dir(), directoryCopy)
	var err error
	p.keeper, err = directory.NewKeeper(directory.KeeperConfig{
		Signer: m.directorySigner, Fetch: directory.HTTPSFetch(p.config.Directory.URL, m.directoryTLS),
		Load: func() ([]byte, error) { return os.ReadFile(path) }, Save: func(b []byte) error { return store.WriteFile(path, b) },
		Now: p.clock.Now, Jumped: p.clock.Jumped, Every: duration(p.config.Directory.Refresh), Changed: p.directoryChanged, Log: p.log,
	})
	return err
}

// directoryChanged has the certificates of a new directory looked for.
func (p *Provider) directoryChanged() {
	if p.revocations != nil {
		p.revocations.keeper.Again()
	}
}

// maxQueued is how many messages of one sender or peer wait for their turn to be signed, and queuePatience for how long.
const (
	maxQueued       = 64
	queuePatience   = 10 * time.Second
	refusalsPerHour = 100 // of a network's imitations of certified mail are recorded
	relays          = 512 // at a time: they wait for peers, and a dozen that stall must leave room
)

func (p *Provider) wirePoints(m *material) {
	c, cores := p.config, runtime.GOMAXPROCS(0)
	// One bound for both: what is between its instant and its commit must not wait in a queue for a core. Most of that time is
	// the disk's: 64 signatures are a tenth of a second of a core.
	signing := admission.NewGate(admission.GateConfig{Capacity: 64 * cores, MaxWaiting: maxQueued, Patience: queuePatience})
	p.access = &access.Point{
		Store: p.Store, Units: p.Units, Directory: p.keeper.Current, Hostname: c.Provider.Hostname,
		Limits: pec.Limits{Recipients: c.Limits.Recipients, Product: c.Limits.Product}, Reserve: c.Limits.Reserve, Signing: signing, Log: p.log,
		Budget: admission.NewBudget(admission.BudgetConfig{PerHour: *c.Limits.Signatures, Log: p.log}),
	}
	p.incoming = &incoming.Point{
		Store: p.Store, Units: p.Units, Directory: p.keeper.Current, Anchors: m.anchors, AllowSHA1: *c.Limits.AllowSHA1,
		Hostname: c.Provider.Hostname, Reserve: c.Limits.Reserve, Signing: signing, Ordinary: c.Ordinary.policy, Stale: p.keeper.Stale, Log: p.log,
		Refusals: admission.NewBudget(admission.BudgetConfig{PerHour: refusalsPerHour, Log: slog.New(slog.DiscardHandler)}), // each is a warning anyway
	}
	if p.revocations != nil {
		p.incoming.Revocation, p.incoming.WaitForRevocation = p.revocations.status, c.Revocation.Policy == revocationWait
	}
	p.delivery = &delivery.Point{Store: p.Store, Units: p.Units, Directory: p.keeper.Current, Parallel: 16 * cores, BriefHash: briefHash(c.Receipts.BriefHash), Log: p.log}
	t := duration(c.Relay.Timeout)
	p.dispatch = &dispatch.Point{
		Store: p.Store, Directory: p.keeper.Current, Parallel: relays, Log: p.log, Routes: p.routes(m),
		Pool: dispatch.NewPool(dispatch.PoolConfig{
			Hello: c.Provider.Hostname, Now: p.clock.Now, Log: p.log,
			Timeouts: dispatch.Timeouts{Connect: t, Greeting: t, Command: t, Block: t, Final: t},
		}),
	}
}

// briefHash is the hash of a name that validate has let through.
func briefHash(name string) crypto.Hash {
	if name == "sha256" {
		return crypto.SHA256
	}
	return crypto.SHA1
}

func (p *Provider) wireServers(m *material) error {
	c := p.config
	// One of each for all ports: a failure at one counts at the others, and they share the cores.
	logins, handshakes := admission.NewLogins(admission.LoginsConfig{Log: p.log}), admission.NewHandshakes()
	base := smtpd.Config{
		Hostname: c.Provider.Hostname, TLS: &tls.Config{Certificates: []tls.Certificate{m.server}, MinVersion: tls.VersionTLS12},
		MaxSize: c.Limits.Message, MaxRecipients: c.Limits.Recipients, Log: p.log,
		Logins: logins, Handshakes: handshakes,
	}
	mx := base
	// What another provider accepted must fit, with all that an envelope adds (design.md 5).
	mx.MaxSize = c.Limits.Message + c.Limits.Message/10 + 2<<20
	port25 := smtpd.Incoming(mx, p.incoming)
	if p.hooks.Receive != nil {
		port25.Receive = p.hooks.Receive(port25.Receive)
	}
	implicit := base
	implicit.Implicit = true
	for _, s := range []struct {
		name, address string
		config        smtpd.Config
	}{
		{"smtp", c.Listen.SMTP, port25},
		{"submission", c.Listen.Submission, smtpd.Submission(base, p.access)},
		{"submissions", c.Listen.Submissions, smtpd.Submission(implicit, p.access)},
	} {
		srv, err := smtpd.New(s.config)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		p.servers = append(p.servers, &server{service: service{s.name, s.address}, serve: srv.Serve})
	}
	imap, err := imapd.New(imapd.Config{
		Store: p.Store, TLS: &tls.Config{Certificates: []tls.Certificate{m.server}, MinVersion: tls.VersionTLS12}, MaxAppend: c.Limits.Message, Log: p.log,
		Logins: logins, Handshakes: handshakes, Reserve: c.Limits.Reserve / 2, // after submissions have stopped
	})
	if err != nil {
		return fmt.Errorf("imaps: %w", err)
	}
	p.servers = append(p.servers, &server{service: service{"imaps", c.Listen.IMAPS}, serve: imap.Serve})
	return nil
}

// listen binds every port and the control socket; a service without an address is not offered.
func (p *Provider) listen() error {
	for _, s := range p.servers {
		if s.address == "" {
			continue
		}
		var err error
		if s.listener, err = net.Listen("tcp", s.address); err != nil {
			return p.config.fault("listen."+s.name, "the port cannot be opened: %v. %s", err, portCure(err))
		}
		if s.name == "smtp" && p.hooks.Port25 != nil {
			s.listener = p.hooks.Port25(s.listener)
		}
	}
	var err error
	p.control, err = listenControl(p.Store.Dir())
	return err
}

// portCure says what to do about a port that cannot be opened.
func portCure(err error) string {
	if errors.Is(err, os.ErrPermission) {
		return "A port under 1024 needs root or CAP_NET_BIND_SERVICE; or choose another one"
	}
	return "Stop what uses it, or choose another one"
}

// Directory is the snapshot in force.
func (p *Provider) Directory() *directory.Directory { return p.keeper.Current() }

// Run serves until the context ends, and returns when everything has stopped. It returns nil after an orderly stop.
func (p *Provider) Run(ctx context.Context) error {
	if p.config.Sandbox {
		p.log.Warn("this is a sandbox: its clock and certificates are for tests", "clock_offset", p.clock.Offset())
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range p.servers {
		if s.listener != nil {
			g.Go(func() error { return s.serve(ctx, s.listener) })
		}
	}
	works := []func(context.Context) error{
		p.keeper.Run, p.access.Work, p.incoming.Work, p.delivery.Work, p.dispatch.Work, p.housekeeping, p.serveControl,
	}
	if p.revocations != nil {
		works = append(works, p.revocations.keeper.Run, p.revocations.follow)
	}
	for _, work := range works {
		g.Go(func() error { return work(ctx) })
	}
	attrs := []any{"name", p.config.Provider.Name, "data", p.Store.Where()}
	for _, s := range p.servers {
		if s.listener != nil {
			attrs = append(attrs, s.name, s.listener.Addr().String())
		}
	}
	p.log.Info("the provider is running", attrs...)
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// housekeeping empties the service mailboxes of what is old, once an hour of the law's clock.
func (p *Provider) housekeeping(ctx context.Context) error {
	for {
		if err := p.prune(ctx); err != nil && ctx.Err() == nil {
			p.log.Error("the service mailboxes could not be emptied", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.clock.Jumped():
		case <-time.After(time.Hour):
		}
	}
}

func (p *Provider) prune(ctx context.Context) error {
	return p.Store.PruneService(ctx, time.Duration(p.config.Limits.ServiceMailbox)*24*time.Hour)
}

// Renew does at once what is done by the day or the hour: the directory is fetched, then what is known of revocations, and the
// service mailboxes are emptied of what is old.
func (p *Provider) Renew(ctx context.Context) error {
	err := p.keeper.Refresh(ctx)
	if p.revocations != nil {
		err = errors.Join(err, p.revocations.keeper.Refresh(ctx))
	}
	return errors.Join(err, p.prune(ctx))
}

// Close gives back the ports and the data directory. Run must have returned.
func (p *Provider) Close() error {
	var errs []error
	for _, s := range p.servers {
		if s.listener != nil {
			if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if p.control != nil {
		if err := p.control.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if p.dispatch != nil {
		p.dispatch.Pool.Close()
	}
	return errors.Join(append(errs, p.Store.Close())...)
}

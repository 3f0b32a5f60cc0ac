package sandbox

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ceralacca/ceralacca/authority"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/provider"
	"github.com/ceralacca/ceralacca/store"
)

// Options say where and how a sandbox runs.
type Options struct {
	Dir       string
	Fresh     bool
	BasePort  int    // 0: free ports
	Mailboxes int    // a provider
	Database  string // URL of a PostgreSQL database; empty: everything is in Dir
	Host      string
	BetaAs    string  // the engine that Beta writes as (package dialect); empty: ours
	Chaos     float64 // percent of messages that some fault befalls
	Log       *slog.Logger
	Fatal     func(error)
}

// Password opens every mailbox of a sandbox.
const Password = "ceralacca"

// Sandbox is a running sandbox.
type Sandbox struct {
	o         Options
	lock      *os.File
	material  *material
	plan      *plan
	clock     *provider.Clock
	jumping   sync.Mutex
	control   net.Listener
	authority net.Listener
	publisher *authority.Publisher
	withdrawn []x509.RevocationListEntry // what the authority's list has
	outside   *outside
	running   []*member
	recent    recentMessages
	faults    *faultSet
}

// member is one provider of the sandbox.
type member struct {
	*provider.Provider
	plan *providerPlan
}

// Open takes the directory, makes what is missing in a new one, and binds every port. After an error nothing is held, and
// nothing that was there is changed.
func Open(ctx context.Context, o Options) (*Sandbox, error) {
	s := &Sandbox{o: o, faults: newFaultSet(rand.Uint64(), o.Chaos/100)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sandbox) open(ctx context.Context) error {
	if err := s.take(); err != nil {
		return err
	}
	var err error
	if s.plan, err = newPlan(s.o); err != nil {
		return err
	}
	if s.control, err = s.plan.listen(s.plan.control, "the control page"); err != nil {
		return err
	}
	if s.authority, err = s.plan.listen(s.plan.authority, "the authority"); err != nil {
		return err
	}
	if err := s.plan.probe(); err != nil {
		return err
	}
	if err := s.clear(ctx); err != nil {
		return err
	}
	offset, err := provider.ReadOffset(s.path(clockName))
	if err != nil {
		return err
	}
	s.clock = provider.NewClock(offset)
	if s.material, err = prepare(s.o, s.plan, s.clock.Now()); err != nil {
		return err
	}
	if s.publisher, err = s.material.publisher(s.plan, s.clock.Now); err != nil {
		return err
	}
	if s.withdrawn, err = s.material.withdrawn(s.plan); err != nil {
		return err
	}
	if s.outside, err = openOutside(ctx, s); err != nil {
		return err
	}
	return s.openProviders(ctx)
}

// take refuses a foreign directory and takes the lock.
func (s *Sandbox) take() error {
	if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
		return fmt.Errorf("the directory cannot be made: %w. Name another one with --dir", err)
	}
	if err := refuseForeign(s.o.Dir); err != nil {
		return err
	}
	lock, err := store.LockFile(s.path(lockName))
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("another sandbox runs in %s: stop it, or name another directory with --dir", s.o.Dir)
	}
	if err != nil {
		return fmt.Errorf("the directory cannot be written: %w. Name another one with --dir", err)
	}
	s.lock = lock
	return nil
}

// clear empties the directory if that was asked for; a description of an earlier run goes in any case.
func (s *Sandbox) clear(ctx context.Context) error {
	if s.o.Fresh {
		if err := empty(s.o.Dir); err != nil {
			return err
		}
	}
	if err := s.discardSchemas(ctx); err != nil {
		return err
	}
	return s.removeContract()
}

func (s *Sandbox) path(name string) string { return filepath.Join(s.o.Dir, name) }

func (s *Sandbox) openProviders(ctx context.Context) error {
	for _, pp := range s.plan.providers {
		c, err := provider.LoadConfig(s.path(pp.config))
		if err != nil {
			return err
		}
		wrong, err := s.newMischief(pp)
		if err != nil {
			return err
		}
		p, err := provider.Open(ctx, c, provider.Options{Clock: s.clock, Log: s.o.Log.With("provider", pp.short), Fatal: s.o.Fatal, Hooks: wrong.hooks()})
		if err != nil {
			return err
		}
		s.running = append(s.running, &member{p, pp})
		if err := addMailboxes(ctx, p.Store, pp); err != nil {
			return err
		}
	}
	return nil
}

// addMailboxes makes the mailboxes that are not there yet, and gives the service mailbox its password.
func addMailboxes(ctx context.Context, st *store.Store, pp *providerPlan) error {
	g, ctx := errgroup.WithContext(ctx) // a password costs 30 ms of a core
	for _, address := range pp.mailboxes {
		g.Go(func() error { return addMailbox(ctx, st, address, nil) })
	}
	for local, then := range map[string]func(pec.Address) error{
		fullMailbox:     func(a pec.Address) error { return st.SetQuota(ctx, a, 1) },
		disabledMailbox: func(a pec.Address) error { return st.SetEnabled(ctx, a, false) },
		silentMailbox:   nil, slowMailbox: nil, oddMailbox: nil,
	} {
		g.Go(func() error { return addMailbox(ctx, st, local+"@"+pp.domains[0], then) })
	}
	g.Go(func() error {
		_, err := st.Authenticate(ctx, pp.service, Password)
		if errors.Is(err, store.ErrLogin) {
			err = st.SetPassword(ctx, pec.Address(pp.service), Password)
		}
		return err
	})
	return g.Wait()
}

// addMailbox makes a mailbox if it is not there, and what else it is to be.
func addMailbox(ctx context.Context, st *store.Store, address string, then func(pec.Address) error) error {
	a := pec.Address(address)
	_, err := st.Mailbox(ctx, a)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if _, err = st.AddMailbox(ctx, a, false, Password); err == nil && then != nil {
		err = then(a)
	}
	if err != nil {
		return fmt.Errorf("making %s: %w", address, err)
	}
	return nil
}

// Run serves until the context ends. ready is called once everything answers, after sandbox.json is there.
func (s *Sandbox) Run(ctx context.Context, ready func()) error {
	g, ctx := errgroup.WithContext(ctx)
	directory := &http.Server{Handler: s.publisher, TLSConfig: s.material.authorityTLS(s.clock.Now), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)}
	page := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
	serve := func(h *http.Server, run func() error) {
		stop := context.AfterFunc(ctx, func() { h.Close() })
		g.Go(func() error {
			defer stop()
			if err := run(); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	serve(directory, func() error { return directory.ServeTLS(s.authority, "", "") })
	serve(page, func() error { return page.Serve(s.control) })
	g.Go(func() error { return s.outside.run(ctx) })
	for _, m := range s.running {
		if err := m.Renew(ctx); err != nil {
			s.o.Log.Error("the directory or the list of revoked certificates could not be fetched", "provider", m.plan.short, "error", err)
		}
		g.Go(func() error { return m.Run(ctx) })
	}
	g.Go(func() error {
		if err := s.writeContract(); err != nil {
			return err
		}
		ready()
		<-ctx.Done()
		return nil
	})
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, s.removeContract())
}

func (s *Sandbox) removeContract() error {
	err := os.Remove(s.path(contractName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s cannot be removed: %w", contractName, err)
	}
	return nil
}

// Close gives back everything. Run must have returned.
func (s *Sandbox) Close() error {
	var errs []error
	for _, m := range s.running {
		errs = append(errs, m.Close())
	}
	if s.outside != nil {
		errs = append(errs, s.outside.close())
	}
	for _, l := range []net.Listener{s.control, s.authority} {
		if l != nil {
			l.Close() // after a run its server has closed it
		}
	}
	if s.lock != nil {
		errs = append(errs, store.UnlockFile(s.lock))
	}
	return errors.Join(errs...)
}

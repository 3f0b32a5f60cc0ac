package provider

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// RevocationConfig says how the revocation of providers' signing certificates is followed (norms.md 49, 50).
type RevocationConfig struct {
	Policy  string   `toml:"policy"`           // "off", "accept" or "wait"
	URLs    []string `toml:"urls"`             // of CRLs beside those that certificates name; they may be in private networks
	MaxAge  string   `toml:"max_age"`          // such as "48h"; see revocation.KeeperConfig
	Private bool     `toml:"private_networks"` // what certificates name may be there too
}

// The policies: nothing is asked; who is not known to be revoked is believed; nobody is while it is not known.
const (
	revocationOff    = "off"
	revocationAccept = "accept"
	revocationWait   = "wait"
)

func (c *Config) validateRevocation() []error {
	var faults []error
	r := c.Revocation
	if !slices.Contains([]string{revocationOff, revocationAccept, revocationWait}, r.Policy) {
		faults = append(faults, c.fault("revocation.policy", "%q is no policy: choose \"off\", \"accept\" or \"wait\"", r.Policy))
	}
	for _, text := range r.URLs {
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			faults = append(faults, c.fault("revocation.urls", "%q is no http or https address: name where a CRL is, such as \"http://ca.example/list.crl\"", text))
		}
	}
	if err := c.period("revocation.max_age", r.MaxAge); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// reaches tells the addresses that lists may come from. Who has a certificate chooses where its list is: never one of our own services.
func (r RevocationConfig) reaches(a netip.Addr) bool {
	return revocation.Public(a) || r.Private && (a.IsPrivate() || a.IsLoopback())
}

// revocationCopy is what is known of revocations, in the data directory.
const revocationCopy = "revocations.pem"

// revocations follows the certificates of all who sign for providers, by the directory in force.
type revocations struct {
	keeper    *revocation.Keeper
	directory func() *directory.Directory
	anchors   *smime.Anchors
	between   *authorities
	clock     *Clock
	log       *slog.Logger

	mu       sync.Mutex
	pathless []string // the entries that the log has last named
}

func (p *Provider) wireRevocation(m *material) error {
	c := p.config.Revocation
	if c.Policy == revocationOff {
		return nil
	}
	r := &revocations{
		directory: p.keeper.Current, anchors: m.anchors, clock: p.clock, log: p.log,
		between: &authorities{path: filepath.Join(p.Store.Dir(), authoritiesCopy), news: make(chan struct{}, 1)},
	}
	for _, u := range p.Units {
		for _, k := range u.Keys {
			r.between.add(k.Chain[1:]...)
		}
	}
	err := r.between.load(p.clock.Now(), p.log)
	if err != nil {
		return err
	}
	own := c
	own.Private = true
	path := filepath.Join(p.Store.Dir(), revocationCopy)
	r.keeper, err = revocation.NewKeeper(revocation.KeeperConfig{
		Watch: r.watched, URLs: c.URLs, Client: revocation.NewClient(c.reaches), URLClient: revocation.NewClient(own.reaches), MaxAge: duration(c.MaxAge),
		Load: func() ([]byte, error) { return os.ReadFile(path) }, Save: func(b []byte) error { return store.WriteFile(path, b) },
		Now: p.clock.Now, Jumped: p.clock.Jumped, Log: p.log,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	p.revocations = r
	return nil
}

// watched are the paths of the directory's certificates that are valid now. Where an authority between is not known yet
// there is none, until a message has brought it: the operators are told whose revocation is not followed.
func (r *revocations) watched() (paths [][]*x509.Certificate) {
	between, now := r.between.all(), r.clock.Now()
	var pathless []string
	var why error
	for _, e := range r.directory().Entries() {
		for _, cert := range e.Certificates {
			signer := smime.Signature{Certificate: cert, Certificates: between}
			path, err := signer.Path(r.anchors, smime.PathPolicy{At: now})
			switch {
			case err == nil:
				paths = append(paths, path)
			case !now.Before(cert.NotBefore) && !now.After(cert.NotAfter):
				pathless, why = append(pathless, fmt.Sprintf("%s, issued by %s", e.DN(), cert.Issuer)), err
			}
		}
	}
	r.warn(slices.Compact(pathless), why)
	return paths
}

// warn names the entries that are not followed, whenever there is another one. why is of the last.
func (r *revocations) warn(pathless []string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.pathless
	r.pathless = pathless
	if slices.ContainsFunc(pathless, func(name string) bool { return !slices.Contains(told, name) }) {
		r.log.Warn("revocation is not followed, no path to an anchor is known until a message brings it", "entries", pathless, "why", why)
	}
}

// status is what is known of a message's path, which was verified. It never waits.
func (r *revocations) status(path []*x509.Certificate, at time.Time) revocation.Status {
	s := r.keeper.Path(path, at)
	if s.State == revocation.Unknown {
		r.between.learn(path)
	}
	return s
}

// follow keeps what is learnt, and then has it looked for. In this order: what the Keeper saves of an authority that is not kept would be
// forgotten at the next start.
func (r *revocations) follow(ctx context.Context) error {
	learnt, failing := false, false
	for {
		err := r.between.keep()
		if err != nil && !failing {
			r.log.Error("what a message brought is known until the next start only", "err", err)
		}
		failing = err != nil
		if learnt {
			r.keeper.Again()
		}
		learnt = false
		select {
		case <-ctx.Done():
			return nil
		case <-r.between.news:
			learnt = true
		case <-time.After(time.Minute):
		}
	}
}

package provider

import (
	"context"
	"crypto/x509"
	"fmt"
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
	Policy  string   `toml:"policy"`  // "off", "accept" or "wait"
	URLs    []string `toml:"urls"`    // of CRLs beside those that certificates name
	MaxAge  string   `toml:"max_age"` // such as "48h"; see revocation.KeeperConfig
	Private bool     `toml:"private_networks"`
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

// maxIntermediates bounds what is learnt from messages. The whole network has a handful.
const maxIntermediates = 100

// revocations follows the certificates of all who sign for providers, by the directory in force.
type revocations struct {
	keeper    *revocation.Keeper
	directory func() *directory.Directory
	anchors   *smime.Anchors
	clock     *Clock
	known     *directory.Directory // whose certificates the Keeper was told to look for; follow's own

	mu      sync.Mutex
	between []*x509.Certificate // lead from signers to anchors: the directory has none of them
}

func (p *Provider) wireRevocation(m *material) error {
	c := p.config.Revocation
	if c.Policy == revocationOff {
		return nil
	}
	path := filepath.Join(p.Store.Dir(), revocationCopy)
	r := &revocations{directory: p.keeper.Current, anchors: m.anchors, clock: p.clock, known: p.keeper.Current()}
	for _, u := range p.Units {
		for _, k := range u.Keys {
			r.between = append(r.between, k.Chain[1:]...)
		}
	}
	var err error
	r.keeper, err = revocation.NewKeeper(revocation.KeeperConfig{
		Watch: r.watched, URLs: c.URLs, Client: revocation.NewClient(c.reaches), MaxAge: duration(c.MaxAge),
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
// there is none, until a message has brought it.
func (r *revocations) watched() (paths [][]*x509.Certificate) {
	r.mu.Lock()
	between := slices.Clone(r.between)
	r.mu.Unlock()
	at := smime.PathPolicy{At: r.clock.Now()}
	for _, e := range r.directory().Entries() {
		for _, cert := range e.Certificates {
			signer := smime.Signature{Certificate: cert, Certificates: between}
			if path, err := signer.Path(r.anchors, at); err == nil {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// status is what is known of a message's path, which was verified. It never waits.
func (r *revocations) status(path []*x509.Certificate, at time.Time) revocation.Status {
	s := r.keeper.Path(path, at)
	if s.State == revocation.Unknown && r.learn(path) {
		r.keeper.Again()
	}
	return s
}

// learn notes the authorities of a path that stand between, and tells whether one is new.
func (r *revocations) learn(path []*x509.Certificate) (anew bool) {
	if len(path) < 3 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, authority := range path[1 : len(path)-1] {
		if len(r.between) < maxIntermediates && !slices.ContainsFunc(r.between, authority.Equal) {
			r.between, anew = append(r.between, authority), true
		}
	}
	return anew
}

// follow has the certificates of a new directory looked for within a minute.
func (r *revocations) follow(ctx context.Context) error {
	for {
		jumped := r.clock.Jumped() // before the directory is looked at, so that no jump is missed
		if now := r.directory(); now != r.known {
			r.known = now
			r.keeper.Again()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-jumped:
		case <-time.After(time.Minute):
		}
	}
}

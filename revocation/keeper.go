package revocation

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrRollback means that a CRL or OCSP response is older than the one in force, though its signature is good.
var ErrRollback = errors.New("it is older than the one in force")

const (
	future    = 10 * time.Minute // ahead of our clock is still borne; what is later would bar every true successor
	lead      = 10 * time.Minute // before nextUpdate it is looked for the next one
	pause     = 10 * time.Minute // at least between refreshes that succeed; some responders' nextUpdate is minutes away
	unrenewed = 5                // times MaxAge; nothing counts for longer after the network last gave it
)

// KeeperConfig is what a Keeper works with. Watch, Client, Load, Save and Now are required.
type KeeperConfig struct {
	// Watch are the paths of the certificates to know about, each from the signer to the anchor; verified. What is known of a path that is left out is
	// forgotten at the next Refresh that had something. It is called by Refresh only.
	Watch  func() [][]*x509.Certificate
	URLs   []string     // of CRLs beside those that the certificates name
	Client *http.Client // made by NewClient
	// URLClient is for URLs, which the operators chose and no certificate; nil: Client.
	URLClient *http.Client
	Load      func() ([]byte, error) // what was saved; fs.ErrNotExist when there is nothing
	Save      func([]byte) error     // keeps it durably; returns after the sync
	Now       func() time.Time       // the law's clock
	Jumped    func() <-chan struct{} // a channel that is closed when the law's clock jumps; nil: it never does
	// Every is between refreshes, by the law's clock; 0: an hour. That long a revocation may go unnoticed, while a list of this network's size costs
	// little. A refresh comes sooner around a nextUpdate.
	Every time.Duration
	// MaxAge is how old a piece may become that is past its nextUpdate and cannot be renewed; 0: 48 h, a weekend.
	MaxAge time.Duration
	Log    *slog.Logger // for the operators; nil: none
}

// Keeper holds what is known in a running server. Nothing waits for the network but Refresh and Run. Safe for concurrent use.
type Keeper struct {
	c       KeeperConfig
	current atomic.Pointer[known]
	again   chan struct{}

	refreshing sync.Mutex // one refresh at a time; guards alarms and told
	alarms     map[string]lack
	told       map[string]bool // the certificates that the log has called revoked
}

// known is a snapshot.
type known struct {
	pieces   []*piece
	evidence *Evidence
}

// NewKeeper starts with what was saved. What of it cannot be read is logged as an error and left out. An error means that c lacks something
// or that nothing can be loaded.
func NewKeeper(c KeeperConfig) (*Keeper, error) {
	if c.Watch == nil || c.Client == nil || c.Load == nil || c.Save == nil || c.Now == nil {
		return nil, errors.New("keep revocations: Watch, Client, Load, Save and Now are required")
	}
	if c.Jumped == nil {
		c.Jumped = func() <-chan struct{} { return nil }
	}
	if c.Every <= 0 {
		c.Every = time.Hour
	}
	if c.MaxAge <= 0 {
		c.MaxAge = 48 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.URLClient = cmp.Or(c.URLClient, c.Client)
	k := &Keeper{c: c, again: make(chan struct{}, 1), alarms: map[string]lack{}, told: map[string]bool{}}
	pieces, err := k.load()
	if err != nil {
		return nil, fmt.Errorf("keep revocations: load what was saved: %w", err)
	}
	k.putInForce(pieces)
	return k, nil
}

// Current is what is known now; never nil.
func (k *Keeper) Current() *Evidence { return k.current.Load().evidence }

// Path is Evidence.Path of what is known now. It never waits.
func (k *Keeper) Path(path []*x509.Certificate, at time.Time) Status {
	return k.Current().Path(path, at)
}

// Again makes Run refresh at once, as when the certificates to watch have changed. It never waits.
func (k *Keeper) Again() {
	select {
	case k.again <- struct{}{}:
	default: // it is asked for already
	}
}

// Refresh looks for news of every watched certificate that is valid now, puts in force what is newer and saves it. The error says what could not
// be had, by issuer, errors.Is ErrRollback when something older was offered; what was in force stays.
func (k *Keeper) Refresh(ctx context.Context) error {
	k.refreshing.Lock()
	defer k.refreshing.Unlock()
	fetcher := NewFetcher(k.c.Client, k.c.URLs...)
	fetcher.own = k.c.URLClient
	links := k.links()
	failed := map[string]error{} // the first of each issuer
	had := false
	for _, l := range links {
		found, err := fetcher.find(ctx, l.cert, l.issuer, k.c.Now())
		if ctx.Err() != nil {
			return fmt.Errorf("refresh revocations: %w", ctx.Err())
		}
		for _, p := range found {
			if refused := k.accept(p, l.issuer); refused != nil {
				err = fmt.Errorf("the %s: %w", p, refused)
			}
			had = true
		}
		if name := l.issuer.Subject.String(); err != nil && failed[name] == nil {
			failed[name] = err
		}
	}
	k.report(links, failed)
	var errs []error
	for _, err := range failed {
		errs = append(errs, err)
	}
	if had {
		errs = append(errs, k.save(links))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("refresh revocations: %w", err)
	}
	return nil
}

// accept puts a piece in force, which its issuer has signed, in the place of the one that it follows.
func (k *Keeper) accept(p *piece, issuer *x509.Certificate) error {
	now := k.c.Now()
	if p.thisUpdate.After(now.Add(future)) {
		return fmt.Errorf("it was made at a time to come: it is %s", instant(now))
	}
	pieces := slices.Clone(k.current.Load().pieces)
	// What was loaded from disk and is not signed bars nothing.
	i := slices.IndexFunc(pieces, func(old *piece) bool { return p.follows(old) && old.signedBy(issuer) == nil })
	if i >= 0 && p.olderThan(pieces[i]) {
		return fmt.Errorf("%w: the %s", ErrRollback, pieces[i])
	}
	switch {
	case i < 0:
		pieces = append(pieces, k.counting(p, now))
	case bytes.Equal(p.der, pieces[i].der):
		pieces[i] = k.counting(pieces[i], now) // its signature need not be verified again
	default:
		pieces[i] = k.counting(p, now)
	}
	k.putInForce(pieces)
	return nil
}

// counting is the piece with the Keeper's rule for how long it counts (norms.md 50).
func (k *Keeper) counting(p *piece, had time.Time) *piece {
	kept := *p
	kept.had = had
	kept.until = earliest(latest(p.end(), p.thisUpdate.Add(k.c.MaxAge)), had.Add(unrenewed*k.c.MaxAge))
	return &kept
}

func (k *Keeper) putInForce(pieces []*piece) {
	k.current.Store(&known{pieces: pieces, evidence: new(Evidence).with(pieces)})
}

// link is a certificate and who issued it.
type link struct{ cert, issuer *x509.Certificate }

// links are what is watched, each once. Of a certificate that is not valid now nobody need know.
func (k *Keeper) links() (links []link) {
	now := k.c.Now()
	for _, path := range k.c.Watch() {
		for i := range max(0, len(path)-1) {
			l := link{path[i], path[i+1]}
			same := func(o link) bool { return o.cert.Equal(l.cert) && o.issuer.Equal(l.issuer) }
			if !now.Before(l.cert.NotBefore) && !now.After(l.cert.NotAfter) && !slices.ContainsFunc(links, same) {
				links = append(links, l)
			}
		}
	}
	return links
}

// Run refreshes at once and then every KeeperConfig.Every by the law's clock, or after Again; after a failure it tries again after 1, 2, 4 and so on
// minutes up to Every. It returns nil when ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	retry := time.Minute
	for ctx.Err() == nil {
		err := k.Refresh(ctx)
		due := k.due()
		if err != nil && ctx.Err() == nil {
			due = earliest(due, k.c.Now().Add(retry))
			k.c.Log.Debug("revocation evidence not refreshed", "err", err, "retry", retry)
			retry = min(2*retry, k.c.Every)
		} else {
			retry = time.Minute
		}
		k.wait(ctx, due)
	}
	return nil
}

// due is when to look again, KeeperConfig.Every ahead at most: before a nextUpdate, and once more behind it, where an authority publishes at the last
// minute.
func (k *Keeper) due() time.Time {
	now := k.c.Now()
	due := now.Add(k.c.Every)
	for _, p := range k.current.Load().pieces {
		for _, at := range []time.Time{p.nextUpdate.Add(-lead), p.nextUpdate.Add(time.Minute)} {
			if !p.nextUpdate.IsZero() && at.After(now) {
				due = earliest(due, at)
			}
		}
	}
	return latest(due, now.Add(min(k.c.Every, pause)))
}

// wait ends when the law's clock reaches due, or was set back so far that due is no instant to wait for, after Again, or with ctx. It looks at that
// clock after each jump and each minute: a suspended machine's timers stand still while the law's clock runs on.
func (k *Keeper) wait(ctx context.Context, due time.Time) {
	for {
		jumped := k.c.Jumped() // before the clock is read, so that no jump is missed
		left := due.Sub(k.c.Now())
		if left <= 0 || left > k.c.Every { // due never was further away
			return
		}
		timer := time.NewTimer(min(left, time.Minute))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-k.again:
			timer.Stop()
			return
		case <-jumped:
			timer.Stop()
		case <-timer.C:
		}
	}
}

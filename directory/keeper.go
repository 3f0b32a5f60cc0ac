package directory

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ErrRollback means that a directory is older than the one in force, though its signature is good (attacks.md 19).
var ErrRollback = errors.New("the directory is older than the one in force")

// future is how far ahead of our clock a signing time may be. A later one is refused, because it would bar every true successor.
const future = 10 * time.Minute

// KeeperConfig is what a Keeper works with. Signer, Fetch, Load, Save and Now are required.
type KeeperConfig struct {
	Signer *x509.Certificate                         // the authority's certificate, pinned
	Fetch  func(ctx context.Context) ([]byte, error) // the signed file, from the network
	Load   func() ([]byte, error)                    // the last good signed file; fs.ErrNotExist when there is none
	Save   func([]byte) error                        // keeps it durably; returns after the sync
	Now    func() time.Time                          // the law's clock
	Jumped func() <-chan struct{}                    // a channel that is closed when the law's clock jumps; nil: it never does
	Every  time.Duration                             // between refreshes, by the law's clock; 0: 24 h (RFC 6109 4.5)
	// Changed is called after a directory was put in force, by the one who did it; nil: nobody is told.
	Changed func()
	Log     *slog.Logger // for the operators; nil: none
}

// Keeper holds the snapshot in force. Safe for concurrent use.
type Keeper struct {
	c          KeeperConfig
	refreshing sync.Mutex // one refresh at a time, so that none swaps in what another has overtaken
	current    atomic.Pointer[Directory]
	refreshed  atomic.Int64 // when last, in seconds of the law's clock
}

// NewKeeper starts with the last good copy, verified again. When there is none, or it does not verify any more, which is logged as an
// error, Current is empty until a refresh succeeds. An error means that c lacks something or that the copy cannot be loaded.
func NewKeeper(c KeeperConfig) (*Keeper, error) {
	if c.Signer == nil || c.Fetch == nil || c.Load == nil || c.Save == nil || c.Now == nil {
		return nil, errors.New("keep directory: Signer, Fetch, Load, Save and Now are required")
	}
	if c.Jumped == nil {
		c.Jumped = func() <-chan struct{} { return nil }
	}
	if c.Every <= 0 {
		c.Every = 24 * time.Hour
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{c: c}
	k.current.Store(&Directory{})
	if err := k.load(); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *Keeper) load() error {
	p7m, err := k.c.Load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load the last good directory: %w", err)
	}
	d, err := Open(p7m, k.c.Signer)
	if err != nil {
		k.c.Log.Error("the kept directory is not used", "err", err)
		return nil
	}
	k.current.Store(d)
	k.refreshed.Store(d.signedAt.Unix())
	return nil
}

// Current is the snapshot in force; never nil, empty before there is any.
func (k *Keeper) Current() *Directory { return k.current.Load() }

// Stale tells that the snapshot in force is older than it should be: no refresh has succeeded for more than an hour beyond
// KeeperConfig.Every, or since it was signed if it was kept from before the start. What it does not name may be right.
func (k *Keeper) Stale() bool {
	return k.c.Now().Unix()-k.refreshed.Load() > int64((k.c.Every + time.Hour).Seconds())
}

// Refresh fetches, verifies, saves and puts in force, in this order. On any failure what was in force stays, and the error says why: errors.Is
// ErrRollback when the file is older. Differences to the directory before and problems in the new one are logged (norms.md 122, 129).
func (k *Keeper) Refresh(ctx context.Context) error {
	k.refreshing.Lock()
	defer k.refreshing.Unlock()
	p7m, err := k.c.Fetch(ctx)
	if err != nil {
		return fmt.Errorf("refresh directory: %w", err)
	}
	before := k.Current()
	d, err := k.successor(before, p7m)
	if err != nil {
		return fmt.Errorf("refresh directory: %w", err)
	}
	if err := k.c.Save(p7m); err != nil {
		return fmt.Errorf("refresh directory: save the new copy: %w", err)
	}
	k.current.Store(d)
	k.refreshed.Store(k.c.Now().Unix())
	k.c.Changed()
	k.report(before, d)
	return nil
}

// successor opens what may follow before: signed, neither older nor from the future.
func (k *Keeper) successor(before *Directory, p7m []byte) (*Directory, error) {
	d, err := Open(p7m, k.c.Signer)
	if err != nil {
		return nil, err
	}
	if d.signedAt.Before(before.signedAt) {
		return nil, fmt.Errorf("%w: signed at %s, that one at %s", ErrRollback, d.signedAt, before.signedAt)
	}
	if now := k.c.Now(); d.signedAt.After(now.Add(future)) {
		return nil, fmt.Errorf("the directory was signed at %s, which is to come: it is %s", d.signedAt, now)
	}
	return d, nil
}

// report tells the operators what changed. An entry that is gone is a warning: its mail is ordinary from now on.
func (k *Keeper) report(before, after *Directory) {
	added, removed := missing(after, before), missing(before, after)
	k.c.Log.Info("directory in force", "signed", after.signedAt, "entries", len(after.entries), "domains", len(after.domains),
		"domains_before", len(before.domains), "added", added)
	if len(removed) > 0 {
		k.c.Log.Warn("entries left the directory", "removed", removed)
	}
	if len(after.problems) > 0 {
		k.c.Log.Warn("the directory has problems", "problems", after.problems)
	}
}

// missing are the entries of a that b does not have.
func missing(a, b *Directory) (names []string) {
	has := make(map[string]bool, len(b.entries))
	for _, e := range b.entries {
		has[e.Key()] = true
	}
	for _, e := range a.entries {
		if !has[e.Key()] {
			names = append(names, e.DN())
		}
	}
	return names
}

// Run refreshes at once and then every KeeperConfig.Every by the law's clock; after a failure it logs one warning with the age of what is in force and
// tries again after 1, 2, 4 and so on up to 60 minutes. It returns nil when ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	retry := time.Minute
	for ctx.Err() == nil {
		pause := k.c.Every
		if err := k.Refresh(ctx); err == nil {
			retry = time.Minute
		} else if ctx.Err() == nil {
			pause, retry = min(retry, k.c.Every), min(2*retry, time.Hour)
			k.warn(err, pause)
		}
		k.wait(ctx, k.c.Now().Add(pause))
	}
	return nil
}

func (k *Keeper) warn(err error, pause time.Duration) {
	signed := k.Current().signedAt
	if signed.IsZero() {
		k.c.Log.Warn("no directory in force, refresh failed", "err", err, "retry", pause)
		return
	}
	k.c.Log.Warn("directory not refreshed, the last good copy stays", "err", err, "age", k.c.Now().Sub(signed), "retry", pause)
}

// wait ends when the law's clock reaches due, or with ctx, or when that clock was set back so far that due is further away than ever.
// It looks at that clock after each jump and each minute: a suspended machine's timers stand still while the law's clock runs on.
func (k *Keeper) wait(ctx context.Context, due time.Time) {
	for {
		jumped := k.c.Jumped() // before the clock is read, so that no jump is missed
		left := due.Sub(k.c.Now())
		if left <= 0 || left > k.c.Every {
			return
		}
		timer := time.NewTimer(min(left, time.Minute))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-jumped:
			timer.Stop()
		case <-timer.C:
		}
	}
}

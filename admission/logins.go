package admission

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"time"
)

// What is remembered of failures, and for how long (package comment).
const (
	freeNetwork   = 20
	freeAccount   = 5
	forgetNetwork = 10 * time.Second
	forgetAccount = time.Minute
	maxOver       = 10 // failures beyond the free ones that count
	maxRemembered = 1 << 16
	maxPlaces     = 1 << 18
	placePeriod   = 30 * 24 * time.Hour
	maxSlowed     = 20  // attempts being slowed at once in one room
	maxVerifying  = 100 // attempts of one network that wait for a core
)

// LoginsConfig says how attempts are slowed.
type LoginsConfig struct {
	FirstDelay time.Duration    // of the first attempt that is slowed; it doubles with each failure; 0 means 1 s
	MaxDelay   time.Duration    // the longest; 0 means 10 s
	Log        *slog.Logger     // gets warnings, at a bounded rate; nil means nowhere
	Now        func() time.Time // the machine's clock; nil means time.Now
}

// Logins slows the guessing of passwords (attacks.md 9). All protocols of a provider share one, so that a failure counts at
// each.
type Logins struct {
	config  LoginsConfig
	notices *notices
	seed    maphash.Seed

	// Verifications, by network. Strangers take half of the cores, those who have failed often a quarter, and holders in known
	// places wait behind neither.
	strangers, suspects, holders *Gate

	mu       sync.Mutex
	networks failures
	accounts failures
	places   recent[struct{}] // network and account of successful log-ins
	slowed   map[uint64]int   // attempts that are being slowed, by room
}

// failures are counted by key.
type failures struct {
	recent[level]
	free   int           // that cost nothing
	forget time.Duration // in which one is forgotten
}

// attempt is one log-in: its keys, hashed under a seed of the process.
type attempt struct {
	network, account                 string
	networkKey, accountKey, placeKey uint64
	known                            bool // a log-in for the account succeeded from the network lately
}

// NewLogins makes one that has seen nothing yet.
func NewLogins(config LoginsConfig) *Logins {
	config.Now = orNow(config.Now)
	config.FirstDelay = cmp.Or(config.FirstDelay, time.Second)
	config.MaxDelay = cmp.Or(config.MaxDelay, 10*time.Second)
	now, cores := config.Now(), runtime.GOMAXPROCS(0)
	return &Logins{
		config: config, notices: newNotices(config.Log, config.Now), seed: maphash.MakeSeed(),
		strangers: NewGate(GateConfig{Capacity: max(1, cores/2), MaxWaiting: maxVerifying}),
		suspects:  NewGate(GateConfig{Capacity: max(1, cores/4), MaxWaiting: maxVerifying}),
		holders:   NewGate(GateConfig{Capacity: cores, MaxWaiting: maxVerifying}),
		networks:  failures{newRecent[level](maxRemembered, time.Hour, now), freeNetwork, forgetNetwork},
		accounts:  failures{newRecent[level](maxRemembered, time.Hour, now), freeAccount, forgetAccount},
		places:    newRecent[struct{}](maxPlaces, placePeriod, now),
		slowed:    map[uint64]int{},
	}
}

// Attempt lets verify judge a password, when it is the turn of the network and of the account. The account is named as its holder
// would find it, in one spelling only. verify says whether the password is right; its error, which does not count as a
// failure, is returned. ErrBusy means that too many attempts wait already: nothing was judged.
func (l *Logins) Attempt(ctx context.Context, network, account string, verify func(context.Context) (bool, error)) (bool, error) {
	a := l.attempt(network, account)
	leave, err := l.enter(ctx, a)
	if err != nil {
		return false, err
	}
	defer leave()
	ok, err := verify(ctx)
	switch {
	case err != nil:
		return false, err
	case ok:
		l.succeeded(a)
	default:
		l.failed(a)
	}
	return ok, nil
}

// enter passes the time that earlier failures cost, once, and then waits for a core. Who came in without a delay, and finds that
// attempts made at the same time have failed meanwhile, is slowed then.
func (l *Logins) enter(ctx context.Context, a attempt) (leave func(), err error) {
	for {
		slowed, err := l.slow(ctx, a)
		if err != nil {
			return nil, err
		}
		leave, err := l.gate(a, slowed).Enter(ctx, a.network, 1)
		if err != nil || slowed || l.over(a) <= 0 {
			return leave, err
		}
		leave()
	}
}

// gate is where an attempt waits for a core: apart from strangers the holders in known places, and those who have failed often.
func (l *Logins) gate(a attempt, slowed bool) *Gate {
	switch {
	case a.known:
		return l.holders
	case slowed:
		return l.suspects
	}
	return l.strangers
}

func (l *Logins) attempt(network, account string) attempt {
	a := attempt{
		network: network, account: account, networkKey: maphash.String(l.seed, network), accountKey: maphash.String(l.seed, account),
		placeKey: maphash.Comparable(l.seed, [2]string{network, account}),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, a.known = l.places.get(l.config.Now(), a.placeKey)
	return a
}

// slow passes the time that failures cost, if there are too many. An account in a place that knows it has a room of its own.
func (l *Logins) slow(ctx context.Context, a attempt) (slowed bool, err error) {
	room := a.networkKey
	if a.known {
		room = a.placeKey
	}
	over, ok := l.wait(a, room)
	if !ok {
		l.notices.warn("too many log-ins wait: they are refused for now", "network", a.network, "account", a.account)
		return false, ErrBusy
	}
	if over <= 0 {
		return false, nil
	}
	defer l.passed(room)
	timer := time.NewTimer(min(l.config.FirstDelay<<(over-1), l.config.MaxDelay))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return false, fmt.Errorf("waiting to log in: %w", context.Cause(ctx))
	}
}

// wait counts an attempt that has to be slowed in its room, and is false if the room is full.
func (l *Logins) wait(a attempt, room uint64) (over int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if over = l.overNow(a); over <= 0 {
		return over, true
	}
	if l.slowed[room] >= maxSlowed {
		return 0, false
	}
	l.slowed[room]++
	return over, true
}

// over is how many failures count against an attempt.
func (l *Logins) over(a attempt) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.overNow(a)
}

func (l *Logins) overNow(a attempt) int {
	now := l.config.Now()
	over := l.networks.over(now, a.networkKey)
	if !a.known {
		over = max(over, l.accounts.over(now, a.accountKey))
	}
	return over
}

func (l *Logins) passed(room uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slowed[room]--; l.slowed[room] == 0 {
		delete(l.slowed, room)
	}
}

// succeeded remembers the place. Failures stay: one good account must not buy guesses at others.
func (l *Logins) succeeded(a attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places.put(l.config.Now(), a.placeKey, struct{}{})
}

// failed counts a failure, and tells operators when it is the first that slows others.
func (l *Logins) failed(a attempt) {
	network, account := l.count(a)
	if network {
		l.notices.warn("log-ins are slowed: too many failed from one network", "network", a.network, "account", a.account)
	}
	if account {
		l.notices.warn("log-ins are slowed: too many failed for one account", "account", a.account, "network", a.network)
	}
}

// count counts a failure. What fails where the account is known is not held against the account elsewhere.
func (l *Logins) count(a attempt) (network, account bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	network = l.networks.add(now, a.networkKey)
	return network, !a.known && l.accounts.add(now, a.accountKey)
}

// over is how many failures there are beyond the free ones.
func (f *failures) over(now time.Time, key uint64) int {
	l, _ := f.get(now, key)
	return int(math.Ceil(l.after(now, f.forget))) - f.free
}

// add counts one, and says whether it is the first beyond the free ones.
func (f *failures) add(now time.Time, key uint64) (first bool) {
	l, _ := f.get(now, key)
	before := l.after(now, f.forget)
	after := min(before+1, float64(f.free+maxOver))
	f.put(now, key, level{after, now})
	return before <= float64(f.free) && after > float64(f.free)
}

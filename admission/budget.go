package admission

import (
	"hash/maphash"
	"log/slog"
	"sync"
	"time"
)

// BudgetConfig says how much may be spent.
type BudgetConfig struct {
	PerHour int              // by one key, as much of it at once as there is
	Log     *slog.Logger     // gets a warning when a key has spent all; nil means nowhere
	Now     func() time.Time // the machine's clock; nil means time.Now
}

// maxSpenders bounds the keys that a Budget remembers, twice.
const maxSpenders = 1 << 19

// Budget bounds what each key spends over time (attacks.md 10): an hour's worth at once, which comes back evenly within an
// hour. A nil Budget has no limit.
type Budget struct {
	config  BudgetConfig
	seed    maphash.Seed
	notices *notices

	mu    sync.Mutex
	spent recent[level]
}

// NewBudget makes a budget; nil, which has no limit, if PerHour is 0.
func NewBudget(config BudgetConfig) *Budget {
	if config.PerHour == 0 {
		return nil
	}
	config.Now = orNow(config.Now)
	return &Budget{
		config: config, seed: maphash.MakeSeed(), notices: newNotices(config.Log, config.Now),
		// What was not touched for an hour has come back whole: to forget it is exact.
		spent: newRecent[level](maxSpenders, time.Hour, config.Now()),
	}
}

// Spend takes n of the key's budget, or nothing if so much is not there.
func (b *Budget) Spend(key string, n int) bool {
	if b == nil {
		return true
	}
	enough := b.change(key, float64(n))
	if !enough {
		b.notices.warn("an hour's budget of signatures is spent", "account", key, "asked", n, "per_hour", b.config.PerHour)
	}
	return enough
}

// Refund gives back what was spent for nothing.
func (b *Budget) Refund(key string, n int) {
	if b != nil {
		b.change(key, -float64(n))
	}
}

func (b *Budget) change(key string, n float64) (enough bool) {
	hash, now := maphash.String(b.seed, key), b.config.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	spent, _ := b.spent.get(now, hash)
	amount := spent.after(now, time.Hour/time.Duration(b.config.PerHour)) + n
	if n > 0 && amount > float64(b.config.PerHour) {
		return false
	}
	b.spent.put(now, hash, level{max(0, amount), now})
	return true
}

package admission

import (
	"log/slog"
	"sync"
	"time"
)

// settled is how old a stranger must be before a newcomer of its own full network takes its place: a client that is fast
// enough to log in is never cut by its neighbours.
const settled = 5 * time.Second

// HostsConfig says how many connections may be open at once.
type HostsConfig struct {
	Connections int              // in all
	PerNetwork  int              // from one network
	PerAccount  int              // logged in to one account
	Log         *slog.Logger     // gets warnings, at a bounded rate; nil means nowhere
	Now         func() time.Time // the machine's clock; nil means time.Now
}

// Hosts counts the open connections of a server. A stranger is one on which nobody has logged in: on port 25 that is everyone.
// When there is no room, strangers give way (attacks.md 39).
type Hosts struct {
	config  HostsConfig
	notices *notices

	mu       sync.Mutex
	all      int
	networks map[string]*network
	accounts map[string]int
}

// network is who is there from one network.
type network struct {
	all       int
	strangers map[*Guest]struct{}
}

// Guest is one connection's place. The zero Guest belongs to no Hosts: its methods do nothing, and it is always welcome.
type Guest struct {
	hosts   *Hosts
	network string
	cut     func()

	// Guarded by hosts.mu.
	since   time.Time // it came, or was last at work
	busy    bool
	account string
	gone    bool
}

// NewHosts makes an empty one.
func NewHosts(config HostsConfig) *Hosts {
	config.Now = orNow(config.Now)
	return &Hosts{
		config: config, notices: newNotices(config.Log, config.Now), networks: map[string]*network{}, accounts: map[string]int{},
	}
}

// Enter gives a connection its place, or false if it must be turned away. cut closes the connection at once; it is called at
// most once, when the place is given to another. If the server is full, the oldest stranger of the network with
// most strangers gives way, first one that is not busy, unless the newcomer's network has as many. If the network is full, its
// oldest stranger that is not busy does, if it has had its time.
func (h *Hosts) Enter(address string, cut func()) (*Guest, bool) {
	g := &Guest{hosts: h, network: NetworkOf(address), cut: cut}
	leaving, ok := h.enter(g)
	switch {
	case !ok:
		h.notices.warn("too many connections: one is turned away", "network", g.network)
		return nil, false
	case leaving != nil:
		h.notices.warn("too many connections: one gives way", "network", leaving.network, "to", g.network)
		leaving.cut()
	}
	return g, true
}

func (h *Hosts) enter(g *Guest) (leaving *Guest, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g.since = h.config.Now()
	if leaving, ok = h.room(g); !ok {
		return nil, false
	}
	if leaving != nil {
		h.remove(leaving)
	}
	n := h.networks[g.network]
	if n == nil {
		n = &network{strangers: map[*Guest]struct{}{}}
		h.networks[g.network] = n
	}
	h.all++
	n.all++
	n.strangers[g] = struct{}{}
	return leaving, true
}

// room says whether a newcomer has a place, and who has to leave for it.
func (h *Hosts) room(g *Guest) (leaving *Guest, ok bool) {
	own := h.networks[g.network]
	if own == nil {
		own = new(network)
	}
	switch {
	case own.all >= h.config.PerNetwork:
		leaving = own.first()
		if leaving == nil || leaving.busy || g.since.Sub(leaving.since) < settled {
			return nil, false
		}
		return leaving, true
	case h.all < h.config.Connections:
		return nil, true
	}
	leaving = h.first(len(own.strangers))
	return leaving, leaving != nil
}

// first is who gives way of the networks with most strangers, if they have more than own.
func (h *Hosts) first(own int) *Guest {
	var first *Guest
	most := own + 1
	for _, n := range h.networks {
		switch candidate := n.first(); {
		case len(n.strangers) < most:
		case len(n.strangers) > most, first == nil, candidate.before(first):
			first, most = candidate, len(n.strangers)
		}
	}
	return first
}

// first is the stranger who gives way first; nil if there is none.
func (n *network) first() *Guest {
	var first *Guest
	for g := range n.strangers {
		if first == nil || g.before(first) {
			first = g
		}
	}
	return first
}

func (g *Guest) before(other *Guest) bool {
	if g.busy != other.busy {
		return other.busy
	}
	return g.since.Before(other.since)
}

func (h *Hosts) remove(g *Guest) {
	g.gone = true
	h.all--
	n := h.networks[g.network]
	delete(n.strangers, g)
	if n.all--; n.all == 0 {
		delete(h.networks, g.network)
	}
	if g.account == "" {
		return
	}
	if h.accounts[g.account]--; h.accounts[g.account] == 0 {
		delete(h.accounts, g.account)
	}
}

// Leave gives the place back; more calls do nothing.
func (g *Guest) Leave() {
	if g.hosts == nil {
		return
	}
	g.hosts.mu.Lock()
	defer g.hosts.mu.Unlock()
	if !g.gone {
		g.hosts.remove(g)
	}
}

// Welcome says that an account has logged in, once: from now on the connection gives way to nobody. It is false, and
// nothing changes, if the account has too many connections.
func (g *Guest) Welcome(account string) bool {
	if g.hosts == nil {
		return true
	}
	h := g.hosts
	h.mu.Lock()
	defer h.mu.Unlock()
	if g.gone {
		return true // the connection is being cut
	}
	if h.accounts[account] >= h.config.PerAccount {
		return false
	}
	h.accounts[account]++
	g.account = account
	delete(h.networks[g.network].strangers, g)
	return true
}

// Busy says that a message is under way: idle connections of the same network give way before.
func (g *Guest) Busy() { g.set(true) }

// Idle ends Busy.
func (g *Guest) Idle() { g.set(false) }

func (g *Guest) set(busy bool) {
	if g.hosts == nil {
		return
	}
	g.hosts.mu.Lock()
	defer g.hosts.mu.Unlock()
	g.busy, g.since = busy, g.hosts.config.Now()
}

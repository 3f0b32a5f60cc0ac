package admission

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// lobby is a Hosts whose guests are known by name.
type lobby struct {
	*Hosts
	t   *testing.T
	cut []string
}

func newLobby(t *testing.T, c *clock, config HostsConfig) *lobby {
	config.Now = c.now
	return &lobby{Hosts: NewHosts(config), t: t}
}

func (l *lobby) enter(address, name string) *Guest {
	l.t.Helper()
	g, ok := l.Enter(address, func() { l.cut = append(l.cut, name) })
	if !ok {
		l.t.Fatalf("%s is turned away", name)
	}
	return g
}

func (l *lobby) wantCut(names ...string) {
	l.t.Helper()
	if !slices.Equal(l.cut, names) {
		l.t.Errorf("cut: %q, want %q", l.cut, names)
	}
}

func (l *lobby) wantFull(address string) {
	l.t.Helper()
	if _, ok := l.Enter(address, func() { l.t.Error("cut") }); ok {
		l.t.Errorf("%s is let in", address)
	}
}

// attacks.md 39: a thousand connections on which nobody logs in, from ten networks and more, do not shut others out.
func TestFullServerLetsNewNetworksIn(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := newLobby(t, c, HostsConfig{Connections: 1000, PerNetwork: 100, PerAccount: 20})
	for i := range 1000 {
		l.enter(fmt.Sprintf("192.0.2.%d", i%12), fmt.Sprint(i))
		c.pass(time.Millisecond)
	}
	mario := l.enter("198.51.100.7", "mario")
	l.wantCut("0") // twelve networks have 83 or 84: the oldest of those with 84
	if !mario.Welcome("mario") {
		t.Fatal("mario is not welcome")
	}
	for i := range 200 { // the flood goes on, from everywhere
		l.enter(fmt.Sprintf("203.0.113.%d", i), "flood")
	}
	if slices.Contains(l.cut, "mario") || l.all != 1000 {
		t.Errorf("%d are there, cut: %v", l.all, l.cut)
	}
}

func TestWhoGivesWay(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := newLobby(t, c, HostsConfig{Connections: 4, PerNetwork: 3, PerAccount: 2})
	a1 := l.enter("192.0.2.1", "a1")
	c.pass(time.Second)
	l.enter("192.0.2.1", "a2")
	c.pass(time.Second)
	l.enter("192.0.2.1", "a3")
	l.wantFull("192.0.2.1") // its network is full, and all are young
	a1.Busy()
	b := l.enter("192.0.2.2", "b")
	c.pass(time.Second)
	l.enter("192.0.2.3", "c")
	l.wantCut("a2") // the oldest that is not busy
	l.enter("192.0.2.4", "d")
	l.wantCut("a2", "a3")
	// Now all have one.
	l.enter("192.0.2.5", "e")
	l.wantCut("a2", "a3", "b")
	b.Leave() // it is gone already
	l.wantFull("192.0.2.1")
	if l.all != 4 {
		t.Errorf("%d are there", l.all)
	}
	a1.Leave()
	l.enter("192.0.2.1", "a4")
	l.wantCut("a2", "a3", "b")
}

// Behind one address an attacker holds all that it may: a neighbour gets in as soon as one of these has had its time.
func TestFullNetworkLetsNeighboursIn(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := newLobby(t, c, HostsConfig{Connections: 10, PerNetwork: 2, PerAccount: 2})
	l.enter("192.0.2.1", "a1")
	l.enter("192.0.2.1", "a2").Busy()
	l.wantFull("192.0.2.1")
	c.pass(settled)
	if !l.enter("192.0.2.1", "mario").Welcome("mario") {
		t.Error("mario is not welcome")
	}
	c.pass(time.Hour)
	l.wantFull("192.0.2.1") // one is busy, one has logged in
	l.wantCut("a1")
}

func TestWhoLoggedInStays(t *testing.T) {
	t.Parallel()
	l := newLobby(t, newClock(), HostsConfig{Connections: 3, PerNetwork: 3, PerAccount: 2})
	first := l.enter("192.0.2.1", "a")
	for i, g := range []*Guest{first, l.enter("192.0.2.1", "b"), l.enter("192.0.2.2", "c")} {
		if welcome := g.Welcome("mario"); welcome != (i < 2) {
			t.Errorf("connection %d of one account is welcome: %v", i, welcome)
		}
	}
	l.enter("192.0.2.3", "d")
	l.wantCut("c")
	if g := l.enter("192.0.2.4", "e"); !g.Welcome("anna") {
		t.Error("anna is not welcome")
	}
	l.wantCut("c", "d")
	l.wantFull("192.0.2.5")
	first.Leave()
	first.Leave()
	if !l.enter("192.0.2.5", "f").Welcome("mario") {
		t.Error("the place of the first is not free")
	}
}

func TestZeroGuest(t *testing.T) {
	t.Parallel()
	var g Guest
	g.Busy()
	g.Idle()
	if !g.Welcome("mario") {
		t.Error("it is not welcome")
	}
	g.Leave()
}

// Whatever comes and goes, the bounds hold and nothing is remembered of who is gone.
func TestHostsProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		h := NewHosts(HostsConfig{Connections: 6, PerNetwork: 3, PerAccount: 2, Now: c.now})
		var open []*Guest
		pick := func(t *rapid.T) *Guest {
			if len(open) == 0 {
				return new(Guest)
			}
			return rapid.SampledFrom(open).Draw(t, "who")
		}
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				var g *Guest
				g, ok := h.Enter(fmt.Sprintf("192.0.2.%d", rapid.IntRange(1, 5).Draw(t, "network")), func() {
					if g != nil && g.account != "" {
						t.Error("who has logged in is cut")
					}
				})
				if ok {
					open = append(open, g)
				}
			},
			"welcome": func(t *rapid.T) {
				if g := pick(t); g.hosts != nil && g.account == "" {
					g.Welcome(rapid.SampledFrom([]string{"mario", "anna"}).Draw(t, "account"))
				}
			},
			"busy":  func(t *rapid.T) { pick(t).Busy() },
			"idle":  func(t *rapid.T) { pick(t).Idle() },
			"leave": func(t *rapid.T) { pick(t).Leave() },
			"pass":  func(t *rapid.T) { c.pass(time.Second) },
			"": func(t *rapid.T) {
				open = slices.DeleteFunc(open, func(g *Guest) bool { return g.gone })
				networks, accounts := map[string]int{}, map[string]int{}
				for _, g := range open {
					networks[g.network]++
					if g.account != "" {
						accounts[g.account]++
					}
				}
				if h.all != len(open) || h.all > 6 || len(h.networks) != len(networks) || len(h.accounts) != len(accounts) {
					t.Fatalf("%d are there, it counts %d, %v", len(open), h.all, h.networks)
				}
				for name, n := range networks {
					if n > 3 || h.networks[name].all != n {
						t.Fatalf("%s has %d, it counts %d", name, n, h.networks[name].all)
					}
				}
				for name, n := range accounts {
					if n > 2 || h.accounts[name] != n {
						t.Fatalf("%s has %d, it counts %d", name, n, h.accounts[name])
					}
				}
			},
		})
	})
}

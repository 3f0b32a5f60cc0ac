package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	killRounds  = 20
	loadClients = 4
)

// TestKill kills the sandbox at random moments under load. What was answered with 250 is in its mailboxes exactly once,
// with exactly one receipt of each kind; what was not answered was sent again and is there once too (design.md 8, P10).
func TestKill(t *testing.T) {
	t.Parallel()
	seed := killSeed(t)
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := startSandbox(t, 3)
	clients := newLoad(t, s, seed)
	var slowest time.Duration
	for round := range killRounds {
		end := s.kill
		if round%5 == 4 { // and cleanly, with everything under way
			end = func() { s.stop(t) }
		}
		s.loadUntil(t, clients, time.Duration(200+random.IntN(1600))*time.Millisecond, end)
		if random.IntN(4) == 0 { // while it recovers, too
			s.killWhileStarting(t, time.Duration(random.IntN(300))*time.Millisecond)
		}
		begin := time.Now()
		s.start(t)
		slowest = max(slowest, time.Since(begin))
	}
	s.loadUntil(t, clients, time.Second, nil) // what is pending is sent again
	t.Logf("ready again after %v at most", slowest)
	s.quiesce(t)
	s.checkLoad(t, clients)
}

// killSeed is the one in the environment, to try again what failed, or a new one.
func killSeed(t *testing.T) uint64 {
	text := os.Getenv("SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

func (s *sandbox) killWhileStarting(t *testing.T, after time.Duration) {
	t.Helper()
	d := s.launch()
	<-time.After(after)
	if !d.running() {
		t.Errorf("the sandbox ended by itself: %s", clip(d.log()))
	}
	d.kill()
}

// quiesce moves the clock until a whole hour changes nothing: every retry has been made.
func (s *sandbox) quiesce(t *testing.T) {
	t.Helper()
	for before := map[string]int(nil); ; {
		if c := s.advance(t, "1h"); len(c.Unfinished) > 0 {
			t.Fatalf("not done within a minute: %q", c.Unfinished)
		}
		after := s.counts(t)
		if maps.Equal(before, after) {
			return
		}
		before = after
	}
}

// loadClient sends one letter after the other. One that got no answer is sent again, octet by octet, until it gets one.
type loadClient struct {
	t        *testing.T
	name     string
	random   *rand.Rand
	from     account
	to       []string // it chooses among them
	next     int
	pending  *letter
	accepted map[string]letter // by the PEC id in the 250
}

func newLoad(t *testing.T, s *sandbox, seed uint64) []*loadClient {
	var all []*loadClient
	for i := range loadClients {
		p := s.Providers[i%2]
		c := &loadClient{t: t, name: fmt.Sprintf("c%d", i), random: rand.New(rand.NewPCG(seed, uint64(i+1))), from: p.Mailboxes[i%len(p.Mailboxes)], accepted: map[string]letter{}}
		for _, p := range s.Providers {
			for _, m := range p.Mailboxes {
				c.to = append(c.to, m.Address)
			}
		}
		all = append(all, c)
	}
	return all
}

// loadUntil lets all clients send for some time; then end is called, if there is one, and the clients stop.
func (s *sandbox) loadUntil(t *testing.T, clients []*loadClient, after time.Duration, end func()) {
	t.Helper()
	conf := s.tls(t)
	ctx, stop := context.WithTimeout(context.Background(), after)
	defer stop()
	var running sync.WaitGroup
	for i, c := range clients {
		running.Go(func() { c.send(ctx, s.Providers[i%2].Submissions, conf, end != nil) })
	}
	<-ctx.Done()
	if end != nil {
		end()
	}
	running.Wait()
}

// send sends until the server is gone; if it is to live, until the time is over and everything is answered.
func (c *loadClient) send(ctx context.Context, addr string, conf *tls.Config, untilGone bool) {
	conn, err := dialSMTP(addr, conf)
	if err != nil {
		return
	}
	defer conn.Close()
	if r := conn.login(c.from.Address, c.from.Password); r.code != 235 {
		if r.code/100 == 5 {
			c.t.Errorf("AUTH: %v", r)
		}
		return
	}
	for untilGone || ctx.Err() == nil || c.pending != nil {
		if c.pending == nil {
			c.compose()
		}
		r := conn.send(c.from.Address, c.pending.recipients(), c.pending.octets())
		switch id := r.pecID(); {
		case id != "":
			if _, there := c.accepted[id]; there {
				c.t.Errorf("%s was given to two messages", id)
			}
			c.accepted[id] = *c.pending
			c.pending = nil
		case r.code == 0:
			return // it is gone
		case r.code/100 == 4:
			conn.say("RSET")
		default:
			c.t.Errorf("%s was refused: %v", c.pending.id, r)
			return
		}
	}
}

func (c *loadClient) compose() {
	c.next++
	name := fmt.Sprintf("%s-%d", c.name, c.next)
	c.random.Shuffle(len(c.to), func(i, j int) { c.to[i], c.to[j] = c.to[j], c.to[i] })
	size := 1 + c.random.IntN(50)
	if c.random.IntN(20) == 0 {
		size = 8000 // a content in a file of its own
	}
	c.pending = &letter{
		from: c.from.Address, to: slices.Clone(c.to[:1+c.random.IntN(2)]), subject: name, id: "<" + name + "@load.test>",
		body: strings.Repeat("Una riga di prova, "+name+", e nulla di piu'.\r\n", size),
	}
}

// checkLoad compares the clients' own lists of 250s with what is in the mailboxes: a loss with all its rows would be
// invisible to `ceralacca check`.
func (s *sandbox) checkLoad(t *testing.T, clients []*loadClient) {
	t.Helper()
	want := map[string]int{}
	messages := 0
	for i, c := range clients {
		messages += len(c.accepted)
		for id, l := range c.accepted {
			s.expect(want, s.Providers[i%2], id, l)
		}
	}
	t.Logf("%d messages were accepted in %d rounds", messages, killRounds)
	if messages < killRounds {
		t.Errorf("only %d messages were accepted: this was no load", messages)
	}
	got := s.found(t)
	for what, n := range want {
		if got[what] != n {
			t.Errorf("%d times, not %d: %s", got[what], n, what)
		}
	}
	for what, n := range got {
		if want[what] == 0 {
			t.Errorf("%d times, but nobody was told so: %s", n, what)
		}
	}
	for _, p := range s.Providers {
		if held := s.admin(t, p, "", "held", "list"); strings.Count(held, "\n") != 1 {
			t.Errorf("%s holds something:\n%s", p.Name, held)
		}
	}
}

// expect adds what has to come of a letter that was accepted.
func (s *sandbox) expect(want map[string]int, sending provider, id string, l letter) {
	want["accettazione "+id+" in "+l.from]++
	for _, to := range l.to {
		want["posta-certificata "+id+" in "+to]++
		want["avvenuta-consegna "+id+" for "+to+" in "+l.from]++
		if !slices.Contains(sending.Domains, to[strings.IndexByte(to, '@')+1:]) {
			want["presa-in-carico "+id+" in "+sending.ServiceMailbox.Address] = 1
		}
	}
}

// found is what is in the mailboxes of both providers.
func (s *sandbox) found(t *testing.T) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, a := range s.accounts()[1:] {
		for _, m := range s.inbox(t, a) {
			what := m.data.Kind + " " + m.data.Data.ID
			if m.data.Kind == "avvenuta-consegna" {
				what += " for " + m.data.Data.DeliveredTo
			}
			got[what+" in "+a.Address]++
		}
	}
	return got
}

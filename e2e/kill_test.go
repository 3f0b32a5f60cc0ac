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

const loadClients = 4

// TestKill kills the sandbox at random moments under load. What was answered with 250 is in its mailboxes exactly once,
// with exactly one receipt of each kind; what was not answered was sent again and is there once too (design.md 8, P10).
// TestSoak, with the build tag soak, does so a thousand times.
// norms.md 24, 78
func TestKill(t *testing.T) {
	t.Parallel()
	seed := killSeed(t)
	t.Logf("SEED=%d", seed)
	s := startSandbox(t, 3)
	l := newLoad(t, s, seed)
	ready := l.killOften(t, killing{rounds: 20, shortest: 200 * time.Millisecond, longest: 1800 * time.Millisecond, cleanEvery: 5})
	t.Logf("ready again after %v at most", slices.Max(ready))
	l.compare(t)
	t.Logf("%d messages were accepted", l.messages)
	if l.messages < len(ready) {
		t.Error("this was no load")
	}
	s.checkNothingHeld(t)
}

// killing says how often the sandbox is killed, and after how much load.
type killing struct {
	rounds            int
	shortest, longest time.Duration
	cleanEvery        int // one of so many rounds ends with a clean stop, everything under way; 0: none
}

// killOften lets the clients send and kills the sandbox, again and again, sometimes while it recovers, too. It returns the
// times after which it was ready again.
func (l *load) killOften(t *testing.T, k killing) (ready []time.Duration) {
	t.Helper()
	for round := range k.rounds {
		end := l.kill
		if k.cleanEvery > 0 && round%k.cleanEvery == k.cleanEvery-1 {
			end = func() { l.stop(t) }
		}
		l.sendUntil(t, k.shortest+time.Duration(l.random.Int64N(int64(k.longest-k.shortest))), end)
		if l.random.IntN(4) == 0 {
			l.killWhileStarting(t, time.Duration(l.random.IntN(300))*time.Millisecond)
		}
		begin := time.Now()
		l.start(t)
		ready = append(ready, time.Since(begin))
	}
	return ready
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

// load is what the clients of a sandbox were told, and what was found in its mailboxes.
type load struct {
	*sandbox
	random    *rand.Rand
	clients   []*loadClient
	messages  int
	want, got map[string]int // what is in which mailbox, and how often
	read      map[string]int // the last UID that was read, by address
}

func newLoad(t *testing.T, s *sandbox, seed uint64) *load {
	l := &load{sandbox: s, random: rand.New(rand.NewPCG(seed, 0)), want: map[string]int{}, got: map[string]int{}, read: map[string]int{}}
	for i := range loadClients {
		p := s.Providers[i%2]
		c := &loadClient{t: t, name: fmt.Sprintf("c%d", i), random: rand.New(rand.NewPCG(seed, uint64(i+1))), from: p.Mailboxes[i%len(p.Mailboxes)], accepted: map[string]letter{}}
		for _, p := range s.Providers {
			for _, m := range p.Mailboxes {
				c.to = append(c.to, m.Address)
			}
		}
		l.clients = append(l.clients, c)
	}
	return l
}

// sendUntil lets all clients send for some time; then end is called, if there is one, and the clients stop.
func (l *load) sendUntil(t *testing.T, after time.Duration, end func()) {
	t.Helper()
	conf := l.tls(t)
	ctx, stop := context.WithTimeout(context.Background(), after)
	defer stop()
	var running sync.WaitGroup
	for i, c := range l.clients {
		running.Go(func() { c.send(ctx, l.Providers[i%2].Submissions, conf, end != nil) })
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

// compare lets what is pending be sent again and done, and compares the clients' own lists of 250s with what is in the
// mailboxes: a loss with all its rows would be invisible to `ceralacca check`. What was read once is only counted later.
func (l *load) compare(t *testing.T) {
	t.Helper()
	l.sendUntil(t, time.Second, nil)
	l.quiesce(t)
	for i, c := range l.clients {
		l.messages += len(c.accepted)
		for id, sent := range c.accepted {
			l.expect(l.Providers[i%2], id, sent)
		}
		clear(c.accepted)
	}
	for _, a := range l.accounts()[1:] {
		l.find(t, a)
	}
	for what, n := range l.want {
		if l.got[what] != n {
			t.Errorf("%d times, not %d: %s", l.got[what], n, what)
		}
	}
	for what, n := range l.got {
		if l.want[what] == 0 {
			t.Errorf("%d times, but nobody was told so: %s", n, what)
		}
	}
}

// expect adds what has to come of a letter that was accepted.
func (l *load) expect(sending provider, id string, sent letter) {
	l.want["accettazione "+id+" in "+sent.from]++
	for _, to := range sent.to {
		l.want["posta-certificata "+id+" in "+to]++
		l.want["avvenuta-consegna "+id+" for "+to+" in "+sent.from]++
		if !slices.Contains(sending.Domains, to[strings.IndexByte(to, '@')+1:]) {
			l.want["presa-in-carico "+id+" in "+sending.ServiceMailbox.Address] = 1
		}
	}
}

// find adds what is new in a mailbox. Everything that was found there before must be there still.
func (l *load) find(t *testing.T, a account) {
	t.Helper()
	found := 0
	for _, m := range l.inboxAfter(t, a, l.read[a.Address]) {
		what := m.data.Kind + " " + m.data.Data.ID
		if m.data.Kind == "avvenuta-consegna" {
			what += " for " + m.data.Data.DeliveredTo
		}
		l.got[what+" in "+a.Address]++
	}
	for what, n := range l.got {
		if strings.HasSuffix(what, " in "+a.Address) {
			found += n
		}
	}
	if n := l.count(t, a); n != found {
		t.Errorf("%s holds %d messages, but %d were found", a.Address, n, found)
	}
}

// inboxAfter reads what came after the message with that UID, and remembers the last one.
func (l *load) inboxAfter(t *testing.T, a account, last int) (all []message) {
	t.Helper()
	c := l.login(t, a)
	c.do("SELECT INBOX")
	for _, f := range c.fetch(strconv.Itoa(last+1) + ":*") { // at least the last one there is, as UID FETCH does
		uid, err := strconv.Atoi(f.uid)
		if err != nil {
			t.Fatal(err)
		}
		if uid > last {
			all = append(all, readMessage(t, []byte(f.octets), f.uid))
			l.read[a.Address] = max(l.read[a.Address], uid)
		}
	}
	c.do("LOGOUT")
	return all
}

func (s *sandbox) checkNothingHeld(t *testing.T) {
	t.Helper()
	for _, p := range s.Providers {
		if held := s.admin(t, p, "", "held", "list"); strings.Count(held, "\n") != 1 {
			t.Errorf("%s holds something:\n%s", p.Name, held)
		}
	}
}

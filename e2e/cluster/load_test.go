package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// sender is a holder's client that sends one letter after the other, to the provider's processes in turn. One that got no answer, or
// a temporary refusal, is sent again, octet by octet, until it is accepted.
type sender struct {
	c        *cluster
	name     string
	random   *rand.Rand
	from     account
	patience time.Duration // for a reply
	to       []string      // it chooses among them
	most     int           // recipients of a letter
	pace     time.Duration // between letters, at most
	sessions int
	next     int
	pending  *letter
	accepted map[string]letter // by the PEC id in the 250
	deferred int               // temporary refusals
}

// letters is how many a client sends on one connection.
const letters = 8

// replyPatience is how long a client waits for a reply. A server that waits for its database may take longer: the letter is
// then sent again while the first attempt still goes on.
const replyPatience = 15 * time.Second

// session sends on one connection until it ends, or done says so.
func (s *sender) session(done func() bool) {
	s.sessions++
	node := s.from.at.nodes[s.sessions%len(s.from.at.nodes)]
	conn, err := dialSMTP(node.submissions, s.c.tls, s.patience)
	if err != nil {
		return
	}
	defer conn.Close()
	if !s.heard(conn.login(s.from), 235) {
		return
	}
	for sent := 0; sent < letters && !done(); sent++ {
		if s.pending == nil {
			s.compose()
		}
		r := conn.send(*s.pending)
		if id := r.pecID(); id != "" {
			s.accept(id)
		} else if !s.heard(r, 250) {
			return
		}
		wait(time.Duration(s.random.Int64N(int64(s.pace) + 1)))
	}
}

// heard tells whether a reply is the one that was wished for. No permanent refusal is ever due.
func (s *sender) heard(r reply, want int) bool {
	if r.code/100 == 4 {
		s.deferred++
	}
	if r.code != want && r.code/100 != 4 && r.code != 0 {
		s.c.t.Errorf("%s is told: %v", s.name, r)
	}
	return r.code == want
}

func (s *sender) accept(id string) {
	if other, there := s.accepted[id]; there {
		s.c.t.Errorf("%s was given to %s and to %s", id, other.name, s.pending.name)
	}
	s.accepted[id] = *s.pending
	s.pending = nil
}

func (s *sender) compose() {
	s.next++
	name := fmt.Sprintf("%s-%d", s.name, s.next)
	s.random.Shuffle(len(s.to), func(i, j int) { s.to[i], s.to[j] = s.to[j], s.to[i] })
	lines := 1 + s.random.IntN(50)
	if s.random.IntN(20) == 0 {
		lines = 8000 // a content in chunks
	}
	s.pending = &letter{
		name: name, from: s.from.Address, to: slices.Clone(s.to[:1+s.random.IntN(s.most)]),
		body: strings.Repeat("Una riga di prova, "+name+", e nulla di piu'.\r\n", lines),
	}
}

// until repeats sessions until done says so.
func (s *sender) until(done func() bool) {
	for !done() {
		s.session(done)
		wait(20 * time.Millisecond) // a server that is down is not asked all the time
	}
}

func wait(d time.Duration) { <-time.After(d) }

// load is what the clients of a cluster were told, and what is expected of that in its mailboxes.
type load struct {
	*cluster
	senders []*sender
	want    map[string]map[string]int // by address, what and how often
}

// newLoad makes a client for each of some holders, who write to everybody.
func (c *cluster) newLoad(seed uint64, from ...account) *load {
	l := &load{cluster: c, want: map[string]map[string]int{}}
	for i, a := range from {
		s := &sender{
			c: c, name: fmt.Sprintf("c%d", i), random: rand.New(rand.NewPCG(seed, uint64(i+1))), from: a, patience: replyPatience, sessions: i,
			most: 2, pace: 100 * time.Millisecond, accepted: map[string]letter{},
		}
		for _, a := range slices.Concat(c.alfa.Mailboxes, c.beta.Mailboxes) {
			s.to = append(s.to, a.Address)
		}
		l.senders = append(l.senders, s)
	}
	return l
}

// begin lets all clients send; end ends that. What is not answered then waits for the next time.
func (l *load) begin() (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, s := range l.senders {
		running.Go(func() { s.until(func() bool { return ctx.Err() != nil }) })
	}
	var once sync.Once
	end = func() { once.Do(func() { stop(); running.Wait() }) }
	l.t.Cleanup(end)
	return end
}

// drain has everything answered and done, and compares the mailboxes with what the clients were told. Relays that failed are
// tried again when the law's clock has moved. Once nothing is left to do nothing can come twice.
func (l *load) drain() {
	l.t.Helper()
	l.answerAll()
	l.expectAll()
	const jumps = 8 // far from the overdue notices, which are due after 12 hours
	for jump := 0; !within(quiet, func() bool { return l.waiting() == "" }); jump++ {
		if jump == jumps {
			l.t.Errorf("not everything is done: %s", l.waiting())
			break
		}
		l.t.Logf("%s: the clock moves by an hour", l.waiting())
		l.advance(time.Hour)
	}
	for _, a := range l.accounts() {
		l.compare(a)
	}
	l.check()
}

// quiet is how long the clock is left alone while something is missing.
const quiet = 8 * time.Second

// leaseEnd is when the tasks of a process that was killed have been taken over, and done: a lease of 15 s, a look every 5 s.
const leaseEnd = 25 * time.Second

// answerAll sends what is pending until it is accepted.
func (l *load) answerAll() {
	l.t.Helper()
	limit := time.Now().Add(2 * time.Minute)
	var running sync.WaitGroup
	for _, s := range l.senders {
		running.Go(func() { s.until(func() bool { return s.pending == nil || time.Now().After(limit) }) })
	}
	running.Wait()
	for _, s := range l.senders {
		if s.pending != nil {
			l.t.Errorf("%s is not accepted", s.pending.name)
		}
	}
}

// expectAll adds what has to come of the letters that were accepted.
func (l *load) expectAll() {
	for _, s := range l.senders {
		for id, sent := range s.accepted {
			l.expect(s.from.at, id, sent)
		}
		clear(s.accepted)
	}
}

func (l *load) expect(sending *provider, id string, sent letter) {
	l.add(sent.from, "accettazione "+id, 1)
	abroad := 0
	for _, to := range sent.to {
		l.add(to, "posta-certificata "+id, 1)
		l.add(sent.from, "avvenuta-consegna "+id+" for "+to, 1)
		if !slices.Contains(sending.Domains, to[strings.IndexByte(to, '@')+1:]) {
			abroad = 1
		}
	}
	l.add(sending.ServiceMailbox.Address, "presa-in-carico "+id, abroad)
}

func (l *load) add(address, what string, n int) {
	if n == 0 {
		return
	}
	if l.want[address] == nil {
		l.want[address] = map[string]int{}
	}
	l.want[address][what] += n
}

func (c *cluster) accounts() []account {
	return slices.Concat(c.alfa.Mailboxes, c.beta.Mailboxes, []account{c.alfa.ServiceMailbox, c.beta.ServiceMailbox})
}

// waiting is what is still to come: a mailbox with fewer messages than are expected, or a provider with tasks; or "". What is
// too much is found when they are compared.
func (l *load) waiting() string {
	if boxes := l.waitingBox(); boxes != "" {
		return boxes
	}
	for _, p := range []*provider{&l.alfa, &l.beta} {
		// Of two last outcomes at a time each may leave the overdue task to the other: it ends after twelve hours.
		if n := postgrestest.Query(l.t, l.schema(p), "SELECT count(*) FROM task WHERE kind <> 'overdue'"); n != "0" {
			return n + " tasks wait at " + p.Domains[0]
		}
	}
	return ""
}

func (l *load) waitingBox() string {
	for _, a := range l.accounts() {
		inbox, err := l.openInbox(a.at.nodes[0], a, replyPatience)
		if err != nil {
			return err.Error()
		}
		n, err := inbox.count()
		inbox.Close()
		if want := len(l.want[a.Address]); err != nil || n < want {
			return fmt.Sprintf("%s with %d of %d messages (%v)", a.Address, n, want, err)
		}
	}
	return ""
}

// missing is the first of some expected messages that a process does not show, or "".
func (l *load) missing(n *node, boxes []account, of func(what string) bool) string {
	for _, a := range boxes {
		all, err := l.readInbox(n, a)
		if err != nil {
			return err.Error()
		}
		got := map[string]bool{}
		for _, m := range all {
			got[m.what] = true
		}
		for what := range l.want[a.Address] {
			if of(what) && !got[what] {
				return what + " in " + a.Address
			}
		}
	}
	return ""
}

// compare holds what is in a mailbox against what is expected there. All processes show the same.
func (l *load) compare(a account) {
	l.t.Helper()
	var first []message
	for _, n := range a.at.nodes {
		all, err := l.readInbox(n, a)
		if err != nil {
			l.t.Fatal(err)
		}
		if n != a.at.nodes[0] && !slices.Equal(all, first) {
			l.t.Errorf("%s shows %d messages in %s's inbox, %s %d, or they differ", n.name, len(all), a.Address, a.at.nodes[0].name, len(first))
		}
		first = all
	}
	got := map[string]int{}
	for _, m := range first {
		got[m.what]++
	}
	differences(l.t, a.Address, l.want[a.Address], got)
}

func differences(t *testing.T, where string, want, got map[string]int) {
	t.Helper()
	for what, n := range want {
		if got[what] != n {
			t.Errorf("%s has %d times, not %d: %s", where, got[what], n, what)
		}
	}
	for what, n := range got {
		if want[what] == 0 {
			t.Errorf("%s has %d times, but nobody was told so: %s", where, n, what)
		}
	}
}

package cluster

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// TestTogether: two processes on one database are one provider (design.md 4).
func TestTogether(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	l := c.newLoad(1, c.alfa.Mailboxes[0], c.alfa.Mailboxes[1], c.beta.Mailboxes[0])
	l.exchange()
	l.hints()
	l.noHints()
	l.largeMessage()
	c.stop()
}

// exchange: what is submitted at either process arrives, once, and both have a part in all that is done.
func (l *load) exchange() {
	l.t.Helper()
	l.sendUntilReceived(80)()
	l.drain()
	all, err := l.readInbox(l.nodes[0], l.alfa.Mailboxes[0])
	if err != nil {
		l.t.Fatal(err)
	}
	for _, kind := range []string{"accettazione", "avvenuta-consegna", "posta-certificata"} {
		for _, n := range l.alfa.nodes {
			if issuedBy(n, kind, all) == 0 {
				l.t.Errorf("%s has issued no %s", n.name, kind)
			}
		}
	}
}

// sendUntilReceived begins to send, and returns when the first holder has some messages more.
func (l *load) sendUntilReceived(more int) (end func()) {
	l.t.Helper()
	end = l.begin()
	l.received(more)
	return end
}

// received returns when the first holder has some messages more.
func (l *load) received(more int) {
	l.t.Helper()
	before := l.count(l.nodes[1], l.alfa.Mailboxes[0])
	eventually(l.t, time.Minute, fmt.Sprintf("%d messages more have come", more), func() bool {
		return l.count(l.nodes[1], l.alfa.Mailboxes[0]) >= before+more
	})
}

// count is how many messages a process shows in an inbox.
func (c *cluster) count(n *node, a account) int {
	c.t.Helper()
	inbox, err := c.openInbox(n, a, replyPatience)
	if err != nil {
		c.t.Fatal(err)
	}
	defer inbox.Close()
	count, err := inbox.count()
	if err != nil {
		c.t.Fatal(err)
	}
	return count
}

// issuedBy is how many messages of a kind a process has issued.
func issuedBy(by *node, kind string, all []message) (n int) {
	for _, m := range all {
		if strings.HasPrefix(m.what, kind+" ") && strings.Contains(m.id, fmt.Sprintf("cl%s.", by.name)) {
			n++
		}
	}
	return n
}

// hintLimit is far below the 10 s after which a process finds by itself what another one has changed.
const hintLimit = 3 * time.Second

// hints: IDLE at one process hears at once of what another one delivers. One letter after the other: none of them comes
// just when the process looks by itself, and the fastest is there within a second, its
// log-in and submission included.
func (l *load) hints() {
	l.t.Helper()
	fastest := hintLimit
	for range 4 {
		fastest = min(fastest, l.heardBy(l.alfa.nodes[0], hintLimit))
	}
	if fastest > time.Second {
		l.t.Errorf("the fastest of four hints came after %v", fastest)
	}
}

// noHints: where no hint comes through, IDLE hears nevertheless, somewhat later.
func (l *load) noHints() {
	l.t.Helper()
	first := l.alfa.nodes[0]
	var swallowed atomic.Int32
	first.proxy.Arm(func(m postgrestest.Message) postgrestest.Action {
		if m.From == postgrestest.FromServer && m.Kind == 'A' {
			swallowed.Add(1)
			return postgrestest.Swallow
		}
		return postgrestest.Pass
	})
	l.heardBy(first, 10*time.Second+hintLimit)
	if swallowed.Load() == 0 {
		l.t.Error("there was no hint to swallow: this has shown nothing")
	}
	first.proxy.Disarm()
}

// heardBy lets a client idle at one process while a letter is submitted at another, and tells how long both took.
func (l *load) heardBy(n *node, limit time.Duration) time.Duration {
	l.t.Helper()
	from, to := l.alfa.Mailboxes[0], l.alfa.Mailboxes[2]
	inbox, err := l.openInbox(n, to, limit)
	if err != nil {
		l.t.Fatal(err)
	}
	defer inbox.Close()
	before, err := inbox.count()
	if err != nil {
		l.t.Fatal(err)
	}
	begun := time.Now()
	exists, err := inbox.idle(func() { l.submit(l.alfa.nodes[1], from, letter{to: []string{to.Address}, body: "Ciao.\r\n"}) })
	if err != nil || exists != before+1 {
		l.t.Errorf("the inbox has %d messages, not %d: %v", exists, before+1, err)
	}
	return time.Since(begun)
}

// submit sends one letter to a process; it must be accepted. It returns the PEC id.
func (l *load) submit(n *node, from account, letter letter) string {
	l.t.Helper()
	conn, err := dialSMTP(n.submissions, l.tls, time.Minute)
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	letter.from, letter.name = from.Address, fmt.Sprintf("letter-%d", rand.Uint64())
	conn.login(from)
	r := conn.send(letter)
	if r.pecID() == "" {
		l.t.Fatalf("%s is told: %v", letter.name, r)
	}
	l.expect(from.at, r.pecID(), letter)
	return r.pecID()
}

const (
	largeSize  = 60 << 20
	moreMemory = 40 << 10 // KiB
)

// largeMessage: a message of 60 MB passes through the database without ever being in the memory of a process (design.md 8, P8).
// Its complete receipt has it again.
func (l *load) largeMessage() {
	l.t.Helper()
	from, to := l.alfa.Mailboxes[1], l.beta.Mailboxes[1]
	l.submit(l.alfa.nodes[0], from, letter{to: []string{to.Address}, body: randomBody(1 << 20)}) // what grows once has grown
	l.drain()
	before := map[*node]int{}
	for _, n := range l.nodes {
		before[n] = l.resetPeak(n)
	}
	body := randomBody(largeSize)
	id := l.submit(l.alfa.nodes[0], from, letter{to: []string{to.Address}, body: body})
	eventually(l.t, time.Minute, "the large message and its receipt are there", func() bool { return l.waiting() == "" })
	for _, read := range []struct {
		at   *node
		by   account
		what string
	}{{l.beta.nodes[0], to, "posta-certificata " + id}, {l.alfa.nodes[1], from, "avvenuta-consegna " + id + " for " + to.Address}} {
		if got := l.originalBody(read.at, read.by, read.what); sha256.Sum256([]byte(got)) != sha256.Sum256([]byte(body)) {
			l.t.Errorf("%s: the original's body has %d octets, not %d, or they differ", read.what, len(got), len(body))
		}
	}
	for _, n := range l.nodes {
		if grown := l.peak(n) - before[n]; grown > moreMemory {
			l.t.Errorf("%s had %d KiB more for a message of %d octets", n.name, grown, largeSize)
		} else {
			l.t.Logf("%s had %d KiB more for a message of %d octets", n.name, grown, largeSize)
		}
	}
	l.drain()
}

// originalBody is the body of the original in a certified message, which is its third part.
func (l *load) originalBody(n *node, a account, what string) string {
	l.t.Helper()
	all, err := l.readInbox(n, a)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, m := range all {
		if m.what != what {
			continue
		}
		inbox, err := l.openInbox(n, a, time.Minute)
		if err != nil {
			l.t.Fatal(err)
		}
		defer inbox.Close()
		found, err := inbox.fetch(m.uid-1, "1.3.TEXT")
		if err != nil || len(found) == 0 {
			l.t.Fatalf("%d messages: %v", len(found), err)
		}
		return found[0].sections[0]
	}
	l.t.Fatalf("%s has no %s", a.Address, what)
	return ""
}

// randomBody is text that no compression makes small.
func randomBody(size int) string {
	random := rand.NewChaCha8([32]byte{})
	line := make([]byte, 57)
	var b strings.Builder
	for b.Grow(size + 80); b.Len() < size; b.WriteString("\r\n") {
		random.Read(line)
		b.WriteString(base64.StdEncoding.EncodeToString(line))
	}
	return b.String()
}

// peak is the most memory that a process has had since it was reset, in KiB.
func (c *cluster) peak(n *node) (kib int) {
	c.t.Helper()
	_, line, _ := strings.Cut(string(readFile(c.t, fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))), "\nVmHWM:")
	if _, err := fmt.Sscanf(line, "%d kB", &kib); err != nil {
		c.t.Fatal(err)
	}
	return kib
}

// resetPeak begins to measure anew, and returns what the process has.
func (c *cluster) resetPeak(n *node) (kib int) {
	c.t.Helper()
	writeFile(c.t, fmt.Sprintf("/proc/%d/clear_refs", n.cmd.Process.Pid), "5")
	return c.peak(n)
}

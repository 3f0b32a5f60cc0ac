package cluster

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// silent is how many messages get no answer.
const silent = 20

// TestOverdue: two processes on one database look after the silence of a peer. Each notice is issued once, by whichever of them; one is
// killed while both do it (norms.md 41).
func TestOverdue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	alfa1, alfa2 := c.nodes[0], c.nodes[1]
	from, to := c.alfa.Mailboxes[0], c.beta.Mailboxes[0]
	c.nodes[2].stop(t)
	l := c.newLoad(3, from)
	for i := range silent {
		l.submit([]*node{alfa1, alfa2}[i%2], from, letter{to: []string{to.Address}, body: "Ciao.\r\n"})
	}
	for n, by := range []time.Duration{12*time.Hour + time.Minute, 10 * time.Hour} {
		alfa1.stop(t)
		alfa2.stop(t)
		c.offset += by
		writeFile(t, filepath.Join(c.dir, "clock"), c.offset.String()+"\n")
		c.start(alfa1, alfa2)
		alfa1.kill()
		want := silent * (n + 2) // the acceptances, and a notice each
		eventually(t, time.Minute, fmt.Sprintf("%d messages are there", want), func() bool { return c.count(alfa2, from) >= want })
		wait(leaseEnd / 5)
		if got := c.count(alfa2, from); got != want {
			t.Errorf("%d messages, want %d", got, want)
		}
		c.start(alfa1)
	}
	all, err := c.readInbox(alfa2, from)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]int{}
	for _, m := range all {
		said[strings.Fields(m.what)[0]]++
	}
	if said["accettazione"] != silent || said["preavviso-errore-consegna"] != 2*silent || len(said) != 2 {
		t.Errorf("the mailbox has %v", said)
	}
	c.start(c.nodes[2])
	l.submit(c.nodes[2], to, letter{to: []string{to.Address}, body: "Ciao.\r\n"}) // a check looks at something
	c.check()
	c.stop()
}

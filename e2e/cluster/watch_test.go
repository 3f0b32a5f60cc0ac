package cluster

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// watcher is a client that waits for news of one inbox, at one process or another, and writes down which message has which UID.
type watcher struct {
	c      *cluster
	box    account
	random *rand.Rand
	seen   map[int]string // the header line by UID
	last   int            // the greatest UID
}

// watch begins to watch an inbox; end ends that.
func (c *cluster) watch(seed uint64, box account) (w *watcher, end func()) {
	w = &watcher{c: c, box: box, random: rand.New(rand.NewPCG(seed, 99)), seen: map[int]string{}}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			w.session(ctx)
			wait(20 * time.Millisecond)
		}
	})
	end = func() { stop(); running.Wait() }
	c.t.Cleanup(end)
	return w, end
}

// session looks at what is new, and waits for more, until the connection breaks or nothing comes for a while.
func (w *watcher) session(ctx context.Context) {
	nodes := w.box.at.nodes
	inbox, err := w.c.openInbox(nodes[w.random.IntN(len(nodes))], w.box, 5*time.Second)
	if err != nil {
		return
	}
	defer inbox.Close()
	for err == nil && ctx.Err() == nil {
		var news []fetched
		news, err = inbox.fetch(w.last, messageID)
		for _, f := range news {
			if f.uid <= w.last {
				w.c.t.Errorf("%s: the message with the UID %d comes after the one with %d", w.box.Address, f.uid, w.last)
			}
			w.seen[f.uid], w.last = f.sections[0], max(w.last, f.uid)
		}
		if err == nil {
			_, err = inbox.idle(func() {})
		}
	}
}

// compare: what was seen is there still, under its UID, and nothing has come below what was seen.
func (w *watcher) compare() {
	w.c.t.Helper()
	inbox, err := w.c.openInbox(w.box.at.nodes[0], w.box, replyPatience)
	if err != nil {
		w.c.t.Fatal(err)
	}
	defer inbox.Close()
	all, err := inbox.fetch(0, messageID)
	if err != nil {
		w.c.t.Fatal(err)
	}
	if len(w.seen) == 0 {
		w.c.t.Errorf("nothing was seen in %s", w.box.Address)
	}
	for _, f := range all {
		if was, there := w.seen[f.uid]; f.uid <= w.last && (!there || was != f.sections[0]) {
			w.c.t.Errorf("%s: the UID %d is %q, was %q (seen: %v, up to %d)", w.box.Address, f.uid, f.sections[0], was, there, w.last)
		}
		delete(w.seen, f.uid)
	}
	for uid, was := range w.seen {
		w.c.t.Errorf("%s: the UID %d is gone, was %q", w.box.Address, uid, was)
	}
}

package store

import (
	"bytes"
	"sync"

	"github.com/ceralacca/ceralacca/pec"
)

// recent remembers what was written or read last, so that what follows a fact does not read back what the process has just
// written. Only what never changes and is never deleted may be in it.
type recent[K comparable, V any] struct {
	limit int

	mu       sync.Mutex
	now, old map[K]V // when now is full it becomes old, and what nobody asked for since goes
}

func newRecent[K comparable, V any](limit int) *recent[K, V] {
	return &recent[K, V]{limit: limit, now: map[K]V{}}
}

func (r *recent[K, V]) put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(key, value)
}

func (r *recent[K, V]) add(key K, value V) {
	if len(r.now) >= r.limit {
		r.now, r.old = make(map[K]V, r.limit), r.now
	}
	r.now[key] = value
}

func (r *recent[K, V]) get(key K) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.now[key]; ok {
		return v, true
	}
	v, ok := r.old[key]
	if ok {
		r.add(key, v)
	}
	return v, ok
}

// memory is what a store remembers.
type memory struct {
	messages  *recent[ID, storedMessage]
	places    *recent[ID, placed]
	envelopes *recent[ID, Envelope] // by message
	sent      *recent[sentKey, ID]  // the messages of our own envelopes
	inboxes   *recent[ID, ID]       // by mailbox
}

type sentKey struct {
	provider string
	id       pec.ID
}

const (
	rememberedRows   = 4096
	rememberedOctets = 8 << 10 // of one of them; longer ones are read each time
)

func newMemory() memory {
	return memory{
		messages: newRecent[ID, storedMessage](rememberedRows), places: newRecent[ID, placed](rememberedRows),
		envelopes: newRecent[ID, Envelope](rememberedRows / 4),
		sent:      newRecent[sentKey, ID](rememberedRows), inboxes: newRecent[ID, ID](rememberedRows),
	}
}

// remember keeps what a commit has written.
func (m memory) remember(b *batch) {
	for _, x := range b.messages {
		if len(x.structure)+len(x.MessageID)+len(x.Trace) <= rememberedOctets { // strangers say how long these are
			m.messages.put(x.ID, x)
		}
	}
	for _, e := range b.envelopes {
		m.envelope(e)
	}
}

func (m memory) envelope(e Envelope) {
	if len(e.CertData)+len(e.Header) <= rememberedOctets {
		e.CertData, e.Header = bytes.Clone(e.CertData), bytes.Clone(e.Header) // they may be cut from something larger
		m.envelopes.put(e.Message, e)
		if !e.Mailbox.IsZero() {
			m.sent.put(sentKey{e.Provider, e.PEC}, e.Message)
		}
	}
}

// placed keeps where the contents of those batches lie that were not refused.
func (m memory) placed(group []*request, results []error, places map[ID]position) {
	for i, r := range group {
		if results[i] != nil {
			continue
		}
		for _, c := range r.b.contents {
			m.places.put(c.ID, placed{id: c.ID, size: c.Size, sha256: bytes.Clone(c.SHA256[:]), at: places[c.ID]})
		}
	}
}

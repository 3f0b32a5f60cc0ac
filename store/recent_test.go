package store

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecentKeepsWhatIsUsed(t *testing.T) {
	r := newRecent[int, int](10)
	for i := range 1000 {
		r.put(i, -i)
		if v, ok := r.get(0); !ok || v != 0 {
			t.Fatalf("0, asked for each time, is gone after %d", i)
		}
		if v, ok := r.get(i); !ok || v != -i {
			t.Fatalf("%d: %d, %t", i, v, ok)
		}
	}
	if n := len(r.now) + len(r.old); n > 20 {
		t.Errorf("%d are kept, twice 10 at most", n)
	}
	if _, ok := r.get(500); ok {
		t.Error("500 is kept, and nobody asked for it")
	}
}

// What was not committed is not remembered, and what was is what the tables have.
func TestOnlyWhatIsCommittedIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	a := w.acceptance(w.instant(), "<one@host>", []byte("Buongiorno.\r\n"))
	w.must(w.Accept(w.ctx(), a))
	again := w.acceptance(w.instant(), "<one@host>", []byte("Buongiorno.\r\n"))
	if err := w.Accept(w.ctx(), again); err == nil {
		t.Fatal("the same submission was accepted twice")
	}
	for message, want := range map[ID]bool{a.Transport.ID: true, again.Transport.ID: false} {
		_, messages := w.memory.messages.get(message)
		_, envelopes := w.memory.envelopes.get(message)
		if messages != want || envelopes != want {
			t.Errorf("remembered: %t, %t; want %t", messages, envelopes, want)
		}
	}
	if _, known := w.memory.places.get(again.Content.ID); known {
		t.Error("a content that was not committed is remembered")
	}
	remembered, err := w.EnvelopeOf(w.ctx(), a.Transport.ID)
	w.must(err)
	message, err := w.stored(w.ctx(), a.Transport.ID)
	w.must(err)
	w.memory = newMemory()
	read, err := w.EnvelopeOf(w.ctx(), a.Transport.ID)
	w.must(err)
	if diff := cmp.Diff(read, remembered); diff != "" {
		t.Errorf("remembered otherwise than stored: %s", diff)
	}
	readMessage, err := w.stored(w.ctx(), a.Transport.ID)
	w.must(err)
	if diff := cmp.Diff(readMessage.Message, message.Message); diff != "" {
		t.Errorf("remembered otherwise than stored: %s", diff)
	}
	if diff := cmp.Diff(readMessage.structure, message.structure); diff != "" {
		t.Errorf("remembered otherwise than stored: %s", diff)
	}
	if diff := cmp.Diff(readMessage.recipe, message.recipe); diff != "" {
		t.Errorf("remembered otherwise than stored: %s", diff)
	}
}

// attacks.md 6: what strangers can make long is not remembered.
func TestLongStructuresAreNotRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	b := plainBatch()
	long := w.message(KindDSN, newPEC(), Recipe{Literal([]byte("x"))})
	long.MessageID = strings.Repeat("m", rememberedOctets)
	w.must(b.message(long))
	w.must(w.commit(w.ctx(), b))
	if _, remembered := w.memory.messages.get(long.ID); remembered {
		t.Error("it is remembered")
	}
	if m, err := w.Message(w.ctx(), long.ID); err != nil || m.MessageID != long.MessageID {
		t.Errorf("read: %v", err)
	}
}

// A stop does not wait for who reads a snapshot.
func TestCloseDoesNotWaitForReaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	w.accepted()
	snapshot, err := Open(w.ctx(), Options{Dir: w.Dir(), Now: w.clock.Now, Jumped: w.clock.Jumped, Log: w.log, ReadOnly: true})
	w.must(err)
	defer snapshot.Close()
	closed := make(chan error, 1)
	go func() { closed <- w.Close() }()
	select {
	case err := <-closed:
		w.must(err)
	case <-time.After(8 * time.Second): // SQLite would wait for ten
		t.Error("the store is not closed while a snapshot is read")
	}
}

package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFailedWrites: whatever fails while a group is written, the process ends: Fatal is called once, the callers learn that
// nobody knows, nothing is taken any more, and the next start decides. attacks.md 25.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(w *crashWorld){
		"writing the segment":   func(w *crashWorld) { w.replaceSegment("/dev/full") },
		"syncing the segment":   func(w *crashWorld) { w.replaceSegment("/dev/null") },
		"beginning a segment":   func(w *crashWorld) { w.limit(1); w.must(os.RemoveAll(w.engine().segments.dir)) },
		"writing the database":  func(w *crashWorld) { w.must(w.engine().exec(`PRAGMA max_page_count = 1`)) },
		"losing the connection": func(w *crashWorld) { w.must(w.engine().conn.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCrashWorld(t)
			w.said("one")
			segment := readTree(t, w.Dir(), w.segment(1))
			fault(w)
			long := w.content(noise(1, memoryLimit+1))
			m := w.message(KindOwn, "", Recipe{{Span: Span{Content: long.ID, Length: long.Size}}, Literal(noise(2, 1000))})
			m.Trace = strings.Repeat("x", 1<<20) // more than the database has room for
			w.fails(long, m)
			w.must(w.failedStaysFailed())
			w.Close() // its error is that of what was broken here
			if name == "beginning a segment" {
				w.must(os.MkdirAll(w.engine().segments.dir, 0o700))
				write(t, w.Dir(), w.segment(1), segment[w.segment(1)])
			}
			after := reopened(t, w.Dir())
			if n := after.everythingReads(t); n != 1 {
				t.Errorf("%d messages are there, want 1", n)
			}
			if n := len(readTree(t, w.Dir(), contentsDir)); n != 0 {
				t.Errorf("%d content files are there, want none", n)
			}
			after.must(after.Close())
		})
	}
}

// replaceSegment puts a device under the first segment: it is full, or it cannot be synced.
func (w *crashWorld) replaceSegment(device string) {
	w.Helper()
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	w.must(err)
	w.must(w.engine().segments.files[1].Close())
	w.engine().segments.files[1] = f
}

// fails commits what cannot be committed, and releases it as every caller does.
func (w *crashWorld) fails(long *Content, m NewMessage) {
	w.Helper()
	b := plainBatch()
	b.instant.At = w.now()
	b.content(long)
	w.must(b.message(m))
	if err := w.commit(w.ctx(), b); !errors.Is(err, ErrUnknown) {
		w.Errorf("got %v, want %v", err, ErrUnknown)
	}
	if len(w.fatal) != 1 {
		w.Errorf("Fatal was called %d times: %v", len(w.fatal), w.fatal)
	}
	long.Release()
	if _, err := os.Stat(pathOf(w.Store, long.ID)); err != nil {
		w.Errorf("a row may name it, but its file is gone: %v", err)
	}
}

// failedStaysFailed sees that nothing is taken after a failure, by whatever way.
func (w *crashWorld) failedStaysFailed() error {
	w.Helper()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := w.AddMailbox(w.ctx(), "nuova@alfa.test", false, ""); !errors.Is(err, ErrClosed) {
				w.Errorf("got %v, want %v", err, ErrClosed)
			}
		})
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(w.ctx(), never)
	defer cancel()
	if err := w.Work(ctx, TaskDeliver, 2, atOnce, nil); !errors.Is(err, ErrClosed) {
		w.Errorf("the work goes on: %v", err)
	}
	if len(w.fatal) != 1 {
		return errors.Join(w.fatal...)
	}
	return nil
}

// TestFailedSyncOfAContent ends the process too: the kernel may have dropped the octets.
func TestFailedSyncOfAContent(t *testing.T) {
	t.Parallel()
	w := newCrashWorld(t)
	sp := w.NewSpool()
	sp.Write(noise(1, memoryLimit+1))
	w.must(sp.file.Close())
	if _, err := sp.Seal(w.ctx()); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want %v", err, ErrUnknown)
	}
	w.must(w.failedStaysFailed())
}

// TestFailedSpool: it is its own caller's trouble, and nothing is left of it.
func TestFailedSpool(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir) // its Fatal fails the test
	fails := func(break_ func(sp *Spool)) {
		t.Helper()
		sp := w.NewSpool()
		sp.Write(noise(1, 1000))
		break_(sp)
		_, err := io.Copy(sp, newNoise(2*memoryLimit))
		if err == nil {
			_, err = sp.Seal(w.ctx())
		}
		if !errors.Is(err, ErrSpool) {
			t.Errorf("got %v, want %v", err, ErrSpool)
		}
		if _, err := sp.Write([]byte("x")); err == nil {
			t.Error("a spool that failed takes octets")
		}
		if _, err := sp.Seal(w.ctx()); err == nil {
			t.Error("a spool that failed was sealed")
		}
		sp.Discard()
		if n := files(w, contentsDir); n != 0 {
			t.Errorf("%d files are left", n)
		}
		w.accepted()
		w.content(noise(2, memoryLimit+1)).Release()
	}
	fails(func(sp *Spool) { // its directory was there and is gone
		dir := filepath.Dir(pathOf(w.Store, sp.id))
		w.must(w.Store.engine.(*sqliteEngine).files.make(dir))
		w.must(os.Remove(dir))
	})
	for i := range 256 {
		w.must(os.MkdirAll(filepath.Dir(pathOf(w.Store, ID{15: byte(i)})), 0o700))
	}
	fails(func(sp *Spool) {
		sp.Write(noise(2, memoryLimit))
		f, err := os.Open(sp.file.Name()) // for reading only: the next write fails
		w.must(err)
		w.must(sp.file.Close())
		sp.file = f
	})
}

// newNoise reads as n octets, in small pieces.
func newNoise(n int) io.Reader { return io.LimitReader(zeros{}, int64(n)) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	n := min(len(p), 10_000)
	clear(p[:n])
	return n, nil
}

// TestWhatIsNoDamage: errors that a store goes on after, and that fail their own caller only.
func TestWhatIsNoDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	w.refusesStatements()
	w.must(w.CheckReserve(1))
	if err := w.CheckReserve(1 << 62); !errors.Is(err, ErrSpool) {
		t.Errorf("got %v, want %v", err, ErrSpool)
	}
	body := noise(1, memoryLimit+1)
	a := w.acceptance(w.instant(), "<damaged@host>", body)
	w.must(w.Accept(w.ctx(), a))
	c, path := w.content(body), pathOf(w.Store, a.Content.ID)
	defer c.Release()

	// What cannot be shared because it is damaged does not fail what comes in.
	w.must(os.Remove(path))
	if _, sharing, err := w.Shared(w.ctx(), a.Envelope, c, 0, c.Size); sharing != Alone || err != nil {
		t.Errorf("it is %d, %v", sharing, err)
	}
	// Running out of descriptors is no damage.
	w.must(os.Symlink(path, path)) // open answers ELOOP
	var damage *DamageError
	if _, err := w.Open(w.ctx(), a.Transport.ID, nil); err == nil || errors.As(err, &damage) {
		t.Errorf("got %v, want an error that is no damage", err)
	}
}

// refusesStatements: a fault of the caller is neither a conflict nor the end, and leaves nothing.
func (w *world) refusesStatements() {
	w.Helper()
	for _, sql := range []string{`INSERT INTO meta (name, value) VALUES ('x', NULL)`, `SELECT nothing FROM nowhere`, `no SQL`} {
		b := plainBatch()
		b.do(`INSERT INTO meta (name, value) VALUES ('before', '')`)
		b.do(sql)
		before := w.dump()
		if err := w.commit(w.ctx(), b); err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrUnknown) {
			w.Errorf("%s: %v", sql, err)
		}
		if w.dump() != before {
			w.Errorf("%s left something", sql)
		}
	}
	m := w.message(KindOwn, "", Recipe{Literal(make([]byte, maxFrame))})
	if err := plainBatch().message(m); err == nil {
		w.Error("a frame that could not be read was taken")
	}
}

// commitsOutliveTheirCallers: what was handed over has an outcome, whatever becomes of the context.
func commitsOutliveTheirCallers(w *world) {
	task := w.owed(mario)
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	w.must(w.Done(ctx, task))
	if w.count("task") != 0 {
		w.Error("the task is left")
	}
}

// TestCloseEndsWhatIsUnderWay: each commit beside the end has happened, or is refused.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openSQLiteDir)
	var all sync.WaitGroup
	started := make(chan struct{}, 1000)
	done := make([]int, 16)
	for i := range done {
		all.Go(func() {
			for {
				_, err := w.AddMailbox(context.Background(), mailboxOf(i, done[i]), false, "")
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				done[i]++
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	await(w, started, 50)
	w.must(w.Close())
	all.Wait()
	after := reopened(t, w.Dir())
	want := 2
	for _, n := range done {
		want += n
	}
	if got := after.count("mailbox"); got != want {
		t.Errorf("%d mailboxes, %d commits returned nil", got, want)
	}
}

// TestNothingStaysOpen: a store that is closed has given back its files, so that its directory can be opened again.
func TestNothingStaysOpen(t *testing.T) {
	w := newWorld(t, openSQLiteDir)
	w.accepted()
	w.must(w.Close())
	for limit := time.Now().Add(never); ; {
		names := readTree(t, w.Dir(), "")
		if _, open := names[databaseName+"-wal"]; !open {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("the write-ahead log is still there: a connection was not closed")
		}
	}
}

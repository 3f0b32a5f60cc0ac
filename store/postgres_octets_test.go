package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// parts is more than waits in memory, and the last chunk of longOctets is rest octets long.
const (
	parts = memoryLimit/chunkSize + 2
	rest  = 17
)

// longOctets are so many octets that they are stored in chunks.
func longOctets(seed byte) []byte { return noise(seed, parts*chunkSize+rest) }

// keptLong is a message of octets that are stored in chunks.
func (w *world) keptLong(want []byte) (message, content ID) {
	w.Helper()
	c := w.content(want)
	return w.kept(Recipe{{Span: Span{Content: c.ID, Length: c.Size}}}, c), c.ID
}

// TestChunks: a long content is read from any place, through the process that wrote it and through another.
func TestChunks(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	want := longOctets(1)
	message, content := w.keptLong(want)
	w.wantSQL(fmt.Sprintf("0|%d|%d", parts, parts+1), `SELECT min(part), max(part), count(*) FROM chunk WHERE content = '\x`+content.String()+`'`)
	w.wantSQL("0", `SELECT count(*) FROM upload`)
	for _, p := range []*world{w.world, w.process(w.url)} {
		o, err := p.Open(p.ctx(), message, nil)
		w.must(err)
		rapid.Check(t, func(t *rapid.T) { readsAt(t, o, want) })
		edges := []int64{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2*chunkSize - 1, parts * chunkSize}
		for _, from := range edges {
			for _, to := range edges {
				got := make([]byte, max(to-from, 0))
				if n, err := o.ReadAt(got, from); n != len(got) || err != nil || !bytes.Equal(got, want[from:][:len(got)]) {
					t.Errorf("%d octets at %d: %d, %v", len(got), from, n, err)
				}
			}
		}
		w.must(o.Close())
	}
}

// TestDamagedRows: octets that are missing or of another length fail their message, and say where.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	for change, reason := range map[string]string{
		`DELETE FROM chunk WHERE part = 1`:                                                   "chunk 1 is missing",
		`UPDATE chunk SET octets = substr(octets, 2) WHERE part = 0`:                         fmt.Sprintf("chunk 0 has %d octets of %d", chunkSize-1, chunkSize),
		fmt.Sprintf(`UPDATE chunk SET octets = octets || octets WHERE part = %d`, parts):     fmt.Sprintf("chunk %d has %d octets of %d", parts, 2*rest, rest),
		fmt.Sprintf(`UPDATE chunk SET octets = substr(octets, 1, 9) WHERE part = %d`, parts): fmt.Sprintf("chunk %d has 9 octets of %d", parts, rest),
	} {
		message, content := w.keptLong(longOctets(2))
		w.sql(change + ` AND content = '\x` + content.String() + `'`)
		w.damaged(w.world, message, content, reason)
	}
	short, content := w.keptLong([]byte("a short content"))
	w.sql(`UPDATE content SET octets = substr(octets, 2) WHERE id = '\x` + content.String() + `'`)
	w.damaged(w.process(w.url), short, content, "its row has 14 octets of 15")
	whole, _ := w.keptLong(longOctets(3))
	if got := w.octets(whole, nil); !bytes.Equal(got, longOctets(3)) {
		t.Errorf("%d octets of another message", len(got))
	}
}

func (w *pgWorld) damaged(by *world, message, content ID, reason string) {
	w.Helper()
	o, err := by.Open(w.ctx(), message, nil)
	if err == nil {
		_, err = io.ReadAll(o.Reader())
		w.must(o.Close())
	}
	var damage *DamageError
	if !errors.As(err, &damage) || damage.Content != content || damage.Reason != reason {
		w.Errorf("got %v, want %s", err, reason)
	}
}

// TestDamagedDigest: octets that are others of the same length are found by VerifyContents.
func TestDamagedDigest(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	_, long := w.keptLong(longOctets(4))
	_, short := w.keptLong([]byte("short"))
	w.keptLong([]byte("whole"))
	w.sql(`UPDATE chunk SET octets = set_byte(octets, 3, get_byte(octets, 3) # 1) WHERE part = 1 AND content = '\x` + long.String() + `'`)
	w.sql(`UPDATE content SET octets = 'shorT' WHERE id = '\x` + short.String() + `'`)
	bad := map[ID]bool{}
	reads := w.process(w.url)
	w.must(reads.VerifyContents(w.ctx(), func(id ID, err error) { bad[id] = errors.As(err, new(*DamageError)) }))
	if len(bad) != 2 || !bad[long] || !bad[short] {
		t.Errorf("damaged: %v", bad)
	}
}

// TestUploads: octets that no fact names go, at once or after a day; a fact that comes too late is refused.
func TestUploads(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	rows := `SELECT (SELECT count(*) FROM upload), (SELECT count(*) FROM chunk), (SELECT count(*) FROM content WHERE octets IS NULL)`
	long, n := longOctets(5), parts+1
	released := w.content(long)
	w.wantSQL(fmt.Sprintf("1|%d|0", n), rows)
	released.Release()
	w.wantSQL("0|0|0", rows)

	swept, young := w.content(long), w.content(long)
	w.must(w.engine().sweep(w.ctx()))
	w.wantSQL(fmt.Sprintf("2|%d|0", 2*n), rows)
	w.sql(`UPDATE upload SET at = at - interval '25 hours' WHERE content = '\x` + swept.ID.String() + `'`)
	w.must(w.engine().sweep(w.ctx()))
	w.wantSQL(fmt.Sprintf("1|%d|0", n), rows)
	w.refused(ErrConflict, func() error { return w.holdContent(swept) })
	swept.Release()
	w.must(w.holdContent(young))
	young.Release()
	w.wantSQL(fmt.Sprintf("0|%d|1", n), rows)

	stale := w.content(long)
	b := plainBatch()
	b.content(stale)
	b.require(`SELECT 1 WHERE 1 = 0`)
	w.refused(ErrConflict, func() error { return w.commit(w.ctx(), b) })
	w.wantSQL(fmt.Sprintf("1|%d|1", 2*n), rows)
	stale.Release()
	w.wantSQL(fmt.Sprintf("0|%d|1", n), rows)
	if n := files(w.world, spoolDir); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func (w *world) holdContent(c *Content) error {
	at := w.instant()
	m := w.message(KindHeld, "", Recipe{{Span: Span{Content: c.ID, Length: c.Size}}})
	return w.Hold(w.ctx(), at, record(at, "held", ""), Held{}, c, m, nil)
}

// TestSweep: what is kept for a time is removed after it, and no sooner.
func TestSweep(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.sql(`INSERT INTO node VALUES ('gone', clock_timestamp() - interval '61 minutes', ''), ('lapsed', clock_timestamp() - interval '59 minutes', '');
		DELETE FROM once; INSERT INTO once (id, at) VALUES ('old', clock_timestamp() - interval '25 hours'), ('new', clock_timestamp() - interval '23 hours')`)
	w.must(w.engine().sweep(w.ctx()))
	w.wantSQL("new", `SELECT convert_from(id, 'UTF8') FROM once`)
	w.wantSQL("lapsed,"+w.engine().node, `SELECT string_agg(token, ',' ORDER BY length(token)) FROM node`)
}

// TestSpoolIsCleared: what was arriving when a process ended is removed when it starts again.
func TestSpoolIsCleared(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	w.must(w.Close())
	write(t, w.Dir(), spoolDir+"/0123", []byte("half a message"))
	o := w.options()
	w.Store = openSQLiteDir(t, o)
	if n := files(w.world, spoolDir); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// TestCutUploads: a connection is cut while a long content is stored. The message fails, and can be stored again.
func TestCutUploads(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	failed := 0
	for n := 1; n < 12; n += 2 {
		w.proxy.Arm(newHarm(postgrestest.FromClient, n, postgrestest.CutWithin).transaction)
		sp := w.NewSpool()
		if _, err := sp.Write(longOctets(6)); err != nil {
			t.Fatal(err)
		}
		c, err := sp.Seal(w.ctx())
		w.proxy.Disarm()
		switch {
		case err == nil: // something else was cut
			c.Release()
		case !errors.Is(err, ErrUnavailable):
			t.Errorf("cut at message %d: %v", n, err)
		default:
			failed++
		}
	}
	if failed < 3 {
		t.Errorf("only %d failed", failed)
	}
	message, _ := w.keptLong(longOctets(6))
	if !bytes.Equal(w.octets(message, nil), longOctets(6)) {
		t.Error("the octets did not come back")
	}
	if n := files(w.world, spoolDir); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// TestMemoryOfLongContents: a content is stored and read in a small part of its length. It runs alone.
func TestMemoryOfLongContents(t *testing.T) {
	w := newPgWorld(t)
	const size, most = 48 << 20, 16 << 20
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var stop atomic.Bool
	var highest uint64
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for !stop.Load() {
			runtime.GC()
			runtime.ReadMemStats(&now)
			highest = max(highest, now.HeapAlloc)
			pause(w.ctx(), time.Millisecond)
		}
	}()
	sp := w.NewSpool()
	_, err := io.Copy(sp, newNoise(size))
	w.must(err)
	c, err := sp.Seal(w.ctx())
	w.must(err)
	message := w.kept(Recipe{{Span: Span{Content: c.ID, Length: c.Size}}}, c)
	o, err := w.Open(w.ctx(), message, nil)
	w.must(err)
	n, err := io.Copy(io.Discard, o.Reader())
	w.must(err)
	stop.Store(true)
	<-watched
	if n != size || highest > before.HeapAlloc+most {
		t.Errorf("%d octets took %d of memory", n, highest-before.HeapAlloc)
	}
}

package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// pgWorld is a world on PostgreSQL that is reached through a proxy, with a look behind the store's back.
type pgWorld struct {
	*world
	proxy *postgrestest.Proxy
	url   string // past the proxy
	with  string // what the store's URL says more: settings of its sessions
}

func newPgWorld(t testing.TB) *pgWorld {
	t.Helper()
	return newPgWorldAt(t, postgrestest.URL(t), "")
}

func newPgWorldAt(t testing.TB, url, with string) *pgWorld {
	t.Helper()
	w := &pgWorld{proxy: postgrestest.NewProxy(t, url), url: url, with: with}
	w.world = newWorld(t, w.open)
	return w
}

// open opens the world's database, through the proxy.
func (w *pgWorld) open(t testing.TB, o Options) *Store {
	t.Helper()
	o.Database = w.proxy.URL() + w.with
	return openSQLiteDir(t, o)
}

// process is another process on the same database, which may have its own way there.
func (w *pgWorld) process(url string) *world {
	w.Helper()
	o := options(w, w.TempDir(), w.clock)
	o.Database = url
	return &world{TB: w.TB, clock: w.clock, mario: w.mario, luigi: w.luigi, Store: openSQLiteDir(w, o)}
}

func (w *pgWorld) engine() *postgresEngine { return w.Store.engine.(*postgresEngine) }

// sql asks the database behind the store's back.
func (w *pgWorld) sql(text string) string {
	w.Helper()
	return postgrestest.Query(w, w.url, text)
}

func (w *pgWorld) wantSQL(want, text string) {
	w.Helper()
	if got := w.sql(text); got != want {
		w.Errorf("%s: %q, want %q", text, got, want)
	}
}

// session is one that stays open, to hold locks.
type session struct {
	testing.TB
	conn *pgx.Conn
}

func (w *pgWorld) session() session {
	w.Helper()
	conn, err := pgx.Connect(w.ctx(), w.url)
	w.must(err)
	w.Cleanup(func() { conn.Close(context.Background()) })
	return session{w.TB, conn}
}

func (s session) exec(text string) {
	s.Helper()
	if _, err := s.conn.Exec(s.Context(), text); err != nil {
		s.Fatalf("%s: %v", text, err)
	}
}

func (s session) text(query string) (answer string) {
	s.Helper()
	if err := s.conn.QueryRow(s.Context(), `SELECT (`+query+`)::text`).Scan(&answer); err != nil {
		s.Fatalf("%s: %v", query, err)
	}
	return answer
}

// until asks until the answer is the one wanted.
func (s session) until(want, query string) {
	s.Helper()
	for limit := time.Now().Add(never); ; {
		got := s.text(query)
		if got == want {
			return
		}
		if time.Now().After(limit) {
			s.Fatalf("%s: %q, want %q", query, got, want)
		}
	}
}

// rows are the numbers of rows in all tables, and of batches that were done.
func (s session) rows() map[string]int {
	s.Helper()
	var parts []string
	for _, table := range append(allTables(), "once", "upload") {
		parts = append(parts, `SELECT '`+table+`', count(*) FROM `+table)
	}
	found, err := s.conn.Query(s.Context(), strings.Join(parts, ` UNION ALL `))
	if err != nil {
		s.Fatal(err)
	}
	counts := map[string]int{}
	var table string
	var n int
	_, err = pgx.ForEachRow(found, []any{&table, &n}, func() error {
		counts[table] = n
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return counts
}

// added is what there is more than before.
func added(before, after map[string]int) map[string]int {
	more := map[string]int{}
	for table, n := range after {
		if n != before[table] {
			more[table] = n - before[table]
		}
	}
	return more
}

// later runs what may wait, and gives its error.
func later(do func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	return done
}

// consistent sees that the folders of a holder agree with their entries, and the quota too.
func (w *world) consistent(m Mailbox) {
	w.Helper()
	folders, err := w.Folders(w.ctx(), m.ID)
	w.must(err)
	for _, f := range folders {
		last := uint32(0)
		for _, e := range w.entries(f.ID) {
			if e.UID <= last || e.UID >= f.UIDNext || e.ModSeq > f.ModSeq {
				w.Errorf("%s: %+v after UID %d in %+v", f.Name, e, last, f)
			}
			last = e.UID
		}
	}
	w.usedIsSum(m)
}

// outage tells the errors of a database that cannot be reached: nothing was stored.
func outage(err error) bool { return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrStale) }

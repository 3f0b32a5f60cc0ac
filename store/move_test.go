package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/postgrestest"
)

// busyWorld is a store that has rows in every table, long contents among its octets.
func busyWorld(t testing.TB, open func(testing.TB, Options) *Store) *world {
	t.Helper()
	w := newWorld(t, open)
	w.must(w.SetPassword(w.ctx(), mario, secret))
	for _, f := range facts() {
		one := *w
		f.holds(&one)
	}
	w.said("short")
	w.said(strings.Repeat("a long line of text\r\n", chunkSize/10))
	return w
}

// there sees that everything can be read in a place, and gives all rows as text.
func there(t testing.TB, o Options) string {
	t.Helper()
	w := &world{TB: t, clock: newClock(), Store: openSQLiteDir(t, o)}
	w.must(w.VerifyContents(w.ctx(), func(id ID, err error) { w.Errorf("%s: %v", id, err) }))
	for _, id := range w.messages() {
		w.octets(id, nil)
	}
	if _, err := w.Authenticate(w.ctx(), string(mario), secret); err != nil {
		w.Error(err)
	}
	var b strings.Builder
	for _, table := range allTables() {
		if table != "meta" && table != "content" {
			w.dumpTable(&b, table)
		}
	}
	w.must(w.Close())
	lines := strings.SplitAfter(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func quiet(string, int64) {}

// TestMove: from the embedded engine to PostgreSQL and back, cut short after each commit and gone on with.
func TestMove(t *testing.T) {
	t.Parallel()
	w := busyWorld(t, openSQLiteDir)
	w.must(w.Close())
	first := options(t, w.Dir(), w.clock)
	second := options(t, t.TempDir(), w.clock)
	second.Database = postgrestest.URL(t)
	third := options(t, t.TempDir(), w.clock)
	before := there(t, first)
	for _, way := range [][2]Options{{first, second}, {second, third}} {
		from, to := way[0], way[1]
		moveWithCrashes(t, from, to)
		if after := there(t, to); after != before {
			t.Errorf("the rows differ:\n%s", difference(before, after))
		}
		if _, err := Open(t.Context(), from); err == nil || !strings.Contains(err.Error(), "were moved to") {
			t.Errorf("the old place opens: %v", err)
		}
		if _, err := Move(t.Context(), from, options(t, t.TempDir(), w.clock), quiet); err == nil || !strings.Contains(err.Error(), "were moved to") {
			t.Errorf("the old place is moved again: %v", err)
		}
	}
	w = &world{TB: t, clock: w.clock, Store: openSQLiteDir(t, third)}
	n, err := w.Facts(t.Context())
	w.must(err)
	w.mario, err = w.Mailbox(t.Context(), mario)
	w.must(err)
	w.accepted()
	w.numbered(n + 1)
}

var errCut = errors.New("cut short")

// moveWithCrashes cuts the move short ever later, until it ends.
func moveWithCrashes(t *testing.T, from, to Options) {
	t.Helper()
	for cut := 1; ; cut++ {
		commits := 0
		broken := to
		broken.Fatal = func(error) {}
		broken.Fault = func(place Place) error {
			if place == AfterCommit {
				if commits++; commits == cut {
					return errCut
				}
			}
			return nil
		}
		moved, err := Move(t.Context(), from, broken, quiet)
		if err == nil && cut >= 5 {
			return // each run has fewer commits left
		}
		if !errors.Is(err, ErrUnknown) {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if s, err := Open(t.Context(), to); err == nil {
			// Cut after its last commit.
			if moved.Rows == 0 || moved.Octets < chunkSize || cut < 5 {
				t.Errorf("%+v in %d steps", moved, cut)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		if s, err := Open(t.Context(), from); err == nil {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		} else if !strings.Contains(err.Error(), "were moved to") {
			t.Fatal(err)
		}
	}
}

// A move is refused where it would do harm.
func TestMoveIsRefused(t *testing.T) {
	t.Parallel()
	from, to := newWorld(t, openSQLiteDir), newWorld(t, openPostgresSchema)
	used := options(t, t.TempDir(), from.clock)
	used.Database = postgrestest.URL(t)
	running := openPostgresSchema(t, used)
	refused := func(from, to Options, want string) {
		t.Helper()
		if _, err := Move(t.Context(), from, to, quiet); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	other := used
	other.Dir = t.TempDir()
	refused(options(t, from.Dir(), from.clock), other, ErrLocked.Error())
	from.must(from.Close())
	refused(options(t, from.Dir(), from.clock), other, "processes run on it")
	refused(other, options(t, t.TempDir(), from.clock), "processes run on it")
	from.must(running.Close())
	to.must(to.Close())
	full := to.options()
	refused(options(t, from.Dir(), from.clock), full, "is not empty")
	refused(full, full, errSamePlace.Error())
	refused(options(t, t.TempDir(), from.clock), other, "holds no store")
	refused(other, options(t, t.TempDir(), from.clock), "there is nothing to move")
}

// Octets that are damaged are named, and the old place stays as it was.
func TestMoveOfDamagedOctets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, openPostgresSchema)
	w.said("to be damaged")
	w.must(w.Close())
	from := w.options()
	postgrestest.Query(t, from.Database, `UPDATE content SET octets = convert_to('another', 'UTF8') || substr(octets, 8)`)
	var damage *DamageError
	if _, err := Move(t.Context(), from, options(t, t.TempDir(), w.clock), quiet); !errors.As(err, &damage) {
		t.Errorf("got %v", err)
	}
	if s, err := Open(t.Context(), from); err != nil {
		t.Error(err)
	} else {
		w.must(s.Close())
	}
}

// TestMovedTablesAreAll: what a schema has is moved, but for what is one engine's own.
func TestMovedTablesAreAll(t *testing.T) {
	t.Parallel()
	own := map[string]string{"content": "segment place octets", "meta": "*", "guard": "*", "tail": "*", "chunk": "*", "once": "*", "upload": "*", "node": "*", "sequence": "*"}
	for name, c := range map[string]struct {
		open    func(testing.TB, Options) *Store
		columns string
	}{
		"SQLite":     {openSQLiteDir, `SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`},
		"PostgreSQL": {openPostgresSchema, `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()`},
	} {
		w := newWorld(t, c.open)
		columns, err := collect(context.Background(), w.Store, func(r *rows) (c [2]string, err error) { return c, r.Scan(&c[0], &c[1]) }, c.columns)
		w.must(err)
		moved := map[string][]string{}
		for _, m := range movedTables() {
			moved[m.name] = m.columns
		}
		for _, c := range columns {
			if mine := own[c[0]]; mine != "*" && !slices.Contains(strings.Fields(mine), c[1]) && !slices.Contains(moved[c[0]], c[1]) {
				t.Errorf("%s: %s.%s would not be moved", name, c[0], c[1])
			}
		}
	}
}

package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Moved tells what Move has done.
type Moved struct {
	To     string
	Rows   int64
	Octets int64 // of contents

	mark string // the new place's identity and name
}

// The marks of a move, in meta.
const (
	metaMoving = "moving" // in the new place, until all is there: the identity of the old one
	metaMoved  = "moved"  // in the old place, from then on: the identity of the new one, and where it is
)

// Move copies everything from one place to a new one, of the same engine or the other, compares every row and every octet, and
// then closes the old place for good: two places that both accept mail would certify everything twice. Nobody may use either
// meanwhile. After an error, or a crash, the same call goes on where it was; until it has returned nil the old place is the one
// that counts. told is called now and then with the table and its rows so far.
func Move(ctx context.Context, from, to Options, told func(table string, rows int64)) (Moved, error) {
	if from.Database == to.Database && (from.Database != "" || filepath.Clean(from.Dir) == filepath.Clean(to.Dir)) {
		return Moved{}, errSamePlace
	}
	if from.Database == "" {
		if _, err := os.Stat(filepath.Join(from.Dir, databaseName)); err != nil {
			return Moved{}, fmt.Errorf("%s holds no store: %w", from.Dir, err)
		}
	}
	old, err := openAlone(ctx, from)
	if err != nil {
		return Moved{}, err
	}
	defer old.Close()
	fresh, err := openAlone(ctx, to)
	if err != nil {
		return Moved{}, err
	}
	defer fresh.Close()
	m := &mover{old: old, new: fresh, told: told}
	if err := m.move(ctx); err != nil {
		return m.moved, err
	}
	return m.moved, nil
}

var errSamePlace = errors.New("the old place and the new one are the same: name another new one")

// openAlone opens a store that nobody else uses, whatever marks it bears.
func openAlone(ctx context.Context, o Options) (*Store, error) {
	return open(ctx, o, true)
}

// mover moves old's data to new.
type mover struct {
	old, new *Store
	told     func(string, int64)
	moved    Moved
}

func (m *mover) move(ctx context.Context) error {
	m.moved.To = m.new.engine.where()
	if err := m.begin(ctx); err != nil {
		return err
	}
	for _, t := range movedTables() {
		copied := m.copyTable
		if t.name == "content" {
			copied = m.copyContents
		}
		if err := copied(ctx, t); err != nil {
			return fmt.Errorf("moving %s: %w", t.name, err)
		}
	}
	for _, t := range movedTables() {
		if err := m.compare(ctx, t); err != nil {
			return err
		}
	}
	if err := m.compareContents(ctx); err != nil {
		return err
	}
	return m.end(ctx)
}

// begin marks the new place, which has to be empty or this move's.
func (m *mover) begin(ctx context.Context) error {
	if err := m.old.engine.settle(ctx); err != nil {
		return err
	}
	id, err := identity(ctx, m.old.read)
	if err != nil {
		return err
	}
	newID, err := identity(ctx, m.new.read)
	if err != nil {
		return err
	}
	if newID == id {
		return errSamePlace
	}
	m.moved.mark = newID.String() + " " + m.moved.To
	to, err := metaValue(ctx, m.old.read, metaMoved)
	if err != nil {
		return err
	}
	mark, err := metaValue(ctx, m.new.read, metaMoving)
	if err != nil {
		return err
	}
	ours := mark == id.String()
	if at, where, _ := strings.Cut(to, " "); to != "" && (!ours || at != newID.String()) {
		return movedError(m.old.engine.where(), where)
	}
	if ours {
		return nil
	}
	if n, err := m.old.anything(ctx); err != nil || n == "" {
		return errors.Join(err, fmt.Errorf("%s is empty: there is nothing to move", m.old.engine.where()))
	}
	if n, err := m.new.anything(ctx); err != nil || n != "" || mark != "" {
		return errors.Join(err, fmt.Errorf("%s is not empty (it has rows in %s): name a new place", m.moved.To, n))
	}
	return m.new.engine.mark(ctx, metaMoving, id.String())
}

// anything names a table that is not empty.
func (s *Store) anything(ctx context.Context) (string, error) {
	for _, t := range movedTables() {
		var n int
		if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+t.name+` LIMIT 1) AS first`).Scan(&n); err != nil || n > 0 {
			return t.name, err
		}
	}
	return "", nil
}

// end closes the old place before it opens the new one: a crash between leaves none, and the same call goes on.
func (m *mover) end(ctx context.Context) error {
	if err := m.old.engine.mark(ctx, metaMoved, m.moved.mark); err != nil {
		return err
	}
	return m.new.engine.mark(ctx, metaMoving, "")
}

func metaValue(ctx context.Context, r *reader, name string) (value string, err error) {
	err = r.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = $1`, name).Scan(&value)
	if errors.Is(notFound(err), ErrNotFound) {
		return "", nil
	}
	return value, err
}

const findMarks = `SELECT coalesce((SELECT value FROM meta WHERE name = '` + metaMoved + `'), ''), coalesce((SELECT value FROM meta WHERE name = '` + metaMoving + `'), '')`

// refuseMarked refuses a place that was moved, or to which a move has not ended. scan is of a row that findMarks has found.
func refuseMarked(where string, scan func(...any) error) error {
	var to, moving string
	if err := scan(&to, &moving); err != nil {
		return fmt.Errorf("reading %s: %w", where, err)
	}
	switch {
	case to != "":
		_, name, _ := strings.Cut(to, " ")
		return movedError(where, name)
	case moving != "":
		return fmt.Errorf("a move to %s has not ended: run the same `ceralacca migrate` again", where)
	}
	return nil
}

// movedTable is what a table consists of on both engines. The first keys columns are its key.
type movedTable struct {
	name    string
	columns []string
	keys    int
}

// movedTables are all but those of one engine, in the order of their references. move_test.go holds them to the schemas.
func movedTables() []movedTable {
	table := func(name string, keys int, columns string) movedTable {
		return movedTable{name, strings.Fields(columns), keys}
	}
	return []movedTable{
		table("fact", 1, "id no at salt record"),
		table("event", 6, "provider pec_id recipient kind fact n at"),
		table("content", 1, "id size sha256"),
		table("message", 1, "id kind provider pec_id message_id unit certificate signed_sha256 recipe size structure trace at"),
		table("reference", 2, "message content"),
		table("envelope", 1, "message provider pec_id signed_sha256 certdata header body body_offset body_size eight_bit sender mailbox at"),
		table("submission", 4, "mailbox client_id sha256 recipients pec_id at"),
		table("tracking", 3, "provider pec_id recipient state at taken_at outcome_at first_notice_at final_notice_at fact"),
		table("issued", 4, "provider pec_id recipient step kind message fact"),
		table("heard", 5, "provider pec_id recipient kind issuer message digest fact"),
		table("arrival", 3, "provider pec_id recipient digest fact"),
		table("anomaly", 2, "sha256 recipient message at fact"),
		table("task", 1, "id kind due since attempts message provider pec_id sender target turn token fact trouble"),
		table("relay", 2, "message recipient address task state reply at fact"),
		table("mailbox", 1, "id address key kind state at used quota uidvalidity fact credentials suspended ordinary"),
		table("credential", 1, "id mailbox kind verifier scope expires at"),
		table("folder", 1, "id mailbox name special uidvalidity uidnext modseq expunges subscribed fact"),
		table("entry", 2, "folder uid message lead flags modseq at size fact"),
		table("deposit", 3, "provider pec_id recipient at fact"),
		table("held", 1, "id at reason sender recipients peer message"),
	}
}

const (
	movePage   = 200     // rows a query and a commit
	moveOctets = 8 << 20 // of contents a commit
)

func (t movedTable) key() string { return strings.Join(t.columns[:t.keys], ", ") }

// page reads rows in the order of their keys, after those of last.
func (t movedTable) page(ctx context.Context, r *reader, last []any) ([][]any, error) {
	text, args := `SELECT `+strings.Join(t.columns, ", ")+` FROM `+t.name, []any{}
	if last != nil {
		text += ` WHERE (` + t.key() + `) > (` + places(t.keys) + `)`
		args = append(args, last[:t.keys]...)
	}
	found, err := r.QueryContext(ctx, fmt.Sprintf(`%s ORDER BY %s LIMIT %d`, text, t.key(), movePage), args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var all [][]any
	for found.Next() {
		row, into := make([]any, len(t.columns)), make([]any, len(t.columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		for i, v := range row {
			if b, ok := v.([]byte); ok {
				row[i] = nonNil(b) // a driver may give no octets as none
			}
		}
		all = append(all, row)
	}
	return all, found.Err()
}

// places are the placeholders of n arguments.
func places(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Join(all, ", ")
}

// last is the row with the greatest key in the new place: the move goes on behind it.
func (t movedTable) last(ctx context.Context, r *reader) ([]any, error) {
	key := strings.Join(t.columns[:t.keys], " DESC, ") + " DESC"
	row, into := make([]any, t.keys), make([]any, t.keys)
	for i := range row {
		into[i] = &row[i]
	}
	err := r.QueryRowContext(ctx, `SELECT `+t.key()+` FROM `+t.name+` ORDER BY `+key+` LIMIT 1`).Scan(into...)
	if errors.Is(notFound(err), ErrNotFound) {
		return nil, nil
	}
	return row, err
}

func (m *mover) copyTable(ctx context.Context, t movedTable) error {
	last, err := t.last(ctx, m.new.read)
	if err != nil {
		return err
	}
	insert := `INSERT INTO ` + t.name + ` (` + strings.Join(t.columns, ", ") + `) VALUES (` + places(len(t.columns)) + `)`
	for rows := int64(0); ; {
		page, err := t.page(ctx, m.old.read, last)
		if err != nil || len(page) == 0 {
			return err
		}
		b := plainBatch()
		for _, row := range page {
			b.do(insert, row...)
		}
		if err := m.new.commit(ctx, b); err != nil {
			return err
		}
		last, rows = page[len(page)-1], rows+int64(len(page))
		m.told(t.name, rows)
	}
}

// copyContents moves octets with their rows.
func (m *mover) copyContents(ctx context.Context, t movedTable) error {
	last, err := t.last(ctx, m.new.read)
	if err != nil {
		return err
	}
	for rows := int64(0); ; {
		page, err := t.page(ctx, m.old.read, last)
		if err != nil || len(page) == 0 {
			return err
		}
		for len(page) > 0 {
			n, err := m.copySome(ctx, page)
			if err != nil {
				return err
			}
			last, page, rows = page[n-1], page[n:], rows+int64(n)
			m.told(t.name, rows)
		}
	}
}

// copySome moves as many contents as fit into one commit, one at least.
func (m *mover) copySome(ctx context.Context, page [][]any) (n int, err error) {
	b, octets := plainBatch(), int64(0)
	defer func() {
		for _, c := range b.contents {
			c.Release()
		}
	}()
	for n < len(page) && (n == 0 || octets < moveOctets) {
		c, err := m.copyContent(ctx, page[n])
		if err != nil {
			return 0, err
		}
		b.content(c)
		octets, n = octets+c.Size, n+1
	}
	return n, m.new.commit(ctx, b)
}

func (m *mover) copyContent(ctx context.Context, row []any) (*Content, error) {
	var id ID
	if err := id.Scan(row[0]); err != nil {
		return nil, err
	}
	c, err := m.old.engine.place(ctx, id)
	if err != nil {
		return nil, notFound(err)
	}
	from, err := m.old.engine.open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	sp := m.new.NewSpool()
	sp.id = id
	if _, err := io.Copy(sp, io.NewSectionReader(from, 0, c.size)); err != nil {
		sp.Discard()
		return nil, err
	}
	moved, err := sp.Seal(ctx)
	if err != nil {
		return nil, err
	}
	if string(moved.SHA256[:]) != string(c.sha256) {
		moved.Release()
		return nil, &DamageError{Content: id, Reason: "its SHA-256 is another one: restore it before the move"}
	}
	return moved, nil
}

// compare sees that both places have the same rows.
func (m *mover) compare(ctx context.Context, t movedTable) error {
	before, n, err := t.digest(ctx, m.old.read)
	if err != nil {
		return fmt.Errorf("comparing %s: %w", t.name, err)
	}
	after, _, err := t.digest(ctx, m.new.read)
	if err != nil {
		return fmt.Errorf("comparing %s: %w", t.name, err)
	}
	if before != after {
		return fmt.Errorf("the rows of %s differ after the move: keep both places and tell the program's authors", t.name)
	}
	m.moved.Rows += n
	return nil
}

// digest is of all rows in the order of their keys.
func (t movedTable) digest(ctx context.Context, r *reader) (sum [sha256.Size]byte, rows int64, err error) {
	h := sha256.New()
	for last := []any(nil); ; {
		page, err := t.page(ctx, r, last)
		if err != nil {
			return sum, 0, err
		}
		if len(page) == 0 {
			h.Sum(sum[:0])
			return sum, rows, nil
		}
		for _, row := range page {
			writeRow(h, row)
		}
		last, rows = page[len(page)-1], rows+int64(len(page))
	}
}

// writeRow writes a row so that different ones are different octets, whichever engine they come from.
func writeRow(h hash.Hash, row []any) {
	for _, v := range row {
		switch v := v.(type) {
		case []byte:
			fmt.Fprintf(h, "b%d:", len(v))
			h.Write(v)
		case string:
			fmt.Fprintf(h, "%q", postgresArg(v))
		default:
			fmt.Fprintf(h, "%T %v;", v, v)
		}
	}
}

// compareContents reads every content back.
func (m *mover) compareContents(ctx context.Context) error {
	var bad error
	err := m.new.VerifyContents(ctx, func(id ID, err error) { bad = errors.Join(bad, fmt.Errorf("content %s after the move: %w", id, err)) })
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	return m.new.read.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0) FROM content`).Scan(&m.moved.Octets)
}

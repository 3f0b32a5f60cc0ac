package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// Folder is an IMAP mailbox of a holder's mailbox. Its name is in UTF-8, levels divided by "/".
type Folder struct {
	ID          ID
	Name        string
	Special     string // RFC 6154 attribute, with its backslash
	UIDValidity uint32
	UIDNext     uint32
	ModSeq      int64 // grows with every change
	Expunges    int64 // grows when entries go
	Subscribed  bool
	Messages    uint32
	Unseen      uint32
	Size        int64
}

// Entry is a message in a folder.
type Entry struct {
	UID     uint32
	Message ID
	Kind    string // of the message: a pec.Kind, KindOwn, KindDSN
	Lead    []byte // octets before the stored message; pass it to Open
	Flags   []string
	ModSeq  int64
	At      time.Time
	Size    int64 // lead included
}

func (b *batch) folder(mailbox ID, name, special string, validity uint32) ID {
	id := NewID()
	b.do(`INSERT INTO folder (id, mailbox, name, special, uidvalidity, uidnext, modseq, expunges, subscribed, fact) VALUES ($1, $2, $3, $4, $5, 1, 1, 0, 1, $6)`,
		id[:], mailbox[:], name, special, int64(validity), b.fact[:])
	return id
}

const folderColumns = `SELECT f.id, f.name, f.special, f.uidvalidity, f.uidnext, f.modseq, f.expunges, f.subscribed,
	(SELECT count(*) FROM entry e WHERE e.folder = f.id),
	(SELECT count(*) FROM entry e WHERE e.folder = f.id AND (' ' || e.flags || ' ') NOT LIKE '% !\Seen %' ESCAPE '!'),
	(SELECT coalesce(sum(size), 0) FROM entry e WHERE e.folder = f.id) FROM folder f `

func scanFolder(scan func(...any) error) (Folder, error) {
	var f Folder
	err := scan(&f.ID, &f.Name, &f.Special, &f.UIDValidity, &f.UIDNext, &f.ModSeq, &f.Expunges, &f.Subscribed, &f.Messages, &f.Unseen, &f.Size)
	return f, notFound(err)
}

// folderName is a name as it is kept: INBOX is one in any case.
func folderName(name string) string {
	if strings.EqualFold(name, Inbox) {
		return Inbox
	}
	return name
}

// Folders lists a mailbox's folders by name, INBOX first.
func (s *Store) Folders(ctx context.Context, mailbox ID) ([]Folder, error) {
	rows, err := s.read.QueryContext(ctx, folderColumns+`WHERE f.mailbox = $1 ORDER BY f.name <> 'INBOX', f.name`, mailbox[:])
	if err != nil {
		return nil, fmt.Errorf("listing folders: %w", err)
	}
	defer rows.Close()
	var fs []Folder
	for rows.Next() {
		f, err := scanFolder(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("listing folders: %w", err)
		}
		fs = append(fs, f)
	}
	return fs, rows.Err()
}

// Folder finds a folder by name, or ErrNotFound. INBOX is found in any case.
func (s *Store) Folder(ctx context.Context, mailbox ID, name string) (Folder, error) {
	name = folderName(name)
	f, err := scanFolder(s.read.QueryRowContext(ctx, folderColumns+`WHERE f.mailbox = $1 AND f.name = $2`, mailbox[:], name).Scan)
	if err != nil {
		return f, fmt.Errorf("folder %q: %w", name, err)
	}
	return f, nil
}

// InboxID is the id of the folder that deliveries go to.
func (s *Store) InboxID(ctx context.Context, mailbox ID) (ID, error) {
	if id, ok := s.memory.inboxes.get(mailbox); ok {
		return id, nil
	}
	var id ID
	err := s.read.QueryRowContext(ctx, `SELECT id FROM folder WHERE mailbox = $1 AND name = 'INBOX'`, mailbox[:]).Scan(&id)
	if err != nil {
		return id, fmt.Errorf("the INBOX of %s: %w", mailbox, notFound(err))
	}
	s.memory.inboxes.put(mailbox, id) // it cannot be deleted
	return id, nil
}

// hold takes the mailbox's row: what follows in the batch sees all that others did to its folders, and they wait for its end.
// Whoever changes folders or entries takes it first, then the folder's row, so that nobody waits in a circle.
func (b *batch) hold(mailbox ID) {
	b.do(`UPDATE mailbox SET fact = $1 WHERE id = $2`, b.fact[:], mailbox[:])
}

// holdOf is the same for the mailbox that has the folder.
func (b *batch) holdOf(folder ID) {
	b.do(`UPDATE mailbox SET fact = $1 WHERE id = (SELECT mailbox FROM folder WHERE id = $2)`, b.fact[:], folder[:])
}

// holdFolder takes the folder's row, after the mailbox's: who sets flags takes it too.
func (b *batch) holdFolder(folder ID) {
	b.do(`UPDATE folder SET fact = $1 WHERE id = $2`, b.fact[:], folder[:])
}

// AddFolder makes a folder. ErrConflict: the name is taken.
func (s *Store) AddFolder(ctx context.Context, mailbox ID, name, special string) error {
	b := plainBatch()
	// UIDVALIDITY grows: a folder that is deleted and made again must not look like the old one (RFC 9051 2.3.1.1).
	b.do(`UPDATE mailbox SET uidvalidity = uidvalidity + 1 WHERE id = $1`, mailbox[:])
	id := b.folder(mailbox, folderName(name), special, 0)
	b.do(`UPDATE folder SET uidvalidity = (SELECT uidvalidity FROM mailbox WHERE id = $1) WHERE id = $2`, mailbox[:], id[:])
	return s.commit(ctx, b)
}

// RemoveFolder removes a folder and its entries; INBOX stays.
func (s *Store) RemoveFolder(ctx context.Context, folder ID) error {
	b := plainBatch()
	b.holdOf(folder)
	b.holdFolder(folder)
	b.require(`SELECT 1 FROM folder WHERE id = $1 AND name <> 'INBOX'`, folder[:])
	b.do(`UPDATE mailbox SET used = used - (SELECT coalesce(sum(size), 0) FROM entry WHERE folder = $1)
		WHERE id = (SELECT mailbox FROM folder WHERE id = $1)`, folder[:])
	b.do(`DELETE FROM entry WHERE folder = $1`, folder[:])
	b.do(`DELETE FROM folder WHERE id = $1`, folder[:])
	b.folders = append(b.folders, folder)
	return s.commit(ctx, b)
}

// RenameFolder renames a folder and those below it. ErrConflict: the new name is taken, there is no such folder, or it is
// INBOX.
func (s *Store) RenameFolder(ctx context.Context, mailbox ID, from, to string) error {
	b, to := plainBatch(), folderName(to)
	b.hold(mailbox)
	b.require(`SELECT 1 FROM folder WHERE mailbox = $1 AND name = $2 AND name <> 'INBOX'`, mailbox[:], from)
	b.do(`UPDATE folder SET name = $1 || substr(name, $2) WHERE mailbox = $3 AND (name = $4 OR substr(name, 1, $5) = $6)`,
		to, len([]rune(from))+1, mailbox[:], from, len([]rune(from))+1, from+"/")
	return s.commit(ctx, b)
}

// Subscribe keeps whether a client shows the folder.
func (s *Store) Subscribe(ctx context.Context, folder ID, subscribed bool) error {
	b := plainBatch()
	b.do(`UPDATE folder SET subscribed = $1 WHERE id = $2`, boolInt(subscribed), folder[:])
	return s.commit(ctx, b)
}

// Entries lists a folder's entries changed after a mod-sequence (0: all), by UID.
func (s *Store) Entries(ctx context.Context, folder ID, after int64) ([]Entry, error) {
	return s.entries(ctx, `e.folder = $1 AND e.modseq > $2`, folder[:], after)
}

// pick lists those of the entries with the given UIDs that are there.
func (s *Store) pick(ctx context.Context, folder ID, uids []uint32) ([]Entry, error) {
	if len(uids) == 0 {
		return nil, nil
	}
	es, err := s.entries(ctx, `e.folder = $1 AND e.uid BETWEEN $2 AND $3`, folder[:], slices.Min(uids), slices.Max(uids))
	wanted := make(map[uint32]bool, len(uids))
	for _, u := range uids {
		wanted[u] = true
	}
	return slices.DeleteFunc(es, func(e Entry) bool { return !wanted[e.UID] }), err
}

func (s *Store) entries(ctx context.Context, where string, args ...any) ([]Entry, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT e.uid, e.message, m.kind, e.lead, e.flags, e.modseq, e.at, e.size
		FROM entry e JOIN message m ON m.id = e.message WHERE `+where+` ORDER BY e.uid`, args...)
	if err != nil {
		return nil, fmt.Errorf("listing entries: %w", err)
	}
	defer rows.Close()
	var es []Entry
	for rows.Next() {
		var e Entry
		var flags string
		var at int64
		if err := rows.Scan(&e.UID, &e.Message, &e.Kind, &e.Lead, &flags, &e.ModSeq, &at, &e.Size); err != nil {
			return nil, fmt.Errorf("listing entries: %w", err)
		}
		e.Flags, e.At = strings.Fields(flags), fromMicros(at)
		es = append(es, e)
	}
	return es, rows.Err()
}

// UIDs lists the UIDs that a folder holds, in order.
func (s *Store) UIDs(ctx context.Context, folder ID) ([]uint32, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT uid FROM entry WHERE folder = $1 ORDER BY uid`, folder[:])
	if err != nil {
		return nil, fmt.Errorf("listing UIDs: %w", err)
	}
	defer rows.Close()
	var uids []uint32
	for rows.Next() {
		var uid uint32
		if err := rows.Scan(&uid); err != nil {
			return nil, fmt.Errorf("listing UIDs: %w", err)
		}
		uids = append(uids, uid)
	}
	return uids, rows.Err()
}

// State is a folder's mod-sequence and count of expunges: what a session compares to learn that something changed.
func (s *Store) State(ctx context.Context, folder ID) (modseq, expunges int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT modseq, expunges FROM folder WHERE id = $1`, folder[:]).Scan(&modseq, &expunges)
	if err != nil {
		return 0, 0, fmt.Errorf("reading a folder's state: %w", notFound(err))
	}
	return modseq, expunges, nil
}

// Structure is where the MIME parts of a message lie, without an entry's lead.
func (s *Store) Structure(ctx context.Context, message ID) (*pec.Structure, error) {
	m, err := s.stored(ctx, message)
	if err != nil {
		return nil, err
	}
	st := &pec.Structure{}
	if err := st.UnmarshalBinary(m.structure); err != nil {
		return nil, fmt.Errorf("message %s: %w", message, err)
	}
	return st, nil
}

// SetFlags gives entries new flags; change makes them from the old ones. Entries that are gone are passed over.
func (s *Store) SetFlags(ctx context.Context, folder ID, uids []uint32, change func([]string) []string) error {
	entries, err := s.pick(ctx, folder, uids)
	if err != nil {
		return err
	}
	b := plainBatch()
	b.do(`UPDATE folder SET modseq = modseq + 1, fact = $1 WHERE id = $2`, b.fact[:], folder[:])
	b.folders = append(b.folders, folder)
	changed := false
	for _, e := range entries {
		flags := strings.Join(change(slices.Clone(e.Flags)), " ")
		if flags == strings.Join(e.Flags, " ") {
			continue
		}
		changed = true
		// Guarded by the mod-sequence: two sessions' changes to one entry are never mixed.
		b.must(`UPDATE entry SET flags = $1, modseq = (SELECT modseq FROM folder WHERE id = $2), fact = $3 WHERE folder = $2 AND uid = $4 AND modseq = $5`,
			flags, folder[:], b.fact[:], e.UID, e.ModSeq)
	}
	if !changed {
		return nil
	}
	return s.commit(ctx, b)
}

// Expunge removes entries. Messages and contents stay: nothing is compacted yet.
func (s *Store) Expunge(ctx context.Context, folder ID, uids []uint32) error {
	if len(uids) == 0 {
		return nil
	}
	b := plainBatch()
	b.holdOf(folder)
	b.expunge(folder, uids)
	return s.commit(ctx, b)
}

// expunge wants the mailbox held.
func (b *batch) expunge(folder ID, uids []uint32) {
	b.do(`UPDATE folder SET modseq = modseq + 1, expunges = expunges + 1 WHERE id = $1`, folder[:])
	for portion := range slices.Chunk(uids, uidPortion) {
		in, args := uidsIn(2, portion)
		args = append([]any{folder[:]}, args...)
		b.do(`UPDATE mailbox SET used = used - (SELECT coalesce(sum(size), 0) FROM entry WHERE folder = $1 AND uid IN `+in+`)
			WHERE id = (SELECT mailbox FROM folder WHERE id = $1)`, args...)
		b.do(`DELETE FROM entry WHERE folder = $1 AND uid IN `+in, args...)
	}
	b.folders = append(b.folders, folder)
}

// uidPortion is how many entries one statement is for: a folder's row is not written anew for each of 200,000.
const uidPortion = 250

// uidsIn is a list of UIDs for IN, whose first argument has the number first. There are two lengths of lists, so that there are
// few texts: what is missing is the last one again.
func uidsIn(first int, uids []uint32) (text string, args []any) {
	n := uidPortion
	if len(uids) == 1 {
		n = 1
	}
	marks := make([]string, n)
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", first+i)
		args = append(args, uids[min(i, len(uids)-1)])
	}
	return "(" + strings.Join(marks, ", ") + ")", args
}

// Append puts a holder's own message into a folder. Its body is kept as a reference if it is the body of a message that
// the holder sent under the same client id. at is the entry's INTERNALDATE; zero means now. It returns the UID, or 0 where it
// was found out only afterwards that the message is there.
func (s *Store) Append(ctx context.Context, mailbox, folder ID, c *Content, st *pec.Structure, flags []string, at time.Time) (uint32, error) {
	recipe, whole, err := s.ownRecipe(ctx, mailbox, c, st)
	if err != nil {
		return 0, err
	}
	m := NewMessage{ID: NewID(), Kind: KindOwn, Recipe: recipe, Structure: st}
	b := plainBatch()
	if b.instant.At = at; at.IsZero() {
		b.instant.At = s.now()
	}
	if whole {
		b.content(c)
	}
	if err := b.message(m); err != nil {
		return 0, err
	}
	b.do(`UPDATE mailbox SET used = used + $1 WHERE id = $2`, c.Size, mailbox[:])
	b.entry(folder, m.ID, nil, strings.Join(flags, " "), c.Size)
	var uid uint32
	b.readUID(&uid, folder)
	if err := s.commit(ctx, b); err != nil {
		return 0, fmt.Errorf("appending: %w", err)
	}
	return uid, nil
}

// readUID reads the UID that the batch gave last in a folder.
func (b *batch) readUID(uid *uint32, folder ID) {
	b.read(uid, `SELECT uidnext - 1 FROM folder WHERE id = $1`, folder[:])
}

// CopyTo copies entries into another folder of the same mailbox, and removes them from the first one if move is set:
// one commit. It returns the UIDs of those that were there, in order, and beside each the new one, or 0 where it was found out
// only afterwards that the copies are there. ErrConflict: some were removed meanwhile, or the folder was; look again.
func (s *Store) CopyTo(ctx context.Context, from, to ID, uids []uint32, move bool) (source, copied []uint32, err error) {
	entries, err := s.pick(ctx, from, uids)
	if err != nil || len(entries) == 0 {
		return nil, nil, err
	}
	for _, e := range entries {
		source = append(source, e.UID)
	}
	b := plainBatch()
	b.holdOf(from)
	b.holdFolder(from)                                  // flags that somebody is setting are copied as they will be
	ends := make([]uint32, 0, len(source)/uidPortion+1) // the UIDNEXT behind each portion
	for portion := range slices.Chunk(source, uidPortion) {
		ends = append(ends, 0)
		b.copyPortion(from, to, portion, &ends[len(ends)-1])
	}
	b.folders = append(b.folders, to)
	if move {
		b.expunge(from, source)
	}
	if err := s.commit(ctx, b); err != nil {
		return nil, nil, fmt.Errorf("copying: %w", err)
	}
	for portion := range slices.Chunk(source, uidPortion) {
		for i := range portion {
			copied = append(copied, newUID(ends[0], len(portion), i))
		}
		ends = ends[1:]
	}
	return source, copied, nil
}

// newUID is the UID that entry i of a portion got; 0 if that was not read.
func newUID(end uint32, portion, i int) uint32 {
	if end == 0 {
		return 0
	}
	return end - uint32(portion) + uint32(i)
}

// copyPortion copies entries in the order of their UIDs; all have to be there. end is the UIDNEXT behind them.
func (b *batch) copyPortion(from, to ID, uids []uint32, end *uint32) {
	in, args := uidsIn(3, uids)
	b.do(`INSERT INTO guard SELECT 1 WHERE (SELECT count(*) FROM entry WHERE folder = $1 AND uid IN `+in+`) <> $2`, append([]any{from[:], len(uids)}, args...)...)
	b.must(`UPDATE folder SET uidnext = uidnext + $1, modseq = modseq + 1, fact = $2 WHERE id = $3`, len(uids), b.fact[:], to[:])
	in, args = uidsIn(5, uids)
	b.do(`INSERT INTO entry (folder, uid, message, lead, flags, modseq, at, size, fact)
		SELECT f.id, f.uidnext - $1 - 1 + row_number() OVER (ORDER BY e.uid), e.message, e.lead, e.flags, f.modseq, e.at, e.size, $2
		FROM entry e, folder f WHERE f.id = $3 AND e.folder = $4 AND e.uid IN `+in, append([]any{len(uids), b.fact[:], to[:], from[:]}, args...)...)
	in, args = uidsIn(3, uids)
	b.do(`UPDATE mailbox SET used = used + (SELECT coalesce(sum(size), 0) FROM entry WHERE folder = $1 AND uid IN `+in+`)
		WHERE id = (SELECT mailbox FROM folder WHERE id = $2)`, append([]any{from[:], to[:]}, args...)...)
	b.read(end, `SELECT uidnext FROM folder WHERE id = $1`, to[:])
}

// watchers tell sessions of this process that a folder changed.
type watchers struct {
	mu    sync.Mutex
	lists map[ID]map[chan struct{}]bool
}

func (w *watchers) init() { w.lists = map[ID]map[chan struct{}]bool{} }

func (w *watchers) signal(folders ...ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range folders {
		for c := range w.lists[f] {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}

// signalAll is for changes that may have been missed.
func (w *watchers) signalAll() {
	w.mu.Lock()
	folders := slices.Collect(maps.Keys(w.lists))
	w.mu.Unlock()
	w.signal(folders...)
}

// Watch returns a channel that gets a token after changes of the folder, and a function that ends the watch.
func (s *Store) Watch(folder ID) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lists[folder] == nil {
		w.lists[folder] = map[chan struct{}]bool{}
	}
	w.lists[folder][c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.lists[folder], c); len(w.lists[folder]) == 0 {
			delete(w.lists, folder)
		}
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tail is what the database knows of the segments: the last committed group, where it ends, and from where frames are
// still to be checked.
type tail struct {
	group   int64
	end     position
	checked position
}

// recover brings the segments and the content files to what the database knows. A crash leaves at most one marked group
// ahead of it, a torn end, and content files that no row names: they are moved to lost+found. Anything else is refused.
func (e *sqliteEngine) recover(ctx context.Context) (tail, error) {
	var t tail
	err := e.read.QueryRowContext(ctx, `SELECT grp, segment, place, checked_segment, checked_place FROM tail`).
		Scan(&t.group, &t.end.segment, &t.end.offset, &t.checked.segment, &t.checked.offset)
	if err != nil {
		return t, fmt.Errorf("reading the segments' end: %w", err)
	}
	if err := e.recoverSegments(ctx, t); err != nil {
		return t, err
	}
	if err := e.recoverFiles(ctx); err != nil {
		return t, err
	}
	e.segments.end = t.end
	if t.end.segment == 0 {
		e.segments.end.offset = e.segments.limit // the first group begins the first segment
	}
	return t, nil
}

// recoverSegments looks at everything first, and changes something only if nothing is to be refused.
func (e *sqliteEngine) recoverSegments(ctx context.Context, t tail) error {
	nos, err := e.segments.numbers()
	if err != nil {
		return err
	}
	if err := e.checkSegments(ctx, nos, t); err != nil {
		return err
	}
	for _, no := range nos {
		switch {
		case no == t.end.segment:
			err = e.cutTail(no, t.end.offset)
		case no > t.end.segment:
			err = e.moveSegment(no)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *sqliteEngine) checkSegments(ctx context.Context, nos []int64, t tail) error {
	for no := int64(1); no <= t.end.segment; no++ {
		if !slices.Contains(nos, no) {
			return e.refuseDamage(ctx, position{no, 0}, fmt.Sprintf("%s is missing", filepath.Join(e.segments.dir, segmentName(no))))
		}
	}
	for _, no := range nos {
		var err error
		switch {
		case no < t.end.segment:
			err = e.checkClosed(ctx, no)
		case no == t.end.segment:
			err = e.checkOpen(ctx, t)
		default:
			err = e.checkNew(no, t.group)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkClosed sees that a segment ends where a group of this store did.
func (e *sqliteEngine) checkClosed(ctx context.Context, no int64) error {
	f, err := os.Open(filepath.Join(e.segments.dir, segmentName(no)))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := e.segments.checkHeader(f, no); err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if m, ok := e.segments.markBefore(f, st.Size()); !ok || m.store != e.segments.store {
		return e.refuseDamage(ctx, position{no, st.Size()}, fmt.Sprintf("%s is cut at %d", f.Name(), st.Size()))
	}
	return nil
}

// checkOpen checks the frames that were committed since the last checkpoint, which lies in the last segment, and looks at
// what follows them.
func (e *sqliteEngine) checkOpen(ctx context.Context, t tail) error {
	f, err := e.segments.file(t.end.segment)
	if err != nil {
		return err
	}
	at := t.checked.offset
	for at < t.end.offset {
		_, octets, err := e.segments.next(f, at)
		if err != nil {
			return e.refuseDamage(ctx, position{t.end.segment, at}, fmt.Sprintf("%s has a bad frame at %d", f.Name(), at))
		}
		at += frameHeader + int64(len(octets))
	}
	if m, ok := e.segments.markBefore(f, at); at != t.end.offset || !ok || m != (mark{e.segments.store, t.group}) {
		return e.refuseDamage(ctx, t.checked, fmt.Sprintf("%s does not end where the database says", f.Name()))
	}
	return e.refuseAhead(f, at, t.group)
}

// checkNew checks a segment that was begun for a group that was never committed; its header may be torn.
func (e *sqliteEngine) checkNew(no, group int64) error {
	f, err := os.Open(filepath.Join(e.segments.dir, segmentName(no)))
	if err != nil {
		return err
	}
	if err = e.segments.checkHeader(f, no); !errors.Is(err, errForeign) {
		err = e.refuseAhead(f, int64(segmentHeader), group)
	}
	return errors.Join(err, f.Close())
}

// refuseAhead refuses segments whose marks are two groups or more ahead: the database is older than they are.
func (e *sqliteEngine) refuseAhead(f *os.File, at, group int64) error {
	for {
		fr, octets, err := e.segments.next(f, at)
		if err != nil {
			return nil // the torn end
		}
		if m, ok := parseMark(octets); fr.kind == frameMark && ok && m.group >= group+2 {
			return fmt.Errorf("%s holds group %d, but the database knows only %d: the database is older than the messages. Restore the database that belongs to them; nothing was changed", f.Name(), m.group, group)
		}
		at += frameHeader + int64(len(octets))
	}
}

// cutTail moves away what follows the last committed group.
func (e *sqliteEngine) cutTail(no, at int64) error {
	f, err := e.segments.file(no)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil || st.Size() == at {
		return err
	}
	name := filepath.Join(e.dir, lostDir, fmt.Sprintf("%s-%d-%s", segmentName(no), at, NewID()))
	if err := copyDurably(name, io.NewSectionReader(f, at, st.Size()-at)); err != nil {
		return fmt.Errorf("saving the uncommitted end of a segment: %w", err)
	}
	e.store.log.Info("octets that no fact names were moved away", "from", f.Name(), "to", name, "octets", st.Size()-at)
	if err := errors.Join(f.Truncate(at), f.Sync()); err != nil {
		return fmt.Errorf("cutting the uncommitted end of a segment: %w", err)
	}
	return nil
}

// moveSegment moves away a segment that no committed group lies in.
func (e *sqliteEngine) moveSegment(no int64) error {
	to := filepath.Join(e.dir, lostDir, fmt.Sprintf("%s-%s", segmentName(no), NewID()))
	err := os.Rename(filepath.Join(e.segments.dir, segmentName(no)), to)
	if err := errors.Join(err, syncDir(e.segments.dir), syncDir(filepath.Dir(to))); err != nil {
		return fmt.Errorf("moving away a segment that no fact names: %w", err)
	}
	e.store.log.Info("a segment that no fact names was moved away", "to", to)
	return nil
}

// recoverFiles moves content files that no row names to lost+found, and sounds the alarm for rows whose file is gone.
func (e *sqliteEngine) recoverFiles(ctx context.Context) error {
	named, err := e.fileContents(ctx)
	if err != nil {
		return err
	}
	root := filepath.Join(e.dir, contentsDir)
	dirs, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("reading the content files: %w", err)
	}
	for _, d := range dirs {
		dir := filepath.Join(root, d.Name())
		if !d.IsDir() {
			return fmt.Errorf("%s does not belong into the contents' directory: move it away", dir)
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("reading the content files: %w", err)
		}
		for _, f := range files {
			id, err := ParseID(f.Name())
			if err == nil && named[id] {
				delete(named, id)
				continue
			}
			to := filepath.Join(e.dir, lostDir, f.Name())
			if err := errors.Join(os.Rename(filepath.Join(dir, f.Name()), to), syncDir(filepath.Dir(to))); err != nil {
				return fmt.Errorf("moving away a file that no fact names: %w", err)
			}
			e.store.log.Info("a file that no fact names was moved away", "to", to)
		}
	}
	for id := range named {
		e.store.log.Error("a message's file is missing: that message cannot be read until it is restored", "content", id, "messages", e.messagesOf(ctx, []ID{id}))
	}
	return nil
}

func (e *sqliteEngine) fileContents(ctx context.Context) (map[ID]bool, error) {
	rows, err := e.read.QueryContext(ctx, `SELECT id FROM content WHERE segment = 0`)
	if err != nil {
		return nil, fmt.Errorf("listing content files: %w", err)
	}
	defer rows.Close()
	ids := map[ID]bool{}
	for rows.Next() {
		var id ID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids[id] = true
	}
	return ids, rows.Err()
}

// refuseDamage names the messages whose octets lie at or behind a damaged place, and changes nothing.
func (e *sqliteEngine) refuseDamage(ctx context.Context, at position, what string) error {
	rows, err := e.read.QueryContext(ctx, `SELECT id FROM content WHERE segment = $1 AND place + size + 28 > $2 ORDER BY place LIMIT 20`, at.segment, at.offset)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	var ids []ID
	for rows.Next() {
		var id ID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	return fmt.Errorf("committed octets are damaged: %s. Restore the segments from a copy; nothing was changed. Messages concerned: %s", what, e.messagesOf(ctx, ids))
}

// messagesOf names the messages that need the contents.
func (e *sqliteEngine) messagesOf(ctx context.Context, contents []ID) string {
	var names []string
	for _, id := range contents {
		rows, err := e.read.QueryContext(ctx, `SELECT kind, message_id FROM message WHERE recipe = $1
			UNION SELECT kind, message_id FROM message m JOIN reference r ON r.message = m.id WHERE r.content = $1`, id[:])
		if err != nil {
			return "unknown: " + err.Error()
		}
		for rows.Next() {
			var kind, name string
			if err := rows.Scan(&kind, &name); err == nil {
				names = append(names, kind+" <"+name+">")
			}
		}
		rows.Close()
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func copyDurably(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // else each start would leave one more
	}
	return syncDir(filepath.Dir(path))
}

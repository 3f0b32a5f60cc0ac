package imapd

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/ceralacca/ceralacca/store"
)

// view is the selected folder as its client knows it. What changes in the store comes in by refresh, and becomes a part of the
// client's numbers only when tell announces it.
type view struct {
	store    *store.Store
	folder   store.Folder // as it was when it was selected
	readOnly bool

	entries  []store.Entry // announced, by UID: an index plus one is a sequence number
	arrived  []store.Entry // not yet announced
	changed  map[uint32]bool
	keywords []string // that the client was told of in FLAGS
	modseq   int64    // up to which entries are known
	expunges int64    // the folder's count when it was last looked at
	told     int64    // the count up to which expunges were announced
}

// openView reads a folder: one query for all its entries.
func openView(ctx context.Context, st *store.Store, folder store.Folder, readOnly bool) (*view, error) {
	v := &view{store: st, folder: folder, readOnly: readOnly, changed: map[uint32]bool{}}
	// The state comes first: what is committed after it is looked at once more by the next refresh.
	var err error
	if v.modseq, v.expunges, err = st.State(ctx, folder.ID); err != nil {
		return nil, err
	}
	v.told = v.expunges
	v.entries, err = st.Entries(ctx, folder.ID, 0)
	v.keywords = v.usedKeywords()
	return v, err
}

// refresh takes in what changed since the last time. A folder that was removed looks as if it had been emptied.
func (v *view) refresh(ctx context.Context) error {
	modseq, expunges, err := v.store.State(ctx, v.folder.ID)
	if errors.Is(err, store.ErrNotFound) {
		v.expunges = -1
		return nil
	}
	if err != nil {
		return err
	}
	v.expunges = expunges
	if modseq == v.modseq {
		return nil
	}
	news, err := v.store.Entries(ctx, v.folder.ID, v.modseq)
	if err != nil {
		return err
	}
	for _, e := range news {
		v.take(e)
	}
	v.modseq = modseq
	return nil
}

func (v *view) take(e store.Entry) {
	if i, found := v.find(e.UID); found {
		if !slices.Equal(v.entries[i].Flags, e.Flags) {
			v.changed[e.UID] = true
		}
		v.entries[i] = e
		return
	}
	if i, found := findEntry(v.arrived, e.UID); found {
		v.arrived[i] = e
	} else if e.UID > v.lastUID() {
		v.arrived = append(v.arrived, e)
	}
}

// find gives the index of an announced entry.
func (v *view) find(uid uint32) (int, bool) { return findEntry(v.entries, uid) }

func findEntry(entries []store.Entry, uid uint32) (int, bool) {
	return slices.BinarySearchFunc(entries, uid, func(e store.Entry, uid uint32) int { return cmp.Compare(e.UID, uid) })
}

// lastUID is the highest UID that the view knows, announced or not.
func (v *view) lastUID() uint32 {
	if n := len(v.arrived); n > 0 {
		return v.arrived[n-1].UID
	}
	if n := len(v.entries); n > 0 {
		return v.entries[n-1].UID
	}
	return 0
}

// tell announces what refresh took in: expunges if they are allowed now, new messages, flags.
func (v *view) tell(ctx context.Context, w *imapserver.UpdateWriter, allowExpunge bool) error {
	if allowExpunge && v.expunges != v.told {
		if err := v.tellExpunges(ctx, w); err != nil {
			return err
		}
	}
	if len(v.arrived) == 0 && len(v.changed) == 0 {
		return nil
	}
	if len(v.arrived) > 0 {
		v.entries = append(v.entries, v.arrived...)
		v.arrived = nil
		if err := w.WriteNumMessages(uint32(len(v.entries))); err != nil {
			return err
		}
	}
	if used := v.usedKeywords(); !containsAll(v.keywords, used) {
		v.keywords = used
		if err := w.WriteMailboxFlags(v.flags()); err != nil {
			return err
		}
	}
	return v.tellFlags(w)
}

func (v *view) tellExpunges(ctx context.Context, w *imapserver.UpdateWriter) error {
	uids, err := v.store.UIDs(ctx, v.folder.ID)
	if err != nil {
		return err
	}
	gone := func(uid uint32) bool {
		_, there := slices.BinarySearch(uids, uid)
		return !there
	}
	v.arrived = slices.DeleteFunc(v.arrived, func(e store.Entry) bool { return gone(e.UID) })
	v.told = v.expunges
	return v.remove(gone, w.WriteExpunge)
}

// remove takes entries out of the view and announces each. From the highest down, so that no number shifts below another.
func (v *view) remove(gone func(uid uint32) bool, announce func(seq uint32) error) error {
	var err error
	for i := len(v.entries) - 1; i >= 0 && err == nil; i-- {
		if uid := v.entries[i].UID; gone(uid) {
			delete(v.changed, uid)
			err = announce(uint32(i + 1))
		}
	}
	v.entries = slices.DeleteFunc(v.entries, func(e store.Entry) bool { return gone(e.UID) })
	return err
}

// expunged takes away what this session's own commands expunged.
func (v *view) expunged(uids []uint32, announce func(seq uint32) error) error {
	slices.Sort(uids)
	return v.remove(func(uid uint32) bool {
		_, found := slices.BinarySearch(uids, uid)
		return found
	}, announce)
}

func (v *view) tellFlags(w *imapserver.UpdateWriter) error {
	if len(v.changed) == 0 {
		return nil
	}
	for i, e := range v.entries {
		if !v.changed[e.UID] {
			continue
		}
		delete(v.changed, e.UID)
		if err := w.WriteMessageFlags(uint32(i+1), imap.UID(e.UID), imapFlags(e.Flags)); err != nil {
			return err
		}
	}
	clear(v.changed)
	return nil
}

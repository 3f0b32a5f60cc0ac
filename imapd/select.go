package imapd

import (
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/ceralacca/ceralacca/store"
)

// Select implements SELECT and EXAMINE.
func (s *session) Select(name string, options *imap.SelectOptions) (data *imap.SelectData, err error) {
	return data, s.do("SELECT", func() error {
		folder, err := s.store.Folder(s.ctx, s.mailbox.ID, name)
		if err != nil {
			return err
		}
		v, err := openView(s.ctx, s.store, folder, options.ReadOnly)
		if err != nil {
			return err
		}
		s.view, s.saved = v, nil
		data = v.summary()
		if s.wire.EnabledCaps().Has(imap.CapIMAP4rev2) {
			data.List = &imap.ListData{Delim: delimiter, Mailbox: folder.Name}
		}
		return nil
	})
}

func (v *view) summary() *imap.SelectData {
	data := &imap.SelectData{
		Flags: v.flags(), NumMessages: uint32(len(v.entries)),
		UIDNext: imap.UID(max(v.folder.UIDNext, v.lastUID()+1)), UIDValidity: v.folder.UIDValidity,
	}
	if !v.readOnly {
		data.PermanentFlags = append(v.flags(), imap.FlagWildcard)
	}
	unseen := slices.IndexFunc(v.entries, func(e store.Entry) bool { return !hasFlag(e.Flags, string(imap.FlagSeen)) })
	data.FirstUnseenSeqNum = uint32(unseen + 1)
	return data
}

// Unselect implements UNSELECT, and the end of CLOSE.
func (s *session) Unselect() error {
	return s.do("UNSELECT", func() error {
		s.view, s.saved = nil, nil
		return nil
	})
}

// Expunge implements EXPUNGE, UID EXPUNGE, and CLOSE, which the library tells by an empty writer. A CLOSE of what is open
// for reading only expunges nothing and is no error (RFC 9051 6.4.1).
func (s *session) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	closing := *w == imapserver.ExpungeWriter{}
	return s.selected("EXPUNGE", func(v *view) error {
		if v.readOnly {
			if closing {
				return nil
			}
			return no(imap.ResponseCodeNoPerm, "The mailbox is open for reading only")
		}
		deleted, err := s.deleted(v, uids)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(deleted, maxBatch) {
			if err := s.store.Expunge(s.ctx, v.folder.ID, part); err != nil {
				return err
			}
			if err := v.expunged(part, w.WriteExpunge); err != nil {
				return err
			}
		}
		return nil
	})
}

// deleted are the UIDs with \Deleted, among those given if any are.
func (s *session) deleted(v *view, among *imap.UIDSet) ([]uint32, error) {
	set := imap.UIDSet{{Start: 1, Stop: 0}}
	if among != nil {
		set = *among
	}
	indexes, err := s.indexes(v, set)
	if err != nil {
		return nil, err
	}
	indexes = slices.DeleteFunc(indexes, func(i int) bool { return !hasFlag(v.entries[i].Flags, string(imap.FlagDeleted)) })
	return v.uids(indexes), nil
}

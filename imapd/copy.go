package imapd

import (
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/ceralacca/ceralacca/store"
)

// Copy implements COPY.
func (s *session) Copy(set imap.NumSet, dest string) (data *imap.CopyData, err error) {
	return data, s.selected("COPY", func(v *view) error {
		data, _, err = s.copyTo(v, set, dest, false)
		return err
	})
}

// Move implements MOVE (RFC 6851): one commit.
func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, dest string) error {
	return s.writable("MOVE", func(v *view) error {
		data, moved, err := s.copyTo(v, set, dest, true)
		if err != nil || len(moved) == 0 {
			return err
		}
		if data != nil {
			if err := w.WriteCopyData(data); err != nil {
				return err
			}
		}
		return v.expunged(moved, w.WriteExpunge)
	})
}

// copyTo gives the COPYUID (RFC 4315) and the UIDs that were copied. There is no COPYUID if nothing was copied.
func (s *session) copyTo(v *view, set imap.NumSet, dest string, move bool) (*imap.CopyData, []uint32, error) {
	indexes, err := s.indexes(v, set)
	if err != nil {
		return nil, nil, err
	}
	folder, err := s.target(dest, len(indexes))
	if err != nil {
		return nil, nil, err
	}
	source, copies, err := s.store.CopyTo(s.ctx, v.folder.ID, folder.ID, v.uids(indexes), move)
	if err != nil || len(source) == 0 || len(source) != len(copies) || slices.Contains(copies, 0) {
		return nil, source, err // without the new UIDs clients look for them
	}
	return &imap.CopyData{UIDValidity: folder.UIDValidity, SourceUIDs: uidSet(source), DestUIDs: uidSet(copies)}, source, nil
}

// maxMessages bounds what a client puts into one folder, for each session that opens it holds a view of it (attacks.md 27).
const maxMessages = 200_000

// target finds the folder that n messages are to go to, or tells the client to make it.
func (s *session) target(name string, n int) (store.Folder, error) {
	folder, err := s.store.Folder(s.ctx, s.mailbox.ID, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return folder, no(imap.ResponseCodeTryCreate, "There is no such mailbox")
	case err == nil && int(folder.Messages)+n > maxMessages:
		return folder, no(imap.ResponseCodeLimit, "The mailbox has too many messages")
	}
	return folder, err
}

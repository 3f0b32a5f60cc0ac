package imapd

import (
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/store"
)

// Create implements CREATE, with the levels above that are missing, and CREATE-SPECIAL-USE (RFC 6154).
func (s *session) Create(name string, options *imap.CreateOptions) error {
	return s.do("CREATE", func() error {
		special, err := specialUse(options.SpecialUse)
		if err != nil {
			return err
		}
		return s.create(name, special)
	})
}

func specialUse(attributes []imap.MailboxAttr) (string, error) {
	if len(attributes) == 0 {
		return "", nil
	}
	storable := []imap.MailboxAttr{imap.MailboxAttrArchive, imap.MailboxAttrDrafts, imap.MailboxAttrJunk, imap.MailboxAttrSent, imap.MailboxAttrTrash}
	if len(attributes) > 1 || !slices.Contains(storable, attributes[0]) {
		return "", no("USEATTR", "The special use is not supported")
	}
	return string(attributes[0]), nil
}

func (s *session) create(name, special string) error {
	name, err := newName(name)
	if err != nil {
		return err
	}
	folders, err := s.store.Folders(s.ctx, s.mailbox.ID)
	if err != nil {
		return err
	}
	var missing []string
	for _, n := range append(parents(name), name) {
		if !holds(folders, n) {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 || missing[len(missing)-1] != name {
		return no(imap.ResponseCodeAlreadyExists, "The mailbox exists already")
	}
	if len(folders)+len(missing) > maxFolders {
		return no(imap.ResponseCodeLimit, "There are too many mailboxes")
	}
	for _, n := range missing {
		use := ""
		if n == name {
			use = special
		}
		if err := s.store.AddFolder(s.ctx, s.mailbox.ID, n, use); err != nil {
			return err
		}
	}
	return nil
}

func holds(folders []store.Folder, name string) bool {
	return slices.ContainsFunc(folders, func(f store.Folder) bool { return f.Name == name })
}

// hasChildren tells whether there are folders below a name.
func hasChildren(folders []store.Folder, name string) bool {
	return slices.ContainsFunc(folders, func(f store.Folder) bool { return strings.HasPrefix(f.Name, name+separator) })
}

// Delete implements DELETE. A folder with others below it stays (RFC 9051 6.3.5 allows HASCHILDREN).
func (s *session) Delete(name string) error {
	return s.do("DELETE", func() error {
		folder, err := s.store.Folder(s.ctx, s.mailbox.ID, name)
		if err != nil {
			return err
		}
		folders, err := s.store.Folders(s.ctx, s.mailbox.ID)
		switch {
		case err != nil:
			return err
		case folder.Name == store.Inbox:
			return no(imap.ResponseCodeCannot, "INBOX cannot be deleted")
		case hasChildren(folders, folder.Name):
			return no(imap.ResponseCodeHasChildren, "There are mailboxes below it")
		}
		return s.store.RemoveFolder(s.ctx, folder.ID)
	})
}

// Rename implements RENAME. INBOX keeps its name: its messages move to the new folder (RFC 9051 6.3.6).
func (s *session) Rename(name, newName string, _ *imap.RenameOptions) error {
	return s.do("RENAME", func() error { return s.rename(name, newName) })
}

func (s *session) rename(name, to string) error {
	to, err := newName(to)
	if err != nil {
		return err
	}
	from, err := s.store.Folder(s.ctx, s.mailbox.ID, name)
	if err != nil {
		return err
	}
	if from.Name == store.Inbox {
		return s.emptyInbox(from, to)
	}
	folders, err := s.store.Folders(s.ctx, s.mailbox.ID)
	if err != nil {
		return err
	}
	if err := checkRename(folders, from.Name, to); err != nil {
		return err
	}
	if above := parents(to); len(above) > 0 && !holds(folders, above[len(above)-1]) {
		if err := s.create(above[len(above)-1], ""); err != nil {
			return err
		}
	}
	return s.store.RenameFolder(s.ctx, s.mailbox.ID, from.Name, to)
}

// checkRename refuses what would make a name that Create refuses.
func checkRename(folders []store.Folder, from, to string) error {
	if strings.HasPrefix(to, from+separator) {
		return no(imap.ResponseCodeCannot, "A mailbox cannot lie below itself")
	}
	for _, f := range folders {
		below, isBelow := strings.CutPrefix(f.Name, from+separator)
		if f.Name == to || isBelow && holds(folders, to+separator+below) {
			return no(imap.ResponseCodeAlreadyExists, "The mailbox exists already")
		}
		if !isBelow {
			continue
		}
		if _, err := newName(to + separator + below); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) emptyInbox(inbox store.Folder, to string) error {
	if err := s.create(to, ""); err != nil {
		return err
	}
	folder, err := s.store.Folder(s.ctx, s.mailbox.ID, to)
	if err != nil {
		return err
	}
	uids, err := s.store.UIDs(s.ctx, inbox.ID)
	if err != nil {
		return err
	}
	_, _, err = s.store.CopyTo(s.ctx, inbox.ID, folder.ID, uids, true)
	return err
}

// Subscribe implements SUBSCRIBE.
func (s *session) Subscribe(name string) error {
	return s.do("SUBSCRIBE", func() error { return s.subscribe(name, true) })
}

// Unsubscribe implements UNSUBSCRIBE. What is not there is not subscribed either.
func (s *session) Unsubscribe(name string) error {
	return s.do("UNSUBSCRIBE", func() error {
		err := s.subscribe(name, false)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
}

func (s *session) subscribe(name string, subscribed bool) error {
	folder, err := s.store.Folder(s.ctx, s.mailbox.ID, name)
	if err != nil {
		return err
	}
	return s.store.Subscribe(s.ctx, folder.ID, subscribed)
}

// Status implements STATUS.
func (s *session) Status(name string, options *imap.StatusOptions) (data *imap.StatusData, err error) {
	return data, s.do("STATUS", func() error {
		folder, err := s.store.Folder(s.ctx, s.mailbox.ID, name)
		if err != nil {
			return err
		}
		data, err = s.status(folder, options)
		return err
	})
}

func (s *session) status(folder store.Folder, options *imap.StatusOptions) (*imap.StatusData, error) {
	limit := s.AppendLimit()
	data := &imap.StatusData{
		Mailbox: folder.Name, NumMessages: &folder.Messages, NumRecent: new(uint32), NumUnseen: &folder.Unseen, Size: &folder.Size,
		UIDNext: imap.UID(folder.UIDNext), UIDValidity: folder.UIDValidity, AppendLimit: &limit,
	}
	if !options.NumDeleted && !options.DeletedStorage {
		return data, nil
	}
	entries, err := s.store.Entries(s.ctx, folder.ID, 0)
	if err != nil {
		return nil, err
	}
	data.NumDeleted, data.DeletedStorage = new(uint32), new(int64)
	for _, e := range entries {
		if hasFlag(e.Flags, string(imap.FlagDeleted)) {
			*data.NumDeleted++
			*data.DeletedStorage += e.Size
		}
	}
	return data, nil
}

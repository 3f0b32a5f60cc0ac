package imapd

import (
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Append implements APPEND. The octets go into a spool while they come, and past the scanner that finds their parts; the
// library reads away what is left of them after an error.
func (s *session) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (data *imap.AppendData, err error) {
	return data, s.do("APPEND", func() error {
		data, err = s.append(name, r, options)
		return err
	})
}

func (s *session) append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	if r.Size() == 0 {
		return nil, no(imap.ResponseCodeCannot, "The message is empty")
	}
	flags, err := givenFlags(options.Flags)
	if err != nil {
		return nil, err
	}
	folder, err := s.target(name, 1)
	if err != nil {
		return nil, err
	}
	if err := s.checkAppended(folder, flags); err != nil {
		return nil, err
	}
	content, structure, err := s.spool(r)
	if err != nil {
		return nil, err
	}
	defer content.Release()
	uid, err := s.store.Append(s.ctx, s.mailbox.ID, folder.ID, content, structure, flags, options.Time)
	if err != nil {
		return nil, err
	}
	if uid == 0 {
		return nil, nil // it is there; the client looks for its UID
	}
	return &imap.AppendData{UID: imap.UID(uid), UIDValidity: folder.UIDValidity}, nil
}

// checkAppended bounds the folder's keywords. It reads the folder only if the message brings some.
func (s *session) checkAppended(folder store.Folder, flags []string) error {
	if len(addKeywords(nil, flags)) == 0 {
		return nil
	}
	entries, err := s.store.Entries(s.ctx, folder.ID, 0)
	if err != nil {
		return err
	}
	v := view{entries: entries}
	return checkKeywords(v.usedKeywords(), flags)
}

func (s *session) spool(r imap.LiteralReader) (*store.Content, *pec.Structure, error) {
	spool, scanner := s.store.NewSpool(), pec.NewScanner(nil)
	n, err := io.Copy(io.MultiWriter(spool, scanner), r)
	if n != r.Size() {
		spool.Discard()
		if errors.Is(err, store.ErrSpool) {
			return nil, nil, err
		}
		return nil, nil, fmt.Errorf("%w: %d of %d octets of a literal came: %v", errCut, n, r.Size(), err)
	}
	content, err := spool.Seal(s.ctx)
	if err != nil {
		return nil, nil, err
	}
	return content, scanner.Finish(), nil
}

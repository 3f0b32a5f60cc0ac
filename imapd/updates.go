package imapd

import (
	"time"

	"github.com/emersion/go-imap/v2/imapserver"
)

// lookEvery is how often an idle session compares its folder with the store, hints or no hints (design.md 4), and how long a
// mailbox that was closed can still be read.
const lookEvery = 10 * time.Second

// Poll announces changes at the end of a command (NOOP and CHECK are nothing else). A store that cannot be read now is no
// reason to lose the connection: the next poll will tell.
func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkOpen()
	if s.view == nil {
		return nil
	}
	if err := s.view.refresh(s.ctx); err != nil {
		_ = s.answer("update", err)
		return nil
	}
	return s.view.tell(s.ctx, w, allowExpunge)
}

// checkOpen sends away who reads a mailbox that was closed meanwhile (attacks.md 9).
func (s *session) checkOpen() {
	if s.mailbox.ID.IsZero() || time.Since(s.checked) < lookEvery {
		return
	}
	s.checked = time.Now()
	mailbox, err := s.store.MailboxByID(s.ctx, s.mailbox.ID)
	if err == nil && !mailbox.Enabled {
		s.log.Info("imapd: the mailbox was closed")
		s.conn.dismiss("the mailbox is closed")
	}
}

// Idle implements IDLE (RFC 2177): it announces changes when they happen, until stop is closed. The library does not
// always wait for its end; Close does.
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	changes, end, ok := s.beginIdle()
	if !ok {
		return nil
	}
	defer end()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if err := s.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-changes:
		case <-look.C:
		case <-stop:
			return nil
		case <-s.ctx.Done():
			return nil
		}
	}
}

// beginIdle watches the selected folder, if there is one, before it is looked at for the first time.
func (s *session) beginIdle() (changes <-chan struct{}, end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, nil, false
	}
	s.idling.Add(1)
	if s.view == nil {
		return nil, s.idling.Done, true
	}
	changes, stop := s.store.Watch(s.view.folder.ID)
	return changes, func() {
		stop()
		s.idling.Done()
	}, true
}

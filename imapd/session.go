package imapd

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/ceralacca/ceralacca/store"
)

// session is one client's state. The library calls its methods one after the other, apart from Idle, which runs beside
// whatever comes after a broken IDLE.
type session struct {
	server *Server
	store  *store.Store
	conn   *conn
	wire   *imapserver.Conn
	stop   context.Context // ends when the server stops
	ctx    context.Context // of the connection; the library's methods have none
	cancel context.CancelFunc
	idling sync.WaitGroup

	mu       sync.Mutex // guards what follows
	log      *slog.Logger
	ended    bool
	mailbox  store.Mailbox // once logged in
	checked  time.Time     // when the mailbox was last seen open, by the machine's clock
	failures int           // of log-ins
	view     *view         // nil unless a folder is selected
	saved    []uint32      // UIDs of the last search that was to be saved (RFC 9051 6.4.4.1)
}

var (
	_ imapserver.SessionIMAP4rev2   = (*session)(nil)
	_ imapserver.SessionSASL        = (*session)(nil)
	_ imapserver.SessionAppendLimit = (*session)(nil)
)

func newSession(stop, work context.Context, server *Server, wire *imapserver.Conn) *session {
	c := wire.NetConn().(*conn)
	s := &session{
		server: server, store: server.config.Store, conn: c, wire: wire, stop: stop,
		log: server.config.Log.With("remote", c.RemoteAddr().String()),
	}
	s.ctx, s.cancel = context.WithCancel(work)
	return s
}

// do runs one command and turns its error into the answer.
func (s *session) do(command string, run func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if writes(command) {
		if err := s.room(); err != nil {
			return s.answer(command, err)
		}
	}
	return s.answer(command, run())
}

// writes tells whether a command changes what is stored.
func writes(command string) bool {
	switch command {
	case "APPEND", "COPY", "MOVE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "STORE", "EXPUNGE":
		return true
	}
	return false
}

// room is an error while the disk is nearly full: what is owed to holders is written first.
func (s *session) room() error { return s.store.CheckReserve(s.server.config.Reserve) }

// selected is do for a command that needs a selected folder, whose view it brings up to date first.
func (s *session) selected(command string, run func(*view) error) error {
	return s.do(command, func() error {
		if s.view == nil {
			return bad("No mailbox is selected")
		}
		if err := s.view.refresh(s.ctx); err != nil {
			return err
		}
		return run(s.view)
	})
}

// writable is selected for a command that changes the folder.
func (s *session) writable(command string, run func(*view) error) error {
	return s.selected(command, func(v *view) error {
		if v.readOnly {
			return no(imap.ResponseCodeNoPerm, "The mailbox is open for reading only")
		}
		return run(v)
	})
}

// Close ends the session and what it has going.
func (s *session) Close() error {
	s.cancel()
	s.mu.Lock()
	s.ended, s.view = true, nil
	s.mu.Unlock()
	s.idling.Wait()
	s.conn.guest.Leave() // before the client can see the end
	s.conn.sessionEnded()
	return nil
}

// AppendLimit implements imapserver.SessionAppendLimit (RFC 7889).
func (s *session) AppendLimit() uint32 { return uint32(s.server.config.MaxAppend) }

// Namespace implements NAMESPACE (RFC 2342): all is personal.
func (s *session) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: delimiter}}}, nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// Mailbox is a holder's mailbox, or the service mailbox of a unit.
type Mailbox struct {
	ID      ID
	Address pec.Address
	Service bool
	Enabled bool
	// Suspended: it takes no certified mail and sends none, but its holder may read it, and gets what is owed.
	Suspended bool
	Created   time.Time
	Used      int64    // octets deposited
	Quota     int64    // octets that envelopes may fill; 0 is without limit
	Ordinary  Ordinary // what becomes of ordinary mail

	credentials int64 // how often they were changed
}

// Ordinary says what becomes of mail that no PEC provider signed (RFC 6109 2.2.2, norms.md 60).
type Ordinary string

// The policies for ordinary mail.
const (
	OrdinaryAsDomain Ordinary = ""        // as the domain's: of a mailbox only
	OrdinaryRefuse   Ordinary = "refuse"  // at SMTP
	OrdinaryAnomaly  Ordinary = "anomaly" // in an anomaly envelope
)

// Open tells whether the mailbox takes certified mail and may send it.
func (m Mailbox) Open() bool { return m.Enabled && !m.Suspended }

// Room tells whether an envelope of a size fits: what is owed to a holder, receipts and notices, always does (norms.md 92).
func (m Mailbox) Room(size int64) bool { return m.Quota == 0 || m.Used+size <= m.Quota }

// Inbox is the folder that deliveries go to.
const Inbox = "INBOX"

// The folders that a new mailbox has, with their special uses (RFC 6154).
func firstFolders() [][2]string {
	return [][2]string{{Inbox, ""}, {"Bozze", `\Drafts`}, {"Inviata", `\Sent`}, {"Cestino", `\Trash`}}
}

const (
	kindHolder    = "holder"
	kindService   = "service"
	stateEnabled  = "enabled"
	stateDisabled = "disabled"
)

// AddMailbox makes a mailbox with its first folders and, unless it is empty, a password. ErrConflict: the address is taken.
func (s *Store) AddMailbox(ctx context.Context, address pec.Address, service bool, password string) (Mailbox, error) {
	m := Mailbox{ID: NewID(), Address: address, Service: service, Enabled: true, Created: s.now()}
	kind := kindHolder
	if service {
		kind = kindService
	}
	b := plainBatch()
	// Each folder's UIDVALIDITY is its own within the mailbox: one may be renamed to the name of one that is gone.
	validity, folders := uint32(time.Now().Unix()), firstFolders()
	b.do(`INSERT INTO mailbox (id, address, key, kind, state, at, used, quota, uidvalidity, fact) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8)`,
		m.ID[:], string(address), address.Key(), kind, stateEnabled, micros(m.Created), int64(validity)+int64(len(folders)), b.fact[:])
	for i, f := range folders {
		b.folder(m.ID, f[0], f[1], validity+uint32(i))
	}
	if password != "" {
		if err := b.password(m.ID, password, m.Created); err != nil {
			return m, err
		}
	}
	if err := s.commit(ctx, b); err != nil {
		return m, fmt.Errorf("adding %s: %w", address, err)
	}
	return m, nil
}

const mailboxColumns = `SELECT id, address, kind = 'service', state = 'enabled', suspended, at, used, quota, ordinary, credentials FROM mailbox `

func scanMailbox(scan func(...any) error) (Mailbox, error) {
	var m Mailbox
	var at, suspended int64
	err := scan(&m.ID, &m.Address, &m.Service, &m.Enabled, &suspended, &at, &m.Used, &m.Quota, &m.Ordinary, &m.credentials)
	m.Created, m.Suspended = fromMicros(at), suspended != 0
	return m, notFound(err)
}

// Mailbox finds a mailbox by its address, without regard to case, or ErrNotFound.
func (s *Store) Mailbox(ctx context.Context, address pec.Address) (Mailbox, error) {
	m, err := scanMailbox(s.read.QueryRowContext(ctx, mailboxColumns+`WHERE key = $1`, address.Key()).Scan)
	if err != nil {
		return m, fmt.Errorf("mailbox %s: %w", address, err)
	}
	return m, nil
}

// MailboxByID finds a mailbox by its id, or ErrNotFound.
func (s *Store) MailboxByID(ctx context.Context, id ID) (Mailbox, error) {
	m, err := scanMailbox(s.read.QueryRowContext(ctx, mailboxColumns+`WHERE id = $1`, id[:]).Scan)
	if err != nil {
		return m, fmt.Errorf("mailbox %s: %w", id, err)
	}
	return m, nil
}

// Mailboxes lists the mailboxes by address.
func (s *Store) Mailboxes(ctx context.Context) ([]Mailbox, error) {
	rows, err := s.read.QueryContext(ctx, mailboxColumns+`ORDER BY key`)
	if err != nil {
		return nil, fmt.Errorf("listing mailboxes: %w", err)
	}
	defer rows.Close()
	var ms []Mailbox
	for rows.Next() {
		m, err := scanMailbox(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("listing mailboxes: %w", err)
		}
		ms = append(ms, m)
	}
	return ms, rows.Err()
}

// SetEnabled opens or closes a mailbox. A closed one takes no mail and nobody may log in; what it holds stays.
func (s *Store) SetEnabled(ctx context.Context, address pec.Address, enabled bool) error {
	state := stateDisabled
	if enabled {
		state = stateEnabled
	}
	return s.setMailbox(ctx, address, `UPDATE mailbox SET state = $1, fact = $2 WHERE id = $3`, state)
}

// Suspend suspends a mailbox, or ends that.
func (s *Store) Suspend(ctx context.Context, address pec.Address, suspended bool) error {
	return s.setMailbox(ctx, address, `UPDATE mailbox SET suspended = $1, fact = $2 WHERE id = $3`, boolInt(suspended))
}

// SetQuota bounds what envelopes may fill; 0 is without limit.
func (s *Store) SetQuota(ctx context.Context, address pec.Address, octets int64) error {
	if octets < 0 {
		return fmt.Errorf("a quota of %d octets: give a size, or 0 for none", octets)
	}
	return s.setMailbox(ctx, address, `UPDATE mailbox SET quota = $1, fact = $2 WHERE id = $3`, octets)
}

// SetOrdinary says what becomes of ordinary mail for a mailbox.
func (s *Store) SetOrdinary(ctx context.Context, address pec.Address, policy Ordinary) error {
	return s.setMailbox(ctx, address, `UPDATE mailbox SET ordinary = $1, fact = $2 WHERE id = $3`, string(policy))
}

func (s *Store) setMailbox(ctx context.Context, address pec.Address, update string, value any) error {
	m, err := s.Mailbox(ctx, address)
	if err != nil {
		return err
	}
	b := plainBatch()
	b.do(update, value, b.fact[:], m.ID[:])
	if err := s.commit(ctx, b); err != nil {
		return fmt.Errorf("changing %s: %w", address, err)
	}
	s.known.forget(m.ID)
	return nil
}

// SetPassword replaces the holder's password.
func (s *Store) SetPassword(ctx context.Context, address pec.Address, password string) error {
	m, err := s.Mailbox(ctx, address)
	if err != nil {
		return err
	}
	b := plainBatch()
	b.do(`UPDATE mailbox SET credentials = credentials + 1, fact = $1 WHERE id = $2`, b.fact[:], m.ID[:])
	b.do(`DELETE FROM credential WHERE mailbox = $1 AND kind = $2`, m.ID[:], credentialPassword)
	if err := b.password(m.ID, password, s.now()); err != nil {
		return err
	}
	if err := s.commit(ctx, b); err != nil {
		return fmt.Errorf("changing the password of %s: %w", address, err)
	}
	s.known.forget(m.ID)
	return nil
}

// PruneService removes from the service mailboxes what is older than keep, for the facts are in tracking and records, and
// the keys of submissions and anomalies that are no longer recognised.
func (s *Store) PruneService(ctx context.Context, keep time.Duration) error {
	b := plainBatch()
	before := micros(s.now().Add(-keep))
	var err error
	if b.folders, err = s.serviceFolders(ctx); err != nil {
		return err
	}
	b.do(`UPDATE mailbox SET fact = $1 WHERE kind = 'service'`, b.fact[:]) // see hold
	b.do(`UPDATE mailbox SET used = used - (SELECT coalesce(sum(e.size), 0) FROM entry e JOIN folder f ON f.id = e.folder WHERE f.mailbox = mailbox.id AND e.at < $1)
		WHERE kind = 'service'`, before)
	b.do(`UPDATE folder SET expunges = expunges + 1, modseq = modseq + 1 WHERE mailbox IN (SELECT id FROM mailbox WHERE kind = 'service')
		AND EXISTS (SELECT 1 FROM entry WHERE folder = folder.id AND at < $1)`, before)
	b.do(`DELETE FROM entry WHERE at < $1 AND folder IN (SELECT f.id FROM folder f JOIN mailbox m ON m.id = f.mailbox WHERE m.kind = 'service')`, before)
	b.do(`DELETE FROM submission WHERE at <= $1`, micros(s.now().Add(-keepSubmissions)))
	b.do(`DELETE FROM anomaly WHERE at <= $1`, micros(s.now().Add(-keepSubmissions)))
	return s.commit(ctx, b)
}

func (s *Store) serviceFolders(ctx context.Context) ([]ID, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT f.id FROM folder f JOIN mailbox m ON m.id = f.mailbox WHERE m.kind = 'service'`)
	if err != nil {
		return nil, fmt.Errorf("listing the service mailboxes' folders: %w", err)
	}
	defer rows.Close()
	var ids []ID
	for rows.Next() {
		var id ID
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("listing the service mailboxes' folders: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// ErrLogin: the address and the password do not go together, or the mailbox is closed.
var ErrLogin = errors.New("wrong address or password")

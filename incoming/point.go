package incoming

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/revocation"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
	"github.com/ceralacca/ceralacca/verify"
)

// Point is the incoming point of a provider.
type Point struct {
	Store     *store.Store
	Units     issuance.Units
	Directory func() *directory.Directory // the snapshot in force
	Anchors   *smime.Anchors              // that providers' certificates lead to
	AllowSHA1 bool                        // signatures with SHA-1 digests are taken, with a flag in the log (norms.md 52)
	// Revocation is what is known of a path's certificates, at once and without the network (norms.md 49, 50); nil: nothing is asked.
	Revocation func(path []*x509.Certificate, at time.Time) revocation.Status
	// WaitForRevocation asks peers to come again while nobody can say whether their certificate was revoked; else they are believed.
	WaitForRevocation bool
	Hostname          string          // in Received
	Reserve           int64           // octets of disk that arrivals must leave free
	Signing           *admission.Gate // bounds the signatures between their instant and their commit (attacks.md 39)
	// Ordinary is a domain's policy for mail that no provider signed; nil refuses it.
	Ordinary func(domain string) store.Ordinary
	// Stale tells that the directory was not refreshed when it should have been; nil: never.
	Stale func() bool
	// Refusals bounds the records of imitations that a network causes; nil: each has one (attacks.md 39).
	Refusals *admission.Budget
	Log      *slog.Logger
}

// Arrival is one SMTP transaction from outside.
type Arrival struct {
	From       pec.Address // "" is the null path
	Recipients []pec.Address
	Hello      string
	Remote     string // IP address
	Secure     bool   // over TLS
	Body       io.Reader
}

var (
	// ErrOrdinary: no PEC provider signed the message, and nobody that it is for takes such mail: 550 5.7.1. See NotCertified.
	ErrOrdinary = errors.New("this mailbox takes certified mail only")
	// ErrNotLocal: the recipient is not ours: 550 5.7.1.
	ErrNotLocal = errors.New("we are no relay for this recipient")
	// ErrNoDirectory: the recipient's domain is not in the distributed directory as ours: it takes no mail yet (norms.md 130).
	ErrNoDirectory = errors.New("the providers' directory does not name the domain as ours")
	// ErrStale: the certificate is in no directory that we have, and ours is old: 451 4.7.5.
	ErrStale = errors.New("our copy of the providers' directory is old: it may not name the signer yet")
	// ErrUnrevoked: whether the signer's certificate was revoked is not known at present: 451 4.7.5.
	ErrUnrevoked = errors.New("it is not known at present whether the signer's certificate was revoked")
	// ErrFull: the mailbox has no room for ordinary mail: 452 4.2.2.
	ErrFull = errors.New("the mailbox is full")
	// ErrNoMailbox: there is no such mailbox: 550 5.1.1. Certified mail is never told so at SMTP.
	ErrNoMailbox = errors.New("no such mailbox")
)

// Recipient decides on a RCPT (design.md 3). From a path in the directory, or from the null path, every recipient of ours
// is taken and judged after DATA; others learn whether the mailbox is there and takes their mail.
func (p *Point) Recipient(ctx context.Context, from, to pec.Address) error {
	dir := p.Directory()
	unit, ours := p.Units.ByDomain(to.Domain())
	if !ours && !p.signingAddress(to) {
		return ErrNotLocal
	}
	if entry, listed := dir.Domain(to.Domain()); ours && (!listed || entry.Key() != unit.Entry) {
		return ErrNoDirectory
	}
	if from == "" || dir.Address(string(from)) {
		return nil
	}
	box, err := p.Store.Mailbox(ctx, to)
	switch {
	case notFound(err):
		return ErrNoMailbox
	case err != nil:
		return err
	case p.policy(box) != store.OrdinaryAnomaly:
		return ErrOrdinary
	case !box.Room(0):
		return ErrFull
	}
	return nil
}

func (p *Point) signingAddress(a pec.Address) bool {
	_, ok := p.Units.ByAddress(a)
	return ok
}

// message is an arrival that was read: spooled and scanned in one pass.
type message struct {
	read       *verify.Message
	from       pec.Address
	recipients []pec.Address
	peer       string
	network    string // that it came from
	trace      string
	content    *store.Content // nil if it came from ourselves
	task       *store.Task    // the receive task, if it came from ourselves
	known      store.ID       // the stored message, once its octets are
	kept       bool           // the content is stored
	report     pec.ID         // what it reports on, if it is a DSN about a message of ours
	takers     []pec.Address  // who takes it though no provider signed it; nil: not known yet
	left       []pec.Address  // who does not, or has no mailbox
	full       bool           // somebody would take it and has no room
}

// Receive takes a message from outside. See the package comment for what its return means.
func (p *Point) Receive(ctx context.Context, a Arrival) error {
	spool, read := p.Store.NewSpool(), verify.NewReader(pec.KeepForDSN)
	if _, err := io.Copy(io.MultiWriter(spool, read), a.Body); err != nil {
		spool.Discard()
		return fmt.Errorf("taking an arrival: %w", err)
	}
	m := &message{from: a.From, recipients: pec.Distinct(a.Recipients), peer: fmt.Sprintf("%s [%s]", a.Hello, a.Remote), network: admission.NetworkOf(a.Remote), read: read.Finish(), trace: p.received(a)}
	if err := p.admit(ctx, m); err != nil {
		spool.Discard()
		return err
	}
	var err error
	if m.content, err = spool.Seal(ctx); err != nil {
		return err
	}
	defer m.content.Release()
	return p.judge(ctx, m)
}

// admit refuses what is not kept in any case: ordinary mail, and everything while the disk's reserve is reached.
func (p *Point) admit(ctx context.Context, m *message) error {
	if err := p.Store.CheckReserve(p.Reserve); err != nil {
		return err
	}
	if m.read.Unsigned == nil {
		return nil
	}
	if err := p.findTakers(ctx, m); err != nil {
		return err
	}
	if len(m.takers) > 0 {
		return nil
	}
	leave, busy := p.Signing.Enter(ctx, "network "+m.network, 1)
	if busy != nil {
		return busy
	}
	defer leave()
	return p.refuse(ctx, m, &failure{check: verify.Existence, err: m.read.Unsigned})
}

func (p *Point) received(a Arrival) string {
	with := "ESMTP"
	if a.Secure {
		with = "ESMTPS"
	}
	return fmt.Sprintf("Received: from %s ([%s])\r\n\tby %s with %s;\r\n\t%s\r\n",
		pec.TraceWord(a.Hello), a.Remote, p.Hostname, with, pec.Date(p.Store.Instant(time.Time{}).At))
}

// ReceiveOwn takes what we send to ourselves: a receive task.
func (p *Point) ReceiveOwn(ctx context.Context, t store.Task) error {
	relays, err := p.Store.Relays(ctx, t)
	if err != nil {
		return err
	}
	m := &message{from: t.Sender, peer: "own", task: &t}
	for _, r := range relays {
		if r.State == store.RelayPending {
			m.recipients = append(m.recipients, r.Recipient)
		}
	}
	if len(m.recipients) == 0 {
		return p.Store.Done(ctx, t)
	}
	octets, err := p.Store.Open(ctx, t.Message, nil)
	if err != nil {
		return err
	}
	defer octets.Close()
	read := verify.NewReader(pec.KeepForDSN)
	if _, err := io.Copy(read, octets.Reader()); err != nil {
		return fmt.Errorf("reading our own message: %w", err)
	}
	m.read = read.Finish()
	return p.judge(ctx, m)
}

// Work does the receive tasks until the context ends.
func (p *Point) Work(ctx context.Context) error {
	return p.Store.Work(ctx, store.TaskReceive, 4, store.Backoff, p.ReceiveOwn)
}

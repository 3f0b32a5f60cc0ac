package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/admission"
	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Point is the access point of a provider.
type Point struct {
	Store     *store.Store
	Units     issuance.Units
	Directory func() *directory.Directory // the snapshot in force
	Hostname  string                      // in Received
	Limits    pec.Limits
	Reserve   int64 // octets of disk that submissions must leave free
	// Signing bounds the signatures between their instant and their commit, by sender in turn: the instant must not grow
	// old in a queue (design.md 3), and nobody waits for another's burst (attacks.md 39).
	Signing *admission.Gate
	// Budget bounds the signatures that a mailbox causes over time; nil means without limit (attacks.md 10).
	Budget *admission.Budget
	Log    *slog.Logger
}

// Submission is a message as a holder's client sends it.
type Submission struct {
	Mailbox    store.Mailbox
	Recipients []pec.Address
	Hello      string // EHLO name
	Remote     string // IP address
	Body       io.Reader
}

// Refused tells why a message is not accepted (RFC 6109 3.1.1): every fault at once. The signed notice is in the sender's mailbox.
type Refused struct {
	Faults []pec.FormalError
	Notice pec.ID // identificativo of the notice
}

func (r *Refused) Error() string {
	texts := make([]string, len(r.Faults))
	for i, f := range r.Faults {
		texts[i] = f.English
	}
	return "refused: " + strings.Join(texts, "; ")
}

// ErrNoDirectory keeps a submission out for now: the providers' directory is not there, or does not name the sender's
// domain as ours yet.
var ErrNoDirectory = errors.New("the providers' directory does not name the domain as ours")

// ErrBudget: the mailbox has spent its signatures for now.
var ErrBudget = errors.New("the mailbox has caused too many signatures within an hour")

// issuedAtOnce is what an acceptance costs: the transport envelope and the acceptance are signed.
const issuedAtOnce = 2

// Submit accepts a message. See the package comment for what its return means.
func (p *Point) Submit(ctx context.Context, s Submission) (pec.ID, error) {
	if err := p.Store.CheckReserve(p.Reserve); err != nil {
		return "", err
	}
	s.Recipients = pec.Distinct(s.Recipients)
	o, faults, err := p.take(ctx, s)
	if err != nil {
		return "", err
	}
	if len(faults) > 0 {
		return "", p.notAccept(ctx, s, o, faults)
	}
	defer o.content.Release()
	if id, err := p.repeated(ctx, s, o); err == nil || !errors.Is(err, store.ErrNotFound) {
		return id, err
	}
	id, err := p.acceptInTurn(ctx, s, o)
	switch {
	case errors.Is(err, store.ErrConflict): // the same submission on another connection was first
		return p.repeated(ctx, s, o)
	case errors.Is(err, pec.ErrTruncated):
		return "", p.notAccept(ctx, s, o, []pec.FormalError{tooComplex()})
	}
	return id, err
}

// acceptInTurn accepts when it is the sender's turn, if the mailbox's budget has the signatures that the message will cause: ours
// now, and for each recipient the one that says what became of it, here or at its provider (attacks.md 10, 39).
func (p *Point) acceptInTurn(ctx context.Context, s Submission, o *original) (pec.ID, error) {
	sender := s.Mailbox.Address.Key()
	leave, err := p.Signing.Enter(ctx, "from "+sender, issuedAtOnce)
	if err != nil {
		return "", err
	}
	defer leave()
	cost := issuedAtOnce + len(s.Recipients)
	if !p.Budget.Spend(sender, cost) {
		return "", ErrBudget
	}
	id, err := p.accept(ctx, s, o)
	if err != nil && !errors.Is(err, pec.ErrTruncated) { // what is too complex was signed already
		p.Budget.Refund(sender, cost)
	}
	return id, err
}

// original is a submission that was read. content and key are those of one that passed the formal checks.
type original struct {
	pec.Original
	header    pec.Header
	structure *pec.Structure
	sha256    [sha256.Size]byte // of the octets received
	content   *store.Content
	key       store.SubmissionKey
}

// take spools the octets in one pass and checks them. Those of a message with faults are dropped.
func (p *Point) take(ctx context.Context, s Submission) (*original, []pec.FormalError, error) {
	spool, scan := p.Store.NewSpool(), pec.NewScanner(nil)
	if _, err := io.Copy(io.MultiWriter(spool, scan), s.Body); err != nil {
		spool.Discard()
		return nil, nil, fmt.Errorf("taking a submission: %w", err)
	}
	// Once more: several may have come in together.
	if err := p.Store.CheckReserve(p.Reserve); err != nil {
		spool.Discard()
		return nil, nil, err
	}
	o := &original{structure: scan.Finish(), sha256: spool.SHA256()}
	if faults := p.check(s, o); len(faults) > 0 {
		spool.Discard()
		return o, faults, nil
	}
	var err error
	if o.content, err = spool.Seal(ctx); err != nil {
		return nil, nil, err
	}
	o.key = store.SubmissionKey{Mailbox: s.Mailbox.ID, ClientID: o.ClientID, SHA256: o.sha256, Recipients: store.RecipientsDigest(s.Recipients)}
	return o, nil, nil
}

func (p *Point) check(s Submission, o *original) []pec.FormalError {
	if o.structure.Truncated {
		return []pec.FormalError{tooComplex()} // its header may not be there to be judged
	}
	h, _ := pec.ParseHeader(o.structure.Root.Header) // what is wrong in it is remembered for Check
	o.header, o.Original = h, pec.ReadOriginal(h)
	return pec.Check(o.Original, pec.Submitted{
		Sender: s.Mailbox.Address, Recipients: s.Recipients, Size: o.structure.Size, LongestLine: o.structure.LongestLine,
	}, p.Limits)
}

// repeated answers a submission that was accepted before with the same id, and records that it came again.
func (p *Point) repeated(ctx context.Context, s Submission, o *original) (pec.ID, error) {
	id, err := p.Store.Submitted(ctx, o.key)
	if err != nil {
		return "", err
	}
	p.Log.Info("accepted before: the same octets, Message-ID and recipients within five days", "id", id, "sender", s.Mailbox.Address, "client_id", o.ClientID)
	return id, p.again(ctx, s, o, id)
}

// again records that a submission came again and was answered as before.
func (p *Point) again(ctx context.Context, s Submission, o *original, id pec.ID) error {
	unit, ok := p.Units.ByDomain(s.Mailbox.Address.Domain())
	if !ok {
		return ErrNoDirectory
	}
	at := p.Store.Instant(time.Time{})
	r := pec.Record{Fact: store.NewID(), At: at.At, Unit: string(unit.Address), Events: []pec.Event{{
		Kind: pec.EventRepeated, ID: id, Provider: unit.Entry, ClientID: o.ClientID, Sender: s.Mailbox.Address,
		Subject: o.Subject, OriginalSHA256: &o.sha256,
	}}}
	return p.Store.Note(ctx, at, r)
}

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Point relays what the other points have committed.
type Point struct {
	Store     *store.Store
	Directory func() *directory.Directory // the snapshot in force
	Pool      *Pool
	Routes    func(ctx context.Context, domain string, certified bool) (Route, error)
	Parallel  int // relays at a time
	Log       *slog.Logger
}

// What Routes returns for a domain that will never take mail: permanent.
var (
	// ErrNullMX: the domain says that it takes no mail (RFC 7505).
	ErrNullMX = errors.New("the domain takes no mail (RFC 7505)")
	// ErrNoDomain: there is no such domain.
	ErrNoDomain = errors.New("there is no such domain")
)

const (
	giveUp     = 24 * time.Hour // for external recipients (RFC 6109 2.2.2)
	alarmAfter = 4 * time.Hour  // for receipts that nobody takes (design.md 3)

	// A certified recipient is given up by the final overdue notice, which cancels the relay: what is tried shortly before could
	// arrive after the sender was told that it did not (design.md 3).
	lastAttempt = pec.FinalOverdue - 10*time.Minute
)

// Work does the relay tasks until the context ends.
func (p *Point) Work(ctx context.Context) error {
	return p.Store.Work(ctx, store.TaskRelay, p.Parallel, pause, p.Relay)
}

// pause is the time between two attempts: a minute at first, up to an hour.
func pause(t store.Task) time.Duration {
	return min(time.Minute<<min(t.Attempts, 10), time.Hour)
}

// relay is one attempt of a task.
type relay struct {
	*Point
	task      store.Task
	message   store.Message
	certified bool // the target is a provider in the directory
	results   []store.Relay
	trouble   string
}

// sendLimit bounds one transaction, which a peer could draw out at will (attacks.md 18).
const sendLimit = 30 * time.Minute

// Relay makes one attempt for every recipient of the task that is still pending.
func (p *Point) Relay(ctx context.Context, t store.Task) error {
	// A directory entry's key has an equals sign, which no domain can have.
	r := &relay{Point: p, task: t, certified: strings.Contains(t.Target, "=")}
	var err error
	if r.message, err = p.Store.Message(ctx, t.Message); err != nil {
		return err
	}
	relays, err := p.Store.Relays(ctx, t)
	if err != nil {
		return err
	}
	if now := p.Store.Instant(t.Since).At; r.tooLate(now) && slices.ContainsFunc(relays, func(x store.Relay) bool { return !settled(x) }) {
		return p.Store.Postpone(ctx, t, later(now, t.Since.Add(pec.FinalOverdue)).Add(time.Minute), errTooLate.Error())
	}
	err = r.sendAll(ctx, r.byRoute(ctx, relays))
	if err == nil {
		err = ctx.Err()
	}
	switch {
	case err != nil && !slices.ContainsFunc(r.results, settled):
		return err // a stop is no attempt; but what a peer took or refused is kept, so that it is not sent twice
	case len(r.results) == 0:
		return p.Store.Done(ctx, t) // receipts came first and cancelled what was left
	}
	return r.commit(ctx)
}

var errTooLate = errors.New("nothing is sent any more: the final overdue notice is due")

// tooLate: the final overdue notice is due, or will be before an attempt has surely ended.
func (r *relay) tooLate(now time.Time) bool {
	return r.certified && r.transport() && !now.Before(r.task.Since.Add(lastAttempt))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// limit bounds a transaction: a certified message's ends before the sender is told that it did not arrive.
func (r *relay) limit() time.Duration {
	if r.certified && r.transport() {
		return min(sendLimit, r.task.Since.Add(pec.FinalOverdue).Sub(r.Store.Instant(r.task.Since).At))
	}
	return sendLimit
}

// sendAll makes the transactions until one cannot be made: those not reached stay pending.
func (r *relay) sendAll(ctx context.Context, groups []*group) (err error) {
	for i, g := range groups {
		// What was one recipient too many for a transaction goes in the next one, at once: each makes progress.
		for rest := g.recipients; len(rest) > 0; {
			if r.tooLate(r.Store.Instant(r.task.Since).At) {
				err = errTooLate
			} else {
				rest, err = r.send(ctx, g.route, rest)
			}
			if err != nil {
				for _, missed := range groups[i:] {
					r.missed(missed.recipients, err)
				}
				return err
			}
		}
	}
	return nil
}

// missed notes that a recipient's turn did not come.
func (r *relay) missed(to []pec.Address, err error) {
	for _, a := range to {
		if !slices.ContainsFunc(r.results, func(x store.Relay) bool { return x.Recipient == a }) {
			r.trouble = err.Error()
			r.results = append(r.results, store.Relay{Recipient: a, State: store.RelayPending, Reply: r.trouble})
		}
	}
}

func settled(x store.Relay) bool { return x.State != store.RelayPending }

// group is the recipients that one SMTP transaction can serve.
type group struct {
	route      Route
	recipients []pec.Address
}

// byRoute groups the pending recipients by where their domain's mail goes: one transaction per provider and MX set.
func (r *relay) byRoute(ctx context.Context, relays []store.Relay) []*group {
	var groups []*group
	byRoute := map[laneKey]*group{}
	for _, x := range relays {
		if x.State != store.RelayPending {
			continue
		}
		route, err := r.Routes(ctx, x.Recipient.Domain(), r.certified)
		if err != nil {
			r.result(x.Recipient, r.noRoute(err))
			continue
		}
		g := byRoute[route.key()]
		if g == nil {
			g = &group{route: route}
			byRoute[route.key()] = g
			groups = append(groups, g)
		}
		g.recipients = append(g.recipients, x.Recipient)
	}
	return groups
}

// noRoute is the reply for a recipient whose mail has nowhere to go. A provider in the directory is not gone because the
// DNS says so: its mail waits.
func (r *relay) noRoute(err error) Reply {
	switch {
	case r.certified:
	case errors.Is(err, ErrNullMX):
		return Reply{Code: 556, Enhanced: "5.1.10", Text: err.Error()}
	case errors.Is(err, ErrNoDomain):
		return Reply{Code: 550, Enhanced: "5.1.2", Text: err.Error()}
	}
	return Reply{Code: 451, Enhanced: "4.4.4", Text: err.Error()}
}

// send makes one transaction and notes what the peer said for each recipient. It returns those that were one too many.
func (r *relay) send(ctx context.Context, route Route, to []pec.Address) (rest []pec.Address, err error) {
	octets, err := r.Store.Open(ctx, r.task.Message, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.limit())
	defer cancel()
	m := Mail{From: string(r.task.Sender), Size: octets.Size(), EightBit: r.eightBit(ctx)}
	for _, a := range to {
		m.Recipients = append(m.Recipients, string(a))
	}
	m.Body = func(w io.Writer) error {
		_, err := io.Copy(w, octets.Reader())
		return err
	}
	out := r.Pool.Send(ctx, route, m)
	if err := octets.Close(); err != nil {
		return nil, err
	}
	r.warn(out)
	for i, reply := range out.Replies {
		if reply.TooMany {
			rest = append(rest, to[i])
			continue
		}
		if out.Unknown {
			reply.Text = "the peer may have taken it: " + reply.Text
		}
		r.result(to[i], reply)
	}
	return rest, nil
}

func (r *relay) eightBit(ctx context.Context) bool {
	st, err := r.Store.Structure(ctx, r.task.Message)
	return err == nil && st.EightBit
}

// warn sounds the alarm for a peer whose TLS cannot be trusted: the mail waits (norms.md 142).
func (r *relay) warn(out Outcome) {
	var te *TLSError
	if errors.As(out.Err, &te) {
		r.Log.Error("a peer's TLS is refused: its mail waits", "target", r.task.Target, "id", r.task.PEC, "error", te)
	}
	var be *BodyError
	if errors.As(out.Err, &be) {
		r.Log.Error("a stored message cannot be sent", "target", r.task.Target, "id", r.task.PEC, "error", be)
	}
}

// result turns a reply into the recipient's new state. What is owed, receipts and reports, takes no refusal.
func (r *relay) result(to pec.Address, reply Reply) {
	x := store.Relay{Recipient: to, State: store.RelayPending, Reply: reply.String()}
	switch {
	case reply.OK():
		x.State = store.RelayDone
	case r.transport() && (reply.Permanent() || r.expired()):
		x.State = store.RelayFailed
	}
	if x.State == store.RelayPending {
		r.trouble = x.Reply
	}
	r.results = append(r.results, x)
}

func (r *relay) transport() bool { return r.message.Kind == string(pec.Transport) }

// expired: nobody outside PEC will answer any more. A certified recipient's time is up with the final overdue notice.
func (r *relay) expired() bool {
	return !r.certified && r.Store.Instant(r.task.Since).At.Sub(r.task.Since) >= giveUp
}

// commit records the attempt: the task is finished when no recipient is pending.
func (r *relay) commit(ctx context.Context) error {
	at := r.Store.Instant(r.task.Since)
	c := store.Relayed{Instant: at, Task: r.task, Results: r.results, Trouble: r.trouble, Certify: r.transport()}
	for _, x := range r.results {
		if x.State == store.RelayPending {
			c.Due = r.due(at.At)
		}
	}
	c.Record = r.record(at)
	if err := r.Store.Relayed(ctx, c); err != nil {
		return err
	}
	r.report(at.At, c.Due)
	return nil
}

// due is the next attempt, and for external recipients no later than the moment at which they are given up.
func (r *relay) due(now time.Time) time.Time {
	due := now.Add(pause(r.task))
	if last := r.task.Since.Add(giveUp); r.transport() && !r.certified && due.After(last) && now.Before(last) {
		return last
	}
	return due
}

func (r *relay) record(at store.Instant) pec.Record {
	rec := pec.Record{Fact: store.NewID(), At: at.At, Unit: r.message.Unit}
	for _, x := range r.results {
		kind := map[string]pec.EventKind{store.RelayDone: pec.EventRelayed, store.RelayPending: pec.EventRelayDeferred, store.RelayFailed: pec.EventRelayFailed}[x.State]
		rec.Events = append(rec.Events, pec.Event{
			Kind: kind, ID: r.task.PEC, Provider: r.task.Provider, Sender: r.task.Sender, Recipient: x.Recipient,
			Detail: fmt.Sprintf("%s <%s>: %s", r.message.Kind, r.message.MessageID, x.Reply),
		})
	}
	return rec
}

func (r *relay) report(now, due time.Time) {
	refused := slices.DeleteFunc(slices.Clone(r.results), func(x store.Relay) bool { return x.State != store.RelayFailed })
	for _, x := range refused {
		r.Log.Info("refused by the other server", "id", r.task.PEC, "kind", r.message.Kind, "target", r.task.Target, "recipient", x.Recipient, "said", x.Reply)
	}
	if due.IsZero() {
		if n := len(r.results) - len(refused); n > 0 {
			r.Log.Info("relayed", "id", r.task.PEC, "kind", r.message.Kind, "target", r.task.Target, "recipients", n)
		}
		return
	}
	level := slog.LevelWarn
	if !r.transport() && now.Sub(r.task.Since) > alarmAfter {
		level = slog.LevelError
	}
	r.Log.Log(context.Background(), level, "a relay waits", "id", r.task.PEC, "kind", r.message.Kind, "target", r.task.Target, "due", due, "said", r.trouble)
}

package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/dialect"
	"github.com/ceralacca/ceralacca/issuance"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/provider"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/smtpd"
	"github.com/ceralacca/ceralacca/store"
)

// Engines are the names that Options.BetaAs may have.
func Engines() []string { return dialect.Names() }

// CheckEngine tells what is wrong with such a name.
func CheckEngine(name string) error {
	_, err := dialect.Named(name)
	return err
}

// The mailboxes of each provider that always come to the same end, with no fault set (design.md 9): the local parts in the
// provider's first domain. `inesistente` is no mailbox.
const (
	fullMailbox     = "casella-piena"
	disabledMailbox = "disabilitata"
	silentMailbox   = "silenzio" // taken in charge, never delivered
	slowMailbox     = "lenta"    // delivered an hour later
	oddMailbox      = "anomalia" // what comes from another provider is found malformed
)

// outcomes are these local parts.
func outcomes() []string {
	return []string{fullMailbox, "inesistente", disabledMailbox, silentMailbox, slowMailbox, oddMailbox}
}

const (
	lateBy  = 23 * time.Hour
	slowBy  = time.Hour
	neverIn = 10 * 365 * 24 * time.Hour
	aheadBy = 2 * time.Hour
	hangFor = 30 * time.Second
)

// mischief is what one provider of the sandbox does wrong.
type mischief struct {
	plan     *providerPlan
	domains  map[string]string // of all providers: name by domain
	faults   *faultSet
	dir      string // for messages that come twice
	past     *x509.Certificate
	unlisted *x509.Certificate
	revoked  *x509.Certificate
}

func (m *mischief) hooks() provider.Hooks {
	return provider.Hooks{Port25: m.port25, Receive: m.receive, Task: m.task, Forge: m.forge}
}

func (m *mischief) strikes(f fault, message string) bool {
	return m.faults.strikes(m.plan.name, f, message)
}

// badPort is a port 25 that may close what it accepts, or leave it without a word.
type badPort struct {
	net.Listener
	*mischief
}

func (m *mischief) port25(l net.Listener) net.Listener { return badPort{l, m} }

// Accept implements net.Listener.
func (l badPort) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		switch {
		case l.strikes(unreachable, rand.Text()):
			c.Close()
		case l.strikes(slow, rand.Text()):
			time.AfterFunc(hangFor, func() { c.Close() })
		default:
			return c, nil
		}
	}
}

// receive takes what comes to this provider: silence is its own fault, what comes twice is its sender's.
func (m *mischief) receive(next provider.Receive) provider.Receive {
	return func(ctx context.Context, tx *smtpd.Transaction, body io.Reader) (string, error) {
		nonce := rand.Text()
		if m.strikes(silent, nonce) {
			_, err := io.Copy(io.Discard, body)
			return "2.0.0 taken", err
		}
		odd := func(to string) bool { return strings.HasPrefix(strings.ToLower(to), oddMailbox+"@") }
		twice := m.faults.strikes(m.domains[strings.ToLower(tx.From[strings.LastIndexByte(tx.From, '@')+1:])], duplicate, nonce)
		if !twice && !slices.ContainsFunc(tx.Recipients, odd) {
			return next(ctx, tx, body)
		}
		file, err := m.spooled(body)
		if err != nil {
			return "", err
		}
		defer file.Close()
		return m.eachWay(ctx, next, tx, file, odd, twice)
	}
}

// eachWay gives a message on, once or twice, and for the odd mailbox with a header that contradicts it.
func (m *mischief) eachWay(ctx context.Context, next provider.Receive, tx *smtpd.Transaction, file *os.File, odd func(string) bool, twice bool) (reply string, err error) {
	for _, contradicted := range []bool{false, true} {
		one := *tx
		one.Recipients = slices.DeleteFunc(slices.Clone(tx.Recipients), func(to string) bool { return odd(to) != contradicted })
		for again := false; len(one.Recipients) > 0; again = true {
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return "", err
			}
			if reply, err = next(ctx, &one, body(file, contradicted)); err != nil || again || !twice {
				break
			}
		}
		if err != nil {
			return "", err
		}
	}
	return reply, nil
}

// body is a spooled message; a contradicted one says in its header, which nobody signs, that it is an envelope of another kind.
func body(file io.Reader, contradicted bool) io.Reader {
	if !contradicted {
		return file
	}
	return io.MultiReader(strings.NewReader("X-Trasporto: errore\r\n"), file)
}

func (m *mischief) spooled(body io.Reader) (*os.File, error) {
	file, err := os.CreateTemp(m.dir, "twice-")
	if err != nil {
		return nil, fmt.Errorf("keeping a message that comes twice: %w", err)
	}
	os.Remove(file.Name()) // it goes when it is closed
	if _, err := io.Copy(file, body); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// task delays or refuses what this provider has to do.
func (m *mischief) task(p *provider.Provider, kind store.TaskKind, do provider.Work) provider.Work {
	switch kind {
	case store.TaskDeliver:
		return func(ctx context.Context, t store.Task) error { return m.deliver(ctx, p, t, do) }
	case store.TaskRelay:
		return func(ctx context.Context, t store.Task) error { return m.relay(ctx, p, t, do) }
	}
	return do
}

func (m *mischief) deliver(ctx context.Context, p *provider.Provider, t store.Task, do provider.Work) error {
	msg, err := p.Store.Message(ctx, t.Message)
	if err != nil {
		return err
	}
	if msg.Kind != string(pec.Transport) {
		return do(ctx, t)
	}
	now := p.Store.Instant(t.Since).At
	due := func(d time.Duration) bool { return now.Before(t.Since.Add(d)) }
	local, id := strings.ToLower(pec.Address(t.Target).Local()), string(t.PEC)
	switch {
	case local == silentMailbox || m.strikes(noDelivery, id):
		return p.Store.Postpone(ctx, t, now.Add(neverIn), "the sandbox never delivers it")
	case m.strikes(late, id) && due(lateBy):
		return p.Store.Postpone(ctx, t, t.Since.Add(lateBy), "the sandbox delivers it late")
	case local == slowMailbox && due(slowBy):
		return p.Store.Postpone(ctx, t, t.Since.Add(slowBy), "the sandbox delivers it late")
	case m.strikes(mailboxFull, id):
		return p.RefuseAsFull(ctx, t)
	}
	return do(ctx, t)
}

func (m *mischief) relay(ctx context.Context, p *provider.Provider, t store.Task, do provider.Work) error {
	if t.Attempts == 0 && m.strikes(reorder, string(t.PEC)) {
		msg, err := p.Store.Message(ctx, t.Message)
		if err != nil {
			return err
		}
		if msg.Kind == string(pec.TakenInCharge) {
			return p.Store.Postpone(ctx, t, p.Store.Instant(t.Since).At.Add(time.Minute), "the sandbox sends it after the delivery receipt")
		}
	}
	return do(ctx, t)
}

// forge makes a unit sign with certificates that are none, without certification data, or in another hour. What the provider sends
// to itself stays right: it would wait for its own directory.
func (m *mischief) forge(u *issuance.Unit) {
	key := u.Keys[0]
	u.Forge = func(c *pec.Composition) issuance.Forgery {
		id := string(c.Data.ID)
		if c.Data.Kind == pec.NonDelivery && c.Data.Reason == pec.ReasonNoRecipient && m.strikes(unknownAsAltro, id) {
			c.Data.Reason = pec.ReasonOther
		}
		var f issuance.Forgery
		if !m.goesOut(c) {
			return f
		}
		if m.strikes(wrongClock, id) {
			c.Data.At = c.Data.At.Add(aheadBy)
		}
		switch {
		case m.strikes(expired, id):
			f.Key = forgedKey(key, m.past)
		case m.strikes(notInDirectory, id):
			f.Key = forgedKey(key, m.unlisted)
		case m.strikes(revoked, id):
			f.Key = forgedKey(key, m.revoked)
		}
		if m.strikes(malformed, id) {
			f.Octets = withoutData
		}
		return f
	}
}

// goesOut tells what is for other providers alone.
func (m *mischief) goesOut(c *pec.Composition) bool {
	ours := func(a pec.Address) bool { return slices.Contains(m.plan.domains, strings.ToLower(a.Domain())) }
	switch c.Data.Kind {
	case pec.Transport:
		return !slices.ContainsFunc(c.Data.Recipients, func(r pec.Recipient) bool { return ours(r.Address) })
	case pec.TakenInCharge, pec.Delivered, pec.NonDelivery:
		return !ours(c.To)
	}
	return false
}

// forgedKey is the unit's key under another certificate.
func forgedKey(key issuance.Key, cert *x509.Certificate) *issuance.Key {
	chain := append([]*x509.Certificate{cert}, key.Chain[1:]...)
	signer, err := smime.NewSigner(key.Private, chain)
	if err != nil {
		return nil // the certificate is of this very key: it was made so
	}
	return &issuance.Key{Signer: signer, From: key.From, Private: key.Private, Chain: chain}
}

// withoutData gives the certification data another name and type, however an engine writes these: nobody finds them.
func withoutData(octets []byte) []byte {
	octets = regexp.MustCompile(`(?i)(name="?)daticert\.xml`).ReplaceAll(octets, []byte("${1}dati.bin"))
	return regexp.MustCompile(`(?i)(content-type: application/)xml;`).ReplaceAll(octets, []byte("${1}octet-stream;"))
}

// newMischief prepares what a provider needs to do wrong: three certificates of its key, one expired and one revoked, both in the
// directory, and one in no directory.
func (s *Sandbox) newMischief(pp *providerPlan) (*mischief, error) {
	m := &mischief{plan: pp, domains: map[string]string{}, faults: s.faults, dir: s.o.Dir}
	for _, other := range s.plan.providers {
		for _, d := range other.domains {
			m.domains[d] = other.name
		}
	}
	for name, cert := range map[string]**x509.Certificate{pp.expiredCert: &m.past, pp.unlistedCert: &m.unlisted, pp.revokedCert: &m.revoked} {
		var err error
		if *cert, err = readCertificate(s.path(name)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return m, nil
}

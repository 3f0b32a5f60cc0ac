package sandbox

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// shown is how many messages the page shows.
const shown = 50

// sentMessage is one of the last messages with what is known of its recipients.
type sentMessage struct {
	At                time.Time
	ID, From, Subject string
	Raw               []rawLink
	Recipients        []recipient
}

// recipient is one of a message's.
type recipient struct {
	Address string
	State   recipientState
	Reply   string // what its server said against taking the message
	Raw     []rawLink
}

// recipientState is how far a message has come on its way to a recipient. Its value is the class of the page's style.
type recipientState string

const (
	stateAccepted  recipientState = "accepted"  // by the sender's provider
	stateRelayed   recipientState = "relayed"   // the recipient's provider answered 250
	stateTaken     recipientState = "taken"     // and said so in a receipt
	stateDelivered recipientState = "delivered" // it is in the mailbox
	stateFailed    recipientState = "failed"
	stateLate      recipientState = "late"   // the notice of 12 hours was issued
	stateLost      recipientState = "lost"   // and that of 24 hours
	stateHanded    recipientState = "handed" // ordinary mail: its server answered 250
)

// in is the state in words.
func (s recipientState) in(l language) string {
	switch s {
	case stateRelayed:
		return l.Say("relayed", "inoltrato")
	case stateTaken:
		return l.Say("taken in charge", "preso in carico")
	case stateDelivered:
		return l.Say("delivered", "consegnato")
	case stateFailed:
		return l.Say("failed", "non consegnato")
	case stateLate:
		return l.Say("overdue (12 hours)", "in ritardo (12 ore)")
	case stateLost:
		return l.Say("overdue (24 hours)", "non consegnato entro 24 ore")
	case stateHanded:
		return l.Say("handed over (ordinary mail)", "inoltrato (posta ordinaria)")
	}
	return l.Say("accepted", "accettato")
}

// rawLink is where a stored message can be read as it is.
type rawLink struct {
	kind pec.Kind
	path string
}

// link leads to a message of this kind about the one with the given id; recipient may be empty.
func link(short string, id pec.ID, kind pec.Kind, recipient pec.Address) rawLink {
	path := "/messages/" + short + "/" + url.PathEscape(string(id)) + "/" + string(kind)
	if recipient != "" {
		path += "/" + url.PathEscape(string(recipient))
	}
	return rawLink{kind, path}
}

// recentMessages keeps what was read last, for as long as no provider has a new fact.
type recentMessages struct {
	mu    sync.Mutex
	facts []int64
	read  []sentMessage
}

// list is the last messages of all providers, the newest first.
func (c *recentMessages) list(ctx context.Context, s *Sandbox) ([]sentMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var facts []int64
	for _, m := range s.running {
		n, err := m.Store.Facts(ctx)
		if err != nil {
			return nil, err
		}
		facts = append(facts, n)
	}
	if slices.Equal(facts, c.facts) {
		return c.read, nil
	}
	var read []sentMessage
	for _, m := range s.running {
		sent, err := m.Store.Recent(ctx, shown)
		if err != nil {
			return nil, err
		}
		for _, x := range sent {
			read = append(read, describe(m.plan, x))
		}
	}
	slices.SortStableFunc(read, func(a, b sentMessage) int { return b.At.Compare(a.At) })
	c.facts, c.read = facts, read[:min(len(read), shown)]
	return c.read, nil
}

func describe(p *providerPlan, x store.Sent) sentMessage {
	m := sentMessage{
		At: x.At.In(pec.Rome()), ID: string(x.PEC), From: visible(string(x.Sender)),
		Raw: []rawLink{link(p.short, x.PEC, pec.Transport, ""), link(p.short, x.PEC, pec.Acceptance, "")},
	}
	data, err := pec.ParseCertData(x.CertData)
	if err != nil {
		m.Subject = err.Error()
		return m
	}
	m.Subject = visible(data.Subject)
	relays, tracking := map[string]store.Relay{}, map[string]store.Tracking{}
	for _, o := range x.Outside {
		relays[o.Recipient.Key()] = o
	}
	for _, t := range x.Recipients {
		tracking[t.Recipient.Key()] = t
	}
	for _, to := range data.Recipients {
		key := to.Address.Key()
		r := recipient{Address: visible(string(to.Address))}
		if t, certified := tracking[key]; certified {
			r.State, r.Raw = stateOf(t, relays[key]), receipts(p, x.PEC, t)
		} else {
			r.State = outsideState(relays[key])
		}
		if reply := relays[key].Reply; !strings.HasPrefix(reply, "2") && r.State != stateDelivered {
			r.Reply = visible(reply)
		}
		m.Recipients = append(m.Recipients, r)
	}
	return m
}

// outsideState is what is known of an ordinary address: that its server took the message, or refused it.
func outsideState(r store.Relay) recipientState {
	switch r.State {
	case store.RelayDone:
		return stateHanded
	case store.RelayFailed:
		return stateFailed
	}
	return stateAccepted
}

func stateOf(t store.Tracking, r store.Relay) recipientState {
	switch {
	case t.State == store.StateDelivered:
		return stateDelivered
	case t.State == store.StateFailed:
		return stateFailed
	case !t.Final.IsZero():
		return stateLost
	case !t.FirstNotice.IsZero():
		return stateLate
	case !t.TakenAt.IsZero():
		return stateTaken
	case r.State == store.RelayDone:
		return stateRelayed
	}
	return stateAccepted
}

// receipts leads to those that there are about a recipient. Within one provider taking in charge is a mark, no message
// (design.md 3).
func receipts(p *providerPlan, id pec.ID, t store.Tracking) []rawLink {
	var links []rawLink
	if !t.TakenAt.IsZero() && !slices.Contains(p.domains, t.Recipient.Domain()) {
		links = append(links, link(p.short, id, pec.TakenInCharge, t.Recipient))
	}
	if !t.FirstNotice.IsZero() || !t.Final.IsZero() {
		links = append(links, link(p.short, id, pec.Overdue, t.Recipient))
	}
	switch t.State {
	case store.StateDelivered:
		links = append(links, link(p.short, id, pec.Delivered, t.Recipient))
	case store.StateFailed:
		links = append(links, link(p.short, id, pec.NonDelivery, t.Recipient))
	}
	return links
}

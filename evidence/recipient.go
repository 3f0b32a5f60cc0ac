package evidence

import (
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// State is what became of a message for one recipient.
type State string

// The states, of which a later one says more.
const (
	StateNothing     State = "nothing"      // no message at hand tells
	StateExternal    State = "external"     // he has no certified mailbox: no receipts exist
	StateRefused     State = "not-accepted" // the message was not accepted
	StateAccepted    State = "accepted"     // by the sender's provider, and nothing more is known
	StateTaken       State = "taken-in-charge"
	StateOverdue     State = "overdue"       // no outcome after twelve hours
	StateLost        State = "overdue-final" // nor after twenty-four: it is held for not delivered
	StateUndelivered State = "not-delivered"
	StateDelivered   State = "delivered"
	StateDisputed    State = "contradiction" // delivered and not delivered, or accepted and not accepted
)

// settled tells that a last receipt is there.
func (s State) settled() bool {
	switch s {
	case StateUndelivered, StateDelivered, StateDisputed, StateLost:
		return true
	}
	return false
}

// Recipient is one recipient of a story's message.
type Recipient struct {
	Address  string            `json:"address"`
	Type     pec.RecipientType `json:"type"`
	State    State             `json:"state"`
	At       *time.Time        `json:"at,omitempty"`       // of what the state follows from
	Detail   string            `json:"detail,omitempty"`   // of the error
	Messages []string          `json:"messages,omitempty"` // the items that it follows from
}

// tellRecipients finds the state of every recipient: by what is about the whole message, and by what is about him.
func (s *Story) tellRecipients() {
	known := map[string]*Recipient{}
	about := map[string][]*Item{}
	var ofAll []*Item
	for _, i := range s.items {
		if !i.counts(s.Proven) {
			continue
		}
		for _, to := range i.Recipients {
			if key := pec.Address(to.Address).Key(); known[key] == nil {
				known[key] = &Recipient{Address: to.Address, Type: to.Type, State: StateNothing}
				s.Recipients = append(s.Recipients, known[key])
			}
		}
		if i.Kind == pec.Acceptance || i.Kind == pec.NonAcceptance {
			ofAll = append(ofAll, i)
		}
		for _, a := range i.About {
			about[pec.Address(a).Key()] = append(about[pec.Address(a).Key()], i)
		}
	}
	for _, r := range s.Recipients {
		s.follow(r, append(slices.Clone(ofAll), about[pec.Address(r.Address).Key()]...))
	}
}

// follow advances a recipient by the messages that are about him.
func (s *Story) follow(r *Recipient, items []*Item) {
	said := map[State]*Item{}
	for _, i := range items {
		state := stateAfter(i)
		if before := said[state]; before != nil && before.Kind == i.Kind && state.settled() && state != StateLost {
			s.problem(OddDiffers, r.Address, before.Name, i.Name)
			continue
		}
		said[state] = i
	}
	for _, state := range []State{StateRefused, StateAccepted, StateTaken, StateOverdue, StateLost, StateUndelivered, StateDelivered} {
		if i := said[state]; i != nil {
			r.State, r.At, r.Detail, r.Messages = state, i.At, i.Detail, []string{i.Name}
		}
	}
	r.dispute(s, said[StateDelivered], said[StateUndelivered])
	r.dispute(s, said[StateAccepted], said[StateRefused])
	r.dispute(s, said[StateDelivered], said[StateRefused])
	if r.Type == pec.External && (r.State == StateAccepted || r.State == StateNothing) {
		r.State = StateExternal
	}
}

func (r *Recipient) dispute(s *Story, a, b *Item) {
	if a != nil && b != nil {
		r.State, r.Messages = StateDisputed, []string{a.Name, b.Name}
		s.problem(OddContradiction, r.Address, a.Name, b.Name)
	}
}

// stateAfter is what a message says of those that it is about; "" if it says nothing of them.
func stateAfter(i *Item) State {
	switch i.Kind {
	case pec.Acceptance:
		return StateAccepted
	case pec.NonAcceptance:
		return StateRefused
	case pec.TakenInCharge:
		return StateTaken
	case pec.Overdue:
		if i.final {
			return StateLost
		}
		return StateOverdue
	case pec.NonDelivery, pec.VirusDetected:
		return StateUndelivered
	case pec.Delivered:
		return StateDelivered
	}
	return ""
}

package evidence

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// Story is what the messages at hand tell of one message that was sent: the message of an identifier and a sender.
type Story struct {
	ID         pec.ID       `json:"identifier"`
	Sender     string       `json:"sender"`
	ClientID   string       `json:"client_message_id,omitempty"`
	Subject    string       `json:"subject,omitempty"`
	Proven     bool         `json:"proven"`     // all that is told follows from valid messages
	Refused    bool         `json:"refused"`    // it was not accepted
	Recipients []*Recipient `json:"recipients"` // in the order in which they are named
	Events     []Event      `json:"events"`     // in the order of their instants
	Missing    []Missing    `json:"missing"`    // what its sender should have
	Problems   []Problem    `json:"problems"`   // what does not fit
	Originals  []Comparison `json:"originals"`  // with the message itself, where it was given
	items      []*Item
}

// Event is a message of the story.
type Event struct {
	At      *time.Time `json:"at,omitempty"`
	Kind    pec.Kind   `json:"kind"`
	Message string     `json:"message"` // the name of the item
	Verdict Verdict    `json:"verdict"`
	About   []string   `json:"about,omitempty"`
	Final   bool       `json:"final,omitempty"` // an overdue notice: the last one
	Counted bool       `json:"counted"`         // the recipients' states may follow from it
}

// Missing is a message that the sender should have and that was not given.
type Missing struct {
	Kind      pec.Kind `json:"kind"`
	Recipient string   `json:"recipient,omitempty"` // whom it would be about
}

// Oddity is what does not fit in a story: a word for programs, which does not change between versions.
type Oddity string

// The oddities.
const (
	OddRepeated      Oddity = "repeated"       // the same message more than once
	OddDiffers       Oddity = "differs"        // two different messages say the same
	OddContradiction Oddity = "contradiction"  // delivered and not delivered, or accepted and not accepted
	OddStranger      Oddity = "stranger"       // it is about somebody to whom nothing was sent
	OddReference     Oddity = "reference"      // it names another message of the sender's program
	OddOrder         Oddity = "order"          // it happened before the message was accepted
	OddOriginal      Oddity = "other-original" // the message given is not the one that was certified
)

// Problem is an oddity and the items that it is about.
type Problem struct {
	Code      Oddity   `json:"code"`
	Messages  []string `json:"messages"`
	Recipient string   `json:"recipient,omitempty"`
}

// stories groups items by what they are about, in the order in which they were found.
func stories(items []*Item) []*Story {
	known, all := map[string]*Story{}, []*Story{}
	for _, item := range items {
		if item.ID == "" || !item.Certified() {
			continue
		}
		key := string(item.ID) + "\n" + pec.Address(item.Sender).Key()
		s := known[key]
		if s == nil {
			s = &Story{ID: item.ID, Sender: item.Sender, Recipients: []*Recipient{}, Missing: []Missing{}, Problems: []Problem{}, Originals: []Comparison{}}
			known[key], all = s, append(all, s)
		}
		s.items = append(s.items, item)
	}
	for _, s := range all {
		s.tell()
	}
	return all
}

func (s *Story) tell() {
	slices.SortStableFunc(s.items, func(a, b *Item) int { return compareInstants(a.At, b.At) })
	s.unique()
	s.Proven = slices.ContainsFunc(s.items, func(i *Item) bool { return i.counts(true) })
	s.findStrangers()
	for _, i := range s.items {
		s.Events = append(s.Events, Event{At: i.At, Kind: i.Kind, Message: i.Name, Verdict: i.Verdict, About: i.About, Final: i.final, Counted: i.counts(s.Proven)})
		if i.counts(s.Proven) {
			s.ClientID, s.Subject = cmp.Or(s.ClientID, i.ClientID), cmp.Or(s.Subject, i.Subject)
			s.Refused = s.Refused || i.Kind == pec.NonAcceptance
		}
	}
	if s.Subject == "" { // nothing counts, and what is said is said not to be proven
		s.ClientID, s.Subject = s.items[0].ClientID, s.items[0].Subject
	}
	s.tellRecipients()
	s.findMissing()
}

func compareInstants(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}

// unique keeps one of the items that are one act of signing: the best one, for the header of a copy may have been altered.
func (s *Story) unique() {
	var kept []*Item
	at, again := map[string]int{}, map[string][]string{}
	for _, i := range s.items {
		n, known := at[i.act]
		if !known || i.act == "" {
			at[i.act] = len(kept)
			kept = append(kept, i)
			continue
		}
		if i.counts(true) && !kept[n].counts(true) || i.counts(false) && !kept[n].counts(false) {
			i, kept[n] = kept[n], i
		}
		again[i.act] = append(again[i.act], i.Name)
	}
	for _, k := range kept {
		if names := again[k.act]; k.act != "" && names != nil {
			s.problem(OddRepeated, "", append([]string{k.Name}, names...)...)
		}
	}
	s.items = kept
}

// clockSkew is how far the clocks of two providers may lie apart.
const clockSkew = time.Hour

func (s *Story) problem(code Oddity, recipient string, names ...string) {
	s.Problems = append(s.Problems, Problem{code, names, recipient})
}

// findStrangers finds receipts that do not fit the message: they count for nothing (attacks.md 15). What the message is, its own
// provider says.
func (s *Story) findStrangers() {
	base := s.base()
	if base == nil {
		return
	}
	to := map[string]bool{}
	for _, r := range base.Recipients {
		to[pec.Address(r.Address).Key()] = true
	}
	for _, i := range s.items {
		if i == base || !i.counts(false) {
			continue
		}
		for _, r := range i.About {
			if !to[pec.Address(r).Key()] {
				i.strange = true
				s.problem(OddStranger, r, i.Name)
			}
		}
		if i.ClientID != "" && base.ClientID != "" && i.ClientID != base.ClientID {
			i.strange = true
			s.problem(OddReference, "", i.Name)
		}
		if i.At != nil && base.At != nil && i.At.Before(base.At.Add(-clockSkew)) {
			i.strange = true
			s.problem(OddOrder, "", i.Name)
		}
	}
}

// base is what the sender's provider says of the message itself: the acceptance, or else the envelope.
func (s *Story) base() *Item {
	for _, kind := range []pec.Kind{pec.Acceptance, pec.NonAcceptance, pec.Transport} {
		for _, i := range s.items {
			if i.Kind == kind && i.counts(s.Proven) {
				return i
			}
		}
	}
	return nil
}

// findMissing tells what the sender should have. Who has only the envelope is a recipient, and should have nothing else.
func (s *Story) findMissing() {
	receipts := slices.ContainsFunc(s.items, func(i *Item) bool { return i.Kind.Receipt() && i.counts(s.Proven) })
	if !receipts || s.Refused {
		return
	}
	if !slices.ContainsFunc(s.items, func(i *Item) bool { return i.Kind == pec.Acceptance && i.counts(s.Proven) }) {
		s.Missing = append(s.Missing, Missing{Kind: pec.Acceptance})
	}
	for _, r := range s.Recipients {
		if r.Type == pec.Certified && !r.State.settled() {
			s.Missing = append(s.Missing, Missing{pec.Delivered, r.Address})
		}
	}
}

// names joins for people.
func names(list []string) string { return strings.Join(list, ", ") }

package sandbox

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// fault is something that a provider of the sandbox does wrong, by its name on the control port (design.md 9). docs/sandbox.md says
// what comes of each.
type fault string

const (
	unreachable    fault = "unreachable"      // port 25 closes every connection
	slow           fault = "slow"             // port 25 takes the connection and says nothing
	silent         fault = "silent"           // 250 at SMTP, then nothing
	noDelivery     fault = "no-delivery"      // takes charge, never delivers
	late           fault = "late"             // takes charge, delivers 23 hours later
	duplicate      fault = "duplicate"        // what it sends comes twice
	reorder        fault = "reorder"          // its taking in charge comes after its delivery receipt
	mailboxFull    fault = "mailbox-full"     // every mailbox is full
	unknownAsAltro fault = "unknown-as-altro" // an unknown mailbox is reported as `altro`
	expired        fault = "expired"          // signs with a certificate that has expired
	notInDirectory fault = "not-in-directory" // signs with a certificate that the directory does not name
	revoked        fault = "revoked"          // signs with a certificate that the authority has revoked
	malformed      fault = "malformed"        // signs messages without certification data
	wrongClock     fault = "wrong-clock"      // writes instants that are two hours ahead
)

// faults are all of them; chaosFaults those that befall one message.
func faults() []fault { return append([]fault{unreachable, slow}, chaosFaults()...) }

func chaosFaults() []fault {
	return []fault{silent, noDelivery, late, duplicate, reorder, mailboxFull, unknownAsAltro, expired, notInDirectory, revoked, malformed, wrongClock}
}

// faultSet says which faults each provider has. A message has a fault or has it not, at every step, by a draw over its identifier.
type faultSet struct {
	seed  uint64
	chaos float64 // the part of messages that has some fault of every provider

	mu    sync.Mutex
	rates map[string]map[fault]float64 // by provider, 0 to 1
}

func newFaultSet(seed uint64, chaos float64) *faultSet {
	return &faultSet{seed: seed, chaos: chaos, rates: map[string]map[fault]float64{}}
}

// draw is a number from 0 to 1 that belongs to a text.
func (s *faultSet) draw(parts ...string) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%s", s.seed, strings.Join(parts, "\x00"))
	sum := h.Sum64()
	sum ^= sum >> 31 // what differs in its last octets only must differ in all
	sum *= 0x9e3779b97f4a7c15
	return float64(sum>>11) / (1 << 53)
}

// strikes tells whether a fault of a provider befalls a message.
func (s *faultSet) strikes(provider string, f fault, message string) bool {
	s.mu.Lock()
	rate := s.rates[provider][f]
	s.mu.Unlock()
	if rate > 0 && s.draw(provider, string(f), message) < rate {
		return true
	}
	all := chaosFaults()
	return s.draw(provider, "chaos", message) < s.chaos && all[int(s.draw(provider, "which", message)*float64(len(all)))] == f
}

func (s *faultSet) set(provider string, f fault, rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rates[provider] == nil {
		s.rates[provider] = map[fault]float64{}
	}
	s.rates[provider][f] = rate
	if rate == 0 {
		delete(s.rates[provider], f)
	}
}

func (s *faultSet) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.rates)
}

// activeFault is one in the answers of /faults.
type activeFault struct {
	Provider string  `json:"provider"`
	Fault    fault   `json:"fault"`
	Rate     float64 `json:"rate"`
}

func (s *faultSet) active() []activeFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []activeFault{}
	for _, p := range slices.Sorted(maps.Keys(s.rates)) {
		for _, f := range slices.Sorted(maps.Keys(s.rates[p])) {
			all = append(all, activeFault{p, f, s.rates[p][f]})
		}
	}
	return all
}

func (s *Sandbox) faultsReply(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	// If the client went away there is nobody to tell.
	json.NewEncoder(w).Encode(struct {
		Faults []activeFault `json:"faults"`
		Chaos  float64       `json:"chaos_percent"`
	}{s.faults.active(), s.faults.chaos * 100})
}

// setFault gives a provider a fault; a rate of 0 takes it away.
func (s *Sandbox) setFault(w http.ResponseWriter, r *http.Request) {
	q := struct {
		Provider string   `json:"provider"`
		Fault    fault    `json:"fault"`
		Rate     *float64 `json:"rate"`
	}{}
	l := languageOf(r)
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		http.Error(w, l.Say(`the body must be JSON such as {"provider": "Beta PEC S.p.A.", "fault": "silent", "rate": 1.0}: `,
			`il corpo dev'essere JSON come {"provider": "Beta PEC S.p.A.", "fault": "silent", "rate": 1.0}: `)+err.Error(), http.StatusBadRequest)
		return
	}
	rate := 1.0
	if q.Rate != nil {
		rate = *q.Rate
	}
	var names []string
	for _, p := range s.plan.providers {
		names = append(names, p.name)
	}
	switch {
	case !slices.Contains(names, q.Provider):
		http.Error(w, fmt.Sprintf(l.Say("there is no provider %q: name one of %q", "non c'è un gestore %q: indicane uno tra %q"), q.Provider, names), http.StatusBadRequest)
	case !slices.Contains(faults(), q.Fault):
		http.Error(w, fmt.Sprintf(l.Say("there is no fault %q: name one of %q", "non c'è un guasto %q: indicane uno tra %q"), q.Fault, faults()), http.StatusBadRequest)
	case math.IsNaN(rate) || rate < 0 || rate > 1:
		http.Error(w, fmt.Sprintf(l.Say("a rate of %v: it is between 0 and 1", "una frequenza di %v: è tra 0 e 1"), rate), http.StatusBadRequest)
	default:
		s.faults.set(q.Provider, q.Fault, rate)
		s.faultsReply(w)
	}
}

func (s *Sandbox) clearFaults(w http.ResponseWriter, _ *http.Request) {
	s.faults.clear()
	s.faultsReply(w)
}

package sandbox

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/provider"
	"github.com/ceralacca/ceralacca/store"
)

// settleLimit is how long POST /clock waits for what the jump made due.
const settleLimit = 60 * time.Second

// furthest is how far the clock may be ahead: the certificates last ten years.
const furthest = 9 * 365 * 24 * time.Hour

func (s *Sandbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, r *http.Request) { s.clockReply(w, nil) })
	mux.HandleFunc("POST /clock", s.advance)
	// The page has no cookies, but a browser must not be led to move the clock.
	return http.NewCrossOriginProtection().Handler(mux)
}

// clockState is the answer of /clock.
type clockState struct {
	Now        time.Time `json:"now"`
	Offset     string    `json:"offset"`
	Unfinished []string  `json:"unfinished,omitempty"` // what was not tried within a minute
}

func (s *Sandbox) clockReply(w http.ResponseWriter, unfinished []string) {
	w.Header().Set("Content-Type", "application/json")
	// If the client went away there is nobody to tell.
	json.NewEncoder(w).Encode(clockState{s.clock.Now().UTC(), s.clock.Offset().String(), unfinished})
}

// advance moves the law's clock: the new offset is durable before anybody sees it.
func (s *Sandbox) advance(w http.ResponseWriter, r *http.Request) {
	var q struct{ Advance string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&q); err != nil {
		http.Error(w, `the body must be JSON such as {"advance": "12h5m"}: `+err.Error(), http.StatusBadRequest)
		return
	}
	d, err := time.ParseDuration(q.Advance)
	if err != nil || d <= 0 {
		http.Error(w, fmt.Sprintf("%q is no duration such as \"12h5m\" that moves the clock forward", q.Advance), http.StatusBadRequest)
		return
	}
	if d > furthest-s.clock.Offset() {
		http.Error(w, fmt.Sprintf("%s is too far: the certificates would have expired", d), http.StatusBadRequest)
		return
	}
	if err := s.jump(d); err != nil {
		http.Error(w, "the clock's offset could not be kept: "+err.Error(), http.StatusInternalServerError)
		return
	}
	for _, m := range s.running {
		// Without its last good directory a provider still works; what it could not fetch it will fetch again.
		if err := m.Renew(r.Context()); err != nil {
			s.o.Log.Warn("the directory was not renewed after a jump", "provider", m.plan.short, "error", err)
		}
	}
	unfinished, err := s.settle(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.clockReply(w, unfinished)
}

// jump moves the clock once its new offset is durable; of two at a time one waits, so that the offset kept is never behind.
func (s *Sandbox) jump(d time.Duration) error {
	s.jumping.Lock()
	defer s.jumping.Unlock()
	if err := provider.WriteOffset(s.path(clockName), s.clock.Offset()+d); err != nil {
		return err
	}
	s.clock.Advance(d)
	return nil
}

// settle waits until nothing is due at any provider and no new fact has come between two looks, or for a minute.
func (s *Sandbox) settle(ctx context.Context) ([]string, error) {
	limit := time.After(settleLimit)
	var before []int64
	for {
		open, facts, err := s.look(ctx)
		if err != nil {
			return nil, err
		}
		if len(open) == 0 && slices.Equal(facts, before) {
			return nil, nil
		}
		before = facts
		select {
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			return open, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look lists what is due now at each provider, and how many facts it has.
func (s *Sandbox) look(ctx context.Context) (open []string, facts []int64, err error) {
	for _, m := range s.running {
		ts, err := m.Store.Unfinished(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, t := range ts {
			open = append(open, fmt.Sprintf("%s: %s of %s for %s (%s)", m.plan.short, t.Kind, t.PEC, t.Target, t.Trouble))
		}
		n, err := m.Store.Facts(ctx)
		if err != nil {
			return nil, nil, err
		}
		facts = append(facts, n)
	}
	return open, facts, nil
}

//go:embed page.html
var pageText string

// pageData is what the control page shows.
type pageData struct {
	Contract
	Now      time.Time
	Offset   string
	Messages []sentMessage
}

// sentMessage is one of the last messages with what is known of its recipients.
type sentMessage struct {
	At                time.Time
	ID, From, Subject string
	Recipients        []recipientState
}

type recipientState struct{ Address, State string }

func (s *Sandbox) page(w http.ResponseWriter, r *http.Request) {
	d := pageData{Contract: s.Contract(), Now: s.clock.Now().In(pec.Rome()), Offset: s.clock.Offset().String()}
	var errs []error
	for _, m := range s.running {
		sent, err := m.Store.Recent(r.Context(), 20)
		errs = append(errs, err)
		for _, x := range sent {
			d.Messages = append(d.Messages, describe(x))
		}
	}
	slices.SortFunc(d.Messages, func(a, b sentMessage) int { return b.At.Compare(a.At) })
	page, err := template.New("page").Parse(pageText)
	if err := errors.Join(append(errs, err)...); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	if err := page.Execute(w, d); err != nil {
		s.o.Log.Debug("the control page was not sent", "error", err)
	}
}

func describe(x store.Sent) sentMessage {
	m := sentMessage{At: x.At.In(pec.Rome()), ID: string(x.PEC), From: string(x.Sender)}
	data, err := pec.ParseCertData(x.CertData)
	if err != nil {
		m.Subject = err.Error()
		return m
	}
	m.Subject = data.Subject
	states := map[string]string{}
	for _, o := range x.Outside {
		states[o.Recipient.Key()] = outsideState(o)
	}
	for _, t := range x.Recipients {
		states[t.Recipient.Key()] = stateOf(t)
	}
	for _, r := range data.Recipients {
		state := states[r.Address.Key()]
		m.Recipients = append(m.Recipients, recipientState{string(r.Address), state})
	}
	return m
}

// outsideState is what is known of an ordinary address: that its server took the message, or refused it.
func outsideState(r store.Relay) string {
	switch r.State {
	case store.RelayDone:
		return "handed over (ordinary mail)"
	case store.RelayFailed:
		return "failed"
	}
	return "accepted"
}

func stateOf(t store.Tracking) string {
	switch {
	case t.State == store.StatePending && !t.TakenAt.IsZero():
		return "taken in charge"
	case t.State == store.StatePending:
		return "accepted"
	}
	return t.State
}

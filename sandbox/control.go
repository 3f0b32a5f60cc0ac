package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/provider"
)

// settleLimit is how long POST /clock waits for what the jump made due.
const settleLimit = 60 * time.Second

// furthest is how far the clock may be ahead: the certificates last ten years.
const furthest = 9 * 365 * 24 * time.Hour

func (s *Sandbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /page.css", asset("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /page.js", asset("page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /ca.pem", s.caFile)
	mux.HandleFunc("GET "+crlPath, s.revocationList)
	mux.HandleFunc("GET /messages/{provider}/{id}/{kind}", s.raw)
	mux.HandleFunc("GET /messages/{provider}/{id}/{kind}/{recipient}", s.raw)
	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, r *http.Request) { s.clockReply(w, nil) })
	mux.HandleFunc("POST /clock", s.advance)
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, r *http.Request) { s.faultsReply(w) })
	mux.HandleFunc("POST /faults", s.setFault)
	mux.HandleFunc("DELETE /faults", s.clearFaults)
	return guarded(mux)
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
	d, fault := s.asked(w, r)
	if fault != "" {
		http.Error(w, fault, http.StatusBadRequest)
		return
	}
	if err := s.jump(d); err != nil {
		http.Error(w, languageOf(r).Say("the clock's offset could not be kept: ", "lo scarto dell'orologio non si è potuto conservare: ")+err.Error(), http.StatusInternalServerError)
		return
	}
	for _, m := range s.running {
		// Without its last good directory a provider still works; what it could not fetch it will fetch again.
		if err := m.Renew(r.Context()); err != nil {
			s.o.Log.Warn("the directory or the list of revoked certificates was not renewed after a jump", "provider", m.plan.short, "error", err)
		}
	}
	unfinished, err := s.settle(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.clockReply(w, unfinished)
}

// asked is how far the clock is to move, or what is wrong with the question.
func (s *Sandbox) asked(w http.ResponseWriter, r *http.Request) (d time.Duration, fault string) {
	l := languageOf(r)
	var q struct{ Advance string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&q); err != nil {
		return 0, l.Say(`the body must be JSON such as {"advance": "12h5m"}: `, `il corpo dev'essere JSON come {"advance": "12h5m"}: `) + err.Error()
	}
	d, err := time.ParseDuration(q.Advance)
	if err != nil || d <= 0 {
		return 0, fmt.Sprintf(l.Say(`%q is no duration such as "12h5m" that moves the clock forward`, `%q non è una durata come "12h5m" che manda avanti l'orologio`), q.Advance)
	}
	if d > furthest-s.clock.Offset() {
		return 0, fmt.Sprintf(l.Say("%s is too far: the certificates would have expired", "%s è troppo: i certificati sarebbero scaduti"), d)
	}
	return d, ""
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

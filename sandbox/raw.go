package sandbox

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// raw serves a stored message as it is: to be read as text, or with ?download as a file.
func (s *Sandbox) raw(w http.ResponseWriter, r *http.Request) {
	kind := pec.Kind(r.PathValue("kind"))
	o, err := s.openRaw(r.Context(), r.PathValue("provider"), pec.ID(r.PathValue("id")), kind, pec.Address(r.PathValue("recipient")))
	if errors.Is(err, store.ErrNotFound) {
		http.Error(w, languageOf(r).Say("There is no such message, or not yet.", "Questo messaggio non c'è, o non ancora."), http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer o.Close()
	contentType, disposition := "text/plain; charset=utf-8", "inline"
	if r.URL.Query().Has("download") {
		contentType, disposition = "message/rfc822", "attachment"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": string(kind) + ".eml"}))
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(o, 0, o.Size()))
}

// openRaw finds the message of a kind about one that a provider's holder sent, or store.ErrNotFound.
func (s *Sandbox) openRaw(ctx context.Context, short string, id pec.ID, kind pec.Kind, to pec.Address) (*store.Octets, error) {
	i := slices.IndexFunc(s.running, func(m *member) bool { return m.plan.short == short })
	if i < 0 {
		return nil, store.ErrNotFound
	}
	m := s.running[i]
	message, err := findRaw(ctx, m.Store, m.Units[0].Entry, id, kind, to)
	if err != nil {
		return nil, err
	}
	return m.Store.Open(ctx, message, nil)
}

func findRaw(ctx context.Context, st *store.Store, provider string, id pec.ID, kind pec.Kind, to pec.Address) (store.ID, error) {
	if kind == pec.Transport && to == "" {
		e, err := st.Envelope(ctx, provider, id)
		return e.Message, err
	}
	about, err := st.About(ctx, provider, id)
	if err != nil {
		return store.ID{}, err
	}
	for _, a := range slices.Backward(about) { // of two overdue notices the final one
		if a.Kind == string(kind) && a.Recipient == to.Key() {
			return a.Message, nil
		}
	}
	return store.ID{}, store.ErrNotFound
}

package sandbox

import (
	"embed"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

//go:embed page.html page.css page.js
var pageFiles embed.FS

// asset serves a file of the page. Its type is said, for what a system takes a suffix for is not ours.
func asset(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		http.ServeFileFS(w, r, pageFiles, name)
	}
}

// caFile serves the certificate that mail programs have to trust.
func (s *Sandbox) caFile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-pem-file")
	http.ServeFile(w, r, s.path(caName))
}

// pageData is what the control page shows.
type pageData struct {
	Contract
	Language  language
	Now       time.Time
	Offset    string
	Messages  []sentMessage
	FirstStep string
	File      string // sandbox.json

	Addresses  []string // local parts that always come to the same end
	FaultNames []fault
	Active     []activeFault
}

// Say is for the template: the one of two texts that is in the reader's language.
func (d pageData) Say(en, it string) string { return d.Language.Say(en, it) }

// State names a state of a recipient.
func (d pageData) State(s recipientState) string { return s.in(d.Language) }

// namedLink is a link with its name in the reader's language.
type namedLink struct{ Path, Name string }

// Links names the stored messages that are there to be read.
func (d pageData) Links(links []rawLink) []namedLink {
	var named []namedLink
	for _, l := range links {
		named = append(named, namedLink{l.path, kindName(d.Language, l.kind)})
	}
	return named
}

// kindName is how people call a kind of message.
func kindName(l language, k pec.Kind) string {
	switch k {
	case pec.Transport:
		return l.Say("envelope", "busta")
	case pec.Acceptance:
		return l.Say("acceptance", "accettazione")
	case pec.TakenInCharge:
		return l.Say("taking in charge", "presa in carico")
	case pec.Delivered:
		return l.Say("delivery receipt", "avvenuta consegna")
	case pec.NonDelivery:
		return l.Say("non-delivery", "mancata consegna")
	case pec.Overdue:
		return l.Say("overdue notice", "preavviso di mancata consegna")
	}
	return string(k)
}

// page shows how to connect, and the last messages. Its script asks for it again and again.
func (s *Sandbox) page(w http.ResponseWriter, r *http.Request) {
	d := pageData{
		Contract: s.Contract(), Language: languageOf(r), Now: s.clock.Now().In(pec.Rome()), Offset: s.clock.Offset().String(),
		FirstStep: s.firstStep(), File: s.path(contractName), Addresses: outcomes(), FaultNames: faults(), Active: s.faults.active(),
	}
	var readErr error
	d.Messages, readErr = s.recent.list(r.Context(), s)
	page, err := template.ParseFS(pageFiles, "page.html")
	if err := errors.Join(readErr, err); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	if err := page.Execute(w, d); err != nil {
		s.o.Log.Debug("the control page was not sent", "error", err)
	}
}

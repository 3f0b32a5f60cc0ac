package sandbox

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
)

// visit asks the control page as a browser that names it by the given host would.
func (r *running) visit(host, target string, header http.Header) *httptest.ResponseRecorder {
	q := httptest.NewRequest(http.MethodGet, target, nil)
	q.Host = host
	if header != nil {
		q.Header = header
	}
	w := httptest.NewRecorder()
	r.handler().ServeHTTP(w, q)
	return w
}

// opened is what a path of the page answers; it must be there.
func (r *running) opened(path string, header http.Header) *httptest.ResponseRecorder {
	r.t.Helper()
	w := r.visit("127.0.0.1", path, header)
	if w.Code != http.StatusOK {
		r.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w
}

func (r *running) shows(language string) string {
	r.t.Helper()
	return r.opened("/", http.Header{"Accept-Language": {language}}).Body.String()
}

// One running sandbox, whose page is read before there is a message, while one is under way, and afterwards.
func TestControlPage(t *testing.T) {
	r := start(t, options(t, newDir(t)))
	if page := r.shows("en"); !strings.Contains(html.UnescapeString(page), r.firstStep()) || strings.Contains(page, "/messages/") {
		t.Errorf("without messages the page does not say how to send one:\n%s", page)
	}
	const subject = "<script>alert(1)</script> & \u202egpj.exe\u2066"
	from := "mario.rossi@pec.alfa.test"
	to := []string{"luigi.verdi@pec.beta.test", "anna.bianchi@pec.alfa.test", "nessuno@studio.beta.test", "carla.neri@posta.test", "nessuno@posta.test"}
	hostile := strings.Replace(letter("1", from, to...), "Prova 1", "=?utf-8?Q?"+quoted(subject)+"?=", 1)
	if err := r.send(from, to, hostile); err != nil {
		t.Fatal(err)
	}
	if page := r.shows("en"); !strings.Contains(page, "/messages/alfa/") {
		t.Errorf("what was accepted is not on the page:\n%s", page)
	}
	r.settled("1s")
	t.Run("text", func(t *testing.T) { strangersTextIsText(t, r) })
	t.Run("states", func(t *testing.T) { statesInBothLanguages(t, r, to) })
	t.Run("links", func(t *testing.T) { linksLeadToTheMessages(t, r) })
	t.Run("absent", func(t *testing.T) { absentMessages(t, r) })
	t.Run("accounts", func(t *testing.T) { accountsOnThePage(t, r) })
	t.Run("hosts", func(t *testing.T) { otherNamesAreRefused(t, r) })
	t.Run("headers", func(t *testing.T) { everyAnswerIsGuarded(t, r) })
}

// quoted writes a text for an encoded-word.
func quoted(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "=%02X", c)
	}
	return b.String()
}

// attacks.md 28: what a sender writes is text on the page, and is read in the order in which it is written.
func strangersTextIsText(t *testing.T, r *running) {
	page := r.shows("en")
	if strings.Contains(page, "<script>") || !strings.Contains(page, "<bdi>&lt;script&gt;alert(1)&lt;/script&gt; &amp; \ufffdgpj.exe\ufffd</bdi>") {
		t.Errorf("the subject is not shown as it is:\n%s", page)
	}
	if strings.ContainsAny(page, "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200f") {
		t.Error("the page turns the direction of writing")
	}
}

func statesInBothLanguages(t *testing.T, r *running, to []string) {
	for language, want := range map[string][]string{
		"en": {"delivered", "delivered", "failed", "handed over (ordinary mail)", "failed"},
		"it": {"consegnato", "consegnato", "non consegnato", "inoltrato (posta ordinaria)", "non consegnato"},
	} {
		page := r.shows(language)
		for i, address := range to {
			state := regexp.MustCompile(`<bdi>` + regexp.QuoteMeta(address) + `</bdi>: <span class="[a-z]+">([^<]*)</span>`).FindStringSubmatch(page)
			if state == nil || state[1] != want[i] {
				t.Errorf("%s: %s is %q, want %q", language, address, state, want[i])
			}
		}
		if !strings.Contains(page, `<html lang="`+language+`">`) || !strings.Contains(page, "550 5.1.1 no such user") {
			t.Errorf("%s: the page has another language, or does not say why the outside server refused:\n%s", language, page)
		}
	}
}

// linksLeadToTheMessages: each is there as it is, to be read as text and as a file, and no browser takes it for a page.
func linksLeadToTheMessages(t *testing.T, r *running) {
	var kinds []string
	for _, m := range regexp.MustCompile(`href="(/messages/[^"?]*)"`).FindAllStringSubmatch(r.shows("en"), -1) {
		path := html.UnescapeString(m[1])
		kind := strings.Split(path, "/")[4]
		kinds = append(kinds, kind)
		text, file := r.opened(path, nil), r.opened(path+"?download", nil)
		field := "\r\nX-Ricevuta: " + kind + "\r\n"
		if kind == string(pec.Transport) {
			field = "\r\nX-Trasporto: " + kind + "\r\n"
		}
		if octets := text.Body.String(); !strings.Contains(octets, field) || octets != file.Body.String() {
			t.Errorf("%s holds\n%.500s", path, octets)
		}
		for name, want := range map[string][2]string{
			"Content-Type":           {"text/plain; charset=utf-8", "message/rfc822"},
			"Content-Disposition":    {"inline; filename=" + kind + ".eml", "attachment; filename=" + kind + ".eml"},
			"X-Content-Type-Options": {"nosniff", "nosniff"},
		} {
			if got := [2]string{text.Header().Get(name), file.Header().Get(name)}; got != want {
				t.Errorf("%s: %s %q, want %q", path, name, got, want)
			}
		}
	}
	slices.Sort(kinds)
	// Two recipients are at Beta, one of whom is not there; Alfa takes in charge from itself without a message.
	if want := "accettazione avvenuta-consegna avvenuta-consegna errore-consegna posta-certificata presa-in-carico presa-in-carico"; strings.Join(kinds, " ") != want {
		t.Errorf("the links are %q, want %q", kinds, want)
	}
}

func absentMessages(t *testing.T, r *running) {
	envelope := html.UnescapeString(regexp.MustCompile(`/messages/[^"?]*posta-certificata`).FindString(r.shows("en")))
	message := strings.TrimSuffix(envelope, "posta-certificata")
	for _, path := range []string{
		strings.Replace(envelope, "alfa", "beta", 1), strings.Replace(envelope, "alfa", "gamma", 1), "/messages/alfa/x@y/accettazione",
		message + "x", message + "accettazione/luigi.verdi@pec.beta.test", message + "avvenuta-consegna", envelope + "/luigi.verdi@pec.beta.test",
		message + "avvenuta-consegna/nessuno@studio.beta.test", message + "presa-in-carico/anna.bianchi@pec.alfa.test",
		"/messages/alfa/%00/accettazione", "/messages/alfa/%2e%2e%2fca.key/accettazione", "/ca.key", "/page.html",
	} {
		if w := r.visit("127.0.0.1", path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := r.visit("127.0.0.1", "/messages/alfa/x@y/accettazione", http.Header{"Accept-Language": {"it-IT,it;q=0.9,en;q=0.8"}})
	if got := w.Body.String(); got != "Questo messaggio non c'è, o non ancora.\n" {
		t.Errorf("in Italian: %s", got)
	}
}

func accountsOnThePage(t *testing.T, r *running) {
	c, page := r.Contract(), r.shows("it")
	want := []string{c.Outside.SMTP, c.Outside.IMAPS, c.Outside.Mailbox.Address, c.Outside.Domain, c.ControlURL + "/clock", r.path(contractName)}
	for _, p := range c.Providers {
		want = append(want, p.Name, p.SMTP, p.Submission, p.Submissions, p.IMAPS, p.ServiceMailbox.Address)
		for _, m := range p.Mailboxes {
			want = append(want, m.Address, m.Password)
		}
	}
	for _, text := range want {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not name %s", text)
		}
	}
	ca, err := os.ReadFile(r.path(caName))
	if got := r.opened("/ca.pem", nil).Body.String(); err != nil || got != string(ca) {
		t.Errorf("ca.pem is %q, %v", got, err)
	}
}

// otherNamesAreRefused: a stranger's name that leads to this machine is not ours, in whatever it is asked for.
func otherNamesAreRefused(t *testing.T, r *running) {
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:20250": 200, "[::1]:20250": 200, "::1": 200, "192.0.2.7:80": 200, "localhost:20250": 200, "LOCALHOST": 200,
		"sandbox:20250": 200, "pec.localhost": 200, "host.docker.internal:20250": 200, "localhost.": 200,
		"evil.example:20250": 421, "evil.example.": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "evil.xlocalhost": 421, "evil.xinternal": 421, "": 421, ":20250": 421,
	} {
		for _, path := range []string{"/", "/ca.pem", "/clock", "/page.js"} {
			if w := r.visit(host, path, nil); w.Code != want {
				t.Errorf("%s of host %q: %d, want %d", path, host, w.Code, want)
			}
		}
	}
}

func everyAnswerIsGuarded(t *testing.T, r *running) {
	for _, path := range []string{"/", "/clock", "/page.css", "/page.js", "/ca.pem", "/messages/alfa/x@y/accettazione", "/nothing"} {
		for _, host := range []string{"localhost", "evil.example"} {
			h := r.visit(host, path, nil).Header()
			for name, want := range map[string]string{
				"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
				"X-Content-Type-Options":  "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: %s %q, want %q", path, name, got, want)
				}
			}
		}
	}
	for path, want := range map[string]string{"/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/": "text/html; charset=utf-8"} {
		if got := r.opened(path, nil).Header().Get("Content-Type"); got != want {
			t.Errorf("%s is %s", path, got)
		}
	}
	// The policy forbids what stands in the page itself.
	if page := r.shows("en"); strings.Contains(page, "<style") || strings.Contains(page, " style=") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
		t.Errorf("the page has a script or a style in it:\n%s", page)
	}
}

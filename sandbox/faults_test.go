package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

const (
	mario = "mario.rossi@pec.alfa.test"
	luigi = "luigi.verdi@pec.beta.test"
)

// told is what a mailbox holds about a recipient, the oldest first: each message's kind, an overdue notice with its hours, an error with
// its class and code. Acceptances and anomalies are about all.
func (r *running) told(provider int, address, about string) []string {
	r.t.Helper()
	st := r.running[provider].Store
	m := must(st.Mailbox(r.t.Context(), pec.Address(address)))
	entries := must(st.Entries(r.t.Context(), must(st.InboxID(r.t.Context(), m.ID)), 0))
	said := []string{}
	for _, e := range entries {
		d := r.data(st, e.Message)
		if d.DeliveredTo != "" && string(d.DeliveredTo) != about {
			continue
		}
		switch {
		case d.Final():
			said = append(said, "24 hours")
		case d.Kind == pec.Overdue:
			said = append(said, "12 hours")
		case d.Kind == pec.NonDelivery:
			code, _, _ := strings.Cut(d.Detail, " ")
			said = append(said, e.Kind+" "+string(d.Reason)+" "+code)
		default:
			said = append(said, e.Kind)
		}
	}
	return said
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// data are the certification data of a stored message; none of an anomaly envelope.
func (r *running) data(st *store.Store, id store.ID) pec.CertData {
	r.t.Helper()
	o := must(st.Open(r.t.Context(), id, nil))
	defer o.Close()
	scan := pec.NewScanner(pec.KeepForParse)
	octets := make([]byte, o.Size())
	must(o.ReadAt(octets, 0))
	scan.Write(octets)
	m, err := pec.ParseMessage(scan.Finish())
	if err != nil {
		r.t.Fatal(err)
	}
	return m.Data
}

func (r *running) wantTold(when string, provider int, address, about string, want ...string) {
	r.t.Helper()
	if got := r.told(provider, address, about); !slices.Equal(got, want) {
		r.t.Errorf("%s: %s was told %q about %s, want %q", when, address, got, about, want)
	}
}

func (r *running) fault(provider int, f fault) {
	r.t.Helper()
	body := `{"provider": "` + r.plan.providers[provider].name + `", "fault": "` + string(f) + `"}`
	if code, text := r.post("/faults", body); code != http.StatusOK {
		r.t.Fatalf("%s: %d %s", body, code, text)
	}
}

// step moves the clock to a time after the message was sent, and says what its sender has been told by then.
type step struct {
	at   time.Duration
	told []string
}

const accepted, delivered, anomaly = "accettazione", "avvenuta-consegna", "errore"

// Each fault produces the messages that docs/sandbox.md says (RFC 6109 3.1.6, 3.2.2, 3.3.3; norms.md 35-38; attacks.md 18).
func TestFaults(t *testing.T) {
	t.Parallel()
	silence := []step{{0, []string{accepted}}, {12*time.Hour + time.Minute, []string{accepted, "12 hours"}}, {22*time.Hour + time.Minute, []string{accepted, "12 hours", "24 hours"}}}
	for _, c := range []struct {
		provider int // 0 Alfa, the sender's; 1 Beta
		fault    fault
		to       string
		steps    []step
		receives []string // what the recipient has at the end
	}{
		{1, unreachable, luigi, silence, nil},
		{1, silent, luigi, silence, nil},
		{1, noDelivery, luigi, []step{{0, []string{accepted}}, {13 * time.Hour, []string{accepted}}, {25 * time.Hour, []string{accepted, "24 hours"}}}, nil},
		{1, late, luigi, []step{{0, []string{accepted}}, {13 * time.Hour, []string{accepted}}, {22*time.Hour + time.Minute, []string{accepted, "24 hours"}}, {23*time.Hour + time.Minute, []string{accepted, "24 hours", delivered}}}, []string{"posta-certificata"}},
		{1, duplicate, luigi, []step{{0, []string{accepted, delivered}}}, []string{"posta-certificata"}},
		{0, duplicate, luigi, []step{{0, []string{accepted, delivered}}}, []string{"posta-certificata"}},
		{1, reorder, luigi, []step{{0, []string{accepted, delivered}}, {2 * time.Minute, []string{accepted, delivered}}}, []string{"posta-certificata"}},
		{1, mailboxFull, luigi, []step{{0, []string{accepted, "errore-consegna altro 5.2.2"}}}, nil},
		{1, unknownAsAltro, "inesistente@pec.beta.test", []step{{0, []string{accepted, "errore-consegna altro 5.1.1"}}}, nil},
		{1, expired, luigi, silence, []string{"posta-certificata"}},
		{0, expired, luigi, []step{{0, []string{accepted, "errore-consegna altro 5.7.1"}}}, nil},
		{1, notInDirectory, luigi, silence, []string{"posta-certificata"}},
		{0, notInDirectory, luigi, []step{{0, []string{accepted, "errore-consegna altro 5.7.1"}}}, nil},
		{1, revoked, luigi, []step{{0, []string{accepted, anomaly}}, {25 * time.Hour, []string{accepted, anomaly, "12 hours", "24 hours"}}}, []string{"posta-certificata"}},
		{0, revoked, luigi, []step{{0, []string{accepted}}, {25 * time.Hour, []string{accepted, "12 hours", "24 hours"}}}, []string{anomaly}},
		{1, malformed, luigi, []step{{0, []string{accepted, anomaly}}, {25 * time.Hour, []string{accepted, anomaly, "12 hours", "24 hours"}}}, []string{"posta-certificata"}},
		{0, malformed, luigi, []step{{0, []string{accepted}}, {25 * time.Hour, []string{accepted, "12 hours", "24 hours"}}}, []string{anomaly}},
		{1, wrongClock, luigi, []step{{0, []string{accepted, delivered}}}, []string{"posta-certificata"}},
	} {
		t.Run([]string{"Alfa ", "Beta "}[c.provider]+string(c.fault), func(t *testing.T) {
			t.Parallel()
			r := start(t, embedded(t))
			r.fault(c.provider, c.fault)
			if err := r.send(mario, []string{c.to}, letter("1", mario, c.to)); err != nil {
				t.Fatal(err)
			}
			passed := time.Duration(0)
			for _, s := range c.steps {
				r.settled((s.at - passed + time.Second).String())
				passed = s.at
				r.wantTold(s.at.String(), 0, mario, c.to, s.told...)
			}
			if c.to == luigi {
				r.wantTold("at the end", 1, luigi, luigi, c.receives...)
			}
			r.stop()
			r.wantSoundAt(1 - c.provider)
			if !slices.Contains([]fault{expired, notInDirectory, malformed}, c.fault) { // these are what a check is for
				r.wantSoundAt(c.provider)
			}
		})
	}
}

// The peer that takes the connection and says nothing: the network's time-out of 5 s ends each try; once it speaks again all is delivered.
func TestSlowPeer(t *testing.T) {
	t.Parallel()
	r := start(t, options(t, newDir(t)))
	r.fault(1, slow)
	if err := r.send(mario, []string{luigi}, letter("1", mario, luigi)); err != nil {
		t.Fatal(err)
	}
	r.settled("1s")
	r.wantTold("while it hangs", 0, mario, luigi, accepted)
	if code, text := r.ask(http.MethodDelete, "/faults", "", nil); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	r.settled("2m")
	r.wantTold("when it speaks", 0, mario, luigi, accepted, delivered)
	r.stop()
	r.wantSound()
}

// The addresses that always come to the same end, with no call (design.md 9).
func TestAddressesOfOneOutcome(t *testing.T) {
	t.Parallel()
	r := start(t, options(t, newDir(t)))
	want := map[string][]string{
		"casella-piena": {accepted, "errore-consegna altro 5.2.2"}, "inesistente": {accepted, "errore-consegna no-dest 5.1.1"},
		"disabilitata": {accepted, "errore-consegna altro 5.2.1"}, "silenzio": {accepted, "24 hours"}, "lenta": {accepted, delivered},
		"anomalia": {accepted, "12 hours", "24 hours"}, "luigi.verdi": {accepted, delivered},
	}
	var to []string
	for local := range want {
		to = append(to, local+"@pec.beta.test")
	}
	if err := r.send(mario, to, letter("1", mario, to...)); err != nil {
		t.Fatal(err)
	}
	r.settled("1s")
	r.wantTold("at once", 0, mario, "lenta@pec.beta.test", accepted)
	r.wantTold("the odd mailbox", 1, "anomalia@pec.beta.test", "", anomaly)
	for _, by := range []string{"1h", "11h", "10h", "3h"} {
		r.settled(by)
	}
	for local, told := range want {
		r.wantTold("at the end", 0, mario, local+"@pec.beta.test", told...)
	}
	r.stop()
	r.wantSound()
}

// 25 virtual hours of a silent peer in one jump give exactly the two notices, also after a restart between them (norms.md 41).
func TestSilenceOverARestart(t *testing.T) {
	t.Parallel()
	o := options(t, newDir(t))
	r := start(t, o)
	r.fault(1, silent)
	if err := r.send(mario, []string{luigi}, letter("1", mario, luigi)); err != nil {
		t.Fatal(err)
	}
	r.settled("12h1m")
	r.stop()
	r = start(t, o)
	r.settled("13h")
	r.settled("24h")
	r.wantTold("after 49 hours", 0, mario, luigi, accepted, "12 hours", "24 hours")
	r.stop()
	r.wantSoundAt(0)
}

// A part of the messages: a draw over the identifier, the same at every step.
func TestFaultRates(t *testing.T) {
	t.Parallel()
	s := newFaultSet(1, 0)
	s.set("Beta", silent, 0.25)
	struck := 0
	for i := range 4000 {
		id := strings.Repeat("x", i%7) + time.Duration(i).String()
		first := s.strikes("Beta", silent, id)
		if first {
			struck++
		}
		if s.strikes("Alfa", silent, id) || s.strikes("Beta", late, id) || s.strikes("Beta", silent, id) != first {
			t.Fatal("another provider's, another fault, or another answer")
		}
	}
	if struck < 850 || struck > 1150 {
		t.Errorf("%d of 4000 messages, want a quarter", struck)
	}
	chaos, each := newFaultSet(2, 0.5), map[fault]int{}
	for i := range 4000 {
		n := 0
		for _, f := range chaosFaults() {
			if chaos.strikes("Beta", f, time.Duration(i).String()) {
				each[f]++
				n++
			}
		}
		if n > 1 {
			t.Fatalf("%d faults of one message", n)
		}
	}
	for _, f := range chaosFaults() {
		if each[f] < 100 {
			t.Errorf("%s befell %d of 4000 messages", f, each[f])
		}
	}
}

// The control of faults: what is active, what is refused, in both languages.
func TestFaultControl(t *testing.T) {
	t.Parallel()
	r := start(t, options(t, newDir(t)))
	r.fault(1, silent)
	if code, text := r.post("/faults", `{"provider": "Alfa PEC S.p.A.", "fault": "late", "rate": 0.5}`); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	_, text := r.ask(http.MethodGet, "/faults", "", nil)
	var got struct{ Faults []activeFault }
	if err := json.Unmarshal([]byte(text), &got); err != nil || !slices.Equal(got.Faults, []activeFault{{"Alfa PEC S.p.A.", late, 0.5}, {"Beta PEC S.p.A.", silent, 1}}) {
		t.Errorf("%s: %v", text, err)
	}
	if _, page := r.ask(http.MethodGet, "/", "", nil); !strings.Contains(page, "<strong>Alfa PEC S.p.A. late</strong> 0.5") || !strings.Contains(page, "<code>silenzio@</code>") || !strings.Contains(page, "<code>wrong-clock</code>") {
		t.Errorf("the page does not show them:\n%s", page)
	}
	if _, text := r.post("/faults", `{"provider": "Alfa PEC S.p.A.", "fault": "late", "rate": 0}`); strings.Contains(text, "late") {
		t.Errorf("a rate of 0 leaves %s", text)
	}
	if _, text := r.ask(http.MethodDelete, "/faults", "", nil); !strings.Contains(text, `"faults":[]`) {
		t.Errorf("cleared: %s", text)
	}
	for body, want := range map[string]string{
		``: "must be JSON", `{"provider": "Gamma", "fault": "late"}`: `there is no provider "Gamma": name one of ["Alfa PEC S.p.A."`,
		`{"provider": "Beta PEC S.p.A.", "fault": "nonsense"}`:          `there is no fault "nonsense": name one of ["unreachable"`,
		`{"provider": "Beta PEC S.p.A.", "fault": "late", "rate": 2}`:   "between 0 and 1",
		`{"provider": "Beta PEC S.p.A.", "fault": "late", "rate": "1"}`: "must be JSON", `{"provider": "Beta PEC S.p.A.", "what": "late"}`: "must be JSON",
	} {
		if code, text := r.post("/faults", body); code != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	if _, text := r.ask(http.MethodPost, "/faults?lang=it", `{"provider": "Gamma"}`, nil); !strings.Contains(text, "non c'è un gestore") {
		t.Errorf("in Italian: %s", text)
	}
}

// Whatever befalls a message, its sender is told how it ended: delivered, refused, or overdue.
func TestChaosIsTold(t *testing.T) {
	t.Parallel()
	o := options(t, newDir(t))
	o.Chaos = 80
	r := start(t, o)
	const messages = 25
	for i := range messages {
		n := strconv.Itoa(i)
		if err := r.send(mario, []string{luigi}, letter(n, mario, luigi)); err != nil {
			t.Fatal(err)
		}
	}
	for _, by := range []string{"1m", "12h", "11h", "2h"} {
		r.settled(by)
	}
	st := r.running[0].Store
	ended := map[pec.ClientID]bool{}
	box := must(st.Mailbox(t.Context(), pec.Address(mario)))
	for _, e := range must(st.Entries(t.Context(), must(st.InboxID(t.Context(), box.ID)), 0)) {
		if e.Kind == anomaly {
			continue // a receipt that was found malformed
		}
		if d := r.data(st, e.Message); d.Kind == pec.Delivered || d.Kind == pec.NonDelivery || d.Final() {
			ended[d.ClientID] = true
		}
	}
	if len(ended) != messages {
		t.Errorf("the sender knows how %d of %d messages ended: %v", len(ended), messages, ended)
	}
	if len(r.told(1, luigi, luigi)) >= messages && len(r.told(0, mario, luigi)) == 2*messages {
		t.Error("nothing befell any message")
	}
}

// What comes twice is an event and nothing more, the taking in charge comes after the delivery receipt, and a wrong clock shows in what
// is said.
func TestFaultsThatChangeNothing(t *testing.T) {
	t.Parallel()
	r := start(t, options(t, newDir(t)))
	service := r.plan.providers[0].service
	again := func() int64 { return must(r.running[0].Store.EventCounts(t.Context()))[pec.EventArrivedAgain] }
	send := func(n string) {
		if err := r.send(mario, []string{luigi}, letter(n, mario, luigi)); err != nil {
			t.Fatal(err)
		}
		r.settled("1s")
	}
	r.fault(1, duplicate)
	if send("1"); again() != 2 {
		t.Errorf("%d receipts arrived again, want both", again())
	}
	r.ask(http.MethodDelete, "/faults", "", nil)
	r.fault(1, reorder)
	if send("2"); len(kinds(t, r.running[0].Store, service)) != 1 {
		t.Errorf("the service mailbox has %q", kinds(t, r.running[0].Store, service))
	}
	if r.settled("2m"); len(kinds(t, r.running[0].Store, service)) != 2 || again() != 2 {
		t.Errorf("the service mailbox has %q", kinds(t, r.running[0].Store, service))
	}
	r.ask(http.MethodDelete, "/faults", "", nil)
	r.fault(1, wrongClock)
	send("3")
	st := r.running[0].Store
	box := must(st.Mailbox(t.Context(), pec.Address(mario)))
	entries := must(st.Entries(t.Context(), must(st.InboxID(t.Context(), box.ID)), 0))
	last := r.data(st, entries[len(entries)-1].Message)
	if ahead := last.At.Sub(entries[len(entries)-1].At); last.Kind != pec.Delivered || ahead < aheadBy-time.Minute || ahead > aheadBy+time.Minute {
		t.Errorf("a %s that is %s ahead", last.Kind, ahead)
	}
	r.stop()
	r.wantSound()
}

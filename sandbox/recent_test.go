package sandbox

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Each step on the way has its state, and the receipts that there are by then.
func TestStatesOfACertifiedRecipient(t *testing.T) {
	const there, own = pec.Address("luigi.verdi@pec.beta.test"), pec.Address("anna.bianchi@comune.alfa.test")
	p, now := newProviderPlan("alfa", 1), time.Unix(1, 0)
	for _, c := range []struct {
		name  string
		to    pec.Address
		state string
		taken bool
		relay string
		want  recipientState
		links string
	}{
		{"accepted", there, store.StatePending, false, store.RelayPending, stateAccepted, ""},
		{"relayed", there, store.StatePending, false, store.RelayDone, stateRelayed, ""},
		{"refused, not yet followed up", there, store.StatePending, false, store.RelayFailed, stateAccepted, ""},
		{"taken", there, store.StatePending, true, store.RelayDone, stateTaken, "presa-in-carico"},
		{"taken before our own relay is done", there, store.StatePending, true, store.RelayPending, stateTaken, "presa-in-carico"},
		{"delivered", there, store.StateDelivered, true, store.RelayDone, stateDelivered, "presa-in-carico avvenuta-consegna"},
		{"delivered, the taking in charge not heard", there, store.StateDelivered, false, store.RelayCancelled, stateDelivered, "avvenuta-consegna"},
		{"failed", there, store.StateFailed, true, store.RelayDone, stateFailed, "presa-in-carico errore-consegna"},
		{"of our own, taken", own, store.StatePending, true, store.RelayDone, stateTaken, ""},
		{"of our own, delivered", own, store.StateDelivered, true, store.RelayDone, stateDelivered, "avvenuta-consegna"},
	} {
		tracking := store.Tracking{Recipient: c.to, State: c.state}
		if c.taken {
			tracking.TakenAt = now
		}
		if got := stateOf(tracking, store.Relay{State: c.relay}); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		var kinds []string
		for _, l := range receipts(p, "a/b@c", tracking) {
			kinds = append(kinds, string(l.kind))
			if want := "/messages/alfa/a%2Fb@c/" + string(l.kind) + "/" + string(c.to); l.path != want {
				t.Errorf("%s: %s, want %s", c.name, l.path, want)
			}
		}
		if got := strings.Join(kinds, " "); got != c.links {
			t.Errorf("%s: links %q, want %q", c.name, got, c.links)
		}
	}
}

// The notices of 12 and 24 hours show until an outcome comes, and can be read.
func TestStatesOfAnOverdueRecipient(t *testing.T) {
	p, now := newProviderPlan("alfa", 1), time.Unix(1, 0)
	for _, c := range []struct {
		tracking store.Tracking
		want     recipientState
	}{
		{store.Tracking{State: store.StatePending, FirstNotice: now}, stateLate},
		{store.Tracking{State: store.StatePending, FirstNotice: now, Final: now}, stateLost},
		{store.Tracking{State: store.StatePending, TakenAt: now, Final: now}, stateLost},
		{store.Tracking{State: store.StateDelivered, FirstNotice: now, Final: now}, stateDelivered},
	} {
		c.tracking.Recipient = "luigi.verdi@pec.beta.test"
		if got := stateOf(c.tracking, store.Relay{State: store.RelayCancelled}); got != c.want {
			t.Errorf("%+v: %s, want %s", c.tracking, got, c.want)
		}
		links := receipts(p, "a@c", c.tracking)
		if !slices.ContainsFunc(links, func(l rawLink) bool { return l.kind == pec.Overdue }) {
			t.Errorf("%+v: the links are %v", c.tracking, links)
		}
	}
}

func TestStatesOfAnOrdinaryRecipient(t *testing.T) {
	for relay, want := range map[string]recipientState{
		store.RelayPending: stateAccepted, store.RelayDone: stateHanded, store.RelayFailed: stateFailed, "": stateAccepted,
	} {
		if got := outsideState(store.Relay{State: relay}); got != want {
			t.Errorf("%q: %s, want %s", relay, got, want)
		}
	}
}

// Every state and kind has its own word in each language.
func TestWords(t *testing.T) {
	for _, l := range []language{english, italian} {
		seen := map[string]bool{}
		for _, s := range []recipientState{stateAccepted, stateRelayed, stateTaken, stateDelivered, stateFailed, stateHanded} {
			seen[s.in(l)] = true
		}
		for _, k := range []pec.Kind{pec.Transport, pec.Acceptance, pec.TakenInCharge, pec.Delivered, pec.NonDelivery} {
			seen["kind "+kindName(l, k)] = true
		}
		if len(seen) != 11 {
			t.Errorf("%s has %d words, want 11: %v", l, len(seen), seen)
		}
	}
}

func TestLanguageOf(t *testing.T) {
	for _, c := range []struct {
		target, accept string
		want           language
	}{
		{"/", "", english}, {"/", "it", italian}, {"/", "it-IT,it;q=0.9,en-US;q=0.8", italian}, {"/", "en-GB,it;q=0.9", english},
		{"/", "en;q=0.3, it;q=0.8", italian}, {"/", "de,fr", english}, {"/", "de, it;q=0.1", italian}, {"/", "IT-it", italian},
		{"/", "it;q=0", english}, {"/", "it;q=x", english}, {"/", "it;q=7", english}, {"/", "italiano", english}, {"/", ",;,-,it", italian},
		{"/", "*", english}, {"/?lang=it", "en", italian}, {"/?lang=en", "it", english}, {"/?lang=xx", "it", italian},
	} {
		q := httptest.NewRequest(http.MethodGet, c.target, nil)
		q.Header.Set("Accept-Language", c.accept)
		if got := languageOf(q); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.target, c.accept, got, c.want)
		}
	}
}

// attacks.md 28.
func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "Perché no? 漢字 عربي": "Perché no? 漢字 عربي", "a\r\nb\x00c\x1b[2Jd\u0085": "a��b�c�[2Jd�",
		"\u202ea\u2066b\u200fc\u061c": "�a�b�c�", "\xff": "�",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := visible(strings.Repeat("è", 100_000)); utf8.RuneCountInString(got) != maxShown+1 || !strings.HasSuffix(got, "è…") {
		t.Errorf("a long text becomes %d characters: %.20q", utf8.RuneCountInString(got), got)
	}
}

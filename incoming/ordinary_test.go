package incoming

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ceralacca/ceralacca/directory"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// design.md 3, RCPT on port 25: who is answered what.
// norms.md 130
func TestRecipients(t *testing.T) {
	w := newWorld(t)
	outside := pec.Address("eva@x.test")
	for name, c := range map[string]struct {
		from, to pec.Address
		want     error
	}{
		"a holder of certified mail":     {luigi, mario, nil},
		"in other case":                  {"LUIGI@PEC.beta.test", "MARIO@PEC.alfa.test", nil},
		"a provider":                     {beta().unit.Address, mario, nil},
		"to nobody, certified":           {luigi, "nobody@pec.alfa.test", nil},
		"the null path":                  {"", mario, nil},
		"the null path to nobody":        {"", "nobody@pec.alfa.test", nil},
		"the null path to the signer":    {"", alfa().unit.Address, nil},
		"from outside":                   {outside, mario, ErrOrdinary},
		"from outside to nobody":         {outside, "nobody@pec.alfa.test", ErrNoMailbox},
		"to another provider":            {luigi, sara, ErrNotLocal},
		"to the outside":                 {luigi, carla, ErrNotLocal},
		"to the outside from there":      {outside, carla, ErrNotLocal},
		"to a domain that is not listed": {luigi, "mario@nuovo.test", ErrNoDirectory},
		"to such a one from nowhere":     {"", "mario@nuovo.test", ErrNoDirectory},
	} {
		unit := *alfa().unit
		unit.Domains = append([]string{"nuovo.test"}, unit.Domains...)
		w.Units[0] = &unit
		if err := w.Recipient(t.Context(), c.from, c.to); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// Before the first directory nobody is told that certified mail is not taken here for good.
	w.dir = &directory.Directory{}
	if err := w.Recipient(t.Context(), luigi, mario); !errors.Is(err, ErrNoDirectory) {
		t.Errorf("without a directory: %v", err)
	}
}

// report is a DSN that returns a header.
func report(returned string) []byte {
	return fmt.Appendf(nil, "From: <mailer-daemon@posta.test>\r\nSubject: no\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"+
		"--b\r\n\r\nno\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n%s\r\n--b--\r\n", returned)
}

// Mail that no provider signed and that does not pretend so is refused (norms.md 60), whatever else it is.
func TestOrdinaryMailIsRefused(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, luigi)
	sealed := beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario))
	person := mallory().forge(beta().envelope("m1@pec.beta.test", luigi, mario), unchanged)
	plainly := func(octets []byte) []byte { // S/MIME as people use it
		s := strings.Replace(string(octets), "X-Trasporto: posta-certificata\r\n", "", 1)
		return []byte(strings.ReplaceAll(s, "daticert.xml", "fattura.xml"))
	}
	signedByPerson := mallory().forge(beta().envelope("m1@pec.beta.test", luigi, mario), func(s string) string { return strings.ReplaceAll(s, "daticert.xml", "fattura.xml") })
	facts := w.facts()
	for name, octets := range map[string][]byte{
		"plain":                 []byte("From: x@y.test\r\nSubject: POSTA CERTIFICATA: x\r\n\r\nx\r\n"),
		"empty":                 nil,
		"signed by a person":    plainly(signedByPerson),
		"badly signed by one":   edit(plainly(person), "Ciao!", "Addio"),
		"certified, as a file":  wrap(sealed, "message", "X-Y: z"),
		"certified, among some": []byte("Content-Type: multipart/mixed; boundary=w\r\n\r\n--w\r\nContent-Type: message/rfc822\r\n\r\n" + string(sealed) + "\r\n--w--\r\n"),
		"a report of another's": report("Message-ID: <x@posta.test>\r\n"),
		"a report of nothing":   report("Subject: x\r\n"),
	} {
		w.wantRefused(name, octets, "", mario)
	}
	// A DSN has a null path and goes to whom sent it.
	w.wantRefused("a report with a path", report("Message-ID: <"+string(id)+">\r\n"), luigi, mario)
	w.wantRefused("a report to another", report("Message-ID: <"+string(id)+">\r\n"), "", anna)
	w.wantRefused("a report to the signer of an envelope that it did not issue", report("Message-ID: <x@pec.alfa.test>\r\n"), "", alfa().unit.Address)
	if w.facts() != facts {
		t.Error("facts were committed")
	}
}

// norms.md 74, design.md 3: a DSN whose returned header bears an id of ours passes any policy, in an anomaly envelope.
func TestReportsAboutOursAreEnclosed(t *testing.T) {
	w := newWorld(t)
	id := w.sent(mario, luigi)
	header := "Subject: x\r\nMessage-ID: <" + string(id) + ">\r\n"
	w.wantAside("about his envelope", "a delivery report on ", report(header), id, "", mario)
	w.wantAside("in other case", "a delivery report on ", report("X-Y: z\r\n"+header), id, "", "MARIO@pec.alfa.test")
	w.wantAside("about his own id for it", "a delivery report on ", report("Message-ID: <x@y.test>\r\nX-Riferimento-Message-ID: <"+string(id)+">\r\n"), id, "", mario)
	// What we answered to Beta is reported to the address that signed it.
	if err := w.receive(beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario)), luigi, mario); err != nil {
		t.Fatal(err)
	}
	m := w.ok(w.Store.Message(t.Context(), w.tasks(store.TaskRelay)[0].Message)).(store.Message)
	w.wantAside("about a receipt of ours", "a delivery report on ", report("Message-ID: <"+m.MessageID+">\r\n"), "", "", alfa().unit.Address)
}

// What breaks off is kept nowhere.
func TestBrokenOffArrivalLeavesNothing(t *testing.T) {
	w := newWorld(t)
	octets := beta().issueWith(beta().envelope("m1@pec.beta.test", luigi, mario), strings.Repeat("x\r\n", 200_000))
	gone := errors.New("connection reset")
	body := io.MultiReader(strings.NewReader(string(octets[:len(octets)-10])), iotest.ErrReader(gone))
	err := w.Receive(t.Context(), Arrival{From: luigi, Recipients: []pec.Address{mario}, Hello: "x", Remote: "192.0.2.2", Body: body})
	if !errors.Is(err, gone) || w.facts() != 0 || w.state("") != (state{}) {
		t.Errorf("%v; %+v", err, w.state(""))
	}
}

// norms.md 60, 156: a mailbox, or its domain, may take ordinary mail, in an anomaly envelope; nobody else gets it. The same octets again
// come once.
func TestOrdinaryMailByPolicy(t *testing.T) {
	const outside = pec.Address("eva@x.test")
	plain := func(to string) []byte {
		return []byte("From: eva@x.test\r\nTo: " + to + "\r\nSubject: Ciao\r\nMessage-ID: <o@x.test>\r\n\r\nx\r\n")
	}
	imitation := edit(beta().issue(beta().envelope("m1@pec.beta.test", luigi, mario)), "Ciao!", "Addio")
	for name, c := range map[string]struct {
		mailbox store.Ordinary
		domain  store.Ordinary
		takes   bool
	}{
		"nothing said":           {store.OrdinaryAsDomain, "", false},
		"the domain takes it":    {store.OrdinaryAsDomain, store.OrdinaryAnomaly, true},
		"the mailbox takes it":   {store.OrdinaryAnomaly, store.OrdinaryRefuse, true},
		"the mailbox refuses it": {store.OrdinaryRefuse, store.OrdinaryAnomaly, false},
	} {
		w := newWorld(t)
		w.ok(nil, w.Store.SetOrdinary(t.Context(), mario, c.mailbox))
		w.Ordinary = func(domain string) store.Ordinary { return c.domain }
		want := ErrOrdinary
		if c.takes {
			want = nil
		}
		if err := w.Recipient(t.Context(), outside, mario); !errors.Is(err, want) {
			t.Errorf("%s: RCPT says %v", name, err)
		}
		for what, octets := range map[string][]byte{"plain": plain("mario@pec.alfa.test"), "blind": plain("x@y.test"), "an imitation": imitation} {
			entries := len(w.entries(mario))
			held := len(w.ok(w.Store.HeldMessages(t.Context(), 100)).([]store.Held))
			if err := w.receive(octets, outside, mario, ricevute); !errors.Is(err, want) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			if !c.takes {
				continue
			}
			words := map[bool]string{false: reasonUnsigned, true: reasonUntrusted}[what == "an imitation"]
			w.wantEnclosed(name+", "+what, words, mario, octets, outside)
			// Who took no part at RCPT and would refuse it is not passed over in silence.
			r := w.record()
			if len(r.Events) != 2 || r.Events[0].Kind != pec.EventAnomaly || r.Events[0].Recipients[0].Address != mario || len(r.Events[0].Recipients) != 1 ||
				r.Events[1].Kind != pec.EventHeld || r.Events[1].Recipients[0].Address != ricevute || len(w.ok(w.Store.HeldMessages(t.Context(), 100)).([]store.Held)) != held+1 {
				t.Errorf("%s: %s: the record is %+v", name, what, r)
			}
			if err := w.receive(octets, outside, mario, ricevute); err != nil || len(w.entries(mario)) != entries+1 || len(w.entries(ricevute)) != 0 {
				t.Errorf("%s: %s: again %v, %d entries", name, what, err, len(w.entries(mario))-entries)
			}
		}
		if c.takes {
			w.ok(nil, w.Store.SetQuota(t.Context(), mario, 1))
			if err := w.Recipient(t.Context(), outside, mario); !errors.Is(err, ErrFull) {
				t.Errorf("%s: full: %v", name, err)
			}
			if err := w.receive(plain("altro@x.test"), "", mario); !errors.Is(err, ErrFull) {
				t.Errorf("%s: full, at DATA: %v", name, err)
			}
		}
		if ts := w.ok(w.Store.Tasks(t.Context())).([]store.Task); len(ts) != 0 {
			t.Errorf("%s: it is answered: %+v", name, ts)
		}
	}
}

// norms.md 61-64: what an anomaly envelope inherits, and what it says to people.
func TestAnomalyEnvelopeInFull(t *testing.T) {
	w := newWorld(t)
	w.ok(nil, w.Store.SetOrdinary(t.Context(), mario, store.OrdinaryAnomaly))
	octets := []byte("Received: from a by b;\r\n\tx\r\nFrom: eva@x.test\r\nTo: \"Mario\" <mario@pec.alfa.test>\r\nCc: c@y.test\r\nReply-To: d@y.test\r\nSubject: =?utf-8?q?Citt=C3=A0?=\r\nMessage-ID: <o@x.test>\r\n\r\nCi\xe0o\r\n")
	w.pass(time.Minute)
	w.ok(nil, w.receive(octets, "eva@x.test", mario))
	whole := string(w.octets(w.entries(mario)[0].Message))
	header, _, _ := strings.Cut(whole, "\r\n\r\n")
	for _, want := range []string{
		"Received: from a by b;\r\n\tx", "To: \"Mario\" <mario@pec.alfa.test>", "Cc: c@y.test", "Reply-To: d@y.test", "Message-ID: <o@x.test>", "X-Trasporto: errore",
		`From: "Per conto di: eva@x.test" <posta-certificata@pec.alfa.test>`, "Date: Sat, 19 Sep 2026 12:01:00 +0200",
	} {
		if !strings.Contains(header, want) {
			t.Errorf("the header has no %q:\n%s", want, header)
		}
	}
	for _, want := range []string{"Anomalia nel messaggio", "Tali dati non sono stati certificati per il seguente errore:", "non =E8 firmato digitalmente", "mario@pec.alfa.test"} {
		if !strings.Contains(strings.ReplaceAll(whole, "=\r\n", ""), want) {
			t.Errorf("the text has no %q", want)
		}
	}
	if words := pec.DecodeWords(strings.Split(strings.SplitAfter(header, "Subject: ")[1], "\r\n")[0]); !strings.HasPrefix(words, "ANOMALIA MESSAGGIO: Citt") {
		t.Errorf("the subject is %q", words)
	}
}

// The same octets in other transactions: who takes them and has not got them gets them, the operators have them for who would not, once,
// and nobody is asked to come again.
func TestOrdinaryMailInPieces(t *testing.T) {
	w := newWorld(t)
	w.ok(w.Store.AddMailbox(t.Context(), anna, false, ""))
	for _, a := range []pec.Address{mario, anna} {
		w.ok(nil, w.Store.SetOrdinary(t.Context(), a, store.OrdinaryAnomaly))
	}
	octets := []byte("From: eva@x.test\r\nTo: mario@pec.alfa.test\r\nSubject: Ciao\r\n\r\nx\r\n")
	held := func() (to []string) {
		for _, h := range w.ok(w.Store.HeldMessages(t.Context(), 100)).([]store.Held) {
			to = append(to, h.Recipients...)
		}
		return to
	}
	for i, c := range []struct {
		to                []pec.Address
		mario, anna, held int
	}{
		{[]pec.Address{mario, ricevute}, 1, 0, 1},
		{[]pec.Address{anna, ricevute}, 1, 1, 1},
		{[]pec.Address{mario, "nessuno@pec.alfa.test"}, 1, 1, 2},
		{[]pec.Address{mario, anna, ricevute}, 1, 1, 2},
	} {
		if err := w.receive(octets, "", c.to...); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if m, a, h := len(w.entries(mario)), len(w.entries(anna)), held(); m != c.mario || a != c.anna || len(h) != c.held {
			t.Errorf("%d: mario has %d, anna %d, held for %q", i, m, a, h)
		}
	}
}

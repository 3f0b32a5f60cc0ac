package provider

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"

	"github.com/ceralacca/ceralacca/check"
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// exchange is one message of Mario's, who is at Alfa.
type exchange struct{ to []pec.Address }

var (
	single = exchange{[]pec.Address{luigiBeta}}
	mixed  = exchange{[]pec.Address{annaAlfa, luigiBeta, saraBeta}}
)

// letter is the message's octets, the same at each try.
func (x exchange) letter() string {
	to := make([]string, len(x.to))
	for i, a := range x.to {
		to[i] = string(a)
	}
	return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: Una volta sola\r\nMessage-ID: <una@client.test>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n\r\nCiao\r\n",
		marioAlfa, strings.Join(to, ", "))
}

// mail is one SMTP transaction of a test's own client.
type mail struct {
	from   pec.Address
	to     []pec.Address
	octets string
}

// over sends the mail on a connection whose greeting is due, with the sender's password if there is one. It returns the text
// of the 250.
func (m mail) over(conn net.Conn, password string) (string, error) {
	c := textproto.NewConn(conn)
	defer c.Close()
	if _, _, err := c.ReadResponse(220); err != nil {
		return "", err
	}
	commands := []string{"EHLO client.test"}
	if password != "" {
		commands = append(commands, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+string(m.from)+"\x00"+password)))
	}
	commands = append(commands, "MAIL FROM:<"+string(m.from)+">")
	for _, a := range m.to {
		commands = append(commands, "RCPT TO:<"+string(a)+">")
	}
	for _, command := range commands {
		if err := c.PrintfLine("%s", command); err != nil {
			return "", err
		}
		if _, _, err := c.ReadResponse(2); err != nil {
			return "", err
		}
	}
	if err := c.PrintfLine("DATA"); err != nil {
		return "", err
	}
	if _, _, err := c.ReadResponse(354); err != nil {
		return "", err
	}
	w := c.DotWriter()
	_, err := w.Write([]byte(m.octets))
	if err := errors.Join(err, w.Close()); err != nil {
		return "", err
	}
	_, text, err := c.ReadResponse(250)
	if err == nil && c.PrintfLine("QUIT") == nil {
		_, _, _ = c.ReadResponse(221) // the message is taken, whatever comes of this
	}
	return text, err
}

// submit makes one try to submit the message.
func (w *world) submit(x exchange) (string, error) {
	w.Helper()
	conn, err := tls.Dial("tcp", w.submission.address(), &tls.Config{RootCAs: preparedHouses().roots})
	if err != nil {
		return "", err
	}
	return mail{marioAlfa, x.to, x.letter()}.over(conn, mariosPassword)
}

// accepted submits until there is a 250, as a client does, and returns its PEC id.
func (w *world) accepted(x exchange) pec.ID {
	w.Helper()
	var refusals []error
	for range 20 {
		text, err := w.submit(x)
		if err == nil {
			var id pec.ID
			if _, err := fmt.Sscanf(text, "2.0.0 accepted as <%s", &id); err != nil {
				w.Fatalf("the 250 says %q", text)
			}
			return id[:len(id)-1]
		}
		refusals = append(refusals, err)
		w.revive()
	}
	w.Fatalf("not accepted: %v", errors.Join(refusals...))
	return ""
}

// concluded lets everything be done, repeats the submission, and asserts that all has happened exactly once.
func (w *world) concluded(x exchange, id pec.ID) {
	w.Helper()
	w.drain()
	if again := w.accepted(x); again != id {
		w.Errorf("a repeat is accepted as %s, the first was %s", again, id)
	}
	w.drain()
	w.wantOnce(x, id)
}

// wantOnce compares what both providers have with what one exchange leaves, and asserts the invariants of design.md 3.
func (w *world) wantOnce(x exchange, id pec.ID) {
	w.Helper()
	want := x.outcome(id)
	if got := append(w.alfa.outcome(), w.beta.outcome()...); !slices.Equal(got, want) {
		w.Errorf("there is\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	for _, m := range w.members() {
		m.wantSound()
	}
}

// wantSound checks a snapshot, as `ceralacca check` does.
func (m *member) wantSound() {
	w := m.world
	w.Helper()
	o := load(w, m.path).StoreOptions(w.clock)
	o.ReadOnly, o.Log = true, m.log
	snapshot, err := store.Open(w.ctx, o)
	if err != nil {
		w.Fatal(err)
	}
	report, err := check.Run(w.ctx, snapshot, check.Options{Anchors: preparedHouses().anchors})
	if err := errors.Join(err, snapshot.Close()); err != nil || report.Messages == 0 || len(report.Violations) > 0 {
		w.Errorf("%s: %+v, %v", m.name, report, err)
	}
}

// outcome is what one exchange leaves at Alfa and at Beta, line by line as member.outcome has it.
func (x exchange) outcome(id pec.ID) []string {
	inbox := map[pec.Address]string{marioAlfa: "accettazione" + strings.Repeat(" avvenuta-consegna", len(x.to)), serviceOf(alfaHost): "presa-in-carico"}
	alfa := []string{"alfa: envelope sent " + string(id), "alfa: issued accept accettazione"}
	beta := []string{"beta: envelope taken " + string(id)}
	for _, a := range x.to {
		inbox[a] = "posta-certificata"
		alfa = append(alfa, fmt.Sprintf("alfa: tracking of %s delivered, taken in charge: true", a))
		house := &alfa
		if a.Domain() == betaHost {
			beta = append(beta, fmt.Sprintf("beta: issued take presa-in-carico for %s", a))
			alfa = append(alfa, fmt.Sprintf("alfa: heard presa-in-carico for %s", a))
			house = &beta
		}
		*house = append(*house, fmt.Sprintf("%s: issued outcome avvenuta-consegna for %s", strings.Split(a.Domain(), ".")[1], a))
		alfa = append(alfa, fmt.Sprintf("alfa: heard avvenuta-consegna for %s", a))
	}
	for _, a := range []pec.Address{marioAlfa, annaAlfa, serviceOf(alfaHost)} {
		alfa = append(alfa, fmt.Sprintf("alfa: inbox of %s [%s]", a, inbox[a]))
	}
	for _, a := range []pec.Address{luigiBeta, saraBeta, serviceOf(betaHost)} {
		beta = append(beta, fmt.Sprintf("beta: inbox of %s [%s]", a, inbox[a]))
	}
	slices.Sort(alfa)
	slices.Sort(beta)
	return append(alfa, beta...)
}

// outcome is what a provider has issued, heard and put into mailboxes, and what it holds or still owes.
func (m *member) outcome() (lines []string) {
	w, st := m.world, m.store()
	w.Helper()
	say := func(format string, args ...any) {
		lines = append(lines, strings.TrimSuffix(m.name+": "+fmt.Sprintf(format, args...), " for "))
	}
	for _, e := range found(w, st.Envelopes) {
		say("envelope %s %s", e.Kind, e.PEC)
	}
	for _, x := range found(w, st.IssuedSteps) {
		say("issued %s for %s", x.Kind, x.Recipient)
	}
	for _, h := range found(w, st.HeardReceipts) {
		say("heard %s for %s", h.Kind, h.Recipient)
	}
	for _, e := range found(w, st.Envelopes) {
		tracking, err := st.Tracking(w.ctx, e.Provider, e.PEC)
		if err != nil {
			w.Fatal(err)
		}
		for _, t := range tracking {
			say("tracking of %s %s, taken in charge: %t", t.Recipient, t.State, !t.TakenAt.IsZero())
		}
	}
	for _, box := range found(w, st.Mailboxes) {
		say("inbox of %s %v", box.Address, m.inbox(box))
	}
	held, err := st.HeldMessages(w.ctx, 100)
	if err != nil {
		w.Fatal(err)
	}
	for _, h := range held {
		say("held: %s", h.Reason)
	}
	for _, t := range m.tasks() {
		say("owed: %s to %s", t.Kind, t.Target)
	}
	slices.Sort(lines)
	return lines
}

// inbox lists the kinds of what lies in a mailbox.
func (m *member) inbox(box store.Mailbox) (kinds []string) {
	w := m.world
	w.Helper()
	id, err := m.store().InboxID(w.ctx, box.ID)
	if err != nil {
		w.Fatal(err)
	}
	entries, err := m.store().Entries(w.ctx, id, 0)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

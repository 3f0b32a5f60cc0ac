package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/postgrestest"
	"github.com/ceralacca/ceralacca/store"
)

// RFC 6109 3.1.1, 3.1.2, norms.md 4-9, 12-14, attacks.md 1 to 6: each formal fault is told at once and in a signed notice, and
// nothing of the message is kept. The same again has the same notice.
func TestFormalFaultsAreRefused(t *testing.T) {
	w := newWorld(t)
	const from, to, subject, id = "From: mario@pec.alfa.test", "To: luigi@pec.beta.test", "Subject: x", "Message-ID: <1@client.test>"
	for name, c := range map[string]struct {
		message string
		to      []pec.Address
		want    string // enhanced codes of the faults
	}{
		"no author":          {text(to, subject, id, "", "x"), nil, "5.1.7"},
		"another author":     {text("From: anna@pec.alfa.test", to, id, "", "x"), nil, "5.7.1"},
		"author in a name":   {text(`From: "mario@pec.alfa.test" <eva@pec.alfa.test>`, to, id, "", "x"), nil, "5.7.1"},
		"two authors":        {text("From: mario@pec.alfa.test, eva@pec.alfa.test", to, id, "", "x"), nil, "5.1.7"},
		"two From fields":    {text(from, from, to, id, "", "x"), nil, "5.6.0 5.1.7"},
		"author is none":     {text("From: mario", to, id, "", "x"), nil, "5.1.7"},
		"no To":              {text(from, "Cc: luigi@pec.beta.test", id, "", "x"), nil, "5.1.3"},
		"bad To":             {text(from, "To: luigi@pec.beta.test, x@", id, "", "x"), nil, "5.1.3"},
		"hidden recipient":   {text(from, to, id, "", "x"), []pec.Address{luigi, carla}, "5.7.1"},
		"blind copy":         {text(from, to, "Bcc: luigi@pec.beta.test", id, "", "x"), nil, "5.7.1"},
		"folded blind copy":  {text(from, to, "Bcc:", " luigi@pec.beta.test", id, "", "x"), nil, "5.7.1"},
		"two Message-IDs":    {text(from, to, id, id, "", "x"), nil, "5.6.0"},
		"bad Message-ID":     {text(from, to, "Message-ID: <a b@c>", "", "x"), nil, "5.6.0"},
		"long Message-ID":    {text(from, to, "Message-ID: <"+strings.Repeat("x", 64<<10)+"@c>", "", "x"), nil, "5.6.0 5.6.0"},
		"no header":          {text("Buongiorno"), nil, "5.6.0 5.1.7 5.1.3 5.7.1"},
		"a line too long":    {text(from, to, id, "", strings.Repeat("x", 999)), nil, "5.6.0"},
		"too much for many":  {text(from, toAll(many(50)), id, "", strings.Repeat(text(strings.Repeat("x", 98)), 30_000)), many(50), "5.3.4"},
		"too many":           {text(from, toAll(many(501)), id, "", "x"), many(501), "5.5.3"},
		"several at a time":  {text("From: eva@pec.alfa.test", "Bcc: x@y.test", id, "", "x"), nil, "5.7.1 5.1.3 5.7.1 5.7.1"},
		"nothing whatsoever": {"", nil, "5.1.7 5.1.3 5.7.1"},
	} {
		if c.to == nil {
			c.to = []pec.Address{luigi}
		}
		_, err := w.Submit(t.Context(), w.submission(c.message, c.to...))
		var refused *Refused
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a refusal", name, err)
			continue
		}
		var codes []string
		for _, f := range refused.Faults {
			codes = append(codes, f.Enhanced)
			if !strings.Contains(refused.Error(), f.English) {
				t.Errorf("%s: the error %q does not say %q", name, refused, f.English)
			}
		}
		if got := strings.Join(codes, " "); got != c.want {
			t.Errorf("%s: refused with %s, want %s", name, got, c.want)
		}
		w.wantNotice(name, refused)
		facts, entries := w.facts(), len(w.entries(mario))
		var again *Refused
		if _, err := w.Submit(t.Context(), w.submission(c.message, c.to...)); !errors.As(err, &again) || again.Notice != refused.Notice {
			t.Errorf("%s again: %v", name, err)
		}
		if r := w.record(); w.facts() != facts+1 || r.Events[0].Kind != pec.EventRepeated || r.Events[0].ID != refused.Notice || len(w.entries(mario)) != entries {
			t.Errorf("%s again: %d entries, the record is %+v", name, len(w.entries(mario))-entries, r)
		}
	}
	if ts := w.ok(w.Store.Tasks(t.Context())).([]store.Task); len(ts) != 0 {
		t.Errorf("tasks: %+v", ts)
	}
	w.wantNoFiles()
}

// wantNotice reads the newest message in the sender's mailbox: the notice of a refusal.
func (w *world) wantNotice(what string, refused *Refused) {
	w.t.Helper()
	r := w.record()
	if len(r.Events) != 2 || r.Events[0].Kind != pec.EventNotAccepted || r.Events[0].ID != refused.Notice || r.Events[0].OriginalSHA256 == nil || len(r.Events[0].Generated) != 1 {
		w.t.Errorf("%s: the record is %+v", what, r)
	}
	entries := w.entries(mario)
	octets := w.octets(entries[len(entries)-1].Message)
	for _, want := range []string{"X-Ricevuta: non-accettazione\r\n", "To: mario@pec.alfa.test\r\n"} {
		if !bytes.Contains(octets, []byte(want)) {
			w.t.Errorf("%s: the notice has no %q", what, want)
		}
	}
	m := w.read(entries[len(entries)-1].Message)
	var words mime.WordDecoder
	if subject, err := words.DecodeHeader(m.Header.Get("Subject")); err != nil || subject != "AVVISO DI NON ACCETTAZIONE: "+m.Data.Subject {
		w.t.Errorf("%s: the subject is %q", what, subject)
	}
	if m.Data.Kind != pec.NonAcceptance || m.Data.ID != refused.Notice || m.Data.Reason != pec.ReasonOther || m.Original != nil || len(m.Data.Recipients) == 0 {
		w.t.Errorf("%s: the notice says %+v", what, m.Data)
	}
	if code := refused.Faults[0].Enhanced + " - Alfa PEC S.p.A. - "; !strings.HasPrefix(m.Data.Detail, code) {
		w.t.Errorf("%s: the notice begins with %.60q, want %q", what, m.Data.Detail, code)
	}
	for _, f := range refused.Faults {
		if !strings.Contains(m.Data.Detail, f.Italian) {
			w.t.Errorf("%s: the notice does not say %q", what, f.Italian)
		}
	}
}

// When a limit was raised, what was refused may be accepted: it is another submission.
func TestRefusedThenAccepted(t *testing.T) {
	w := newWorld(t)
	big := letter(luigi) + strings.Repeat(text(strings.Repeat("x", 98)), 310_000)
	w.Limits.Product = 30_000_000
	var refused *Refused
	if _, err := w.Submit(t.Context(), w.submission(big, luigi)); !errors.As(err, &refused) {
		t.Fatalf("%v, want a refusal", err)
	}
	w.Limits.Product = 40_000_000
	w.accept(big, luigi)
}

// many is one recipient, as often.
func many(n int) []pec.Address {
	as := make([]pec.Address, n)
	for i := range as {
		as[i] = pec.Address(fmt.Sprintf("casella%d@pec.beta.test", i))
	}
	return as
}

// toAll is a To field with all the addresses.
func toAll(as []pec.Address) string {
	field := "To: " + string(as[0])
	for _, a := range as[1:] {
		field += ",\r\n " + string(a)
	}
	return field
}

// wantNoFiles checks that no spooled file was left, nor what was made of one.
func (w *world) wantNoFiles() {
	w.t.Helper()
	dir := "contents"
	if w.database != "" {
		dir = "spool"
		if n := postgrestest.Query(w.t, w.database, `SELECT (SELECT count(*) FROM upload) + (SELECT count(*) FROM chunk)`); n != "0" {
			w.t.Errorf("%s rows were left of what was spooled", n)
		}
	}
	err := filepath.WalkDir(filepath.Join(w.Store.Dir(), dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			w.t.Errorf("%s was left", path)
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
}

// A client that goes away, however late, leaves nothing.
func TestBrokenOffSubmissionLeavesNothing(t *testing.T) {
	w := newWorld(t)
	gone := errors.New("connection reset")
	for name, message := range map[string]string{"short": letter(luigi), "long": letter(luigi) + strings.Repeat(text("and more"), 100_000)} {
		s := w.submission("", luigi)
		s.Body = io.MultiReader(strings.NewReader(message), iotest.ErrReader(gone))
		if _, err := w.Submit(t.Context(), s); !errors.Is(err, gone) {
			t.Errorf("%s: %v", name, err)
		}
		w.wantNothing(name)
	}
	w.wantNoFiles()
}

// norms.md 130, 126; design.md 2: what cannot be typed truly is not accepted yet.
func TestDirectoryDecides(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*world)
		sender pec.Address
		to     pec.Address
	}{
		"empty directory":          {func(w *world) { w.dir = published(beta()) }, mario, luigi},
		"sender's domain unlisted": {func(*world) {}, "mario@nuovo.test", luigi},
		"sender's domain claimed":  {func(*world) {}, "mario@ambiguo.test", luigi},
		"our domain unlisted":      {func(*world) {}, mario, "anna@nuovo.test"},
		"recipient's claimed":      {func(*world) {}, mario, "luigi@conteso.test"},
		"ours claimed by another":  {func(*world) {}, mario, "luigi@ambiguo.test"},
		"our domain another's": {func(w *world) {
			a, b := alfa(), beta()
			a.Domains, b.Domains = a.Domains[:1], append(b.Domains, "comune.alfa.test")
			w.dir = published(a, b)
		}, mario, anna},
	} {
		w.dir = published(alfa(), beta(), gamma())
		c.change(w)
		s := w.submission(strings.Replace(letter(c.to), string(mario), string(c.sender), 1), c.to)
		if c.sender != mario {
			s.Mailbox = w.mailbox(c.sender)
		}
		if _, err := w.Submit(t.Context(), s); !errors.Is(err, ErrNoDirectory) {
			t.Errorf("%s: %v, want ErrNoDirectory", name, err)
		}
		w.wantNothing(name)
	}
}

// design.md 3: what is owed must always be writable. The message is not even read.
func TestReserveIsKept(t *testing.T) {
	w := newWorld(t)
	w.Reserve = 1 << 62
	s := w.submission("", luigi)
	s.Body = iotest.ErrReader(errors.New("read"))
	if _, err := w.Submit(t.Context(), s); !errors.Is(err, store.ErrSpool) {
		t.Errorf("%v, want ErrSpool", err)
	}
	w.wantNothing("over the reserve")
}

// A mailbox that is closed while its message is on the way sends nothing any more.
func TestClosedMailboxSendsNothing(t *testing.T) {
	w := newWorld(t)
	if err := w.Store.SetEnabled(t.Context(), mario, false); err != nil {
		t.Fatal(err)
	}
	if id, err := w.Submit(t.Context(), w.submission(letter(luigi), luigi)); err == nil || errors.Is(err, store.ErrUnknown) {
		t.Errorf("accepted as %s (%v)", id, err)
	}
	w.wantNothing("from a closed mailbox")
}

// The queue before the keys is left when the client's time is over.
func TestFullQueueIsLeft(t *testing.T) {
	w := newWorld(t)
	leave, err := w.Signing.Enter(t.Context(), "somebody else", 4)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	s := w.submission(letter(luigi), luigi)
	ctx, cancel := contextThatEnds(t)
	s.Body = &atEOF{Reader: s.Body, do: cancel}
	if _, err := w.Submit(ctx, s); err == nil {
		t.Error("accepted")
	}
	w.wantNothing("after the context's end")
}

package store

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/ceralacca/ceralacca/pec"
)

// good tells what the database takes as text.
func good(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func argOf(s string) string { return postgresArg(s).(string) }

// octetString draws strings of strangers: text, broken text, NUL, the replacement character itself, and what postgresArg writes.
func octetString(t *rapid.T, name string) string {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "é", "€", "\U0001F4E7", "\x00", "\xff", "\xc3", "\xa9", "\xed\xa0\x80", "\uFFFD", "x00", " "}), 0, 8)
	return strings.Join(pieces.Draw(t, name), "") + string(rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, name+"'s end"))
}

func TestPostgresArg(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := octetString(t, "string")
		got := argOf(s)
		if !good(got) {
			t.Fatalf("%q became %q", s, got)
		}
		if good(s) && got != s {
			t.Fatalf("%q, which is good, became %q", s, got)
		}
		if argOf(got) != got {
			t.Fatalf("%q became %q, and that %q", s, got, argOf(got))
		}
	})
	for _, a := range []any{nil, 1, int64(2), []byte("\xff\x00"), ID{}} {
		if got := postgresArg(a); !same(got, a) {
			t.Errorf("%#v became %#v", a, got)
		}
	}
}

func same(a, b any) bool {
	if x, ok := a.([]byte); ok {
		return string(x) == string(b.([]byte))
	}
	return a == b
}

// TestPostgresArgTellsApart: strings without backslashes stay different ones. With them they do not: who writes the four signs \x00
// is taken for one who writes the octet.
func TestPostgresArgTellsApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := strings.ReplaceAll(octetString(t, "one"), `\`, "/"), strings.ReplaceAll(octetString(t, "other"), `\`, "/")
		if a != b && argOf(a) == argOf(b) {
			t.Fatalf("%q and %q both became %q", a, b, argOf(a))
		}
	})
	if argOf(`\x00`) != argOf("\x00") {
		t.Error("this comment is no longer true")
	}
}

// strangers are texts that no database takes as they are.
func strangers() []string {
	return []string{"caff\xe8", "a\x00b", "\xed\xa0\x80\uFFFD\xf0\x9f\x93", strings.Repeat("\xe8\x00è", 400)}
}

// TestTextOfStrangers: what others wrote otherwise than in UTF-8 is stored and found again.
func TestTextOfStrangers(t *testing.T) {
	t.Parallel()
	w := newPgWorld(t)
	for _, s := range strangers() {
		w.holdsText(s)
		w.issuesText(s)
		w.submitsText(s)
		w.relaysText(s)
		if _, err := w.Mailbox(w.ctx(), pec.Address(s)); !errors.Is(err, ErrNotFound) {
			t.Errorf("the mailbox %.20q: %v", s, err)
		}
		if _, err := w.Authenticate(w.ctx(), s, s); !errors.Is(err, ErrLogin) {
			t.Errorf("a log-in as %.20q: %v", s, err)
		}
		w.must(w.AddFolder(w.ctx(), w.mario.ID, s, ""))
		if f := w.folder(w.mario, s); f.Name != argOf(s) {
			t.Errorf("the folder %.20q is %.20q", s, f.Name)
		}
		w.refused(ErrConflict, func() error { return w.AddFolder(w.ctx(), w.mario.ID, s, "") })
	}
}

// holdsText keeps a message of strangers for the operators.
func (w *world) holdsText(s string) {
	w.Helper()
	at := w.instant()
	c := w.content([]byte(s))
	m := w.message(KindHeld, "", Recipe{{Span: Span{Content: c.ID, Length: c.Size}}})
	m.Trace = s
	w.must(w.Hold(w.ctx(), at, record(at, pec.EventHeld, ""), Held{Reason: s, Sender: s, Recipients: []string{s, "x"}, Peer: s}, c, m, nil))
	hs, err := w.HeldMessages(w.ctx(), 1000)
	w.must(err)
	for _, h := range hs {
		if h.Message != m.ID {
			continue
		}
		if want := argOf(s); h.Sender != want || h.Peer != want || len(h.Recipients) != 2 || h.Recipients[0] != want || h.Reason != argOf(clip(s)) {
			w.Errorf("%.20q is held as %+v", s, h)
		}
		if got := w.octets(h.Message, nil); string(got) != s {
			w.Errorf("%.20q came back as %.20q", s, got)
		}
		return
	}
	w.Errorf("%.20q is not held", s)
}

// issuesText looks for a Message-ID of ours that is none.
func (w *world) issuesText(s string) {
	w.Helper()
	ask := func(want bool) {
		w.Helper()
		if got, err := w.Issued(w.ctx(), s); err != nil || got != want {
			w.Errorf("%.20q was issued: %t, %v, want %t", s, got, err, want)
		}
	}
	ask(false)
	b := plainBatch()
	m := w.message(KindDSN, pec.ID(s), Recipe{Literal([]byte(s))})
	w.must(b.message(m))
	w.must(w.commit(w.ctx(), b))
	ask(true)
}

// submitsText submits a message with such a Message-ID, and again.
func (w *world) submitsText(s string) {
	w.Helper()
	a := w.acceptance(w.instant(), s, []byte("Buongiorno.\r\n"))
	w.must(w.Accept(w.ctx(), a))
	if id, err := w.Submitted(w.ctx(), a.Key); err != nil || id != a.Envelope.PEC {
		w.Errorf("%.20q was submitted as %s, %v, want %s", s, id, err, a.Envelope.PEC)
	}
	again := w.acceptance(w.instant(), s, []byte("Buongiorno.\r\n"))
	w.refused(ErrConflict, func() error { return w.Accept(w.ctx(), again) })
}

// relaysText records what a peer replied.
func (w *world) relaysText(s string) {
	w.Helper()
	t := w.task(TaskRelay, w.accepted().Envelope.PEC)
	r := w.relayed(w.instant(), t, RelayPending)
	r.Results[0].Reply, r.Trouble = s, s
	w.must(w.Relayed(w.ctx(), r))
	relays, err := w.Relays(w.ctx(), t)
	w.must(err)
	if len(relays) != 1 || relays[0].Reply != argOf(clip(s)) {
		w.Errorf("the reply %.20q is %+v", s, relays)
	}
	if t := w.task(TaskRelay, t.PEC); t.Trouble != argOf(clip(s)) {
		w.Errorf("the trouble %.20q is %.20q", s, t.Trouble)
	}
}

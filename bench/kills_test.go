package bench

import (
	"maps"
	"testing"
	"time"
)

const (
	envelope = "X-Trasporto: posta-certificata\r\nX-Riferimento-Message-ID: <c1>\r\nMessage-ID: <pec1>\r\n\r\n"
	receipt  = "X-Riferimento-Message-ID: <c1>\r\nX-Ricevuta: avvenuta-consegna\r\nMessage-ID: <r1>\r\n\r\n"
)

func TestDescribe(t *testing.T) {
	for header, want := range map[string]string{
		envelope: "posta-certificata of <c1> in a@b as <pec1>",
		receipt:  "avvenuta-consegna of <c1> in a@b",
		"\r\n":   " of  in a@b",
	} {
		if got, err := describe([]byte(header), "a@b"); got != want || err != nil {
			t.Errorf("%q: got %q and %v, want %q", header, got, err, want)
		}
	}
}

func TestTally(t *testing.T) {
	const text = "* FLAGS ()\r\na1 OK selected\r\n" +
		"* 1 FETCH (BODY[HEADER.FIELDS (X-TRASPORTO)] {86}\r\n" + envelope + ")\r\n" +
		"* 2 FETCH (BODY[HEADER.FIELDS (X-TRASPORTO)] {83}\r\n" + receipt + ")\r\na2 OK done\r\n"
	if len(envelope) != 86 || len(receipt) != 83 {
		t.Fatal(len(envelope), len(receipt))
	}
	got := map[string]int{}
	in := &inbox{conn: answered(text), address: "a@b", want: 2}
	if err := in.tally(got); err != nil || got["posta-certificata of <c1> in a@b as <pec1>"] != 1 || got["avvenuta-consegna of <c1> in a@b"] != 1 || len(got) != 2 {
		t.Errorf("got %v and %v", got, err)
	}
	for _, bad := range []string{"* 1 FETCH (UID 4)\r\n", "* 1 FETCH (BODY[] {999999999}\r\n", "* 1 FETCH (BODY[] {20}\r\nshort"} {
		in := &inbox{conn: answered("a1 OK selected\r\n" + bad), want: 1}
		if err := in.tally(map[string]int{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestCompare: what is missing is lost, what is there twice or was never accepted is doubled (design.md 8, P10).
func TestCompare(t *testing.T) {
	w := &writer{from: "a@alfa", to: "b@beta", accepted: map[string]string{"<c1>": "pec1", "<c2>": "pec2"}, repeated: 3}
	whole := map[string]int{}
	for client, id := range w.accepted {
		for _, what := range owed(w, "s@alfa", client, id) {
			whole[what] = 1
		}
	}
	for _, c := range []struct {
		name          string
		change        func(map[string]int)
		lost, doubled int
	}{
		{"all is there", func(map[string]int) {}, 0, 0},
		{"no envelope", func(f map[string]int) { delete(f, place("posta-certificata", "<c1>", "b@beta")+" as <pec1>") }, 1, 0},
		{"two receipts of one are missing", func(f map[string]int) {
			delete(f, place("accettazione", "<c1>", "a@alfa"))
			delete(f, place("avvenuta-consegna", "<c1>", "a@alfa"))
		}, 1, 0},
		{"no taking in charge", func(f map[string]int) { delete(f, place("presa-in-carico", "<c2>", "s@alfa")) }, 1, 0},
		{"two envelopes", func(f map[string]int) { f[place("posta-certificata", "<c1>", "b@beta")+" as <pec1>"]++ }, 0, 1},
		{"another envelope for the same message", func(f map[string]int) { f[place("posta-certificata", "<c1>", "b@beta")+" as <pec9>"] = 1 }, 0, 1},
		{"its envelope has another id", func(f map[string]int) {
			delete(f, place("posta-certificata", "<c1>", "b@beta")+" as <pec1>")
			f[place("posta-certificata", "<c1>", "b@beta")+" as <pec9>"] = 1
		}, 1, 1},
		{"nobody was told", func(f map[string]int) { f[place("accettazione", "<c7>", "a@alfa")] = 2 }, 0, 2},
	} {
		found := maps.Clone(whole)
		c.change(found)
		k := &Kills{}
		k.compare([]*writer{w}, "s@alfa", found)
		if k.Lost != c.lost || k.Doubled != c.doubled || k.Accepted != 2 || k.Repeated != 3 {
			t.Errorf("%s: got %+v, want %d lost and %d doubled", c.name, k, c.lost, c.doubled)
		}
	}
}

// TestWriterRepeats: a message without an answer is sent again as it was, until it is answered.
func TestWriterRepeats(t *testing.T) {
	const ready = "250 sender\r\n250 recipient\r\n354 data\r\n"
	w := &writer{from: "a@alfa", to: "b@beta", accepted: map[string]string{}}
	if err := w.writeOn(&submission{conn: answered(ready)}); err == nil || w.pending == nil {
		t.Fatalf("got %v and %d octets pending", err, len(w.pending))
	}
	pending := string(w.pending)
	if err := w.writeOn(&submission{conn: answered(ready + "250 accepted as <pec1>\r\n")}); err == nil {
		t.Fatal("the end of a connection was no error")
	}
	id := messageID([]byte(pending))
	if w.accepted[id] != "pec1" || len(w.accepted) != 1 || w.repeated != 1 || string(w.pending) == pending {
		t.Errorf("%q: got %v, %d repeated", id, w.accepted, w.repeated)
	}
	if err := w.write(&submission{conn: answered(ready + "250 queued\r\n")}); !fits(err, "accepted without an id") || err == nil {
		t.Errorf("got %v", err)
	}
}

// TestHolderRefusesMoreThanItIsOwed: a receipt that nobody waited for is an error, not an exchange.
func TestHolderRefusesMoreThanItIsOwed(t *testing.T) {
	h := &holder{in: &inbox{conn: answered("* 3 EXISTS\r\n* 4 EXISTS\r\n"), address: "a@b"}, seen: 2, owed: make(chan struct{}, 2)}
	h.owed <- struct{}{}
	if err := h.watch(); !fits(err, "a@b has 4 messages: more than were expected") || err == nil {
		t.Errorf("got %v", err)
	}
	h = &holder{in: &inbox{conn: answered("* 4 EXISTS\r\n* 1 RECENT\r\na7 OK idled\r\n"), tag: 7}, seen: 2, owed: make(chan struct{}, 4)}
	for range 3 {
		h.owed <- struct{}{}
	}
	if err := h.watch(); err != nil || len(h.owed) != 1 {
		t.Errorf("%d are owed, %v", len(h.owed), err)
	}
}

func TestFlowSumsUp(t *testing.T) {
	began := time.Unix(1000, 0)
	h := &holder{}
	for _, at := range []time.Duration{0, 50, 150, 950, 1050} { // milliseconds; the last one is answered after the window
		h.sent = append(h.sent, accepted{sent: began.Add(at * time.Millisecond), answered: began.Add((at + 10) * time.Millisecond)})
	}
	f := &Flow{}
	f.answers([]*holder{h, {}}, began, time.Second)
	if f.Exchanges != 5 || f.P50 != 10 || f.P99 != 10 || f.Tenths[0] != 20 || f.Tenths[1] != 10 || f.Tenths[9] != 10 {
		t.Errorf("got %+v", f)
	}
}

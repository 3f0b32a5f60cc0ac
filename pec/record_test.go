package pec

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sampleRecord() Record {
	return Record{
		Fact: [16]byte{1, 15: 2}, At: instant(), Unit: "alfa", Certificate: [32]byte{3},
		Events: []Event{{
			Kind: EventAccepted, ID: messageID, Provider: "Alfa PEC S.p.A.", ClientID: clientID, Sender: mario,
			Recipients: []Recipient{{comune, Certified}, {outsider, External}}, Subject: "Perché\nno\\?\xff",
			Generated:      []Generated{{Acceptance, "a@b", [32]byte{4}}, {Transport, messageID, [32]byte{5}}},
			OriginalSHA256: &[32]byte{6},
		}, {Kind: EventRelayFailed, Recipient: outsider, Detail: "550 5.1.1 no such user"}},
	}
}

// norms.md 131
func TestRecordGolden(t *testing.T) {
	golden(t, "record.txt", sampleRecord().Marshal())
}

func drawRecord(t *rapid.T) Record {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", " ", "a b", "x\r\nevent accepted\nid z", `\x0a\`, "\xff\x00\x7f", "\u2028"}))
	r := Record{Unit: text.Draw(t, "unit"), At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()}
	copy(r.Fact[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "fact"))
	copy(r.Certificate[:], rapid.SampledFrom([]string{"", "x"}).Draw(t, "certificate"))
	for range rapid.IntRange(0, 3).Draw(t, "events") {
		e := Event{
			Kind: rapid.SampledFrom([]EventKind{EventAccepted, EventHeard, EventDSN}).Draw(t, "kind"),
			ID:   ID(text.Draw(t, "id")), Provider: text.Draw(t, "provider"), ClientID: ClientID(text.Draw(t, "client")),
			Sender: Address(text.Draw(t, "sender")), Subject: text.Draw(t, "subject"), Recipient: Address(text.Draw(t, "about")), Detail: text.Draw(t, "detail"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "recipients") {
			e.Recipients = append(e.Recipients, Recipient{Address(text.Draw(t, "recipient")), External})
			e.Generated = append(e.Generated, Generated{Delivered, ID(text.Draw(t, "generated")), [32]byte{1}})
			e.OriginalSHA256 = &[32]byte{2}
		}
		r.Events = append(r.Events, e)
	}
	return r
}

// TestRecordRoundTrip: no text can begin a line of its own (attacks.md 5).
// norms.md 131
func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		got, err := ParseRecord(want.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestParseRecordRefuses(t *testing.T) {
	good := string(sampleRecord().Marshal())
	edit := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	cases := map[string]string{
		"empty":             "",
		"no end":            strings.TrimSuffix(good, "\n"),
		"other version":     edit("ceralacca-record 1", "ceralacca-record 2"),
		"unknown key":       edit("unit", "units"),
		"unknown event":     edit("event accepted", "event xyz"),
		"key in no event":   edit("unit", "subject"),
		"unknown event key": edit("sender ", "sendr "),
		"other order":       edit("event relay-failed\n", "event relay-failed\ndetail x\n"),
		"empty line":        edit("event", "\nevent"),
		"empty value":       edit("event", "unit \nevent"),
		"short digest":      edit("original 06", "original 6"),
		"upper case digest": edit("fact 01", "fact 0A"),
		"no digest":         edit("generated accettazione ", "generated accettazione x"),
		"other zone":        edit("19.25Z", "19.25+00:00"),
		"recipient type":    edit("recipient certificato", "recipient altro"),
		"needless escape":   edit("Alfa", `\x41lfa`),
		"other escape":      edit("Alfa", `\n`),
		"carriage return":   edit("Alfa", "\r"),
	}
	for name, text := range cases {
		if text == good {
			t.Errorf("%s: nothing changed", name)
		}
		if r, err := ParseRecord([]byte(text)); err == nil {
			t.Errorf("%s: read as %v", name, r)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(sampleRecord().Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b)
		if err == nil && !bytes.Equal(r.Marshal(), b) {
			t.Fatalf("%q is read, and is written %q", b, r.Marshal())
		}
	})
}

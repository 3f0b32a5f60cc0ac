package pec

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What a client calls itself cannot leave its place in a Received field (attacks.md 5).
func TestTraceWord(t *testing.T) {
	for hello, want := range map[string]string{
		"mx.pec.beta.test":         "mx.pec.beta.test",
		"[IPv6:2001:db8::1]":       "[IPv6:2001:db8::1]",
		"":                         "unknown",
		" \t()<>":                  "unknown",
		"x\r\nSubject: y":          "xSubject:y",
		"a (comment) <b@c>; d\\\"": "acommentbcd",
		"perché\x00\x7f":           "perch",
		strings.Repeat("a", 300):   strings.Repeat("a", 255),
	} {
		if got := TraceWord(hello); got != want {
			t.Errorf("%q becomes %q, want %q", hello, got, want)
		}
	}
}

// Legal time has its offset in summer and in winter (RFC 6109 4.2).
func TestDate(t *testing.T) {
	for at, want := range map[time.Time]string{
		time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC):  "Thu, 02 Jul 2026 00:30:00 +0200",
		time.Date(2026, 12, 1, 22, 30, 0, 0, time.UTC): "Tue, 01 Dec 2026 23:30:00 +0100",
	} {
		if got := Date(at); got != want {
			t.Errorf("%s is written %q, want %q", at, got, want)
		}
	}
}

func TestBareID(t *testing.T) {
	for value, want := range map[string]string{"<a@b>": "a@b", " <a@b>\t": "a@b", "a@b": "a@b", "": ""} {
		if got := BareID(value); got != want {
			t.Errorf("%q becomes %q, want %q", value, got, want)
		}
	}
}

func TestDistinct(t *testing.T) {
	got := Distinct([]Address{"Mario@pec.alfa.test", "luigi@pec.beta.test", "mario@PEC.alfa.test", "luigi@pec.beta.test"})
	if want := []Address{"Mario@pec.alfa.test", "luigi@pec.beta.test"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := Distinct(nil); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}

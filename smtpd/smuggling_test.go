package smtpd

import (
	"regexp"
	"strings"
	"testing"
)

// markers are ends of a message as others understand them (attacks.md 7). None is ours.
var markers = []string{
	"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\r\n.\r\n", "\r\n\x00.\r\n", "\r\n.\rX",
}

const (
	envelope = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"
	smuggled = "MAIL FROM:<smuggled@x.test>\r\nRCPT TO:<victim@x.test>\r\nDATA\r\nforged\r\n.\r\nMAIL FROM:<smuggled@x.test>\r\n"
)

// attacks.md 7: whatever stands for an end elsewhere, wherever the network cuts the stream, and whatever Receive does: nothing that was
// content is executed, and one reply is sent.
func TestNoMarkerSmugglesCommands(t *testing.T) {
	for _, sender := range []string{"a@x.test", "early@x.test", "careless@x.test"} {
		for _, marker := range markers {
			stream := "Subject: x\r\n\r\nbody" + marker + smuggled
			for i := range len(stream) {
				checkNothingSmuggled(t, sender, stream[:i], stream[i:])
			}
			checkNothingSmuggled(t, sender, strings.Split(stream, "")...)
		}
	}
}

func checkNothingSmuggled(t *testing.T, sender string, pieces ...string) {
	t.Helper()
	r := new(record)
	opening := []string{"EHLO x\r\n", strings.Replace(envelope, "a@x.test", sender, 1)}
	replies := play(t, testConfig(r), append(opening, pieces...)...)
	after := replies
	for i, line := range replies {
		if strings.HasPrefix(line, "354 ") {
			after = replies[i+1:]
		}
	}
	refused := len(after) == 1 && strings.HasPrefix(after[0], "550 5.6.11 ")
	if !refused || len(r.senders) != 1 || len(r.messages) != 0 {
		t.Fatalf("%q: replies %q, senders %q, messages %q", pieces, after, r.senders, r.messages)
	}
}

// A message that is refused for another reason ends at its end, and the session goes on there.
func TestRefusedMessageIsDrainedToItsEnd(t *testing.T) {
	for sender, want := range map[string]string{
		"early@x.test": "554 5.7.1 infected", "a@x.test": "552 5.3.4 " + ErrTooBig.Error(),
	} {
		stream := strings.Repeat("x", 1200) + "\r\n..\r\nMAIL FROM:<smuggled@x.test>\r\n.\r\nNOOP\r\n"
		for i := range len(stream) {
			r := new(record)
			replies := play(t, testConfig(r), "EHLO x\r\n", strings.Replace(envelope, "a@x.test", sender, 1), stream[:i], stream[i:])
			if n := len(replies); replies[n-2] != want || replies[n-1] != "250 2.0.0 ok" || len(r.senders) != 1 {
				t.Fatalf("cut at %d: %q, senders %q", i, replies, r.senders)
			}
		}
	}
}

// A message far over the limit is not read for ever: one reply, then the end.
func TestEndlessMessage(t *testing.T) {
	r := new(record)
	block := strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1<<10)
	pieces := []string{"EHLO x\r\n", envelope}
	for range 40 {
		pieces = append(pieces, block)
	}
	replies := play(t, testConfig(r), append(pieces, ".\r\nNOOP\r\n")...)
	if last := replies[len(replies)-1]; !strings.HasPrefix(last, "552 5.3.4") || len(r.messages) > 0 {
		t.Fatal(last)
	}
}

// A connection that breaks inside DATA leaves no message and runs nothing.
func TestBrokenMessage(t *testing.T) {
	stream := "x\r\n.\r"
	for i := range len(stream) {
		r := new(record)
		replies := play(t, testConfig(r), "EHLO x\r\n", envelope, stream[:i])
		if last := replies[len(replies)-1]; !strings.HasPrefix(last, "421 4.4.2") || len(r.messages) > 0 {
			t.Fatalf("%q: %s, %q", stream[:i], last, r.messages)
		}
	}
}

// Good content through the whole session, cut everywhere.
func TestMessageCutEverywhere(t *testing.T) {
	stream := "Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
	for i := range len(stream) {
		r := new(record)
		replies := play(t, testConfig(r), "EHLO x\r\n", envelope, stream[:i], stream[i:])
		if n := len(replies); !strings.HasPrefix(replies[n-2], "250 2.0.0 accepted") || !strings.HasPrefix(replies[n-1], "221") {
			t.Fatal(replies)
		}
		if r.messages[0] != "Subject: x\r\n\r\n.dot\r\n" {
			t.Fatalf("%q", r.messages)
		}
	}
}

var replySyntax = regexp.MustCompile(`^[2-5][0-9][0-9][ -][ -~]*$`)

func checkReplies(t testing.TB, lines []string) {
	t.Helper()
	for _, line := range lines {
		if !replySyntax.MatchString(line) || len(line) > maxReply-2 {
			t.Fatalf("reply %q", line)
		}
	}
}

package bench

import (
	"bytes"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestComposeHasItsSize(t *testing.T) {
	a := compose("mario.rossi@pec.alfa.test", "luigi.verdi@pec.beta.test", time.Unix(0, 0))
	b := compose("mario.rossi@pec.alfa.test", "luigi.verdi@pec.beta.test", time.Unix(0, 0))
	if len(a) != messageSize || !bytes.HasSuffix(a, []byte("\r\n")) {
		t.Errorf("%d octets that end in %q", len(a), a[len(a)-2:])
	}
	if bytes.Equal(a, b) {
		t.Error("two messages are the same: the second would be a repeated submission")
	}
	for line := range bytes.SplitSeq(a, []byte("\r\n")) {
		if len(line) > 998 || bytes.HasPrefix(line, []byte(".")) {
			t.Errorf("a line that SMTP would have to change: %q", line)
		}
	}
}

// TestAttachmentHasItsSize: whatever the size is, the message has as many octets, and only lines that SMTP leaves alone.
func TestAttachmentHasItsSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.Int64Range(1000, 300_000).Draw(t, "octets")
		a := newAttachment("mario.rossi@pec.alfa.test", "luigi.verdi@pec.beta.test", octets, time.Unix(0, 0))
		var m bytes.Buffer
		n, err := a.WriteTo(&m)
		if err != nil || n != octets || int64(m.Len()) != octets {
			t.Fatalf("%d octets were said, %d written, not %d: %v", n, m.Len(), octets, err)
		}
		if !bytes.HasSuffix(m.Bytes(), []byte("\r\n")) {
			t.Error("the last line has no end")
		}
		for line := range bytes.SplitSeq(m.Bytes(), []byte("\r\n")) {
			if len(line) > 998 || bytes.HasPrefix(line, []byte(".")) || bytes.ContainsAny(line, "\r\n") {
				t.Errorf("a line that SMTP would have to change: %q", line)
			}
		}
	})
}

func TestAttachmentTellsOfAFailedWrite(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(io.ErrClosedPipe)
	if _, err := newAttachment("a@b", "c@d", 1000, time.Unix(0, 0)).WriteTo(w); err != io.ErrClosedPipe {
		t.Errorf("got %v", err)
	}
}

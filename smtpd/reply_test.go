package smtpd

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRefusalOf(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		err    error
		want   string
		meant  bool
		reason string
	}{
		{cause, "451 4.3.0 temporary failure, try again later", false, "no reply chosen"},
		{&Error{Code: 550, Enhanced: "5.1.1", Text: "no", Err: cause}, "550 5.1.1 no", true, "as it is"},
		{fmt.Errorf("at RCPT: %w", &Error{Code: 550, Enhanced: "5.1.1", Text: "no", Err: cause}), "550 5.1.1 no", true, "wrapped"},
		{&Error{Code: 250, Enhanced: "2.0.0", Text: "fine", Err: cause}, "451 4.3.0 temporary failure, try again later", false, "an error is no success"},
		{&Error{Code: 600, Enhanced: "6.0.0", Text: "?", Err: cause}, "451 4.3.0 temporary failure, try again later", false, "no such class"},
		{&Error{Code: 450, Enhanced: "5.1.1", Text: "no", Err: cause}, "450 4.0.0 no", true, "classes disagree"},
		{&Error{Code: 550, Enhanced: "", Text: "no", Err: cause}, "550 5.0.0 no", true, "no enhanced code"},
		{&Error{Code: 550, Enhanced: "5.1.1 x", Text: "no", Err: cause}, "550 5.0.0 no", true, "more than an enhanced code"},
	} {
		e, meant := refusalOf(c.err)
		if got := fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Text); got != c.want || meant != c.meant {
			t.Errorf("%s: %q, %v", c.reason, got, meant)
		}
		if !errors.Is(c.err, cause) {
			t.Error("the cause is lost for the log:", c.reason)
		}
	}
}

// attacks.md 5, 8: no text forges a reply or breaks a line's bound.
func TestReplyLine(t *testing.T) {
	got := string(replyLine(550, ' ', "5.0.0 a\r\n250 ok\x00\x7f\xc3\xa8"))
	if got != "550 5.0.0 a??250 ok????\r\n" {
		t.Errorf("%q", got)
	}
	if got := replyLine(550, '-', strings.Repeat("x", 1000)); len(got) != maxReply || !strings.HasSuffix(string(got), "x\r\n") {
		t.Errorf("%d octets", len(got))
	}
}

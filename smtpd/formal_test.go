package smtpd

import (
	"errors"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/access"
	"github.com/ceralacca/ceralacca/pec"
)

// norms.md 12, RFC 6109 3.1.1: however many faults there are, the reply names each, and the notice, on lines that a client may read.
func TestEveryFaultIsInTheReply(t *testing.T) {
	refused := &access.Refused{Notice: "cl1.20260919120000.0123456789abcdef0123@pec.alfa.test"}
	for range 8 {
		refused.Faults = append(refused.Faults, pec.FormalError{Enhanced: "5.7.1", Italian: strings.Repeat("italiano ", 20), English: strings.Repeat("english ", 20) + "end"})
	}
	var e *Error
	if !errors.As(formalReply(refused), &e) || e.Code != 550 || e.Enhanced != "5.7.1" {
		t.Fatal(e)
	}
	lines := e.lines()
	if len(lines) != 9 || !strings.HasSuffix(lines[0], string(refused.Notice)) {
		t.Errorf("%q", lines)
	}
	for _, line := range lines {
		if octets := replyLine(e.Code, '-', line); len(octets) >= maxReply || !strings.HasPrefix(line, "5.7.1 ") {
			t.Errorf("%d octets: %q", len(octets), line)
		}
	}
}

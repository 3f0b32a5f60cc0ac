package pec

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// ID is the identificativo that a provider gives to a message: the Message-ID of its envelope
// and of postacert.eml, without angle brackets. An ID alone names no message: the
// provider's directory entry and the ID together do (design.md 3).
type ID string

// ClientID is the msgid that the client wrote, with its angle brackets; "" if it wrote none.
// It is a type of its own because mixing it up with an ID is the classic fault.
type ClientID string

// maxID bounds both identifiers, in octets without brackets, so that each fits on one header
// line with its field name.
const maxID = 250

// ParseID checks the shape of an identifier without angle brackets: 1 to 250 printable ASCII
// characters without blank or angle bracket, one '@' among them. Nothing is asked of the domain
// (quirks.md C17).
func ParseID(s string) (ID, error) {
	if fault := msgIDFault(s); fault != "" {
		return "", fmt.Errorf("identifier %s %s", quote(s), fault)
	}
	return ID(s), nil
}

// String is the ID without angle brackets.
func (id ID) String() string { return string(id) }

// Bracketed is the ID as it stands in a Message-ID field.
func (id ID) Bracketed() string { return "<" + string(id) + ">" }

// NewID builds an identifier of this node: "cl<node>.<legal time>.<20 hex digits>@<domain>"
// (RFC 6109 2.2.1). The domain is the provider's own, never a holder's (norms.md 1.5); random
// is drawn by the caller.
func NewID(at time.Time, node string, random [10]byte, domain string) ID {
	moment := at.In(Rome()).Format(formatIDMoment)
	return ID("cl" + node + "." + moment + "." + hex.EncodeToString(random[:]) + "@" + domain)
}

// valid reports whether the client's identifier is a msg-id that a header, the certification
// data and a log line can bear (attacks.md 5).
func (id ClientID) valid() bool {
	inner, ok := strings.CutPrefix(string(id), "<")
	if !ok {
		return false
	}
	inner, ok = strings.CutSuffix(inner, ">")
	return ok && msgIDFault(inner) == ""
}

// normalizeClientID puts the one pair of brackets that peers leave out or keep (quirks.md C8).
func normalizeClientID(s string) ClientID {
	s = strings.TrimSpace(s)
	s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
	if s == "" {
		return ""
	}
	return ClientID("<" + s + ">")
}

// msgIDFault says what keeps s from being the inside of a msg-id; "" if nothing does.
func msgIDFault(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > maxID:
		return fmt.Sprintf("has more than %d octets", maxID)
	case !strings.Contains(s, "@"):
		return "has no @"
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '<' || c == '>' {
			return "holds a character that no message identifier may hold"
		}
	}
	return ""
}

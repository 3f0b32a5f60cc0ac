package pec

import (
	"errors"
	"fmt"
	"strings"
)

// Address is the addr-spec of an SMTP path, octet for octet as it was given: its case is
// kept in everything that is certified (quirks.md C14). The zero value is no address; it also
// stands for the null path where a path is meant.
type Address string

// The limits of RFC 5321 4.5.3.1, in octets. A path has 256 with its angle brackets.
const (
	maxLocal   = 64
	maxDomain  = 255
	maxAddress = 254
	maxLabel   = 63
)

// ParseAddress checks an addr-spec: a dot-atom or a quoted string, '@', and a domain of labels.
// It is ASCII and holds no control character, CR, LF, '<' or '>' whatever the quoting, so that
// it can stand in a header, a reply or a log line as it is. Address literals, comments and
// the obsolete forms of RFC 5322 are refused.
func ParseAddress(s string) (Address, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return "", fmt.Errorf("address %s has no @", quote(s))
	}
	if len(s) > maxAddress {
		return "", fmt.Errorf("address %s has more than %d octets", quote(s), maxAddress)
	}
	if err := checkLocal(s[:at]); err != nil {
		return "", fmt.Errorf("address %s: %w", quote(s), err)
	}
	if err := checkDomain(s[at+1:]); err != nil {
		return "", fmt.Errorf("address %s: %w", quote(s), err)
	}
	return Address(s), nil
}

// Local is what stands before the last '@', as written.
func (a Address) Local() string {
	local, _ := a.split()
	return local
}

// Domain is what stands after the last '@', in lower case.
func (a Address) Domain() string {
	_, domain := a.split()
	return strings.ToLower(domain)
}

// Key is the form for comparing addresses and for database keys: all in lower case, and
// without quotes that the local part does not need, so that "Mario"@x and mario@x are one
// mailbox (attacks.md 1).
func (a Address) Key() string {
	local, domain := a.split()
	if bare, quoted := unquoteLocal(local); quoted && isDotAtom(bare) {
		return strings.ToLower(bare + "@" + domain)
	}
	return strings.ToLower(string(a))
}

func (a Address) split() (local, domain string) {
	at := strings.LastIndexByte(string(a), '@')
	if at < 0 {
		return string(a), ""
	}
	return string(a[:at]), string(a[at+1:])
}

func checkLocal(local string) error {
	if len(local) > maxLocal {
		return fmt.Errorf("the local part has more than %d octets", maxLocal)
	}
	if isDotAtom(local) {
		return nil
	}
	if _, ok := unquoteLocal(local); ok {
		return nil
	}
	return errors.New("the local part is neither a dot-atom nor a quoted string")
}

func checkDomain(domain string) error {
	if len(domain) > maxDomain {
		return fmt.Errorf("the domain has more than %d octets", maxDomain)
	}
	for label := range strings.SplitSeq(domain, ".") {
		if !isLabel(label) {
			return errors.New("the domain is not a sequence of labels")
		}
	}
	return nil
}

// isLabel accepts the underscore beside the letters, digits and hyphens of RFC 5321: hosts
// outside PEC bear it.
func isLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if c := label[i]; !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// isDotAtom tells the dot-atom-text of RFC 5322 3.2.3.
func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !isAtext(r) }) {
			return false
		}
	}
	return true
}

func isAtext(r rune) bool {
	return r < 0x80 && (isAlphanumeric(byte(r)) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r))
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// unquoteLocal undoes a quoted-string local part; ok is false if s is none.
func unquoteLocal(s string) (bare string, ok bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	var b strings.Builder
	for inner := s[1 : len(s)-1]; inner != ""; inner = inner[1:] {
		c := inner[0]
		if c == '"' {
			return "", false
		}
		if c == '\\' {
			if inner = inner[1:]; inner == "" {
				return "", false
			}
			c = inner[0]
		}
		if c < ' ' || c > '~' || c == '<' || c == '>' {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// quote shows foreign text inside an error or a formal fault: ASCII, on one line, bounded.
func quote(s string) string {
	const longest = 80
	if len(s) > longest {
		return fmt.Sprintf("%+q...", s[:longest])
	}
	return fmt.Sprintf("%+q", s)
}

// Distinct is each address once, the first spelling of each: SMTP may name one twice, or in another case.
func Distinct(as []Address) []Address {
	var once []Address
	seen := make(map[string]bool, len(as))
	for _, a := range as {
		if key := a.Key(); !seen[key] {
			seen[key] = true
			once = append(once, a)
		}
	}
	return once
}

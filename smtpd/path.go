package smtpd

import (
	"errors"
	"net/netip"
	"strings"
)

// maxPath is the longest path with its brackets (RFC 5321 4.5.3.1.3).
const maxPath = 256

var (
	errPathMissing  = errors.New("an address in angle brackets is needed")
	errPathSyntax   = errors.New("address is malformed")
	errPathTooLong  = errors.New("address is too long")
	errPathTrailing = errors.New("octets after the address")
)

// parsePathArgument reads what follows MAIL or RCPT: keyword, path, and whatever parameters stand behind. Spaces before the path are
// borne, because clients send them. A reverse path may be null; a forward path may be "postmaster" alone (RFC 5321 4.1.1.3).
func parsePathArgument(keyword, arg string, reverse bool) (address, rest string, err error) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return "", "", errPathMissing
	}
	path, ok := strings.CutPrefix(strings.TrimLeft(arg[len(keyword):], " "), "<")
	if !ok {
		return "", "", errPathMissing
	}
	if null, ok := strings.CutPrefix(path, ">"); ok && reverse {
		return afterPath("", null)
	}
	if path, err = cutSourceRoute(path); err != nil {
		return "", "", err
	}
	end := mailboxLength(path)
	if end < len(path) && path[end] == '>' {
		if end+2 > maxPath {
			return "", "", errPathTooLong
		}
		if validMailbox(path[:end]) || !reverse && strings.EqualFold(path[:end], "postmaster") {
			return afterPath(path[:end], path[end+1:])
		}
	}
	return "", "", errPathSyntax
}

func afterPath(address, rest string) (string, string, error) {
	if rest != "" && rest[0] != ' ' {
		return "", "", errPathTrailing
	}
	return address, strings.TrimLeft(rest, " "), nil
}

// cutSourceRoute drops "@a,@b:", which RFC 5321 4.1.1.3 wants ignored.
func cutSourceRoute(path string) (string, error) {
	if !strings.HasPrefix(path, "@") {
		return path, nil
	}
	route, mailbox, ok := strings.Cut(path, ":")
	if !ok {
		return "", errPathSyntax
	}
	for hop := range strings.SplitSeq(route, ",") {
		if domain, ok := strings.CutPrefix(hop, "@"); !ok || !validDomain(domain) {
			return "", errPathSyntax
		}
	}
	return mailbox, nil
}

// mailboxLength is where the bracket that closes the path stands, past a quoted local part, which may hold any.
func mailboxLength(path string) int {
	start := max(0, quotedLength(path))
	if i := strings.IndexByte(path[start:], '>'); i >= 0 {
		return start + i
	}
	return len(path)
}

// quotedLength is the length of the quoted string (RFC 5321 4.1.2) that s begins with, or -1.
func quotedLength(s string) int {
	if s == "" || s[0] != '"' {
		return -1
	}
	for i := 1; i < len(s) && s[i] >= ' ' && s[i] <= '~'; i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			if i++; i == len(s) || s[i] < ' ' || s[i] > '~' {
				return -1
			}
		}
	}
	return -1
}

func validMailbox(mailbox string) bool {
	if n := quotedLength(mailbox); n > 0 {
		domain, ok := strings.CutPrefix(mailbox[n:], "@")
		return ok && validHost(domain)
	}
	local, domain, ok := strings.Cut(mailbox, "@")
	return ok && validDotString(local) && validHost(domain)
}

// validDotString is for atoms between dots (RFC 5321 4.1.2).
func validDotString(local string) bool {
	const more = "!#$%&'*+-/=?^_`{|}~"
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool {
			return !isAlphanumeric(r) && !strings.ContainsRune(more, r)
		}) {
			return false
		}
	}
	return true
}

// validHost is for a domain or an address literal (RFC 5321 4.1.3).
func validHost(host string) bool {
	literal, ok := strings.CutPrefix(host, "[")
	if !ok {
		return validDomain(host)
	}
	if literal, ok = strings.CutSuffix(literal, "]"); !ok {
		return false
	}
	v6, isV6 := strings.CutPrefix(literal, "IPv6:")
	ip, err := netip.ParseAddr(v6)
	return err == nil && ip.Zone() == "" && ip.Is4() == !isV6
}

// validDomain is for labels of letters, digits and hyphens (RFC 5321 4.1.2; 4.5.3.1.2 for the length).
func validDomain(domain string) bool {
	if len(domain) > 255 {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }) {
			return false
		}
	}
	return true
}

package imapd

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/store"
)

const (
	delimiter  = '/'
	separator  = string(delimiter)
	maxName    = 255 // octets of a name in UTF-8
	maxLevels  = 20
	maxFolders = 1000 // of one mailbox
)

// newName checks the name that a client gives to a folder, and gives its stored form: a delimiter at the end, which only
// says that others will follow, is dropped, and INBOX on the first level is in capitals (RFC 9051 5.1, 6.3.4).
func newName(name string) (string, error) {
	name = strings.TrimSuffix(name, separator)
	levels := strings.Split(name, separator)
	switch {
	case len(name) > maxName:
		return "", no(imap.ResponseCodeLimit, "The name is longer than 255 octets")
	case len(levels) > maxLevels:
		return "", no(imap.ResponseCodeLimit, "The name has more than 20 levels")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", no(imap.ResponseCodeCannot, "The name holds control characters or is not UTF-8")
	}
	for _, level := range levels {
		if level == "" {
			return "", no(imap.ResponseCodeCannot, "A level of the name is empty")
		}
	}
	if strings.EqualFold(levels[0], store.Inbox) {
		levels[0] = store.Inbox
	}
	return strings.Join(levels, separator), nil
}

// parents are the names above a name, the highest first.
func parents(name string) []string {
	var names []string
	for i := range len(name) {
		if name[i] == delimiter {
			names = append(names, name[:i])
		}
	}
	return names
}

// matches tells whether a name fits a LIST pattern: "*" stands for anything, "%" for anything within a level. It takes time
// in proportion to the product of their lengths, whatever the pattern (attacks.md 27).
func matches(pattern, name string) bool {
	if strings.EqualFold(pattern, store.Inbox) {
		pattern = store.Inbox
	}
	fits := make([]bool, len(name)+1) // that the pattern so far fits name[:i]
	fits[0] = true
	for _, c := range []byte(pattern) {
		wild := c == '*' || c == '%'
		before := fits[0]
		fits[0] = before && wild
		for i := range len(name) {
			now := fits[i+1]
			if wild {
				fits[i+1] = now || fits[i] && (c == '*' || name[i] != delimiter)
			} else {
				fits[i+1] = before && name[i] == c
			}
			before = now
		}
	}
	return fits[len(name)]
}

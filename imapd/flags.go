package imapd

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

const (
	maxKeywords = 100 // different ones in a folder
	maxKeyword  = 100 // octets
	recent      = `\Recent`
)

func systemFlags() []imap.Flag {
	return []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagSeen, imap.FlagDraft}
}

func imapFlags(flags []string) []imap.Flag {
	out := make([]imap.Flag, len(flags))
	for i, f := range flags {
		out[i] = imap.Flag(f)
	}
	return out
}

// givenFlags checks flags from a client and gives them their stored names, each once. \Recent is not theirs to set and is passed over.
func givenFlags(given []imap.Flag) ([]string, error) {
	var flags []string
	for _, f := range given {
		name, err := flagName(string(f))
		if err != nil {
			return nil, err
		}
		if name != recent && !hasFlag(flags, name) {
			flags = append(flags, name)
		}
	}
	return flags, nil
}

func flagName(given string) (string, error) {
	for _, f := range append(systemFlags(), recent) {
		if strings.EqualFold(given, string(f)) {
			return string(f), nil
		}
	}
	switch {
	case strings.HasPrefix(given, `\`):
		return "", no(imap.ResponseCodeCannot, "The flag is not known")
	case len(given) > maxKeyword:
		return "", no(imap.ResponseCodeLimit, "The keyword is too long")
	case strings.ContainsFunc(given, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", bad("A keyword is ASCII")
	}
	return given, nil
}

// hasFlag compares as clients do: without regard to case (RFC 9051 2.3.2).
func hasFlag(flags []string, flag string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

func containsAll(flags, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(f string) bool { return !hasFlag(flags, f) })
}

// applied gives the flags that a STORE makes of those that were. Their order is kept, so that no change is one.
func applied(op imap.StoreFlagsOp, given []string) func(old []string) []string {
	return func(old []string) []string {
		flags := slices.DeleteFunc(slices.Clone(old), func(f string) bool {
			switch op {
			case imap.StoreFlagsAdd:
				return false
			case imap.StoreFlagsDel:
				return hasFlag(given, f)
			}
			return !hasFlag(given, f)
		})
		for _, f := range given {
			if op != imap.StoreFlagsDel && !hasFlag(flags, f) {
				flags = append(flags, f)
			}
		}
		return flags
	}
}

func isKeyword(flag string) bool { return !strings.HasPrefix(flag, `\`) }

// usedKeywords are the keywords of the folder's messages.
func (v *view) usedKeywords() []string {
	var used []string
	for _, e := range v.entries {
		used = addKeywords(used, e.Flags)
	}
	return used
}

func addKeywords(keywords, flags []string) []string {
	for _, f := range flags {
		if isKeyword(f) && !hasFlag(keywords, f) {
			keywords = append(keywords, f)
		}
	}
	return keywords
}

// flags are all that the folder's messages can have.
func (v *view) flags() []imap.Flag { return append(systemFlags(), imapFlags(v.keywords)...) }

// checkKeywords refuses flags that would give a folder too many keywords; used are those that it has.
func checkKeywords(used, flags []string) error {
	if len(addKeywords(slices.Clone(used), flags)) > max(maxKeywords, len(used)) {
		return no(imap.ResponseCodeLimit, "The mailbox has too many keywords")
	}
	return nil
}

package directory

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// rootDN is the base of the directory (RFC 6109 4.5).
const rootDN = "o=postacert"

// escapeDN escapes a trimmed name for a DN (RFC 4514 2.4).
func escapeDN(name string) string {
	var b strings.Builder
	for i, r := range name {
		if strings.ContainsRune(`,+"\<>;=`, r) || i == 0 && r == '#' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// parseDN reads the DN of a record. Both names are empty for the root. Attribute names and the root's value are compared
// without case; "providerUnits" is RFC 6109 4.5.7's misprint (norms.md 1.7).
func parseDN(dn string) (provider, unit string, err error) {
	rdns := splitDN(dn)
	if last := len(rdns) - 1; !strings.EqualFold(rdns[last], rootDN) {
		return "", "", fmt.Errorf("DN %.200q does not end in %s", dn, rootDN)
	}
	switch len(rdns) {
	case 1:
		return "", "", nil
	case 2:
		provider, err = rdnValue(rdns[0], "providerName")
		return provider, "", err
	case 3:
		if provider, err = rdnValue(rdns[1], "providerName"); err != nil {
			return "", "", err
		}
		unit, err = rdnValue(rdns[0], "providerUnit", "providerUnits")
		return provider, unit, err
	}
	return "", "", fmt.Errorf("DN %.200q has %d parts, a record has at most 3", dn, len(rdns))
}

// splitDN cuts a DN at its unescaped commas and trims the parts, which stay escaped. There is always one part at least.
func splitDN(dn string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			parts = append(parts, strings.TrimSpace(dn[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(dn[start:]))
}

// rdnValue is the unescaped value of an RDN that must have one of these attribute names.
func rdnValue(rdn string, names ...string) (string, error) {
	name, escaped, _ := strings.Cut(rdn, "=")
	for _, want := range names {
		if strings.EqualFold(strings.TrimSpace(name), want) {
			return unescapeDN(strings.TrimSpace(escaped))
		}
	}
	return "", fmt.Errorf("DN part %.200q is not a %s", rdn, names[0])
}

// unescapeDN undoes both forms of RFC 4514 3: a backslash before a character, or before two hex digits.
func unescapeDN(escaped string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '\\' {
			b.WriteByte(escaped[i])
			continue
		}
		rest := escaped[i+1:]
		if len(rest) == 0 {
			return "", fmt.Errorf("DN part %.200q ends in a backslash", escaped)
		}
		if octet, err := hex.DecodeString(rest[:min(2, len(rest))]); err == nil {
			b.Write(octet)
			i += 2
			continue
		}
		b.WriteByte(rest[0])
		i++
	}
	value, err := readText(b.String())
	if err == nil && value == "" {
		err = errors.New("a name in the DN is empty")
	}
	return value, err
}

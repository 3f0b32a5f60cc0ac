package pec

import "strings"

// readAddressList reads the address list of a To, Cc, From or Reply-To (RFC 5322 3.4): names,
// comments, groups and empty places are passed over. What is no address is returned beside the
// rest, as it stands. No repair is tried: where two programs could read two addresses, there is
// none (attacks.md 1, 2).
func readAddressList(value string) (addresses []Address, bad []string) {
	l := addressLexer{rest: value}
	for l.rest != "" {
		before := l.rest
		e := l.element()
		if e.empty() {
			continue
		}
		if a, ok := e.address(); ok {
			addresses = append(addresses, a)
		} else {
			bad = append(bad, strings.Trim(before[:len(before)-len(l.rest)], " \t,;"))
		}
	}
	return addresses, bad
}

// listElement is one place of a list: a mailbox, or the name that opens a group.
type listElement struct {
	outside, inside strings.Builder // of the angle brackets
	angles          bool
	at              bool // an '@' outside brackets and quotes
	after           bool // something stands after the brackets
	broken          bool
	group           bool // it was only the name of a group
}

func (e *listElement) empty() bool {
	blank := strings.TrimSpace(e.outside.String()) == ""
	return !e.broken && (e.group || blank && !e.angles)
}

func (e *listElement) address() (Address, bool) {
	spec := e.outside.String()
	if e.angles {
		if e.at || e.after {
			return "", false
		}
		spec = e.inside.String()
	}
	a, err := ParseAddress(strings.TrimSpace(spec))
	return a, err == nil && !e.broken
}

type addressLexer struct {
	rest    string
	inGroup bool
	inAngle bool
}

// element reads up to the comma, colon or semicolon that ends it.
func (l *addressLexer) element() *listElement {
	e := &listElement{}
	for l.rest != "" {
		c := l.rest[0]
		l.rest = l.rest[1:]
		switch {
		case c == '"':
			l.quoted(e)
		case c == '(':
			l.comment(e)
		case c == '<' || c == '>':
			l.angle(e, c)
		case l.inAngle && (c == ',' || c == ';' || c == ':'):
			e.broken = true
		case c == ',':
			return e
		case c == ':' || c == ';':
			l.group(e, c)
			return e
		default:
			e.at = e.at || c == '@' && !l.inAngle
			l.write(e, c)
		}
	}
	e.broken = e.broken || l.inAngle
	l.inAngle = false
	return e
}

func (l *addressLexer) write(e *listElement, c byte) {
	if l.inAngle {
		e.inside.WriteByte(c)
		return
	}
	e.after = e.after || e.angles && c != ' ' && c != '\t'
	e.outside.WriteByte(c)
}

// quoted copies a quoted string with its quotes: it is a name, or a local part.
func (l *addressLexer) quoted(e *listElement) {
	l.write(e, '"')
	for l.rest != "" {
		c := l.rest[0]
		l.rest = l.rest[1:]
		l.write(e, c)
		if c == '"' {
			return
		}
		if c == '\\' && l.rest != "" {
			l.write(e, l.rest[0])
			l.rest = l.rest[1:]
		}
	}
	e.broken = true
}

// comment passes over a comment, comments within it too. A blank takes its place, so that it
// cannot join what it parted.
func (l *addressLexer) comment(e *listElement) {
	if l.inAngle {
		e.inside.WriteByte(' ')
	} else {
		e.outside.WriteByte(' ')
	}
	for depth := 1; l.rest != ""; {
		c := l.rest[0]
		l.rest = l.rest[1:]
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case '\\':
			l.rest = l.rest[min(1, len(l.rest)):]
		}
		if depth == 0 {
			return
		}
	}
	e.broken = true
}

func (l *addressLexer) angle(e *listElement, c byte) {
	open := c == '<'
	if open == l.inAngle || open && e.angles {
		e.broken = true
	}
	l.inAngle = open
	e.angles = true
}

// group opens or ends a group (RFC 5322 3.4). A semicolon outside of one is what some clients
// write for a comma; it is an error.
func (l *addressLexer) group(e *listElement, c byte) {
	opens := c == ':'
	if opens == l.inGroup || opens && (e.angles || e.at) {
		e.broken = true
	}
	e.group = opens
	l.inGroup = opens
}

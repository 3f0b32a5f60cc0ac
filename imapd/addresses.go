package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"
)

const (
	maxAddresses = 5000 // of one field
	missingHost  = "MISSING_DOMAIN"
)

// addresses reads an address list for an ENVELOPE from whatever stands in a field; names stay encoded. A group is its name, its
// members, and an end (RFC 9051 7.5.2).
func addresses(value string) []imap.Address {
	r := addressReader{rest: value}
	for r.rest != "" && len(r.list) < maxAddresses {
		r.element()
	}
	if r.inGroup {
		r.list = append(r.list, imap.Address{})
	}
	return r.list
}

type addressReader struct {
	rest    string
	list    []imap.Address
	inGroup bool

	phrase, comment strings.Builder // of the element
	spec            string
	angles          bool
}

// element reads up to the comma, colon or semicolon that ends an address.
func (r *addressReader) element() {
	r.phrase.Reset()
	r.comment.Reset()
	r.spec, r.angles = "", false
	for r.rest != "" {
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch c {
		case '"':
			r.quoted()
		case '(':
			r.skipComment()
		case '<':
			var found bool
			r.spec, r.rest, found = strings.Cut(r.rest, ">")
			r.angles = r.angles || found || r.spec != ""
		case ',':
			r.add()
			return
		case ';':
			r.add()
			if r.inGroup {
				r.list = append(r.list, imap.Address{})
			}
			r.inGroup = false
			return
		case ':':
			r.list = append(r.list, imap.Address{Mailbox: r.name()})
			r.inGroup = true
			return
		default:
			r.phrase.WriteByte(c)
		}
	}
	r.add()
}

// quoted takes a quoted string: of a name without its quotes, of an address with them.
func (r *addressReader) quoted() {
	text, rest := unquote(r.rest)
	raw := r.rest[:len(r.rest)-len(rest)]
	r.rest = rest
	if strings.HasPrefix(rest, "@") {
		r.phrase.WriteString(`"` + raw)
		return
	}
	r.phrase.WriteString(text)
}

func (r *addressReader) skipComment() {
	for depth := 1; r.rest != ""; {
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			return
		}
		r.comment.WriteByte(c)
	}
}

func (r *addressReader) name() string { return printable(strings.TrimSpace(r.phrase.String())) }

// add ends an address. Old mail puts the name into a comment behind it.
func (r *addressReader) add() {
	name, spec := r.name(), strings.TrimSpace(r.spec)
	if !r.angles {
		name, spec = printable(strings.TrimSpace(r.comment.String())), name
	}
	if spec == "" {
		return
	}
	if route := strings.LastIndexByte(spec, ':'); route >= 0 && spec[0] == '@' {
		spec = spec[route+1:]
	}
	a := imap.Address{Name: name, Mailbox: printable(spec), Host: missingHost}
	if at := strings.LastIndexByte(spec, '@'); at >= 0 {
		a.Mailbox, a.Host = printable(spec[:at]), printable(spec[at+1:])
	}
	if a.Host == "" {
		a.Host = missingHost
	}
	r.list = append(r.list, a)
}

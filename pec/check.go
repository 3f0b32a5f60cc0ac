package pec

import (
	"fmt"
	"strings"
)

// Limits are what a provider accepts in one message. Both are inclusive.
type Limits struct {
	Recipients int
	Product    int64 // octets times recipients
}

// What every provider must accept (D.M. 2 November 2005 art. 12, norms.md 10, 11), whatever its
// limits say.
const (
	leastRecipients = 50
	leastProduct    = 30 * 1000 * 1000
)

// DefaultLimits are those of design.md 5.
func DefaultLimits() Limits {
	return Limits{Recipients: 500, Product: 100 * 1000 * 1000}
}

// Submitted is what SMTP said of a message, and what was measured while it came.
type Submitted struct {
	Sender      Address // reverse path
	Recipients  []Address
	Size        int64 // octets received, before any line of ours
	LongestLine int64 // octets without CRLF
}

// FormalError is one reason not to accept a message. Its texts are ASCII on one line, whatever
// the message holds, so that they can stand in certification data, an SMTP reply and a log.
type FormalError struct {
	Rule     string // the rule that is broken
	Enhanced string // code of RFC 3463
	Italian  string
	English  string
}

// Error is the English text with its code.
func (e FormalError) Error() string { return e.Enhanced + " " + e.English }

// maxLine is the longest line of a message, without CRLF (RFC 5322 2.1.1).
const maxLine = 998

// Check makes the formal checks of RFC 6109 3.1.1 with the decisions of design.md 5. It returns
// all that is wrong, always in the same order; nothing means that the message may be accepted.
// The same recipient given twice is no fault.
func Check(o Original, s Submitted, l Limits) []FormalError {
	var c checker
	c.header(o)
	c.author(o, s)
	c.recipients(o, s)
	c.identifier(o)
	c.size(s, l)
	return c.faults
}

// Description joins faults for the certification data, in Italian.
func Description(faults []FormalError) string {
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Italian
	}
	return strings.Join(texts, "; ")
}

type checker struct{ faults []FormalError }

func (c *checker) fault(rule, enhanced, italian, english string) {
	c.faults = append(c.faults, FormalError{rule, enhanced, italian, english})
}

const ruleFormal = "RFC 6109 3.1.1"

func (c *checker) header(o Original) {
	if o.Malformed != nil {
		c.fault("RFC 5322 2.2", "5.6.0",
			fmt.Sprintf("l'intestazione del messaggio non e' conforme: %s", plain(o.Malformed.Error())),
			fmt.Sprintf("the message header is not well formed: %s", plain(o.Malformed.Error())))
	}
	for _, name := range o.Repeated {
		c.fault("RFC 5322 3.6", "5.6.0",
			fmt.Sprintf("il campo %s e' ripetuto", name),
			fmt.Sprintf("the %s field is repeated", name))
	}
}

func (c *checker) author(o Original, s Submitted) {
	switch {
	case len(o.BadFrom) > 0:
		c.fault(ruleFormal, "5.1.7",
			"il campo From contiene un indirizzo non valido: "+quoteList(o.BadFrom),
			"the From field holds an invalid address: "+quoteList(o.BadFrom))
	case len(o.From) == 0:
		c.fault(ruleFormal, "5.1.7",
			"il campo From manca o non contiene un indirizzo",
			"the From field is missing or holds no address")
	case len(o.From) > 1:
		c.fault("RFC 6109 2.1", "5.1.7",
			"il campo From contiene piu' di un autore: "+quoteList(o.From),
			"the From field names more than one author: "+quoteList(o.From))
	case o.From[0].Key() != s.Sender.Key():
		c.fault(ruleFormal, "5.7.1",
			fmt.Sprintf("l'indirizzo %s del campo From non coincide con il mittente %s", quote(string(o.From[0])), quote(string(s.Sender))),
			fmt.Sprintf("the address %s in From is not the sender %s", quote(string(o.From[0])), quote(string(s.Sender))))
	}
}

func (c *checker) recipients(o Original, s Submitted) {
	if len(o.BadTo) > 0 {
		c.fault(ruleFormal, "5.1.3",
			"i campi To e Cc contengono un indirizzo non valido: "+quoteList(o.BadTo),
			"To or Cc holds an invalid address: "+quoteList(o.BadTo))
	}
	if len(o.To) == 0 {
		c.fault(ruleFormal, "5.1.3",
			"il campo To manca o non contiene indirizzi validi",
			"the To field is missing or holds no valid address")
	}
	if unnamed := unnamed(o, s); len(unnamed) > 0 {
		c.fault(ruleFormal, "5.7.1",
			"destinatari che non compaiono nei campi To e Cc: "+quoteList(unnamed),
			"recipients that stand neither in To nor in Cc: "+quoteList(unnamed))
	}
	if o.Bcc {
		c.fault(ruleFormal, "5.7.1",
			"il campo Bcc contiene un valore: i destinatari in copia nascosta non sono ammessi",
			"the Bcc field has a value: blind copies are not allowed")
	}
}

// unnamed are the recipients of the forward path that the header does not show.
func unnamed(o Original, s Submitted) []Address {
	named := map[string]bool{}
	for _, list := range [][]Address{o.To, o.Cc} {
		for _, a := range list {
			named[a.Key()] = true
		}
	}
	var out []Address
	for _, a := range s.Recipients {
		if !named[a.Key()] {
			out = append(out, a)
		}
	}
	return out
}

func (c *checker) identifier(o Original) {
	switch {
	case o.MessageIDs > 1:
		c.fault("RFC 5322 3.6", "5.6.0",
			"il campo Message-ID e' ripetuto",
			"the Message-ID field is repeated")
	case o.MessageIDs == 1 && !o.ClientID.valid():
		c.fault("RFC 5322 3.6.4", "5.6.0",
			fmt.Sprintf("il Message-ID %s non e' valido", quote(string(o.ClientID))),
			fmt.Sprintf("the Message-ID %s is not valid", quote(string(o.ClientID))))
	}
}

func (c *checker) size(s Submitted, l Limits) {
	if s.LongestLine > maxLine {
		c.fault("RFC 5322 2.1.1", "5.6.0",
			fmt.Sprintf("il messaggio contiene una riga di %d ottetti, oltre il limite di %d", s.LongestLine, maxLine),
			fmt.Sprintf("the message has a line of %d octets, above the limit of %d", s.LongestLine, maxLine))
	}
	n := len(s.Recipients)
	if limit := max(l.Recipients, leastRecipients); n > limit {
		c.fault("D.M. 2 November 2005 art. 12", "5.5.3",
			fmt.Sprintf("i destinatari sono %d, oltre il limite di %d", n, limit),
			fmt.Sprintf("there are %d recipients, above the limit of %d", n, limit))
	}
	limit := max(l.Product, leastProduct)
	if n > 0 && s.Size > limit/int64(n) {
		c.fault("RFC 6109 3.1.1, D.M. 2 November 2005 art. 12", "5.3.4",
			fmt.Sprintf("la dimensione di %d ottetti per %d destinatari supera il limite di %d", s.Size, n, limit),
			fmt.Sprintf("the size of %d octets times %d recipients is above the limit of %d", s.Size, n, limit))
	}
}

// quoteList names the first of many.
func quoteList[S ~string](list []S) string {
	const most = 5
	var quoted []string
	for _, s := range list[:min(most, len(list))] {
		quoted = append(quoted, quote(string(s)))
	}
	if more := len(list) - most; more > 0 {
		quoted = append(quoted, fmt.Sprintf("(+%d)", more))
	}
	return strings.Join(quoted, ", ")
}

// plain keeps an error's own text to ASCII on one line.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

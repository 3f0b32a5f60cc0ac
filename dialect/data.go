package dialect

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// dataStyle is the layout of daticert.xml, and what an engine says otherwise than others (field-notes.md 6).
type dataStyle struct {
	eol, indent  string
	encoding     string // as declared
	empty        string // end of an element without text
	end          string // after the root element
	blankLine    bool   // between intestazione and dati
	detailIndent string // of errore-esteso; "" = as the others

	sorted         bool // recipients by their octets, not in the order of SMTP
	unknownIsOther bool // an unknown mailbox is altro (quirks.md C9)
	noReplies      bool // risposte is empty in an acceptance (quirks.md C6)
}

// deviate gives the data that the engine writes for those it was given.
func (s dataStyle) deviate(c pec.CertData) pec.CertData {
	if s.sorted {
		c.Recipients = slices.SortedStableFunc(slices.Values(c.Recipients), func(a, b pec.Recipient) int { return cmp.Compare(a.Address, b.Address) })
	}
	if s.unknownIsOther && c.Kind == pec.NonDelivery && c.Reason == pec.ReasonNoRecipient {
		c.Reason = pec.ReasonOther
	}
	if s.noReplies && c.Kind == pec.Acceptance {
		c.ReplyTo = ""
	}
	return c
}

// xml lays out anew what pec writes, line by line: no text of clean data has a line end.
func (s dataStyle) xml(c pec.CertData) []byte {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(c.XML()), "\n"), "\n") {
		element := strings.TrimLeft(line, " ")
		depth := (len(line) - len(element)) / len("    ")
		if before, empty := strings.CutSuffix(element, " />"); empty {
			element = before + s.empty
		}
		indent := strings.Repeat(s.indent, depth)
		switch {
		case strings.HasPrefix(element, "<?xml"):
			element = strings.Replace(element, "UTF-8", s.encoding, 1)
		case strings.HasPrefix(element, "<risposte>") && c.ReplyTo == "":
			element = "<risposte></risposte>"
		case strings.HasPrefix(element, "<errore-esteso>") && s.detailIndent != "":
			indent = s.detailIndent
		case element == "<dati>" && s.blankLine:
			lines = append(lines, "")
		}
		lines = append(lines, indent+element)
	}
	return []byte(strings.Join(lines, s.eol) + s.end)
}

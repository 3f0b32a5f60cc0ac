package dialect

import (
	"strconv"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

const formatMoment = "20060102150405"

// Origin is what an identifier says of where it was drawn.
type Origin struct {
	Node   string // of the process
	Domain string // the provider's own
	Holder string // a domain that the provider manages: one engine writes it (quirks.md C17)
}

// NewID draws the identificativo of an envelope, or a receipt's own Message-ID, in the engine's form (field-notes.md 6). The
// caller draws the random octets.
func (e *Engine) NewID(kind pec.Kind, at time.Time, from Origin, random [16]byte) pec.ID {
	d, pattern := newDraw(random[:]), e.receiptID
	if isEnvelope(kind) {
		pattern = e.envelopeID
	}
	return pec.ID(fill(pattern, func(word string) string {
		switch word {
		case "node":
			return from.Node
		case "moment":
			return at.In(pec.Rome()).Format(formatMoment)
		case "milliseconds":
			return strconv.FormatInt(at.UnixMilli(), 10)
		case "domain":
			return from.Domain
		case "holder":
			return from.Holder
		}
		return d.word(word)
	}))
}

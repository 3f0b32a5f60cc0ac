package dialect

import (
	"crypto"
	"errors"
	"fmt"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// Draft is a message composed in a dialect but not signed. As in a pec.Draft, the body of the original is not in it: its
// owner streams it between Before and After.
type Draft struct {
	Kind      pec.Kind
	Data      pec.CertData // as the engine writes them, its deviations included
	From      pec.Address
	MessageID pec.ID // as in the header; "" for an Anomaly that inherits one that is none

	Header      []byte      // unsigned, up to and with the first boundary line
	Before      []byte      // signed octets before the original's body, or all of them
	After       []byte      // signed octets after the original's body
	HasOriginal bool        // an original is enclosed
	Hash        crypto.Hash // of the signed octets

	tail    string // from the line end after the signed octets, with a {word} for the signature
	columns int
}

// Compose makes a draft. It refuses what pec.Compose refuses, in the same words. Counters and boundaries follow from the
// composition's Boundary, which the caller has drawn.
func (e *Engine) Compose(c pec.Composition) (*Draft, error) {
	own, err := pec.Compose(c)
	if err == nil {
		err = own.Check()
	}
	if err != nil {
		return nil, err
	}
	d := &Draft{
		Kind: own.Kind, Data: e.data.deviate(own.Data), From: c.SigningAddress, MessageID: c.MessageID,
		HasOriginal: own.HasOriginal, Hash: e.cms.hash, columns: e.tree.signature,
	}
	text, hypertext, err := e.text.human(own)
	if err != nil {
		return nil, fmt.Errorf("text of %s: %w", e.Name, err)
	}
	sections, err := e.sections(d.Kind, d.HasOriginal)
	if err != nil {
		return nil, err
	}
	chance := newDraw([]byte(c.Boundary))
	header := &headerWriter{style: e.header, composition: c, draft: d, draw: chance}
	if isEnvelope(d.Kind) {
		header.inherited, _ = pec.ParseHeader(c.Original) // an Anomaly inherits what can be read
	}
	original := c.Original
	if d.Kind == pec.Transport {
		original = e.original.place(original, d.Data.Sender)
	}
	d.lay(sections, header.with, e.words(d, e.tree.boundaries(chance, d.Data.At), text, hypertext), original)
	return d, nil
}

func (w *headerWriter) with(contentType string) []byte {
	w.contentType = contentType
	return w.block()
}

// words are those of the skeletons.
func (e *Engine) words(d *Draft, b boundaries, text, hypertext string) func(word string) string {
	quoted := func(s string) string {
		_, octets := quotedPrintable(e.text.charset(s))
		return octets
	}
	crlf := func(octets []byte) string { return strings.ReplaceAll(string(octets), "\n", "\r\n") }
	encoding, data := e.tree.data(e.data.xml(d.Data))
	return func(word string) string {
		switch word {
		case "outer":
			return b.outer
		case "mixed":
			return b.mixed
		case "alternative":
			return b.alternative
		case "protocol":
			return e.tree.protocol
		case "micalg":
			return e.tree.micalg
		case "text":
			return quoted(text)
		case "html":
			return quoted(hypertext)
		case "plain text":
			return crlf(e.text.charset(text))
		case "plain html":
			return crlf([]byte(hypertext))
		case "encoding":
			return encoding
		case "daticert":
			return data
		}
		return ""
	}
}

// Assemble puts the signature to the draft: the whole message is before, the octets of the original's body, after. Without
// an original, all is in before.
func (d *Draft) Assemble(p7s []byte) (before, after []byte) {
	_, encoded := base64Lines(d.columns)(p7s)
	tail := fill(d.tail, func(string) string { return encoded })
	before = append(append([]byte{}, d.Header...), d.Before...)
	if !d.HasOriginal {
		return append(before, tail...), nil
	}
	return before, append(append([]byte{}, d.After...), tail...)
}

// Check reads the draft back as a peer will, before the key is touched (attacks.md 33). What only a certificate can say is
// taken for granted.
func (d *Draft) Check() error {
	if err := d.check(); err != nil {
		return fmt.Errorf("draft of %s <%s>: %w", d.Kind, d.MessageID, err)
	}
	return nil
}

func (d *Draft) check() error {
	scan := pec.NewScanner(pec.KeepForParse)
	before, after := d.Assemble(nil)
	_, _ = scan.Write(before)
	_, _ = scan.Write(after)
	m, err := pec.ParseMessage(scan.Finish())
	if err == nil {
		err = m.Consistent(d.From)
	}
	switch {
	case d.Kind == pec.Anomaly && errors.Is(err, pec.ErrNoCertData): // it has none of its own
	case err != nil:
		return err
	case !m.Data.Equal(d.Data):
		return errors.New("the certification data do not read back as they are")
	}
	if d.HasOriginal != (m.Original != nil) {
		return errors.New("the enclosed original is not where it should be")
	}
	return nil
}

package pec

import (
	"errors"
	"fmt"
)

// maxOuterHeader bounds what stands before the signed part of a message of ours. Readers, ourselves among them, look at
// 256 KiB to find a signature, and servers on the way put their fields on top (attacks.md 6).
const maxOuterHeader = 192 << 10

// Check is what issuance asks before the key is touched: the draft is read as a peer will read
// it, and must say what its Data say (attacks.md 33).
func (d *Draft) Check() error {
	if err := d.check(); err != nil {
		return fmt.Errorf("draft of %s %s: %w", d.Kind, quote(string(d.MessageID)), err)
	}
	return nil
}

func (d *Draft) check() error {
	if d.Kind != d.Data.Kind {
		return errors.New("kind and data disagree")
	}
	if err := d.Data.Validate(); err != nil {
		return err
	}
	if d.HasOriginal && !d.Kind.mayEnclose() {
		return errors.New("the original must not be enclosed")
	}
	if len(d.Header) > maxOuterHeader {
		return ErrTruncated
	}
	if err := d.checkOctets(); err != nil {
		return err
	}
	m, err := d.parse()
	if err != nil {
		return err
	}
	if d.HasOriginal != (m.Original != nil) {
		return errors.New("the enclosed original is not where it should be")
	}
	if err := m.Agrees(d.From); err != nil {
		return err
	}
	if d.Kind != Anomaly && !m.Data.Equal(d.Data) {
		return errors.New("the certification data do not read back as they are")
	}
	return nil
}

// parse reads the draft with an empty original body and an empty signature.
func (d *Draft) parse() (*Message, error) {
	s := NewScanner(KeepForParse)
	before, after := d.Assemble(nil)
	_, _ = s.Write(before)
	_, _ = s.Write(after)
	return ParseMessage(s.Finish())
}

// checkOctets looks at what we wrote around the original: lines with CRLF, no control but TAB.
// Inherited fields may have octets above 127, as the original has.
func (d *Draft) checkOctets() error {
	blocks := [][]byte{d.Header, d.After}
	if !d.HasOriginal {
		blocks = append(blocks, d.Before)
	}
	for _, block := range blocks {
		for i, c := range block {
			switch {
			case c == '\r' && i+1 < len(block) && block[i+1] == '\n':
			case c == '\n' && i > 0 && block[i-1] == '\r':
			case c == '\t' || c >= ' ' && c != 0x7f:
			default:
				return fmt.Errorf("control character %#02x at octet %d", c, i)
			}
		}
	}
	return nil
}

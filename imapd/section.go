package imapd

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/pec"
)

// piece is a run of octets whose length is known before they are sent, as a literal needs it.
type piece struct {
	io.Reader
	size int64
}

func whole(section *io.SectionReader) piece { return piece{section, section.Size()} }

func octets(b []byte) piece { return piece{bytes.NewReader(b), int64(len(b))} }

// section locates what BODY[...] names. What is not there is empty.
func (m *message) section(item *imap.FetchItemBodySection) (piece, error) {
	p, err := m.locate(item)
	if err != nil {
		return p, err
	}
	return p.partial(item.Partial)
}

func (m *message) locate(item *imap.FetchItemBodySection) (piece, error) {
	part := find(m.root, item.Part)
	inMessage := item.Specifier == imap.PartSpecifierHeader || item.Specifier == imap.PartSpecifierText
	if part != nil && len(item.Part) > 0 && inMessage {
		part = innerMessage(part) // HEADER and TEXT of a part are those of the message that it is
	}
	switch {
	case part == nil:
		return octets(nil), nil
	case item.Specifier == imap.PartSpecifierText:
		return whole(m.body(part)), nil
	case item.Specifier == imap.PartSpecifierHeader && len(item.HeaderFields)+len(item.HeaderFieldsNot) > 0:
		return m.fields(part, item)
	case item.Specifier != imap.PartSpecifierNone:
		return whole(m.header(part)), nil
	case len(item.Part) == 0:
		return whole(io.NewSectionReader(m.octets, 0, m.octets.Size())), nil
	}
	return whole(m.body(part)), nil
}

// fields are the named fields of a header, or all the others, octet for octet, and an empty line.
func (m *message) fields(part *pec.Part, item *imap.FetchItemBodySection) (piece, error) {
	header, err := m.headerBytes(part)
	if err != nil {
		return piece{}, err
	}
	names, wanted := item.HeaderFields, true
	if len(names) == 0 {
		names, wanted = item.HeaderFieldsNot, false
	}
	var chosen []byte
	eachField(header, func(name string, raw []byte) {
		if wanted == slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			chosen = append(chosen, raw...)
		}
	})
	return octets(append(chosen, "\r\n"...)), nil
}

// partial cuts out <offset.size> (RFC 9051 6.4.5).
func (p piece) partial(part *imap.SectionPartial) (piece, error) {
	if part == nil {
		return p, nil
	}
	offset := min(part.Offset, p.size)
	var err error
	if seeker, ok := p.Reader.(io.Seeker); ok {
		_, err = seeker.Seek(offset, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, p.Reader, offset)
	}
	size := min(part.Size, p.size-offset)
	return piece{io.LimitReader(p.Reader, size), size}, err
}

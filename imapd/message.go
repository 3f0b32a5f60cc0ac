package imapd

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// maxHeader is how much of one header is read to be parsed. What is served of a header is never cut.
const maxHeader = 1 << 20

// message is a stored message as it is served: the entry's lead, then the stored octets.
type message struct {
	octets *store.Octets
	root   *pec.Part
	lead   int64
}

func openMessage(ctx context.Context, st *store.Store, e store.Entry) (*message, error) {
	structure, err := st.Structure(ctx, e.Message)
	if err != nil {
		return nil, err
	}
	octets, err := st.Open(ctx, e.Message, e.Lead)
	if err != nil {
		return nil, err
	}
	return &message{octets: octets, root: structure.Root, lead: int64(len(e.Lead))}, nil
}

// close lets go of the octets, which were only read: nothing can be lost.
func (m *message) close() { _ = m.octets.Close() }

// header is the range of a part's header; the message's own begins with the lead.
func (m *message) header(p *pec.Part) *io.SectionReader {
	if p == m.root {
		return io.NewSectionReader(m.octets, 0, m.lead+p.Body)
	}
	return io.NewSectionReader(m.octets, m.lead+p.Start, p.Body-p.Start)
}

// body is the range of a part's body.
func (m *message) body(p *pec.Part) *io.SectionReader {
	return io.NewSectionReader(m.octets, m.lead+p.Body, p.End-p.Body)
}

// headerBytes are a header's octets, cut where they are too many to be parsed.
func (m *message) headerBytes(p *pec.Part) ([]byte, error) {
	section := m.header(p)
	b := make([]byte, min(section.Size(), maxHeader))
	if _, err := io.ReadFull(section, b); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return b, nil
}

// find gives the part with an IMAP number such as 1.2.3 (RFC 9051 6.4.5.1), nil if there is none. A message whose body
// is no multipart has one part, 1, which is its body.
func find(root *pec.Part, path []int) *pec.Part {
	part, numbered := root, root // numbered is what the next number counts the parts of
	for _, n := range path {
		switch {
		case numbered == nil:
			return nil
		case isMultipart(numbered):
			if n < 1 || n > len(numbered.Children) {
				return nil
			}
			part = numbered.Children[n-1]
		case n == 1:
			part = numbered
		default:
			return nil
		}
		numbered = innerMessage(part)
		if isMultipart(part) {
			numbered = part
		}
	}
	return part
}

// isMultipart holds for a multipart in which parts were found; another is a part like any other.
func isMultipart(p *pec.Part) bool { return p.Type == "multipart" && len(p.Children) > 0 }

// innerMessage is the message inside a message/rfc822, nil if there is none to be seen.
func innerMessage(p *pec.Part) *pec.Part {
	if p.Is("message", "rfc822") && len(p.Children) == 1 {
		return p.Children[0]
	}
	return nil
}

// eachField gives the fields of a header one by one: their names, and their octets with the line ends.
func eachField(header []byte, f func(name string, raw []byte)) {
	for len(header) > 0 {
		n := fieldLength(header)
		raw := header[:n]
		header = header[n:]
		if len(bytes.TrimRight(raw, "\r\n")) == 0 {
			return
		}
		name, _, _ := bytes.Cut(raw, []byte(":"))
		f(string(bytes.TrimRight(name, " \t\r\n")), raw)
	}
}

// fieldLength is the length of the first line with the lines that continue it.
func fieldLength(header []byte) int {
	n := 0
	for {
		i := bytes.IndexByte(header[n:], '\n')
		if i < 0 {
			return len(header)
		}
		n += i + 1
		blank := len(bytes.TrimRight(header[:n], "\r\n")) == 0
		if blank || n == len(header) || header[n] != ' ' && header[n] != '\t' {
			return n
		}
	}
}

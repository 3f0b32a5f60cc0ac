package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/pec"
)

// bodyStructure describes a part (RFC 9051 7.5.2): places and kinds from the stored offsets, the rest from its header.
func (m *message) bodyStructure(p *pec.Part) (imap.BodyStructure, error) {
	header, err := m.headerBytes(p)
	if err != nil {
		return nil, err
	}
	_, params := parameters(fieldOf(header, "Content-Type"))
	if isMultipart(p) {
		return m.multipart(p, header, params)
	}
	if p.Type == "text" && len(params) == 0 && fieldOf(header, "Content-Type") == "" {
		params["charset"] = "us-ascii" // RFC 2045 5.2
	}
	encoding, _ := parameters(fieldOf(header, "Content-Transfer-Encoding"))
	s := &imap.BodyStructureSinglePart{
		Type: printable(p.Type), Subtype: printable(p.Subtype), Params: params, Encoding: strings.ToLower(encoding), Size: uint32(p.End - p.Body),
		ID: printable(fieldOf(header, "Content-ID")), Description: printable(fieldOf(header, "Content-Description")),
		Extended: &imap.BodyStructureSinglePartExt{
			Disposition: disposition(header), Language: languages(header), Location: printable(fieldOf(header, "Content-Location")),
		},
	}
	switch {
	case p.Type == "multipart":
		// It has no parts that could be told, and the protocol knows no multipart without: its octets can still be had.
		s.Type, s.Subtype = "application", "octet-stream"
	case p.Type == "text":
		s.Text = &imap.BodyStructureText{NumLines: p.Lines}
	case p.Is("message", "rfc822"):
		s.MessageRFC822, err = m.inner(p)
	}
	return s, err
}

func (m *message) multipart(p *pec.Part, header []byte, params map[string]string) (imap.BodyStructure, error) {
	s := &imap.BodyStructureMultiPart{
		Subtype: printable(p.Subtype),
		Extended: &imap.BodyStructureMultiPartExt{
			Params: params, Disposition: disposition(header), Language: languages(header), Location: printable(fieldOf(header, "Content-Location")),
		},
	}
	for _, child := range p.Children {
		c, err := m.bodyStructure(child)
		if err != nil {
			return nil, err
		}
		s.Children = append(s.Children, c)
	}
	return s, nil
}

// inner describes the message in a message/rfc822. One that a transfer encoding hides has an empty envelope (quirks.md A13).
func (m *message) inner(p *pec.Part) (*imap.BodyStructureMessageRFC822, error) {
	message := innerMessage(p)
	if message == nil {
		return &imap.BodyStructureMessageRFC822{
			Envelope: &imap.Envelope{}, NumLines: p.Lines,
			BodyStructure: &imap.BodyStructureSinglePart{
				Type: "text", Subtype: "plain", Text: &imap.BodyStructureText{}, Extended: &imap.BodyStructureSinglePartExt{},
			},
		}, nil
	}
	header, err := m.headerBytes(message)
	if err != nil {
		return nil, err
	}
	body, err := m.bodyStructure(message)
	if err != nil {
		return nil, err
	}
	return &imap.BodyStructureMessageRFC822{Envelope: envelope(header), BodyStructure: body, NumLines: p.Lines}, nil
}

func disposition(header []byte) *imap.BodyStructureDisposition {
	value, params := parameters(fieldOf(header, "Content-Disposition"))
	if value == "" {
		return nil
	}
	return &imap.BodyStructureDisposition{Value: strings.ToLower(value), Params: params}
}

func languages(header []byte) []string {
	var tags []string
	for tag := range strings.SplitSeq(uncomment(fieldOf(header, "Content-Language")), ",") {
		if tag = printable(strings.TrimSpace(tag)); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

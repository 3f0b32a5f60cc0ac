package imapd

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/ceralacca/ceralacca/pec"
)

// errEncoding: the part's transfer encoding is not known, or its octets do not keep it (RFC 3516 4.3).
func errEncoding() error {
	return no(imap.ResponseCodeUnknownCTE, "The part cannot be decoded")
}

// binary is what BINARY[...] names: a part's octets without their transfer encoding (RFC 3516). They are decoded twice, for
// their number must be known first.
func (m *message) binary(path []int, partial *imap.SectionPartial) (piece, error) {
	part := find(m.root, path)
	switch {
	case part == nil:
		return octets(nil), nil
	case len(path) == 0:
		return whole(io.NewSectionReader(m.octets, 0, m.octets.Size())).partial(partial)
	case isMultipart(part) || innerMessage(part) != nil:
		return whole(m.body(part)).partial(partial)
	}
	encoding, err := m.encoding(part)
	if err != nil {
		return piece{}, err
	}
	decoded := decode(encoding, m.body(part))
	if decoded == nil {
		return piece{}, errEncoding()
	}
	size, err := io.Copy(io.Discard, decoded)
	if err != nil {
		return piece{}, errEncoding()
	}
	return piece{decode(encoding, m.body(part)), size}.partial(partial)
}

// encoding is a part's transfer encoding in lower case.
func (m *message) encoding(part *pec.Part) (string, error) {
	header, err := m.headerBytes(part)
	if err != nil {
		return "", err
	}
	value, _ := parameters(fieldOf(header, "Content-Transfer-Encoding"))
	return strings.ToLower(value), nil
}

// decode takes a transfer encoding off; nil if it is not known.
func decode(encoding string, r io.Reader) io.Reader {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return r
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return nil
}

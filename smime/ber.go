package smime

import "bytes"

// Limits on what Parse reads. A signature of certified mail has a nesting
// depth of about a dozen; the largest attached content is the directory.
const (
	maxBlob  = 64 << 20
	maxDepth = 32
)

const (
	octetString            = 0x04
	constructed            = 0x20
	constructedOctetString = octetString | constructed
	highTagNumber          = 0x1f
	indefinite             = -1
)

// toDER rewrites lengths as DER wants them and joins the segments of octet
// strings. Everything else stays as it is, also the order in SETs. DER comes
// out unchanged, and what a signer encoded as BER comes out as the octets that
// he signed (RFC 5652 5.4, quirks.md E3).
func toDER(blob []byte) ([]byte, error) {
	if len(blob) > maxBlob {
		return nil, malformed("%d octets, more than %d", len(blob), maxBlob)
	}
	t := transcoder{out: make([]byte, 0, len(blob)+16)}
	rest, err := t.element(blob, 0)
	if err == nil && len(rest) > 0 {
		err = malformed("%d octets follow the signature", len(rest))
	}
	return t.out, err
}

type transcoder struct{ out []byte }

// element appends the element at the head of in and returns what follows it.
func (t *transcoder) element(in []byte, depth int) ([]byte, error) {
	h, in, err := readHeader(in)
	if err != nil {
		return nil, err
	}
	tag := h.tag
	if tag == constructedOctetString {
		tag = octetString
	}
	t.out = append(t.out, tag, 0)
	start := len(t.out)
	rest, err := t.contents(h, in, depth)
	if err != nil {
		return nil, err
	}
	t.setLength(start)
	return rest, nil
}

// segment appends the contents of one segment of a constructed octet string.
func (t *transcoder) segment(in []byte, depth int) ([]byte, error) {
	h, in, err := readHeader(in)
	if err != nil {
		return nil, err
	}
	if h.tag&^constructed != octetString {
		return nil, malformed("tag %#x inside an octet string", h.tag)
	}
	return t.contents(h, in, depth)
}

func (t *transcoder) contents(h header, in []byte, depth int) ([]byte, error) {
	if h.tag&constructed == 0 {
		t.out = append(t.out, in[:h.length]...)
		return in[h.length:], nil
	}
	if depth == maxDepth {
		return nil, malformed("nested deeper than %d", maxDepth)
	}
	next := t.element
	if h.tag == constructedOctetString {
		next = t.segment
	}
	if h.length == indefinite {
		return untilEndOfContents(in, depth, next)
	}
	inner, rest := in[:h.length], in[h.length:]
	for len(inner) > 0 {
		var err error
		if inner, err = next(inner, depth+1); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func untilEndOfContents(in []byte, depth int, next func([]byte, int) ([]byte, error)) ([]byte, error) {
	endOfContents := []byte{0, 0}
	for !bytes.HasPrefix(in, endOfContents) {
		var err error
		if in, err = next(in, depth+1); err != nil {
			return nil, err
		}
	}
	return in[len(endOfContents):], nil
}

// setLength writes the length of the contents that begin at start. One octet
// before start is reserved for it; the contents move if that is not enough.
func (t *transcoder) setLength(start int) {
	n := len(t.out) - start
	if n < 0x80 {
		t.out[start-1] = byte(n)
		return
	}
	size := 0
	for v := n; v > 0; v >>= 8 {
		size++
	}
	t.out[start-1] = 0x80 | byte(size)
	t.out = append(t.out, make([]byte, size)...)
	copy(t.out[start+size:], t.out[start:start+n])
	for i := range size {
		t.out[start+i] = byte(n >> (8 * (size - 1 - i)))
	}
}

// header is tag and length of an element; the length is either indefinite or
// not more than what there is.
type header struct {
	tag    byte
	length int
}

// readHeader reads the header at the head of in and returns what follows it.
func readHeader(in []byte) (header, []byte, error) {
	if len(in) < 2 {
		return header{}, nil, malformed("an element is cut off")
	}
	tag, first, in := in[0], in[1], in[2:]
	if tag == 0 || tag&highTagNumber == highTagNumber || inPieces(tag) {
		return header{}, nil, malformed("tag %#x", tag)
	}
	if first == 0x80 {
		if tag&constructed == 0 {
			return header{}, nil, malformed("primitive element of indefinite length")
		}
		return header{tag, indefinite}, in, nil
	}
	length, size := int64(first), 0
	if first > 0x80 {
		length, size = 0, int(first&0x7f)
	}
	if size > 4 || size > len(in) {
		return header{}, nil, malformed("length of %d octets", size)
	}
	for _, octet := range in[:size] {
		length = length<<8 | int64(octet)
	}
	in = in[size:]
	if length > int64(len(in)) {
		return header{}, nil, malformed("element of %d octets where %d are left", length, len(in))
	}
	return header{tag, int(length)}, in, nil
}

// inPieces tells the universal types that only BER would construct, but for
// octet strings: whoever signed them so may have meant other octets.
func inPieces(tag byte) bool {
	const class, sequence, set = 0xc0, 0x30, 0x31
	return tag&class == 0 && tag&constructed != 0 && tag != sequence && tag != set && tag != constructedOctetString
}

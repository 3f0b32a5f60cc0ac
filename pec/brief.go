package pec

import (
	"errors"
	"fmt"
	"strings"
)

// ErrWhole says that an original is enclosed as it is, also in a brief receipt: there is nothing
// to shorten, or a part of it would not begin and end at the same octets for every reader. The
// error around it says which.
var ErrWhole = errors.New("the original is to be enclosed whole")

// BriefPlan says which parts of an original are looked at, one by one, while its body goes into a
// brief receipt (RFC 6109 3.3.2.2; norms.md 83-86):
//
//   - a part with a file name becomes the text/plain part NAME.hash that holds the hash of the
//     part's content. NAME is Part.Filename: the filename of Content-Disposition or else the name
//     of Content-Type;
//   - an attached message/rfc822 is one content and is replaced, named or not;
//   - of a multipart/signed, at any depth, only the first part is looked into: what follows is the
//     signature;
//   - a multipart is structure and never a file, even if it bears a name;
//   - all else stays octet for octet: the header of the message, parts without a name, preambles,
//     boundary lines, epilogues. So does a part whose header is none, or says something twice,
//     because other readers may begin its content elsewhere.
//
// A message that is no multipart is one part whose header is the message's own. It is enclosed
// whole: an opaque application/pkcs7-mime, as the rule says, and also a message that is one file.
//
// The content that is hashed is the part's body as it is transferred: its encoded octets from
// behind the empty line up to the line end that belongs to the next boundary (RFC 2046 5.1.1),
// which is not hashed. Line ends are CRLF, as in all that is admitted (design.md 5).
type BriefPlan struct {
	root     *Part
	boundary string  // of the root
	parts    []*Part // in the order of their offsets
}

// PlanBrief makes the plan for an original that is enclosed in a message of the given structure,
// which may be a stored one. original is the message itself, the one child of the message/rfc822
// part; header is its header block with the empty line. The error is ErrWhole, wrapped, and there
// is no plan, if the original is to be enclosed whole: it has no parts, the structure is
// truncated or does not fit together, or a multipart is not closed (attacks.md 6, 20).
func PlanBrief(s *Structure, original *Part, header []byte) (*BriefPlan, error) {
	if s.Truncated {
		return nil, whole("it has more parts or header octets than are looked at")
	}
	if int64(len(header)) != original.Body-original.Start {
		return nil, whole("its header has %d octets, its structure says %d", len(header), original.Body-original.Start)
	}
	if !original.hasParts() {
		return nil, whole("it is one part of type %s/%s", original.Type, original.Subtype)
	}
	read, err := readPart(original, header)
	if err != nil {
		return nil, whole("its header: %v", err)
	}
	plan := &BriefPlan{root: original, boundary: read.boundary()}
	if err := plan.add(original); err != nil {
		return nil, err
	}
	return plan, nil
}

// add plans the parts of a multipart. That the last of them ends before the multipart does shows
// that a boundary line closes it.
func (b *BriefPlan) add(multipart *Part) error {
	from := multipart.Body
	for _, p := range multipart.Children {
		if p.Start < from || p.Body < p.Start || p.End < p.Body || p.End > multipart.End {
			return whole("its parts overlap at octet %d", p.Start)
		}
		if p.Body-p.Start > maxHeaderBytes {
			return whole("a part has a header of %d octets", p.Body-p.Start)
		}
		from = p.End
	}
	if from == multipart.End {
		return whole("a %s/%s is not closed", multipart.Type, multipart.Subtype)
	}
	for _, p := range multipart.Children {
		if p.isSignature() {
			break
		}
		b.parts = append(b.parts, p)
		if p.hasParts() {
			if err := b.add(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func whole(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrWhole, fmt.Sprintf(format, args...))
}

// hasParts tells a multipart in which boundaries were found.
func (p *Part) hasParts() bool { return p.Type == "multipart" && len(p.Children) > 0 }

// isSignature tells all parts of a multipart/signed but the first (RFC 6109 3.3.2.2).
func (p *Part) isSignature() bool {
	return p.Parent != nil && p.Parent.Is("multipart", "signed") && p != p.Parent.Children[0]
}

// readPart reads the header of a part that the structure knows by its offsets only. An error says
// why other readers may find its end elsewhere, or other values in it.
func readPart(p *Part, header []byte) (*Part, error) {
	h, err := ParseHeader(header)
	if err != nil {
		return nil, err
	}
	for _, f := range h.Fields() {
		if f.Raw[len(f.Name)] != ':' {
			return nil, errors.New("blanks stand before a colon")
		}
	}
	for _, name := range []string{"Content-Type", "Content-Disposition"} {
		if len(h.Values(name)) > 1 {
			return nil, fmt.Errorf("%s is repeated", name)
		}
	}
	read := &Part{Start: p.Start, Body: p.Body, End: p.End, Header: header, Parent: p.Parent}
	read.setType()
	if !read.Is(p.Type, p.Subtype) {
		return nil, whole("octet %d begins a part of type %s/%s, its structure says %s/%s",
			p.Start, read.Type, read.Subtype, p.Type, p.Subtype)
	}
	return read, nil
}

// boundary is what the Scanner takes for it.
func (p *Part) boundary() string { return strings.TrimRight(p.Params["boundary"], " \t") }

// confusable tells two boundaries of which some line could be either one's: readers differ
// whether the inner or the outer multipart wins (attacks.md 20).
func confusable(a, b string) bool { return a == b || a == b+"--" || b == a+"--" }

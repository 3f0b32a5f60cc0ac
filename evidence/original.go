package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// Comparison is a message that was sent, as it was given, against what a provider certified of it.
type Comparison struct {
	Message string   `json:"message"`          // the item with the certified one
	Given   string   `json:"given"`            // the item with the message that was sent
	Same    bool     `json:"same"`             // all that is certified of it is the same
	ByHash  bool     `json:"by_hash"`          // attachments were compared by the hashes of a brief receipt
	SHA256  string   `json:"sha256,omitempty"` // of the certified body, where it is enclosed whole
	Fields  []string `json:"fields,omitempty"` // of the header, that differ
	Parts   []Part   `json:"parts,omitempty"`  // of a brief receipt, those that were compared by hash or are not the same
}

// Part is one part of the message that was sent.
type Part struct {
	Path  string         `json:"path"` // as IMAP counts
	Name  string         `json:"name,omitempty"`
	State pec.BriefState `json:"state"`
	Hash  string         `json:"hash,omitempty"`
}

// comparer compares; what it knows of a message that was sent serves all the receipts about it.
type comparer struct {
	ctx    context.Context
	buffer []byte
	given  map[string][]*Item // messages that were sent, by the identifiers that certified mail may call them
	parts  map[*Item]*pec.Structure
	sums   map[*Item]string // of bodies

	unread func(name string, err error)
}

// compareOriginals compares, in every story, what is enclosed with the ordinary messages that are about the same. What cannot be
// read any more is told to unread; the error is the context's.
func compareOriginals(ctx context.Context, all []*Story, items []*Item, unread func(name string, err error)) error {
	c := comparer{ctx: ctx, buffer: make([]byte, chunk), unread: unread, given: map[string][]*Item{}, parts: map[*Item]*pec.Structure{}, sums: map[*Item]string{}}
	for _, i := range items {
		for _, id := range i.refers {
			c.given[id] = append(c.given[id], i)
		}
	}
	for _, s := range all {
		for _, i := range s.items {
			if i.Verdict == Invalid || i.wrapped || i.Kind != pec.Delivered && i.Kind != pec.Transport {
				continue
			}
			c.story(s, i)
		}
	}
	return ctx.Err()
}

func (c *comparer) story(s *Story, certified *Item) {
	seen := map[string]bool{} // by the digest of the file: copies of a copy say nothing more
	for _, sent := range slices.Concat(c.given[certified.ClientID], c.given[string(certified.ID)]) {
		if seen[sent.SHA256] || len(seen) == maxCopies || c.ctx.Err() != nil || pec.Address(sent.Sender).Key() != pec.Address(s.Sender).Key() {
			continue
		}
		seen[sent.SHA256] = true
		result, err := c.compare(certified, sent)
		if err != nil {
			c.unread(certified.Name, err)
			continue
		}
		s.add(result)
	}
}

// maxCopies bounds the different messages that one receipt is compared with.
const maxCopies = 8

func (s *Story) add(c *Comparison) {
	if c == nil {
		return
	}
	s.Originals = append(s.Originals, *c)
	if !c.Same {
		s.problem(OddOriginal, "", c.Message, c.Given)
	}
}

// compare compares what an item encloses with the message that was sent; nil if it encloses nothing.
func (c *comparer) compare(certified, sent *Item) (*Comparison, error) {
	a, err := c.scan(certified)
	if err != nil {
		return nil, err
	}
	parsed, _ := pec.ParseMessage(a)
	if parsed.Original == nil || len(parsed.Original.Children) == 0 {
		return nil, nil
	}
	if c.parts[sent] == nil {
		if c.parts[sent], err = c.scan(sent); err != nil {
			return nil, err
		}
	}
	inner, result := parsed.Original.Children[0], &Comparison{Message: certified.Name, Given: sent.Name}
	if certified.ReceiptType == pec.Brief && certified.Kind == pec.Delivered {
		err = result.byHash(certified, sent, inner, c.parts[sent].Root)
	} else {
		err = c.whole(result, certified, sent, inner)
	}
	result.Fields = differing(inner, c.parts[sent].Root)
	result.Same = result.Same && len(result.Fields) == 0
	return result, err
}

// differing names the fields that make the same octets another message, and those that people see, if they are not the same.
func differing(a, b *pec.Part) (names []string) {
	one, _ := pec.ParseHeader(a.Header)
	other, _ := pec.ParseHeader(b.Header)
	words := func(values []string) string { return strings.Join(strings.Fields(strings.Join(values, "\n")), " ") }
	for _, name := range []string{"From", "Sender", "To", "Cc", "Reply-To", "Date", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"} {
		if in, given := one.Values(name), other.Values(name); len(in) != len(given) || words(in) != words(given) {
			names = append(names, name)
		}
	}
	return names
}

// scan scans an item's octets again, in the way in which they were read before.
func (c *comparer) scan(i *Item) (*pec.Structure, error) {
	o, err := i.lines().read(c.ctx, c.buffer)
	if err != nil {
		return nil, err
	}
	return o.message.Parts, nil
}

// lines is the item's source with the line ends of the wire.
func (i *Item) lines() source {
	if i.bareLF {
		return i.source.withLines()
	}
	return i.source
}

// whole compares bodies.
func (c *comparer) whole(result *Comparison, certified, sent *Item, inner *pec.Part) (err error) {
	if result.SHA256, err = bodySum(certified.lines().section(inner.Body, inner.End)); err != nil {
		return err
	}
	if c.sums[sent] == "" {
		root := c.parts[sent].Root
		if c.sums[sent], err = bodySum(sent.lines().section(root.Body, root.End)); err != nil {
			return err
		}
	}
	result.Same = result.SHA256 == c.sums[sent]
	return nil
}

// bodySum is the SHA-256 of a body in hex, without the empty lines at its end, which stores and clients add and remove.
func bodySum(s source) (sum string, err error) {
	in, err := s.withLines().open()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	digest := sha256.New()
	_, err = io.Copy(&withoutTail{to: digest}, in)
	return hex.EncodeToString(digest.Sum(nil)), err
}

// withoutTail passes octets on, but for line ends after which nothing comes. All lines end in CRLF.
type withoutTail struct {
	to   io.Writer
	held int  // line ends
	cr   bool // and a CR, of which the next octet tells whether it ends a line
}

// Write never holds back more than a count.
func (w *withoutTail) Write(p []byte) (int, error) {
	rest := p
	if w.cr && len(rest) > 0 {
		w.cr = false
		if rest[0] == '\n' {
			w.held, rest = w.held+1, rest[1:]
		} else if err := w.pass([]byte("\r")); err != nil {
			return 0, err
		}
	}
	rest, w.cr = bytes.CutSuffix(rest, []byte("\r"))
	lines := 0
	for bytes.HasSuffix(rest, []byte("\r\n")) {
		rest, lines = rest[:len(rest)-len("\r\n")], lines+1
	}
	if err := w.pass(rest); err != nil {
		return 0, err
	}
	w.held += lines
	return len(p), nil
}

func (w *withoutTail) pass(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	for ; w.held > 0; w.held-- {
		if _, err := io.WriteString(w.to, "\r\n"); err != nil {
			return err
		}
	}
	_, err := w.to.Write(text)
	return err
}

// byHash compares the parts of a brief receipt (RFC 6109 3.3.2.2).
func (c *Comparison) byHash(certified, sent *Item, a, b *pec.Part) (err error) {
	c.ByHash = true
	one, err := certified.lines().section(a.Body, a.End).open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, one.Close()) }()
	other, err := sent.lines().section(b.Body, b.End).open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	matches, err := pec.CheckBrief(b, other, a, one)
	c.Same = err == nil && len(matches) > 0
	for _, m := range matches {
		c.Same = c.Same && m.State == pec.BriefMatches
		if m.State == pec.BriefMatches && m.Hash == 0 {
			continue
		}
		part := Part{Path: m.Path, Name: printable(m.Name), State: m.State}
		if m.Hash != 0 {
			part.Hash = m.Hash.String()
		}
		c.Parts = append(c.Parts, part)
	}
	return err
}

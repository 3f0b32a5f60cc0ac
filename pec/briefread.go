package pec

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

// Piece is a run of octets of a shortened body: Literal, or else the Length octets that begin at
// Offset of the original's body.
type Piece struct {
	Literal        []byte
	Offset, Length int64
}

// BriefBody reads the shortened body of an original: what follows the header block of the
// message that a brief receipt encloses. It reads the original's body once and holds a buffer,
// one part's header and the pieces so far, at most some megabytes for the worst of headers.
type BriefBody struct {
	plan *BriefPlan
	hash crypto.Hash
	body io.Reader

	parts      []*Part          // not yet reached
	boundaries map[*Part]string // of the multiparts reached
	at         int64            // where the body is read, counted as in the structure
	copyTo     int64            // up to here it passes as it is
	pending    []byte           // goes out before anything else
	pieces     []Piece
	buffer     []byte
	err        error
}

// Shorten reads body, the octets of the original behind its header block, as the plan says. The
// hash is SHA-1, the written rule of RFC 6109 3.3.2.2, or SHA-256. Read fails with ErrWhole,
// wrapped, if the octets do not bear the plan out; the caller then encloses the original whole
// with a new reader over the body, and nothing of what was read is used.
func (b *BriefPlan) Shorten(h crypto.Hash, body io.Reader) *BriefBody {
	return &BriefBody{
		plan: b, hash: h, body: body, parts: b.parts,
		boundaries: map[*Part]string{b.root: b.boundary}, at: b.root.Body, copyTo: b.root.Body,
	}
}

// Pieces are, once Read has said io.EOF, what was read: in order, adjacent copies as one. Before
// that there are none.
func (b *BriefBody) Pieces() []Piece {
	if b.err != io.EOF {
		return nil
	}
	return b.pieces
}

// Read gives the next octets of the shortened body. A call that meets a file reads all of it.
func (b *BriefBody) Read(p []byte) (int, error) {
	for b.err == nil {
		switch {
		case len(b.pending) > 0:
			n := copy(p, b.pending)
			b.pending = b.pending[n:]
			return n, nil
		case b.at < b.copyTo:
			return b.copy(p), nil
		default:
			b.err = b.next()
		}
	}
	return 0, b.err
}

// copy passes on what comes next of the body. An error waits for the next Read.
func (b *BriefBody) copy(p []byte) int {
	n, err := b.body.Read(p[:min(int64(len(p)), b.copyTo-b.at)])
	b.keep(b.at, int64(n))
	b.at += int64(n)
	if err != nil && (err != io.EOF || b.at < b.copyTo) {
		b.err = b.failed(err)
	}
	return n
}

// failed says where the body could not be read, or ended.
func (b *BriefBody) failed(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading the original's body, %d octets before its end: %w", b.plan.root.End-b.at, err)
}

// keep notes octets of the body as a piece.
func (b *BriefBody) keep(offset, length int64) {
	offset -= b.plan.root.Body
	if i := len(b.pieces) - 1; i >= 0 && b.pieces[i].Literal == nil && b.pieces[i].Offset+b.pieces[i].Length == offset {
		b.pieces[i].Length += length
	} else if length > 0 {
		b.pieces = append(b.pieces, Piece{Offset: offset, Length: length})
	}
}

// next sets what goes out next: octets up to a part or the end, or what becomes of a part.
func (b *BriefBody) next() error {
	if len(b.parts) == 0 {
		return b.finish()
	}
	p := b.parts[0]
	if b.at < p.Start {
		b.copyTo = p.Start
		return nil
	}
	b.parts = b.parts[1:]
	if b.at > p.Start { // it went by inside a part that stays as it is
		return nil
	}
	return b.reach(p)
}

func (b *BriefBody) finish() error {
	if b.at < b.plan.root.End {
		b.copyTo = b.plan.root.End
		return nil
	}
	var more [1]byte
	switch _, err := io.ReadFull(b.body, more[:]); err {
	case nil:
		return whole("its body is longer than its structure says")
	case io.EOF:
		return io.EOF
	default:
		return b.failed(err)
	}
}

// reach reads the header of a part and decides. A part without octets has nothing to be hashed.
func (b *BriefBody) reach(p *Part) error {
	header := make([]byte, p.Body-p.Start)
	n, err := io.ReadFull(b.body, header)
	b.at += int64(n)
	if err != nil {
		return b.failed(err)
	}
	read, err := readPart(p, header)
	if errors.Is(err, ErrWhole) {
		return err
	}
	if err == nil && p.Start < p.End && read.briefName() != "" {
		return b.replace(p, read.briefName())
	}
	b.pending = header
	b.keep(p.Start, int64(len(header)))
	if err != nil {
		b.copyTo = p.End
		return nil
	}
	if p.hasParts() {
		return b.open(p, read.boundary())
	}
	return nil
}

// open remembers the boundary of a multipart that is looked into.
func (b *BriefBody) open(p *Part, boundary string) error {
	for _, outer := range b.enclosing(p) {
		if confusable(boundary, outer) {
			return whole("the boundary %s is used twice", quote(boundary))
		}
	}
	b.boundaries[p] = boundary
	return nil
}

// enclosing are the boundaries of the multiparts that a part is in.
func (b *BriefBody) enclosing(p *Part) []string {
	var boundaries []string
	for p != b.plan.root {
		p = p.Parent
		boundaries = append(boundaries, b.boundaries[p])
	}
	return boundaries
}

// maxEnclosing bounds the boundaries that are looked for in a content: each costs time for every line (attacks.md 6).
const maxEnclosing = 8

// replace hashes the content of a part instead of passing it on. A content that holds a boundary
// of what it is in ends earlier for some readers: there is no hash of it that all agree on.
func (b *BriefBody) replace(p *Part, name string) error {
	sum, err := newBriefHash(b.hash)
	if err != nil {
		return err
	}
	if b.buffer == nil {
		b.buffer = make([]byte, 32<<10)
	}
	enclosing := b.enclosing(p)
	if len(enclosing) > maxEnclosing {
		return whole("a part named %s is %d levels deep", quote(name), len(enclosing))
	}
	guard := newBoundaryGuard(enclosing)
	n, err := io.CopyBuffer(io.MultiWriter(sum, guard), io.LimitReader(b.body, p.End-p.Body), b.buffer)
	b.at += n
	if err == nil && b.at < p.End {
		err = io.EOF
	}
	if err != nil {
		return b.failed(err)
	}
	if guard.found {
		return whole("a part named %s holds a boundary of what it is in", quote(name))
	}
	b.pending = briefPart(name, sum.Sum(nil))
	b.pieces = append(b.pieces, Piece{Literal: b.pending})
	return nil
}

func newBriefHash(h crypto.Hash) (hash.Hash, error) {
	switch h {
	case crypto.SHA1:
		return sha1.New(), nil
	case crypto.SHA256:
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("a brief receipt bears SHA-1 or SHA-256, not hash %d", h)
}

// boundaryGuard is a writer that looks for boundary lines in what passes.
type boundaryGuard struct {
	delimiters [][]byte // each with the line end before it
	longest    int
	window     []byte // what is looked at: the last octets, fewer than the longest delimiter, and the next ones
	found      bool
}

func newBoundaryGuard(boundaries []string) *boundaryGuard {
	g := &boundaryGuard{window: []byte("\n")} // a content begins a line
	for _, boundary := range boundaries {
		g.delimiters = append(g.delimiters, []byte("\n--"+boundary))
		g.longest = max(g.longest, len("\n--"+boundary))
	}
	return g
}

// Write takes the next octets. It never fails.
func (g *boundaryGuard) Write(p []byte) (int, error) {
	g.window = append(g.window, p...)
	for rest := g.window; !g.found; rest = rest[1:] {
		i := bytes.Index(rest, []byte("\n--"))
		if i < 0 {
			break
		}
		rest = rest[i:]
		g.found = slices.ContainsFunc(g.delimiters, func(d []byte) bool { return bytes.HasPrefix(rest, d) })
	}
	if surplus := len(g.window) - (g.longest - 1); surplus > 0 {
		g.window = append(g.window[:0], g.window[surplus:]...)
	}
	return len(p), nil
}

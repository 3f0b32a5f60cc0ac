package verify

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// Reader finds the parts and the signature of a message while its octets pass by. It is an io.Writer that never fails and
// keeps no content.
type Reader struct {
	scan  *pec.Scanner
	split *smime.Splitter
}

// NewReader returns a Reader for one message. It keeps the bodies of parts that hold certification data, and those that
// keep, if there is one, asks for (pec.NewScanner).
func NewReader(keep func(*pec.Part) bool) *Reader {
	return &Reader{
		scan:  pec.NewScanner(func(p *pec.Part) bool { return pec.KeepForParse(p) || keep != nil && keep(p) }),
		split: smime.NewSplitter(),
	}
}

// worthwhile is how much is looked at by two goroutines rather than by one, in octets.
const worthwhile = 64 << 10

// Write takes the next octets. Of long writes, the parts are found while the octets are hashed.
func (r *Reader) Write(p []byte) (int, error) {
	if len(p) < worthwhile {
		_, _ = r.scan.Write(p)
		return r.split.Write(p)
	}
	var scanning sync.WaitGroup
	scanning.Go(func() { _, _ = r.scan.Write(p) })
	defer scanning.Wait()
	return r.split.Write(p)
}

// Finish ends the message. The Reader is not used again.
func (r *Reader) Finish() *Message {
	m := &Message{Parts: r.scan.Finish()}
	m.Signed, m.Unsigned = r.split.Finish()
	return m
}

// Message is a message as it was read. Nothing of it is verified.
type Message struct {
	Parts    *pec.Structure
	Signed   *smime.Multipart // nil if there is no signature
	Unsigned error            // why not
	// Inside says that it is no message but a part of one, a multipart/signed without a header of its own (quirks.md A8).
	Inside bool
}

// ErrUnread: the octets could not be read a second time, so nothing was decided. It says nothing about the message.
var ErrUnread = errors.New("reading the signed octets again")

// signature runs the signature over the digest that was made as the octets passed; only for a rare algorithm are they read
// once more.
func (m *Message) signature(octets io.ReaderAt) (*smime.Signature, error) {
	sig, err := m.Signed.Verify()
	var need *smime.NeedDigest
	if !errors.As(err, &need) || octets == nil || !need.Hash.Available() {
		return sig, err
	}
	sum := need.Hash.New()
	if _, err := io.Copy(sum, io.NewSectionReader(octets, need.Start, need.End-need.Start)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnread, err)
	}
	sd, err := smime.Parse(m.Signed.Signature)
	if err != nil {
		return nil, err
	}
	return sd.Verify(sum.Sum(nil))
}

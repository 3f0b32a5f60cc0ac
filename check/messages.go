package check

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
	"github.com/ceralacca/ceralacca/store"
)

// messages verifies the signature of every stored message that has one.
func (c *checker) messages() error {
	ids, err := c.store.MessageIDs(c.ctx)
	if err != nil {
		return err
	}
	c.report.Messages = len(ids)
	for _, id := range ids {
		m, err := c.store.Message(c.ctx, id)
		if err != nil {
			return err
		}
		if err := c.message(m); err != nil {
			c.violation("%s <%s>: %v", m.Kind, m.MessageID, err)
		}
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
	return nil
}

// message reads one message whole: its size, its MIME offsets and, if it is signed, its signature.
func (c *checker) message(m store.Message) error {
	octets, err := c.store.Open(c.ctx, m.ID, nil)
	if err != nil {
		return err
	}
	defer octets.Close()
	split, scan := smime.NewSplitter(), pec.NewScanner(nil)
	n, err := io.Copy(io.MultiWriter(split, scan), octets.Reader())
	if err != nil {
		return err
	}
	if n != m.Size {
		return fmt.Errorf("it has %d octets instead of %d", n, m.Size)
	}
	if err := c.structure(m, scan.Finish()); err != nil {
		return err
	}
	if m.Signed == nil {
		return nil
	}
	return c.signature(m, split)
}

func (c *checker) structure(m store.Message, found *pec.Structure) error {
	stored, err := c.store.Structure(c.ctx, m.ID)
	if err != nil {
		return err
	}
	a, err := stored.MarshalBinary()
	if err != nil {
		return err
	}
	b, err := found.MarshalBinary()
	if err == nil && !bytes.Equal(a, b) {
		err = errors.New("the stored offsets of its parts are not those of its octets")
	}
	return err
}

func (c *checker) signature(m store.Message, split *smime.Splitter) error {
	signed, err := split.Finish()
	if err != nil {
		return err
	}
	sig, err := signed.Verify()
	if err != nil {
		return err
	}
	if sum, ok := signed.Digest(crypto.SHA256); !ok || !bytes.Equal(sum, m.Signed) {
		return errors.New("the digest of its signed octets is not the recorded one")
	}
	if c.roots != nil {
		_, err = sig.Chain(c.roots, sig.SigningTime)
	}
	return err
}

// digest is the SHA-256 of an original: header and body.
type digest = [sha256.Size]byte

// originals compares the original in every certified message and every receipt that encloses one with what was accepted
// or taken in charge: the same octets everywhere.
func (c *checker) originals() error {
	envelopes, err := c.store.Envelopes(c.ctx)
	if err != nil {
		return err
	}
	kept := map[recipientOf][]digest{} // without recipient: a peer may send several under one id
	for _, e := range envelopes {
		want, err := c.originalDigest(e.Message)
		if err != nil {
			c.violation("the original of %s: %v", e.PEC, err)
			continue
		}
		k := recipientOf{e.Provider, e.PEC, ""}
		kept[k] = append(kept[k], want)
		c.enclosed(e, []digest{want}, true)
	}
	receipts, err := c.store.IssuedSteps(c.ctx)
	if err != nil {
		return err
	}
	heard, err := c.store.HeardReceipts(c.ctx)
	if err != nil {
		return err
	}
	for _, r := range append(receipts, heard...) {
		c.enclosed(r, kept[recipientOf{r.Provider, r.PEC, ""}], false)
	}
	return nil
}

// originalDigest is that of the postacert.eml that the store keeps for an envelope.
func (c *checker) originalDigest(message store.ID) (sum digest, err error) {
	e, err := c.store.EnvelopeOf(c.ctx, message)
	if err != nil {
		return sum, err
	}
	body, err := c.store.OpenSpan(c.ctx, e.Body)
	if err != nil {
		return sum, err
	}
	defer body.Close()
	h := sha256.New()
	h.Write(e.Header)
	_, err = io.Copy(h, body.Reader())
	h.Sum(sum[:0])
	return sum, err
}

// enclosed holds the postacert.eml of a stored message against those that it may be.
func (c *checker) enclosed(about store.Audited, want []digest, due bool) {
	m, got, err := c.enclosedDigest(about.Message)
	switch {
	case err != nil:
		c.violation("a message about %s: %v", about.PEC, err)
	case m.Original == nil && due:
		c.violation("the envelope of %s has no original", about.PEC)
	case m.Original != nil && !slices.Contains(want, got):
		c.violation("%s: the original in %s <%s> is not the one that was accepted", about.PEC, m.Data.Kind, pec.BareID(m.Header.Get("Message-ID")))
	}
}

func (c *checker) enclosedDigest(message store.ID) (*pec.Message, digest, error) {
	octets, err := c.store.Open(c.ctx, message, nil)
	if err != nil {
		return nil, digest{}, err
	}
	defer octets.Close()
	scan := pec.NewScanner(pec.KeepForParse)
	if _, err := io.Copy(scan, octets.Reader()); err != nil {
		return nil, digest{}, err
	}
	m, err := pec.ParseMessage(scan.Finish())
	if err != nil || m.Original == nil {
		return m, digest{}, err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, octets.Section(m.Original.Body, m.Original.End-m.Original.Body))
	return m, digest(sum.Sum(nil)), err
}

package check

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

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
	if digest, ok := signed.Digest(crypto.SHA256); !ok || !bytes.Equal(digest, m.Signed) {
		return errors.New("the digest of its signed octets is not the recorded one")
	}
	if c.roots != nil {
		_, err = sig.Chain(c.roots, sig.SigningTime)
	}
	return err
}

// originals compares the original in every certified message and every receipt that encloses one with what was accepted
// or taken in charge: the same octets everywhere.
func (c *checker) originals() error {
	envelopes, err := c.store.Envelopes(c.ctx)
	if err != nil {
		return err
	}
	for _, e := range envelopes {
		want, err := c.originalDigest(e)
		if err != nil {
			c.violation("the original of %s: %v", e.PEC, err)
			continue
		}
		c.enclosed(e.PEC, e.Message, want, true)
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
		want, err := c.originalDigest(r)
		if err == nil && !r.Message.IsZero() {
			c.enclosed(r.PEC, r.Message, want, false)
		}
	}
	return nil
}

// originalDigest is the SHA-256 of postacert.eml as the store keeps it: header and body.
func (c *checker) originalDigest(a store.Audited) (sum [sha256.Size]byte, err error) {
	e, err := c.store.Envelope(c.ctx, a.Provider, a.PEC)
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

// enclosed compares the postacert.eml of a stored message.
func (c *checker) enclosed(id pec.ID, message store.ID, want [sha256.Size]byte, due bool) {
	octets, err := c.store.Open(c.ctx, message, nil)
	if err != nil {
		c.violation("a message about %s cannot be read: %v", id, err)
		return
	}
	defer octets.Close()
	scan := pec.NewScanner(pec.KeepForParse)
	if _, err := io.Copy(scan, octets.Reader()); err != nil {
		c.violation("a message about %s cannot be read: %v", id, err)
		return
	}
	m, err := pec.ParseMessage(scan.Finish())
	if err != nil {
		c.violation("a message about %s is no message of PEC: %v", id, err)
		return
	}
	if m.Original == nil {
		if due {
			c.violation("the envelope of %s has no original", id)
		}
		return
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, octets.Section(m.Original.Body, m.Original.End-m.Original.Body)); err != nil {
		c.violation("a message about %s cannot be read: %v", id, err)
	} else if !bytes.Equal(sum.Sum(nil), want[:]) {
		c.violation("%s: the original in %s <%s> is not the one that was accepted", id, m.Data.Kind, pec.BareID(m.Header.Get("Message-ID")))
	}
}

package check

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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
	if c.anchors != nil {
		_, err = sig.Path(c.anchors, smime.PathPolicy{At: sig.SigningTime})
	}
	return err
}

// accepted is an original as it was accepted or taken in charge: the message that the store keeps of it, and the SHA-256 of its header
// and body, and of its body alone.
type accepted struct {
	message store.ID
	digests
}

type digests struct{ whole, body [sha256.Size]byte }

// originals compares the original in every certified message and every receipt that encloses one with what was accepted
// or taken in charge: the same octets everywhere. Of what another provider says only the body has to be the same.
func (c *checker) originals() error {
	envelopes, err := c.store.Envelopes(c.ctx)
	if err != nil {
		return err
	}
	kept := map[recipientOf][]accepted{} // without recipient: a peer may send several under one id
	for _, e := range envelopes {
		want, err := c.accepted(e.Message)
		if err != nil {
			c.violation("the original of %s: %v", e.PEC, err)
			continue
		}
		k, one := recipientOf{e.Provider, e.PEC, ""}, accepted{e.Message, want}
		kept[k] = append(kept[k], one)
		c.enclosed(e, []accepted{one}, true, true)
	}
	issued, err := c.store.IssuedSteps(c.ctx)
	if err != nil {
		return err
	}
	for _, r := range issued {
		c.enclosed(r, kept[recipientOf{r.Provider, r.PEC, ""}], false, true)
	}
	heard, err := c.store.HeardReceipts(c.ctx)
	for _, r := range heard {
		c.enclosed(r, kept[recipientOf{r.Provider, r.PEC, ""}], false, false)
	}
	return err
}

// accepted digests the postacert.eml that the store keeps for an envelope.
func (c *checker) accepted(message store.ID) (d digests, err error) {
	header, body, err := c.postacert(message)
	if err != nil {
		return d, err
	}
	defer body.Close()
	return digestsOf(bytes.NewReader(header), body.Reader())
}

// postacert opens an original that is kept: its header, and its body.
func (c *checker) postacert(message store.ID) ([]byte, *store.Octets, error) {
	e, err := c.store.EnvelopeOf(c.ctx, message)
	if err != nil {
		return nil, nil, err
	}
	body, err := c.store.OpenSpan(c.ctx, e.Body)
	return e.Header, body, err
}

func digestsOf(header, body io.Reader) (d digests, err error) {
	whole, alone := sha256.New(), sha256.New()
	if _, err := io.Copy(whole, header); err != nil {
		return d, err
	}
	_, err = io.Copy(io.MultiWriter(whole, alone), body)
	whole.Sum(d.whole[:0])
	alone.Sum(d.body[:0])
	return d, err
}

// enclosed holds the postacert.eml of a stored message against those that it may be.
func (c *checker) enclosed(about store.Audited, want []accepted, due, ours bool) {
	octets, err := c.store.Open(c.ctx, about.Message, nil)
	if err != nil {
		c.violation("a message about %s: %v", about.PEC, err)
		return
	}
	defer octets.Close()
	m, err := parsed(octets)
	switch {
	case err != nil:
		c.violation("a message about %s: %v", about.PEC, err)
	case m.Original == nil || len(m.Original.Children) == 0:
		if due {
			c.violation("the envelope of %s has no original", about.PEC)
		}
	case !c.encloses(octets, m, want, ours):
		c.violation("%s: the original in %s <%s> is not the one that was accepted", about.PEC, m.Data.Kind, pec.BareID(m.Header.Get("Message-ID")))
	}
}

func parsed(octets *store.Octets) (*pec.Message, error) {
	scan := pec.NewScanner(pec.KeepForParse)
	if _, err := io.Copy(scan, octets.Reader()); err != nil {
		return nil, err
	}
	return pec.ParseMessage(scan.Finish())
}

// encloses tells whether a message has one of the originals: the same octets, or in a brief receipt the same hashes.
func (c *checker) encloses(octets *store.Octets, m *pec.Message, want []accepted, ours bool) bool {
	inner := m.Original.Children[0]
	header, body := octets.Section(inner.Start, inner.Body-inner.Start), func() io.Reader { return octets.Section(inner.Body, inner.End-inner.Body) }
	got, err := digestsOf(header, body())
	if err != nil {
		return false
	}
	ended, err := digestsOf(strings.NewReader(""), io.MultiReader(body(), strings.NewReader("\r\n"))) // quirks.md A10
	if err != nil {
		return false
	}
	return slices.ContainsFunc(want, func(w accepted) bool {
		return got.whole == w.whole || !ours && (got.body == w.body || ended.body == w.body) ||
			m.Data.Kind == pec.Delivered && m.Data.ReceiptType == pec.Brief && c.shortened(w.message, inner, body())
	})
}

// shortened tells whether a brief receipt's original is a kept one with hashes in the place of files (RFC 6109 3.3.2.2).
func (c *checker) shortened(message store.ID, receipt *pec.Part, receiptBody io.Reader) bool {
	header, body, err := c.postacert(message)
	if err != nil {
		return false
	}
	defer body.Close()
	scan := pec.NewScanner(nil)
	if _, err := io.Copy(scan, io.MultiReader(bytes.NewReader(header), body.Reader())); err != nil {
		return false
	}
	matches, err := pec.CheckBrief(scan.Finish().Root, body.Reader(), receipt, receiptBody)
	return err == nil && !slices.ContainsFunc(matches, func(m pec.BriefMatch) bool { return m.State != pec.BriefMatches })
}

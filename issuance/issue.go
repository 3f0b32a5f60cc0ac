package issuance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/smime"
)

// Issued is a signed message: Before, then the body of the enclosed original if there is one, then After.
type Issued struct {
	Kind        pec.Kind
	MessageID   pec.ID
	Unit        string // signing address of the unit
	Certificate [sha256.Size]byte
	Signed      [sha256.Size]byte // SHA-256 of the signed octets
	Before      []byte
	After       []byte
	Structure   *pec.Structure
}

// Issue composes, checks, signs once and verifies. From and the boundary are set here, and in a dialect the Message-ID of a
// receipt; body reads the octets that follow the header block of the enclosed original, and is nil if none is enclosed. The
// instant is the composition's.
func (u *Unit) Issue(c pec.Composition, body io.Reader) (*Issued, error) {
	c.SigningAddress, c.Data.Issuer = u.Address, u.Name
	if c.Boundary == "" {
		c.Boundary = newBoundary()
	}
	forged, k, err := u.forge(&c)
	if err != nil {
		return nil, err
	}
	if u.Dialect != nil {
		return u.issueIn(c, k, forged, body)
	}
	draft, err := pec.Compose(c)
	if err == nil {
		err = draft.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("composing %s for %s: %w", c.Data.Kind, c.Data.ID, err)
	}
	draft.Before, draft.After = forged.alter(draft.Before, draft.After)
	issued, err := k.sign(draft, body)
	if err != nil {
		return nil, fmt.Errorf("signing %s for %s: %w", c.Data.Kind, c.Data.ID, err)
	}
	issued.Unit = string(u.Address)
	return issued, nil
}

func newBoundary() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// sign passes once over the octets: their digest is signed and verified, their MIME parts are noted.
func (k Key) sign(d *pec.Draft, body io.Reader) (*Issued, error) {
	o, sum := octets{d.Header, d.Before, d.After, d.HasOriginal}, sha256.New()
	scan, err := o.pass(body, sum)
	if err != nil {
		return nil, err
	}
	out := k.issued(d.Kind, d.MessageID)
	sum.Sum(out.Signed[:0])
	p7s, err := k.Signer.SignDetached(out.Signed, d.Data.At)
	if err == nil {
		err = k.verify(p7s, out.Signed[:])
	}
	if err != nil {
		return nil, err
	}
	out.Before, out.After = d.Assemble(p7s)
	out.Structure = o.structure(scan, out)
	return out, nil
}

func (k Key) issued(kind pec.Kind, id pec.ID) *Issued {
	return &Issued{Kind: kind, MessageID: id, Certificate: sha256.Sum256(k.Signer.Certificate().Raw)}
}

// verify reads a signature of ours as a peer will.
func (k Key) verify(p7s, digest []byte) error {
	sd, err := smime.Parse(p7s)
	if err != nil {
		return fmt.Errorf("reading our own signature: %w", err)
	}
	sig, err := sd.Verify(digest)
	if err != nil {
		return fmt.Errorf("verifying our own signature: %w", err)
	}
	if !sig.Certificate.Equal(k.Signer.Certificate()) {
		return fmt.Errorf("our own signature names another certificate")
	}
	return nil
}

// octets are those of a draft, ours or in a dialect. What is enclosed goes between before and after.
type octets struct {
	header, before, after []byte
	enclosing             bool
}

// pass gives what is signed to the digests, and all of it to a scanner.
func (o octets) pass(body io.Reader, digests ...io.Writer) (*pec.Scanner, error) {
	scan := pec.NewScanner(nil)
	scan.Write(o.header)
	all := io.MultiWriter(append(digests, scan)...)
	all.Write(o.before)
	if o.enclosing {
		if _, err := io.Copy(all, body); err != nil {
			return nil, fmt.Errorf("reading the original: %w", err)
		}
		all.Write(o.after)
	}
	return scan, nil
}

// structure ends the scan with what Assemble put behind the signed octets.
func (o octets) structure(scan *pec.Scanner, out *Issued) *pec.Structure {
	if o.enclosing {
		scan.Write(out.After[len(o.after):])
	} else {
		scan.Write(out.Before[len(o.header)+len(o.before):])
	}
	return scan.Finish()
}

package issuance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
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

// Issue composes, checks, signs once and verifies. From and the boundary are set here; body reads the octets that follow
// the header block of the enclosed original, and is nil if none is enclosed. The instant is the composition's.
func (u *Unit) Issue(c pec.Composition, body io.Reader) (*Issued, error) {
	c.SigningAddress, c.Data.Issuer = u.Address, u.Name
	if c.Boundary == "" {
		c.Boundary = newBoundary()
	}
	k, err := u.key(c.Data.At)
	if err != nil {
		return nil, err
	}
	draft, err := pec.Compose(c)
	if err == nil {
		err = draft.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("composing %s for %s: %w", c.Data.Kind, c.Data.ID, err)
	}
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
	sum, scan := sha256.New(), pec.NewScanner(nil)
	scan.Write(d.Header)
	both := io.MultiWriter(sum, scan)
	both.Write(d.Before)
	if d.HasOriginal {
		if _, err := io.Copy(both, body); err != nil {
			return nil, fmt.Errorf("reading the original: %w", err)
		}
		both.Write(d.After)
	}
	out := &Issued{Kind: d.Kind, MessageID: d.MessageID, Certificate: sha256.Sum256(k.Signer.Certificate().Raw)}
	p7s, err := k.signDigest(sum, d, out)
	if err != nil {
		return nil, err
	}
	out.Before, out.After = d.Assemble(p7s)
	scan.Write(tailOf(d, out))
	out.Structure = scan.Finish()
	return out, nil
}

func (k Key) signDigest(sum hash.Hash, d *pec.Draft, out *Issued) ([]byte, error) {
	sum.Sum(out.Signed[:0])
	p7s, err := k.Signer.SignDetached(out.Signed, d.Data.At)
	if err != nil {
		return nil, err
	}
	sd, err := smime.Parse(p7s)
	if err != nil {
		return nil, fmt.Errorf("reading our own signature: %w", err)
	}
	sig, err := sd.Verify(out.Signed[:])
	if err != nil {
		return nil, fmt.Errorf("verifying our own signature: %w", err)
	}
	if !sig.Certificate.Equal(k.Signer.Certificate()) {
		return nil, fmt.Errorf("our own signature names another certificate")
	}
	return p7s, nil
}

// tailOf is what Assemble put behind the signed octets.
func tailOf(d *pec.Draft, out *Issued) []byte {
	if d.HasOriginal {
		return out.After[len(d.After):]
	}
	return out.Before[len(d.Header)+len(d.Before):]
}

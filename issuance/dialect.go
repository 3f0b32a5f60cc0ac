package issuance

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"time"

	"github.com/ceralacca/ceralacca/dialect"
	"github.com/ceralacca/ceralacca/pec"
)

// issueIn issues in the unit's dialect. A receipt's own Message-ID is drawn in the engine's form for receipts, which is not
// that of envelopes: Issued tells it.
func (u *Unit) issueIn(c pec.Composition, k Key, forged Forgery, body io.Reader) (*Issued, error) {
	if c.Data.Kind.Receipt() {
		c.MessageID = u.foreignID(c.Data.Kind, c.Data.At)
	}
	draft, err := u.Dialect.Compose(c)
	if err == nil {
		err = draft.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("composing %s for %s as %s: %w", c.Data.Kind, c.Data.ID, u.Dialect.Name, err)
	}
	draft.Before, draft.After = forged.alter(draft.Before, draft.After)
	issued, err := k.signIn(u.Dialect, draft, body)
	if err != nil {
		return nil, fmt.Errorf("signing %s for %s as %s: %w", c.Data.Kind, c.Data.ID, u.Dialect.Name, err)
	}
	issued.Unit = string(u.Address)
	return issued, nil
}

// signIn is sign for a dialect: the same one pass, with the engine's digest beside ours. The signature is verified with our
// own code, as ours is.
func (k Key) signIn(e *dialect.Engine, d *dialect.Draft, body io.Reader) (*Issued, error) {
	o, sum, ours := octets{d.Header, d.Before, d.After, d.HasOriginal}, d.Hash.New(), sha256.New()
	scan, err := o.pass(body, sum, ours)
	if err != nil {
		return nil, err
	}
	digest := sum.Sum(nil)
	p7s, err := e.Sign(k.Private, k.Chain, digest, d.Data.At)
	if err == nil {
		err = k.verify(p7s, digest)
	}
	if err != nil {
		return nil, err
	}
	out := k.issued(d.Kind, d.MessageID)
	ours.Sum(out.Signed[:0])
	out.Before, out.After = d.Assemble(p7s)
	out.Structure = o.structure(scan, out)
	return out, nil
}

// foreignID draws an identifier in the form of the unit's dialect. A domain of a holder is one of the unit's.
func (u *Unit) foreignID(kind pec.Kind, at time.Time) pec.ID {
	from := dialect.Origin{Node: u.Node, Domain: u.Address.Domain(), Holder: u.Address.Domain()}
	if n := len(u.Domains); n > 0 {
		from.Holder = u.Domains[n-1]
	}
	var random [16]byte
	rand.Read(random[:])
	return u.Dialect.NewID(kind, at, from, random)
}

// checkDialect wants a dialect's keys to be there, and to be of the kind that engines have, before the first message is due.
func (u *Unit) checkDialect() error {
	if u.Dialect == nil {
		return nil
	}
	for _, k := range u.Keys {
		if k.Private == nil || len(k.Chain) == 0 || !k.Chain[0].Equal(k.Signer.Certificate()) {
			return fmt.Errorf("unit %s: to write as %s it needs the private key and the chain of each certificate", u.Address, u.Dialect.Name)
		}
		if _, ok := k.Private.Public().(*rsa.PublicKey); !ok {
			return fmt.Errorf("unit %s: to write as %s its keys must be RSA", u.Address, u.Dialect.Name)
		}
	}
	return nil
}

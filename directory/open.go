package directory

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/ceralacca/ceralacca/smime"
)

// Open reads a signed directory (.ldif.p7m, RFC 6109 4.5): the signature verifies, it was made with exactly the pinned certificate of
// the authority, within its validity, and says when, because without a signing time an older file could not be told from a newer one.
// Nothing of the contents is read before that (norms.md 121).
func Open(p7m []byte, signer *x509.Certificate) (*Directory, error) {
	if len(p7m) > MaxSize {
		return nil, fmt.Errorf("the signed directory has %d octets, more than the %d allowed", len(p7m), MaxSize)
	}
	signed, err := smime.Parse(p7m)
	if err != nil {
		return nil, fmt.Errorf("read the signed directory: %w", err)
	}
	signature, err := signed.VerifyAttached()
	if err != nil {
		return nil, fmt.Errorf("verify the directory's signature: %w", err)
	}
	if err := checkSignature(signature, signer); err != nil {
		return nil, fmt.Errorf("verify the directory's signature: %w", err)
	}
	d, err := Parse(signed.Content())
	if err != nil {
		return nil, err
	}
	d.signedAt = signature.SigningTime
	if signature.Weak {
		d.problems = append(d.problems, fmt.Sprintf("the directory's signature is weak: %s", signature.Hash))
	}
	return d, nil
}

func checkSignature(signature *smime.Signature, signer *x509.Certificate) error {
	at := signature.SigningTime
	switch {
	case !signature.Certificate.Equal(signer):
		return fmt.Errorf("it was made with the certificate of %q, not with the authority's", signature.Certificate.Subject)
	case at.IsZero():
		return errors.New("it has no signing time")
	case at.Before(signer.NotBefore) || at.After(signer.NotAfter):
		return fmt.Errorf("it was made at %s, outside of its certificate's validity", at)
	}
	return nil
}

package smime

import (
	"crypto"
	"crypto/x509"
	"slices"
)

// Weakness is something that is accepted of old mail and would be refused of
// new (norms.md 52, quirks.md E6).
type Weakness int

// The weaknesses that there can be.
const (
	WeakDigest      Weakness = iota + 1 // the signature is over a SHA-1 digest
	WeakKey                             // the signer's RSA key is below 2048 bits
	WeakAuthority                       // an RSA key above the signer's is below 2048 bits
	WeakCertificate                     // a certificate below the anchor is signed with SHA-1
)

// String returns what is weak, in a few English words.
func (w Weakness) String() string {
	switch w {
	case WeakDigest:
		return "SHA-1 digest"
	case WeakKey:
		return "RSA key below 2048 bits"
	case WeakAuthority:
		return "authority with an RSA key below 2048 bits"
	case WeakCertificate:
		return "certificate signed with SHA-1"
	default:
		return "unknown weakness"
	}
}

// Weaknesses returns what is weak in a signature and in its path, as
// [Signature.Path] returned it; each once, in the order of the constants. Path
// may be nil: then only the signature's own are told.
func (s *Signature) Weaknesses(path []*x509.Certificate) []Weakness {
	var found []Weakness
	add := func(w Weakness, is bool) {
		if is {
			found = append(found, w)
		}
	}
	var authorities, issued []*x509.Certificate
	if len(path) > 0 {
		authorities, issued = path[1:], path[:len(path)-1]
	}
	add(WeakDigest, s.Hash == crypto.SHA1)
	add(WeakKey, isShortRSA(s.Certificate))
	add(WeakAuthority, slices.ContainsFunc(authorities, isShortRSA))
	add(WeakCertificate, slices.ContainsFunc(issued, isSignedWithSHA1))
	return found
}

func isSignedWithSHA1(c *x509.Certificate) bool {
	scheme, ok := schemeOf(c.SignatureAlgorithm)
	return ok && scheme.hash == crypto.SHA1
}

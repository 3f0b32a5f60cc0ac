package smime

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Bounds on the search for a path. Real paths have three certificates
// (field-notes.md 10); a foreign bag may hold 64 that all claim to have issued
// each other.
const (
	maxPath       = 8
	maxLinkChecks = 64
)

// Anchors are the keys in which a verifier trusts, with the names of their
// owners: trust anchors in the sense of RFC 5280 6.1.1 (d). Any certificate can
// bring one, self-signed or not. Its own signature and dates are not checked:
// trust in the key was decided when it was made an anchor, and AgID CA1 was
// issued six times with one key (quirks.md E9), so that an archive verifies
// with the newest of them. What else the certificate says of its key counts:
// basic constraints, key usage, extended key usage, name constraints.
//
// Anchors are immutable. Nil and empty ones anchor nothing.
type Anchors struct{ certificates []*x509.Certificate }

// NewAnchors returns anchors for the names and keys of these certificates.
func NewAnchors(certificates ...*x509.Certificate) *Anchors {
	return &Anchors{append([]*x509.Certificate(nil), certificates...)}
}

// Certificates returns the certificates that brought the anchors, in their
// order.
func (a *Anchors) Certificates() []*x509.Certificate {
	if a == nil {
		return nil
	}
	return append([]*x509.Certificate(nil), a.certificates...)
}

// PathPolicy says what a path must satisfy beside the rules of RFC 5280.
type PathPolicy struct {
	// At is the instant at which the certificates must be valid: that of the
	// signature, not that of reading (quirks.md E10). Zero is an error.
	At time.Time
	// SHA1Issued is the instant before which a certificate must have been
	// issued (its notBefore) to be borne if it is signed with SHA-1
	// (quirks.md E6). Zero bears none.
	SHA1Issued time.Time
}

// Path returns the way from the signer's certificate to an anchor, both
// included, over the enclosed certificates. Each link is checked as
// RFC 5280 6.1 wants it: name, signature, dates, basic constraints, key usage,
// extended key usage (e-mail protection, where there is one), name constraints,
// unknown critical extensions. Revocation and certificate policies are not.
//
// The signer's certificate is never taken for its own anchor: an anchor vouches
// for what it issued, and a provider whose certificate is known by itself is
// the directory's matter (norms.md 48).
//
// The error wraps ErrNoPath, ErrConstraint, ErrAlgorithm, ErrExpired or
// ErrNotYetValid. If several ways fail, it tells of the one that came nearest:
// dates before algorithms before constraints.
func (s *Signature) Path(a *Anchors, p PathPolicy) ([]*x509.Certificate, error) {
	if p.At.IsZero() {
		return nil, errors.New("smime: path: no instant is given")
	}
	if s.Certificate == nil {
		return nil, errors.New("smime: path: the signature has no certificate")
	}
	search := pathSearch{
		anchors: a.Certificates(), bag: s.Certificates, policy: p, checksLeft: maxLinkChecks,
		reason: fmt.Errorf("%w: nothing enclosed leads from %q to an anchor", ErrNoPath, s.Certificate.Subject),
	}
	path := search.extend([]*x509.Certificate{s.Certificate}, checkLeaf(s.Certificate, p.At))
	if path == nil {
		return nil, search.reason
	}
	return path, nil
}

type pathSearch struct {
	anchors, bag []*x509.Certificate
	policy       PathPolicy
	checksLeft   int   // of signatures
	reason       error // of the path that came nearest
}

// extend looks for a flawless way on from a path whose gravest flaw is given,
// and returns nil if there is none. A path with a flaw is followed all the
// same: whether the flaw is what bars the way shows at its end.
func (s *pathSearch) extend(path []*x509.Certificate, flaw error) []*x509.Certificate {
	for _, anchor := range s.anchors {
		linked, grave := s.link(path, anchor, true)
		if !linked {
			continue
		}
		if grave = graver(flaw, grave); grave == nil {
			return longer(path, anchor)
		}
		if gravity(grave) < gravity(s.reason) {
			s.reason = grave
		}
	}
	if len(path)+1 >= maxPath {
		return nil
	}
	for _, c := range s.bag {
		linked, grave := s.link(path, c, false)
		if !linked {
			continue
		}
		grave = graver(graver(flaw, grave), checkDates(c, s.policy.At))
		if whole := s.extend(longer(path, c), grave); whole != nil {
			return whole
		}
	}
	return nil
}

// longer returns a path of its own: others may be made from the same beginning.
func longer(path []*x509.Certificate, c *x509.Certificate) []*x509.Certificate {
	return append(append(make([]*x509.Certificate, 0, len(path)+1), path...), c)
}

// link tells whether the issuer may have signed the last certificate of the
// path, and the gravest flaw in that.
func (s *pathSearch) link(path []*x509.Certificate, issuer *x509.Certificate, anchor bool) (linked bool, flaw error) {
	child := path[len(path)-1]
	if !namesIssuer(child, issuer) || s.checksLeft == 0 || contains(path, issuer) {
		return false, nil
	}
	s.checksLeft--
	err := checkIssued(child, issuer, s.policy.SHA1Issued)
	if errors.Is(err, ErrSignature) {
		return false, nil
	}
	return true, graver(err, checkIssuer(path, issuer, anchor))
}

// namesIssuer compares names, and key identifiers where both give one.
func namesIssuer(child, issuer *x509.Certificate) bool {
	return bytes.Equal(child.RawIssuer, issuer.RawSubject) &&
		(len(child.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 ||
			bytes.Equal(child.AuthorityKeyId, issuer.SubjectKeyId))
}

// contains tells whether a path already holds the name and key of c: such a
// path is a circle, under whatever certificates.
func contains(path []*x509.Certificate, c *x509.Certificate) bool {
	for _, known := range path {
		if bytes.Equal(known.RawSubject, c.RawSubject) &&
			bytes.Equal(known.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo) {
			return true
		}
	}
	return false
}

// gravity orders the reasons why a path fails by how far it is from a good one.
func gravity(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrExpired), errors.Is(err, ErrNotYetValid):
		return 1
	case errors.Is(err, ErrAlgorithm):
		return 2
	case errors.Is(err, ErrConstraint):
		return 3
	default:
		return 4
	}
}

func graver(a, b error) error {
	if gravity(b) > gravity(a) {
		return b
	}
	return a
}

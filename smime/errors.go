package smime

import (
	"crypto"
	"errors"
	"fmt"
)

// What can be wrong with a signature. Errors of this package wrap one of
// these, with what exactly was found.
var (
	// ErrNotSigned: the top of the message is not a multipart/signed for
	// PKCS #7, or it has no signature part.
	ErrNotSigned = errors.New("smime: message is not signed")
	// ErrMalformed: the message says that it is signed, but its MIME structure
	// or the octets of the signature cannot be read without guessing.
	ErrMalformed = errors.New("smime: malformed signature")
	// ErrSigners: there is no signer, or more than may be.
	ErrSigners = errors.New("smime: not exactly one signer")
	// ErrNoCertificate: the certificate of the signer is not enclosed, or two
	// different ones claim to be it.
	ErrNoCertificate = errors.New("smime: no certificate of the signer")
	// ErrAlgorithm: an algorithm or a key that is not accepted, of the
	// signature or of a certificate above it.
	ErrAlgorithm = errors.New("smime: algorithm or key not accepted")
	// ErrAttributes: a signed attribute is missing, repeated, or contradicts
	// the signature it stands in.
	ErrAttributes = errors.New("smime: signed attributes not accepted")
	// ErrDigest: the content is not the one that was signed.
	ErrDigest = errors.New("smime: content differs from what was signed")
	// ErrSignature: the signature was not made with the key of the enclosed
	// certificate, or the attributes changed after it was made.
	ErrSignature = errors.New("smime: signature does not verify")
	// ErrNoPath: no certificates lead from the signer's to an anchor.
	ErrNoPath = errors.New("smime: no path to a trust anchor")
	// ErrExpired and ErrNotYetValid: a path is good, but not at the instant for
	// which it is judged.
	ErrExpired     = errors.New("smime: certificate expired")
	ErrNotYetValid = errors.New("smime: certificate not yet valid")
	// ErrConstraint: a certificate of the path may not be used so: a
	// constraint, a usage or a critical extension bars it.
	ErrConstraint = errors.New("smime: certificate may not be used so")
)

// NeedDigest says that the signature uses a digest algorithm that the splitter
// did not compute. The caller hashes the octets Start to End of the stored
// message under Hash and gives the digest to [SignedData.Verify].
type NeedDigest struct {
	Hash       crypto.Hash
	Start, End int64 // offsets in the message; End is the first octet after
}

func (e *NeedDigest) Error() string {
	return fmt.Sprintf("smime: %v of octets %d to %d is needed", e.Hash, e.Start, e.End)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

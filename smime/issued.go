package smime

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"
)

// checkIssued verifies the signature on a certificate with the issuer's key.
// crypto/x509 would refuse all that is signed with SHA-1, but so were the
// certificates of certified mail until 2017 (field-notes.md 10).
//
// The error wraps ErrSignature if the signature is not the issuer's, and
// ErrAlgorithm if it is not looked at, or made with SHA-1 too late.
func checkIssued(c, issuer *x509.Certificate, sha1Issued time.Time) error {
	scheme, ok := schemeOf(c.SignatureAlgorithm)
	if !ok {
		return fmt.Errorf("%w: certificate of %q signed with %v", ErrAlgorithm, c.Subject, c.SignatureAlgorithm)
	}
	if err := checkKey(issuer.PublicKey); err != nil {
		return fmt.Errorf("%w: certificate of %q", err, issuer.Subject)
	}
	h := scheme.hash.New()
	h.Write(c.RawTBSCertificate)
	if !scheme.verifies(issuer.PublicKey, h.Sum(nil), c.Signature) {
		return fmt.Errorf("%w: certificate of %q", ErrSignature, c.Subject)
	}
	if scheme.hash == crypto.SHA1 && !c.NotBefore.Before(sha1Issued) {
		return fmt.Errorf("%w: certificate of %q of %s signed with SHA-1", ErrAlgorithm, c.Subject, c.NotBefore.Format(time.DateOnly))
	}
	return nil
}

// padding is how a digest becomes what a key signs.
type padding int

const (
	pkcs1 padding = iota + 1
	pss           // with a salt as long as the digest
	none          // ECDSA
)

// scheme is a way in which certificates are signed.
type scheme struct {
	padding padding
	hash    crypto.Hash
}

// schemeOf knows what is accepted: nothing older than SHA-1.
func schemeOf(a x509.SignatureAlgorithm) (s scheme, ok bool) {
	switch a {
	case x509.SHA1WithRSA:
		return scheme{pkcs1, crypto.SHA1}, true
	case x509.SHA256WithRSA:
		return scheme{pkcs1, crypto.SHA256}, true
	case x509.SHA384WithRSA:
		return scheme{pkcs1, crypto.SHA384}, true
	case x509.SHA512WithRSA:
		return scheme{pkcs1, crypto.SHA512}, true
	case x509.SHA256WithRSAPSS:
		return scheme{pss, crypto.SHA256}, true
	case x509.SHA384WithRSAPSS:
		return scheme{pss, crypto.SHA384}, true
	case x509.SHA512WithRSAPSS:
		return scheme{pss, crypto.SHA512}, true
	case x509.ECDSAWithSHA1:
		return scheme{none, crypto.SHA1}, true
	case x509.ECDSAWithSHA256:
		return scheme{none, crypto.SHA256}, true
	case x509.ECDSAWithSHA384:
		return scheme{none, crypto.SHA384}, true
	case x509.ECDSAWithSHA512:
		return scheme{none, crypto.SHA512}, true
	default:
		return scheme{}, false
	}
}

// verifies is false too if the key is not of the kind that the scheme needs.
func (s scheme) verifies(public crypto.PublicKey, digest, signature []byte) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return s.padding == pkcs1 && rsa.VerifyPKCS1v15(key, s.hash, digest, signature) == nil ||
			s.padding == pss && rsa.VerifyPSS(key, s.hash, digest, signature, &rsa.PSSOptions{SaltLength: s.hash.Size()}) == nil
	case *ecdsa.PublicKey:
		return s.padding == none && ecdsa.VerifyASN1(key, digest, signature)
	default:
		return false
	}
}

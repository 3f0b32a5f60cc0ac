package smime

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// RSA keys that are used at all. Certified mail had 1024 bits until 2017
// (field-notes.md 10); above the maximum a foreign key is only a burden.
const (
	minForeignRSABits = 1024
	maxRSABits        = 8192
	minRSAExponent    = 3
)

func isShortRSA(c *x509.Certificate) bool {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() < minRSABits
}

func isNISTCurve(c elliptic.Curve) bool {
	return c == elliptic.P256() || c == elliptic.P384() || c == elliptic.P521()
}

// parseCertificate refuses what crypto/x509 passes over: something after the
// signature, which nobody signed, and keys so long that a check of a path over
// them would take minutes.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !endsWithSignature(der) {
		return nil, malformed("certificate with more than its signature")
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return nil, fmt.Errorf("%w: RSA key of %d bits", ErrAlgorithm, key.N.BitLen())
	}
	return c, nil
}

func endsWithSignature(der cryptobyte.String) bool {
	var fields cryptobyte.String
	return der.ReadASN1(&fields, asn1.SEQUENCE) && fields.SkipASN1(asn1.SEQUENCE) && fields.SkipASN1(asn1.SEQUENCE) &&
		fields.SkipASN1(asn1.BIT_STRING) && fields.Empty()
}

// checkKey refuses public keys with which nothing is verified.
func checkKey(public crypto.PublicKey) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minForeignRSABits || bits > maxRSABits {
			return fmt.Errorf("%w: RSA key of %d bits", ErrAlgorithm, bits)
		}
		if key.E < minRSAExponent || key.E%2 == 0 {
			return fmt.Errorf("%w: RSA exponent %d", ErrAlgorithm, key.E)
		}
	case *ecdsa.PublicKey:
		if !isNISTCurve(key.Curve) {
			return fmt.Errorf("%w: curve %s", ErrAlgorithm, key.Curve.Params().Name)
		}
	default:
		return unknownKey(key)
	}
	return nil
}

func unknownKey(key crypto.PublicKey) error {
	return fmt.Errorf("%w: key of type %T", ErrAlgorithm, key)
}

func (info *signerInfo) checkRSA(key *rsa.PublicKey, digest []byte) error {
	if info.signatureAlgorithm.id == oidRSAPSS {
		return info.checkPSS(key, digest)
	}
	switch info.signatureAlgorithm {
	case algorithm{id: oidRSA}, algorithm{id: rsaWith(info.hash)}:
	default:
		return info.wrongAlgorithm()
	}
	if err := rsa.VerifyPKCS1v15(key, info.hash, digest, info.signature); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

func (info *signerInfo) checkPSS(key *rsa.PublicKey, digest []byte) error {
	salt, ok := readPSSParams(info.signatureAlgorithm.params, info.digestAlgorithm)
	if !ok {
		return info.wrongAlgorithm()
	}
	if err := rsa.VerifyPSS(key, info.hash, digest, info.signature, &rsa.PSSOptions{SaltLength: salt}); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

func (info *signerInfo) checkECDSA(key *ecdsa.PublicKey, digest []byte) error {
	if info.signatureAlgorithm != (algorithm{id: ecdsaWith(info.hash)}) {
		return info.wrongAlgorithm()
	}
	if !ecdsa.VerifyASN1(key, digest, info.signature) {
		return ErrSignature
	}
	return nil
}

func (info *signerInfo) wrongAlgorithm() error {
	return fmt.Errorf("%w: signature algorithm %x with parameters %x for this key and %v",
		ErrAlgorithm, string(info.signatureAlgorithm.id), info.signatureAlgorithm.params, info.hash)
}

func rsaWith(h crypto.Hash) oid {
	switch h {
	case crypto.SHA1:
		return oidSHA1WithRSA
	case crypto.SHA256:
		return oidSHA256WithRSA
	case crypto.SHA384:
		return oidSHA384WithRSA
	default:
		return oidSHA512WithRSA
	}
}

func ecdsaWith(h crypto.Hash) oid {
	switch h {
	case crypto.SHA1:
		return oidECDSAWithSHA1
	case crypto.SHA256:
		return oidECDSAWithSHA256
	case crypto.SHA384:
		return oidECDSAWithSHA384
	default:
		return oidECDSAWithSHA512
	}
}

// readPSSParams returns the salt length. Both hash functions must be the
// digest algorithm of the signature (RFC 4055 3.1, RFC 4056 3).
func readPSSParams(der string, digest algorithm) (salt int, ok bool) {
	params := cryptobyte.String(der)
	var fields, hashField, maskField, saltField cryptobyte.String
	var hasHash, hasMask, hasSalt bool
	if !params.ReadASN1(&fields, asn1.SEQUENCE) || !params.Empty() ||
		!fields.ReadOptionalASN1(&hashField, &hasHash, tag0) ||
		!fields.ReadOptionalASN1(&maskField, &hasMask, tag1) ||
		!fields.ReadOptionalASN1(&saltField, &hasSalt, tag2) {
		return 0, false
	}
	var trailer int
	if !fields.ReadOptionalASN1Integer(&trailer, tag3, 1) || trailer != 1 || !fields.Empty() {
		return 0, false
	}
	hash, mask := algorithm{id: oidSHA1}, algorithm{id: oidSHA1}
	ok = (!hasHash || readOnly(&hashField, &hash)) && (!hasMask || readMGF1(maskField, &mask))
	salt = 20
	if hasSalt {
		ok = ok && saltField.ReadASN1Integer(&salt) && saltField.Empty()
	}
	// crypto/rsa takes a length of 0 for "any".
	return salt, ok && hash == digest && mask == digest && salt > 0 && salt <= maxRSABits/8
}

// readOnly reads an AlgorithmIdentifier after which nothing follows.
func readOnly(s *cryptobyte.String, a *algorithm) (ok bool) {
	*a, ok = readAlgorithm(s, asn1.SEQUENCE)
	return ok && s.Empty()
}

func readMGF1(s cryptobyte.String, hash *algorithm) bool {
	var mask algorithm
	if !readOnly(&s, &mask) || mask.id != oidMGF1 {
		return false
	}
	params := cryptobyte.String(mask.params)
	return readOnly(&params, hash)
}

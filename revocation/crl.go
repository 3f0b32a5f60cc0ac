package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of RFC 5280 5.2 and 5.3.
const (
	oidIssuingDistributionPoint = "2.5.29.28"
	oidDeltaCRL                 = "2.5.29.27"
	oidCertificateIssuer        = "2.5.29.29"
	oidInvalidityDate           = "2.5.29.24"
	oidReasonCode               = "2.5.29.21"
	oidAuthorityKeyID           = "2.5.29.35"
	oidCRLNumber                = "2.5.29.20"
	oidExpiredCertsOnCRL        = "2.5.29.60" // ITU-T X.509, not in RFC 5280
)

// list is a CRL. Its entries stay in DER, sorted by serial number: a list has up to a million of them, and one lookup wants one.
type list struct {
	frame    *x509.RevocationList // without entries
	scope    scope
	entries  []entry
	unusable error // why it counts for no certificate at all; nil if it may

	// verified has for each public key of an issuer of this name the error with which the signature failed, or nil: hashing the list for
	// each message would cost too much.
	verified sync.Map
}

func parseCRL(der []byte) (*piece, error) {
	frame, revoked, err := parseFrame(der)
	if err != nil {
		return nil, fmt.Errorf("read CRL: %w", err)
	}
	l := &list{frame: frame}
	if l.entries, l.unusable, err = parseEntries(revoked); err != nil {
		return nil, fmt.Errorf("read CRL of %s: %w", frame.Issuer, err)
	}
	p := &piece{
		der: der, key: string(frame.RawIssuer), source: "CRL of " + frame.Issuer.String(), number: frame.Number,
		thisUpdate: frame.ThisUpdate, nextUpdate: frame.NextUpdate, says: l.says, signedBy: l.signedBy,
	}
	for _, x := range frame.Extensions {
		if err := l.extend(p, x); err != nil {
			return nil, fmt.Errorf("read CRL of %s: %w", frame.Issuer, err)
		}
	}
	p.until = p.end()
	return p, nil
}

// parseFrame reads everything but the entries. The standard library makes some 300 octets of an entry of 20; without them it never
// gets to allocate much.
func parseFrame(der []byte) (*x509.RevocationList, cryptobyte.String, error) {
	errCRL := errors.New("it is not the DER of a CRL")
	var outer, tbs, signature, rest, revoked cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1Element(&tbs, cbasn1.SEQUENCE) {
		return nil, nil, errCRL
	}
	whole := tbs
	signature = outer // the algorithm and the signature
	if !tbs.ReadASN1(&rest, cbasn1.SEQUENCE) {
		return nil, nil, errCRL
	}
	head := rest
	skip := func(tag cbasn1.Tag) bool { return rest.SkipOptionalASN1(tag) }
	if !skip(cbasn1.INTEGER) || !rest.SkipASN1(cbasn1.SEQUENCE) || !rest.SkipASN1(cbasn1.SEQUENCE) || // version, algorithm, issuer
		!skip(cbasn1.UTCTime) || !skip(cbasn1.GeneralizedTime) || !skip(cbasn1.UTCTime) || !skip(cbasn1.GeneralizedTime) {
		return nil, nil, errCRL
	}
	head = head[:len(head)-len(rest)]
	if !rest.ReadOptionalASN1(&revoked, nil, cbasn1.SEQUENCE) {
		return nil, nil, errCRL
	}
	var small cryptobyte.Builder
	small.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(head)
			b.AddBytes(rest)
		})
		b.AddBytes(signature)
	})
	bare, err := small.Bytes()
	if err != nil {
		return nil, nil, err
	}
	frame, err := x509.ParseRevocationList(bare)
	if err != nil {
		return nil, nil, err
	}
	frame.RawTBSRevocationList = whole // what was signed
	return frame, revoked, nil
}

// extend takes in what an extension of the list means. A critical one that is not understood makes it unusable (RFC 5280 5.2).
func (l *list) extend(p *piece, x pkix.Extension) (err error) {
	switch {
	case is(x.Id, oidAuthorityKeyID), is(x.Id, oidCRLNumber):
	case is(x.Id, oidExpiredCertsOnCRL):
		p.keepsExpired, err = parseDate(x.Value, "expiredCertsOnCRL")
	case is(x.Id, oidIssuingDistributionPoint):
		p.scope = x.Value
		l.scope, err = parseScope(x.Value)
	case is(x.Id, oidDeltaCRL):
		l.unusable = errors.New("it is a delta CRL, which is not used")
	case x.Critical:
		l.unusable = fmt.Errorf("its critical extension %s is not understood", x.Id)
	}
	return err
}

// says looks the certificate up.
func (l *list) says(cert, issuer *x509.Certificate) (*revocation, error) {
	if l.unusable != nil {
		return nil, l.unusable
	}
	if err := l.scope.covers(cert); err != nil {
		return nil, err
	}
	if err := l.signedBy(issuer); err != nil {
		return nil, err
	}
	serial := cert.SerialNumber.Bytes()
	i, _ := slices.BinarySearchFunc(l.entries, serial, func(e entry, s []byte) int { return bytes.Compare(e.serial, s) })
	var first *revocation
	for ; i < len(l.entries) && bytes.Equal(l.entries[i].serial, serial); i++ {
		revoked, _, err := l.entries[i].parse()
		if err != nil {
			return nil, err
		}
		if first == nil || revoked.since.Before(first.since) {
			first = revoked
		}
	}
	return first, nil
}

// signedBy holds name, key and the right to sign CRLs against the issuer (RFC 5280 6.3.3). The key decides, not its identifier: an authority
// whose certificate was issued again may have another one for the same key.
func (l *list) signedBy(issuer *x509.Certificate) error {
	switch {
	case !bytes.Equal(l.frame.RawIssuer, issuer.RawSubject):
		return fmt.Errorf("it is not of %s", issuer.Subject)
	case !issuer.BasicConstraintsValid || !issuer.IsCA || issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("the certificate of its issuer does not allow it to sign CRLs")
	}
	key := string(issuer.RawSubjectPublicKeyInfo)
	if verified, ok := l.verified.Load(key); ok {
		err, _ := verified.(error)
		return err
	}
	err := checkSignature(issuer, l.frame.SignatureAlgorithm, l.frame.RawTBSRevocationList, l.frame.Signature)
	l.verified.Store(key, err)
	return err
}

// checkSignature bears no hash with which two texts can have one signature; x509.Certificate.CheckSignature bears SHA-1.
func checkSignature(by *x509.Certificate, algorithm x509.SignatureAlgorithm, signed, signature []byte) error {
	switch algorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
		return fmt.Errorf("its signature does not count: %s is too weak", algorithm)
	}
	if err := by.CheckSignature(algorithm, signed, signature); err != nil {
		return fmt.Errorf("its signature does not count: %w", err)
	}
	return nil
}

package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// distribution is an issuing distribution point (RFC 5280 5.2.5).
type distribution struct {
	Point          asn1.RawValue  `asn1:"optional"`
	OnlyUsers      bool           `asn1:"optional,tag:1"`
	OnlyCAs        bool           `asn1:"optional,tag:2"`
	SomeReasons    asn1.BitString `asn1:"optional,tag:3"`
	Indirect       bool           `asn1:"optional,tag:4"`
	OnlyAttributes bool           `asn1:"optional,tag:5"`
}

// point names URLs as a distribution point does.
func point(urls ...string) asn1.RawValue {
	var b cryptobyte.Builder
	context := func(n cbasn1.Tag) cbasn1.Tag { return n.ContextSpecific() }
	b.AddASN1(context(0).Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(context(0).Constructed(), func(b *cryptobyte.Builder) {
			for _, u := range urls {
				b.AddASN1(context(6), func(b *cryptobyte.Builder) { b.AddBytes([]byte(u)) })
			}
		})
	})
	return asn1.RawValue{FullBytes: b.BytesOrPanic()}
}

func scoped(d distribution) []byte {
	return root().crl(0, 10, nil, extension(oidIssuingDistributionPoint, true, d))
}

// What is not for this certificate must not make it good for want of an entry (RFC 5280 6.3.3).
func TestScope(t *testing.T) {
	const url = "http://ca.example/1.crl"
	named := root().issue(7, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"ldap://ca.example/cn=1", url} })
	authority := root().issue(7, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	for name, c := range map[string]struct {
		d    distribution
		cert *holder
		why  string // "" for good
	}{
		"of users":                     {distribution{OnlyUsers: true}, signer(), ""},
		"of users, an authority":       {distribution{OnlyUsers: true}, authority, "users only"},
		"of authorities":               {distribution{OnlyCAs: true}, authority, ""},
		"of authorities, a user":       {distribution{OnlyCAs: true}, signer(), "authorities only"},
		"of some reasons":              {distribution{SomeReasons: asn1.BitString{Bytes: []byte{0x40}, BitLength: 2}}, signer(), "some reasons"},
		"indirect":                     {distribution{Indirect: true}, signer(), "indirect CRL"},
		"of attributes":                {distribution{OnlyAttributes: true}, signer(), "attribute certificates"},
		"of the point that it names":   {distribution{Point: point("http://ca.example/0.crl", url)}, named, ""},
		"of another point":             {distribution{Point: point("http://ca.example/2.crl")}, named, "does not name"},
		"of a point, it names none":    {distribution{Point: point(url)}, signer(), "does not name"},
		"of a point that is not a URL": {distribution{Point: point()}, named, "does not name"},
	} {
		want := expect{state: Good}
		if c.why != "" {
			want = expect{state: Unknown, why: c.why}
		}
		t.Run(name, func(t *testing.T) {
			want.check(t, mustNew(t, scoped(c.d)).Status(c.cert.Certificate, root().Certificate, day(5)))
		})
	}
}

// attacks.md 11: lists that say "not revoked" and have no right to.
func TestUnusableCRLs(t *testing.T) {
	const unknown = "1.2.3.4"
	forged := root().crl(0, 10, nil)
	forged[len(forged)-5] ^= 1
	altered := bytes.Replace(root().crl(0, 10, revoked(-3, 0)), []byte{2, 1, 7}, []byte{2, 1, 8}, 1)
	plain := root().crl(0, 10, nil)
	without := func(change func(*x509.Certificate)) *x509.Certificate {
		return newRoot("Root", root().key, change).Certificate
	}
	weak := root().list(&x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: day(0), NextUpdate: day(10), SignatureAlgorithm: x509.ECDSAWithSHA1,
	})
	for name, c := range map[string]struct {
		list   []byte
		issuer *x509.Certificate
		why    string
	}{
		"forged signature":      {forged, root().Certificate, "signature does not count"},
		"entry struck out":      {altered, root().Certificate, "signature does not count"},
		"twin of the issuer":    {twin().crl(0, 10, nil), root().Certificate, "signature does not count"},
		"another issuer":        {other().crl(0, 10, nil), root().Certificate, "there is no CRL"},
		"may not sign lists":    {plain, without(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }), "does not allow it to sign CRLs"},
		"is no authority":       {plain, without(func(c *x509.Certificate) { c.IsCA = false }), "does not allow it to sign CRLs"},
		"SHA-1":                 {weak, root().Certificate, "ECDSA-SHA1 is too weak"},
		"delta":                 {root().crl(0, 10, nil, extension(oidDeltaCRL, true, 1)), root().Certificate, "delta CRL"},
		"not understood":        {root().crl(0, 10, nil, extension(unknown, true, 1)), root().Certificate, "critical extension 1.2.3.4 is not"},
		"entry not understood":  {root().crl(0, 10, revoked(-3, 0, extension(unknown, true, 1))), root().Certificate, "critical extension 1.2.3.4 of an entry"},
		"entry of another":      {root().crl(0, 10, revoked(-3, 0, extension(oidCertificateIssuer, true, []byte{0x30, 0}))), root().Certificate, "indirect CRL"},
		"of another and hidden": {root().crl(0, 10, revoked(-3, 0, extension(oidCertificateIssuer, false, []byte{0x30, 0}))), root().Certificate, "indirect CRL"},
	} {
		t.Run(name, func(t *testing.T) {
			e := mustNew(t, c.list)
			for range 2 { // also when the signature was looked at before
				expect{state: Unknown, why: c.why}.check(t, e.Status(signer().Certificate, c.issuer, day(5)))
			}
		})
	}
}

// An authority whose certificate was issued again, with another key identifier for the same key, or no key usage.
func TestCRLOfIssuerIssuedAgain(t *testing.T) {
	again := newRoot("Root", root().key, func(c *x509.Certificate) {
		c.SubjectKeyId, c.KeyUsage, c.SerialNumber = []byte{1, 2, 3}, 0, big.NewInt(2)
	})
	for _, issuer := range []*holder{again, root()} {
		e := mustNew(t, twin().crl(1, 10, nil), root().crl(0, 10, revoked(-3, 0)))
		expect{state: Revoked, since: -3}.check(t, e.Status(signer().Certificate, issuer.Certificate, day(5)))
	}
}

// Extensions that are not critical and not known change nothing.
func TestHarmlessExtensions(t *testing.T) {
	harmless := extension("1.2.3.4", false, 1)
	list := root().crl(0, 10, revoked(-3, 4, harmless), harmless)
	expect{state: Revoked, since: -3, reason: "superseded"}.check(t, mustNew(t, list).Status(signer().Certificate, root().Certificate, day(5)))
}

// What is broken somewhere is refused when it is read.
func TestBrokenCRLs(t *testing.T) {
	broken := func(id string) pkix.Extension { return extension(id, false, []byte{1}) }
	for name, blob := range map[string][]byte{
		"issuing distribution point":     root().crl(0, 10, nil, broken(oidIssuingDistributionPoint)),
		"expiredCertsOnCRL":              root().crl(0, 10, nil, broken(oidExpiredCertsOnCRL)),
		"invalidity date cannot be read": root().crl(0, 10, revoked(-3, 0, broken(oidInvalidityDate))),
		"reason cannot be read":          withEntries(append([]byte{0x30, 30, 2, 1, 7}, "\x17\x0d260301090000Z\x30\x0a\x30\x08\x06\x03\x55\x1d\x15\x04\x01\x01"...)),
		"revocation date of serial":      withEntries([]byte{0x30, 5, 2, 1, 7, 0x17, 0}),
		"an entry cannot be read":        withEntries([]byte{0x30, 3, 4, 1, 7}),
		"the entry of serial number 07":  withEntries(append([]byte{0x30, 20, 2, 1, 7}, "\x17\x0d260301090000Z\x05\x00"...)),
		"an extension of serial number":  withEntries(append([]byte{0x30, 22, 2, 1, 7}, "\x17\x0d260301090000Z\x30\x02\x05\x00"...)),
		"more than 1048576 entries":      withEntries(bytes.Repeat(append([]byte{0x30, 18, 2, 1, 7}, "\x17\x0d260301090000Z"...), maxEntries+1)),
	} {
		refused(t, name, blob)
	}
}

// withEntries is a list with these octets for entries; its signature is that of another.
func withEntries(entries []byte) []byte {
	var b cryptobyte.Builder
	var outer, tbs, head cryptobyte.String
	in := cryptobyte.String(root().crl(0, 10, nil))
	_ = in.ReadASN1(&outer, cbasn1.SEQUENCE) && outer.ReadASN1(&tbs, cbasn1.SEQUENCE)
	rest := tbs
	for range 5 { // version, algorithm, issuer, thisUpdate, nextUpdate
		var skipped cryptobyte.String
		var tag cbasn1.Tag
		_ = rest.ReadAnyASN1Element(&skipped, &tag)
		head = append(head, skipped...)
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(head)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(entries) })
			b.AddBytes(rest)
		})
		b.AddBytes(outer)
	})
	return b.BytesOrPanic()
}

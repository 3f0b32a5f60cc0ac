package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"golang.org/x/crypto/ocsp"
)

// delegate is a responder that root appointed, unless changed.
func delegate(change func(*x509.Certificate)) *holder {
	return root().issue(70, func(c *x509.Certificate) {
		c.Subject.CommonName, c.ExtKeyUsage = "Responder", []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
		if change != nil {
			change(c)
		}
	})
}

// by is the answer of a responder with its certificate inside.
func by(h *holder) []byte {
	return h.answer(0, 10, func(r *ocsp.Response) { r.Certificate = h.Certificate })
}

// attacks.md 11
func TestStatusByOCSP(t *testing.T) {
	with := func(change func(*ocsp.Response)) []byte { return root().answer(0, 10, change) }
	gone := func(since float64, reason int, more ...pkix.Extension) []byte {
		return with(func(r *ocsp.Response) {
			r.Status, r.RevokedAt, r.RevocationReason, r.ExtraExtensions = ocsp.Revoked, day(since), reason, more
		})
	}
	cutoff := func(from float64) []byte {
		return root().answer(110, 120, func(r *ocsp.Response) {
			r.ExtraExtensions = []pkix.Extension{extension(oidArchiveCutoff, false, day(from))}
		})
	}
	forged := with(nil)
	forged[len(forged)-5] ^= 1
	// CreateResponse says "produced now", by the machine's clock.
	early := delegate(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = day(20000), day(30000) })
	late := delegate(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = day(-300), day(-200) })
	for name, c := range map[string]struct {
		blob []byte
		at   float64
		want expect
	}{
		"good":                      {with(nil), 5, expect{state: Good}},
		"good, past nextUpdate":     {with(nil), 11, expect{state: Unknown, why: "counts until"}},
		"good, said later":          {with(nil), -5, expect{state: Good}},
		"without nextUpdate":        {root().answer(0, -1e6, nil), 0.04, expect{state: Good}},
		"without nextUpdate, later": {root().answer(0, -1e6, nil), 0.05, expect{state: Unknown, why: "counts until"}},
		"revoked":                   {gone(-3, 1), 5, expect{state: Revoked, since: -3, reason: KeyCompromise}},
		"revoked later":             {gone(7, 1), 5, expect{state: Good, later: KeyCompromise}},
		"invalid since before":      {gone(-3, 1, extension(oidInvalidityDate, false, day(-9))), 5, expect{state: Revoked, since: -9, reason: KeyCompromise}},
		"not known":                 {with(func(r *ocsp.Response) { r.Status = ocsp.Unknown }), 5, expect{state: Unknown, why: "does not know the certificate"}},
		"another certificate":       {with(func(r *ocsp.Response) { r.SerialNumber = big.NewInt(8) }), 5, expect{state: Unknown, why: "there is no"}},
		"with SHA-256 of names":     {with(func(r *ocsp.Response) { r.IssuerHash = 5 }), 5, expect{state: Good}},
		"forged":                    {forged, 5, expect{state: Unknown, why: "signature does not count"}},
		"SHA-1":                     {with(func(r *ocsp.Response) { r.SignatureAlgorithm = x509.ECDSAWithSHA1 }), 5, expect{state: Unknown, why: "too weak"}},
		"expired":                   {root().answer(110, 120, nil), 5, expect{state: Unknown, why: "after the certificate had expired"}},
		"expired, in the archive":   {cutoff(50), 5, expect{state: Good, asOf: 110}},
		"expired before that":       {cutoff(105), 5, expect{state: Unknown, why: "after the certificate had expired"}},
		"its own certificate":       {by(root()), 5, expect{state: Good}},
		"appointed":                 {by(delegate(long)), 5, expect{state: Good}},
		"appointed, not in time":    {by(early), 5, expect{state: Unknown, why: "was not valid at"}},
		"appointed, once":           {by(late), 5, expect{state: Unknown, why: "was not valid at"}},
		"appointed for other work":  {by(delegate(func(c *x509.Certificate) { long(c); c.ExtKeyUsage = nil })), 5, expect{state: Unknown, why: "may not sign OCSP responses"}},
		"appointed by another":      {by(other()), 5, expect{state: Unknown, why: "was not appointed by the issuer"}},
		"appointed by a twin":       {by(twin()), 5, expect{state: Unknown, why: "was not appointed by the issuer"}},
		"nobody appointed it":       {other().answer(0, 10, nil), 5, expect{state: Unknown, why: "signature does not count"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.check(t, mustNew(t, c.blob).Status(signer().Certificate, root().Certificate, day(c.at)))
		})
	}
}

// long makes a responder valid on the machine's clock too, by which x/crypto/ocsp dates responses.
func long(c *x509.Certificate) { c.NotBefore, c.NotAfter = day(-3650), day(36500) }

// One serial number of two issuers: an answer about one says nothing of the other.
func TestOCSPOfAnotherIssuer(t *testing.T) {
	about := func(issuer *holder) []byte {
		template := ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(7), ThisUpdate: day(0), NextUpdate: day(10)}
		return must(ocsp.CreateResponse(issuer.Certificate, issuer.Certificate, template, issuer.key))
	}
	namesake := newRoot("Other", root().key, nil) // of the same key
	for _, issuer := range []*holder{other(), twin(), namesake} {
		got := mustNew(t, about(issuer)).Status(signer().Certificate, root().Certificate, day(5))
		expect{state: Unknown, why: "it is not about a certificate of CN=Root"}.check(t, got)
	}
}

// What is broken or critical and not understood is refused when it is read.
func TestBrokenAnswers(t *testing.T) {
	broken := func(id string, critical bool, status int) []byte {
		return root().answer(0, 10, func(r *ocsp.Response) {
			r.Status, r.RevokedAt = status, day(-3)
			r.ExtraExtensions = []pkix.Extension{extension(id, critical, []byte{1})}
		})
	}
	refused(t, "archive cut-off cannot be read", broken(oidArchiveCutoff, false, ocsp.Good))
	refused(t, "invalidity date cannot be read", broken(oidInvalidityDate, false, ocsp.Revoked))
	refused(t, "unsupported critical extension", broken("1.2.3.4", true, ocsp.Good))
	refused(t, "bad OCSP response type", bytes.Replace(root().answer(0, 10, nil), []byte{7, 48, 1, 1}, []byte{7, 48, 1, 9}, 1))
}

// A critical extension of the whole response, which x/crypto/ocsp does not look at.
func TestAnswerNotUnderstood(t *testing.T) {
	for critical, why := range map[bool]string{true: "critical extension 1.2.3.4 is not understood", false: "signature does not count"} {
		blob := extended(t, root().answer(0, 10, nil), extension("1.2.3.4", critical, 1))
		expect{state: Unknown, why: why}.check(t, mustNew(t, blob).Status(signer().Certificate, root().Certificate, day(5)))
	}
}

// extended puts an extension into a response, whose signature fails then.
func extended(t *testing.T, der []byte, x pkix.Extension) []byte {
	t.Helper()
	var response struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type  asn1.ObjectIdentifier
			Basic []byte
		} `asn1:"explicit,tag:0"`
	}
	var basic struct {
		Data      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	for _, step := range []struct {
		in   *[]byte
		into any
	}{{&der, &response}, {&response.Bytes.Basic, &basic}} {
		if _, err := asn1.Unmarshal(*step.in, step.into); err != nil {
			t.Fatal(err)
		}
	}
	more := must(asn1.MarshalWithParams([]pkix.Extension{x}, "explicit,tag:1"))
	basic.Data = asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(basic.Data.Bytes, more...)}
	response.Bytes.Basic = must(asn1.Marshal(basic))
	return must(asn1.Marshal(response))
}

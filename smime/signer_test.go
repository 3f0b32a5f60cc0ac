package smime

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
)

// norms.md 111, 112: what we emit, others verify.
func TestOthersVerifyOurs(t *testing.T) {
	for name, signer := range testSigners {
		t.Run(name, func(t *testing.T) {
			s := signer()
			w := newWorkshop(t, nil)
			message := signedMessage(s, testChild)
			if out, err := w.opensslVerifies([]byte(message), "-inform", "SMIME"); err != nil {
				t.Error(err)
			} else if string(out) != testChild {
				t.Errorf("openssl sees the content %q", out)
			}
			attached := must(s.SignAttached([]byte("dn: o=postacert\n"), signingInstant))
			if out, err := w.opensslVerifies(attached, "-inform", "DER", "-binary"); err != nil {
				t.Error(err)
			} else if string(out) != "dn: o=postacert\n" {
				t.Errorf("openssl sees the content %q", out)
			}
			smallstepVerifies(t, must(s.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant)), testChild)
			smallstepVerifies(t, attached, "dn: o=postacert\n")
		})
	}
}

func smallstepVerifies(t *testing.T, der []byte, content string) {
	t.Helper()
	p7, err := pkcs7.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	p7.Content = []byte(content)
	if err := p7.Verify(); err != nil {
		t.Error("smallstep:", err)
	}
}

// OpenSSL checks the signing-certificate-v2 attribute with -cades.
func TestSigningCertificateAttribute(t *testing.T) {
	w := newWorkshop(t, nil)
	if _, err := w.opensslVerifies([]byte(signedMessage(p256(), testChild)), "-inform", "SMIME", "-cades"); err != nil {
		t.Error(err)
	}
}

// norms.md 112
func TestWeVerifyOurs(t *testing.T) {
	a := testAuthority()
	for name, signer := range testSigners {
		t.Run(name, func(t *testing.T) {
			s := signer()
			signature, err := verifyMessage(signedMessage(s, testChild))
			if err != nil {
				t.Fatal(err)
			}
			if !signature.Certificate.Equal(s.Certificate()) || !signature.SigningTime.Equal(signingInstant) || signature.Weak {
				t.Errorf("signature %+v", signature)
			}
			if n := len(signature.Certificates); n != 2 || !signature.Certificates[1].Equal(a.intermediate) {
				t.Errorf("%d certificates are enclosed: the root belongs out, the intermediate in", n)
			}
		})
	}
}

func TestAttachedRoundTrip(t *testing.T) {
	for _, content := range []string{"", "x", strings.Repeat("dn: o=postacert\n", 5000)} {
		sd, err := Parse(must(p256().SignAttached([]byte(content), signingInstant)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sd.VerifyAttached(); err != nil {
			t.Error(err)
		}
		if got := sd.Content(); got == nil || string(got) != content {
			t.Errorf("content of %d octets instead of %d", len(got), len(content))
		}
	}
}

// RFC 5652 11.3: UTCTime ends with 2049.
func TestSigningTime(t *testing.T) {
	rome := time.FixedZone("", 2*60*60)
	for _, test := range []struct {
		at  time.Time
		tag byte
	}{
		{time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), asn1.TagUTCTime},
		{time.Date(2026, 3, 29, 3, 0, 0, 999, rome), asn1.TagUTCTime},
		{time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), asn1.TagUTCTime},
		{time.Date(2050, 1, 1, 1, 0, 0, 0, rome), asn1.TagUTCTime}, // still 2049 in UTC
		{time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), asn1.TagGeneralizedTime},
	} {
		digest := sha256.Sum256(nil)
		sd := must(Parse(must(p256().SignDetached(digest, test.at))))
		signature, err := sd.Verify(digest[:])
		if err != nil {
			t.Fatal(err)
		}
		if !signature.SigningTime.Equal(test.at.Truncate(time.Second)) {
			t.Errorf("%v became %v", test.at, signature.SigningTime)
		}
		if got := must(readAttributes(sd.signers[0].signedAttributes))[oidSigningTime][0]; got != test.tag {
			t.Errorf("%v has tag %d", test.at, got)
		}
	}
	if _, err := p256().SignDetached([32]byte{}, time.Date(1949, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Error("signed at an instant that cannot be encoded")
	}
}

// RFC 5652 5.3: signed attributes are DER, so the SET is in order.
func TestAttributesAreInOrder(t *testing.T) {
	for _, at := range []time.Time{signingInstant, signingInstant.AddDate(30, 0, 0)} {
		attributes := must(p256().attributes(make([]byte, 32), at))
		if len(attributes) != 4 {
			t.Fatalf("%d attributes", len(attributes))
		}
		for i := range attributes[1:] {
			if bytes.Compare(attributes[i], attributes[i+1]) >= 0 {
				t.Errorf("attribute %d is not before the next", i)
			}
		}
	}
}

// norms.md 113
func TestNewSignerRefuses(t *testing.T) {
	a := testAuthority()
	key, other := newP256(), newP256()
	short := must(rsa.GenerateKey(rand.Reader, 1024))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	leaf := a.leaf(key.Public(), nil)
	for _, test := range []struct {
		name string
		make func() (*Signer, error)
		want string
	}{
		{"no certificate", func() (*Signer, error) { return NewSigner(key, nil) }, "no certificate"},
		{"another's certificate", func() (*Signer, error) { return NewSigner(other, []*x509.Certificate{leaf}) }, "not that of"},
		{"chain out of order", func() (*Signer, error) {
			return NewSigner(key, []*x509.Certificate{leaf, a.root, a.intermediate})
		}, "not issued by"},
		{"RSA-1024", func() (*Signer, error) {
			return NewSigner(short, []*x509.Certificate{a.leaf(short.Public(), nil)})
		}, "1024 bits"},
		{"P-521", func() (*Signer, error) {
			return NewSigner(p521, []*x509.Certificate{a.leaf(p521.Public(), nil)})
		}, "P-521"},
	} {
		if _, err := test.make(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
}

func TestSelfSignedLeafIsEnclosed(t *testing.T) {
	key := newP256()
	template := certificateTemplate("Alone")
	leaf := issue(template, template, key.Public(), key)
	s := must(NewSigner(key, []*x509.Certificate{leaf}))
	digest := sha256.Sum256(nil)
	if _, err := must(Parse(must(s.SignDetached(digest, signingInstant)))).Verify(digest[:]); err != nil {
		t.Error(err)
	}
}

func TestSignerIsConcurrent(t *testing.T) {
	s := p256()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			digest := sha256.Sum256([]byte{byte(i)})
			der, err := s.SignDetached(digest, signingInstant)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := must(Parse(der)).Verify(digest[:]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// norms.md 114
// norms.md 53
func TestEmail(t *testing.T) {
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"posta-certificata@pec.alfa.test"}, "posta-certificata@pec.alfa.test"},
		{[]string{"a@pec.alfa.test", "b@pec.alfa.test"}, ""},
	} {
		leaf := testAuthority().leaf(newP256().Public(), func(c *x509.Certificate) { c.EmailAddresses = test.names })
		if got := Email(leaf); got != test.want {
			t.Errorf("Email of %q is %q", test.names, got)
		}
	}
}

// The constants are octets; here they are compared with their dotted names.
func TestObjectIdentifiers(t *testing.T) {
	for id, dotted := range map[oid]asn1.ObjectIdentifier{
		oidData:                 {1, 2, 840, 113549, 1, 7, 1},
		oidSignedData:           {1, 2, 840, 113549, 1, 7, 2},
		oidContentType:          {1, 2, 840, 113549, 1, 9, 3},
		oidMessageDigest:        {1, 2, 840, 113549, 1, 9, 4},
		oidSigningTime:          {1, 2, 840, 113549, 1, 9, 5},
		oidAlgorithmProtection:  {1, 2, 840, 113549, 1, 9, 52},
		oidSigningCertificate:   {1, 2, 840, 113549, 1, 9, 16, 2, 12},
		oidSigningCertificateV2: {1, 2, 840, 113549, 1, 9, 16, 2, 47},
		oidSHA1:                 {1, 3, 14, 3, 2, 26},
		oidSHA256:               {2, 16, 840, 1, 101, 3, 4, 2, 1},
		oidSHA384:               {2, 16, 840, 1, 101, 3, 4, 2, 2},
		oidSHA512:               {2, 16, 840, 1, 101, 3, 4, 2, 3},
		oidRSA:                  {1, 2, 840, 113549, 1, 1, 1},
		oidMGF1:                 {1, 2, 840, 113549, 1, 1, 8},
		oidRSAPSS:               {1, 2, 840, 113549, 1, 1, 10},
		oidSHA1WithRSA:          {1, 2, 840, 113549, 1, 1, 5},
		oidSHA256WithRSA:        {1, 2, 840, 113549, 1, 1, 11},
		oidSHA384WithRSA:        {1, 2, 840, 113549, 1, 1, 12},
		oidSHA512WithRSA:        {1, 2, 840, 113549, 1, 1, 13},
		oidECDSAWithSHA1:        {1, 2, 840, 10045, 4, 1},
		oidECDSAWithSHA256:      {1, 2, 840, 10045, 4, 3, 2},
		oidECDSAWithSHA384:      {1, 2, 840, 10045, 4, 3, 3},
		oidECDSAWithSHA512:      {1, 2, 840, 10045, 4, 3, 4},
	} {
		if der := must(asn1.Marshal(dotted)); string(der[2:]) != string(id) {
			t.Errorf("%v is %x, not %x", dotted, der[2:], id)
		}
	}
}

func TestMalformedObjectIdentifiers(t *testing.T) {
	for octets, want := range map[string]bool{"": false, "\x2a\x03": true, "\x2a\x81\x00": true, "\x2a\x80\x01": false, "\x2a\x81": false, "\x80\x01": false} {
		if isOID([]byte(octets)) != want {
			t.Errorf("%x: want %v", octets, want)
		}
	}
}

func TestErrorsAreDistinct(t *testing.T) {
	all := []error{ErrNotSigned, ErrMalformed, ErrSigners, ErrNoCertificate, ErrAlgorithm, ErrAttributes, ErrDigest, ErrSignature,
		ErrNoPath, ErrExpired, ErrNotYetValid, ErrConstraint}
	for i, a := range all {
		for j, b := range all {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("%v and %v", a, b)
			}
		}
	}
}

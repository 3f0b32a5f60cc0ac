package smime

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"maps"
	random "math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// What is read is read the same way again, and what verifies does so too after
// it was encoded anew in BER. Nothing panics.
func FuzzParse(f *testing.F) {
	s := p256()
	der := must(s.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant))
	f.Add(der, uint64(0))
	f.Add(must(s.SignAttached([]byte(testChild), signingInstant)), uint64(1))
	f.Add(toBER(der, func(int) int { return 0 }), uint64(2))
	f.Add(forge(rsa2048(), oidRSAPSS, pssSHA256, func([]byte) []byte { return make([]byte, 256) }), uint64(3))
	f.Add(must(s.signedData(nil, infoOver(s, testChild), infoOver(s, testChild))), uint64(4))
	f.Add([]byte("\x24\x80\x04\x01a\x24\x03\x04\x01b\x00\x00"), uint64(5))
	f.Fuzz(func(t *testing.T, blob []byte, seed uint64) {
		der, err := toDER(blob)
		if err != nil {
			return
		}
		if again, err := toDER(der); err != nil || !bytes.Equal(again, der) {
			t.Fatalf("%x is no DER: %v", der, err)
		}
		signatures, err := verifyAny(bytes.Clone(blob))
		again, errAgain := verifyAny(toBER(der, random.New(random.NewPCG(seed, 1)).IntN))
		if !reflect.DeepEqual(again, signatures) || (err == nil) != (errAgain == nil) {
			t.Errorf("%v, but in BER: %v", err, errAgain)
		}
		for _, s := range signatures {
			_, _ = testAuthority().path(s)
			Email(s.Certificate)
		}
	})
}

// verifyAny verifies over testChild, or over what is enclosed.
func verifyAny(blob []byte) ([]*Signature, error) {
	sd, err := Parse(blob)
	if err != nil {
		return nil, err
	}
	signatures, err := sd.VerifyAll(digestsOf(testChild))
	if err == nil {
		return signatures, nil
	}
	s, err := sd.VerifyAttached()
	if err != nil {
		return nil, err
	}
	return []*Signature{s}, nil
}

// The result does not depend on the writes, and says of the message what is so.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte(signedMessage(p256(), testChild)), uint8(7))
	f.Add([]byte(multipartMessage("", nil, "sha1")), uint8(1))
	f.Add([]byte("Content-Type: multipart/signed; boundary=x; protocol=application/pkcs7-signature\r\n\r\n--x\r\n--x\r\n"), uint8(3))
	f.Add([]byte("Content-Type: text/plain\r\n\r\ntext"), uint8(2))
	f.Fuzz(func(t *testing.T, message []byte, size uint8) {
		whole, err := split(string(message))
		cut, errCut := splitInPieces(string(message), func(left int) int { return min(left, 1+int(size)) })
		if !reflect.DeepEqual(whole, cut) || !reflect.DeepEqual(err, errCut) {
			t.Errorf("%v in one write, %v in writes of %d octets", err, errCut, 1+int(size))
		}
		if err != nil {
			return
		}
		want := sha256.Sum256(message[whole.Start:whole.End])
		if got, _ := whole.Digest(crypto.SHA256); !bytes.Equal(got, want[:]) {
			t.Errorf("digest of %d to %d is %x, not %x", whole.Start, whole.End, got, want)
		}
		_, _ = whole.Verify()
	})
}

// Parameters that were read and are written in the plainest way are read as the
// same.
func FuzzParameters(f *testing.F) {
	for _, params := range []string{
		` protocol="application/pkcs7-signature"; micalg=sha-256; boundary="B=_1.2"`, `;;x; a=b (c); d="e\"f\\"`, `a=b; A=c`, `a="`, ` a = b c`,
	} {
		f.Add(params)
	}
	plain := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, s string) {
		found, err := parameters(s)
		if err != nil {
			wantError(t, s, err, ErrMalformed)
			return
		}
		var written strings.Builder
		for name, value := range found {
			written.WriteString("; " + name + `="` + plain.Replace(value) + `"`)
		}
		if again, err := parameters(written.String()); err != nil || !maps.Equal(again, found) {
			t.Errorf("%q: %q became %q, %v", s, found, again, err)
		}
	})
}

// relatives are certificates of one name and the other, of every fault.
var relatives = sync.OnceValue(func() (all []*x509.Certificate) {
	f := newTrial(eras()[2]).issue()
	barred := f.again(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	expired := f.again(func(c *x509.Certificate) { c.NotAfter = f.at.AddDate(0, -1, 0) })
	weak := f.again(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })
	anonymous := f.again(func(c *x509.Certificate) { c.SubjectKeyId = []byte("x") })
	cross := issue(f.trial.root, f.authority, f.rootKey.Public(), f.authorityKey)
	stranger := issue(f.trial.root, f.trial.root, f.leafKey.Public(), f.leafKey)
	deepLeaf, authorities := deep(f, 4)
	return append([]*x509.Certificate{f.leaf, f.authority, f.root, barred, expired, weak, anonymous, cross, stranger,
		damaged(f.authority), asVersion1(f.root, f.rootKey), deepLeaf}, authorities...)
})

// A path is one, and what else is enclosed does not take it away.
func FuzzPath(f *testing.F) {
	f.Add([]byte{0, 1}, []byte{2}, int16(0), false, relatives()[0].Raw)
	f.Add([]byte{0, 4, 7, 1}, []byte{8, 2}, int16(-40), true, relatives()[11].Raw)
	f.Add([]byte{11, 12, 13, 14, 15}, []byte{1, 2}, int16(7), false, []byte{})
	f.Fuzz(func(t *testing.T, enclosed, trusted []byte, days int16, sha1 bool, raw []byte) {
		choose := func(indices []byte) (chosen []*x509.Certificate) {
			for _, i := range indices[:min(len(indices), 5)] {
				chosen = append(chosen, relatives()[int(i)%len(relatives())])
			}
			return chosen
		}
		bag, anchors := choose(enclosed), NewAnchors(choose(trusted)...)
		policy := PathPolicy{At: eras()[2].at.AddDate(0, 0, int(days))}
		if sha1 {
			policy.SHA1Issued = signingInstant
		}
		if c, err := parseCertificate(raw); err == nil {
			bag = append(bag, c)
		}
		if len(bag) == 0 {
			return
		}
		s := &Signature{Certificate: bag[0], Certificates: bag}
		path, err := s.Path(anchors, policy)
		if err != nil {
			checkReason(t, err)
		} else {
			checkLinks(t, s, anchors, policy, path)
		}
		fewer := &Signature{Certificate: bag[0], Certificates: bag[:len(bag)-1]}
		if _, errFewer := fewer.Path(anchors, policy); errFewer == nil && err != nil {
			t.Errorf("one certificate more, and %v", err)
		}
	})
}

func checkReason(t *testing.T, err error) {
	for _, reason := range []error{ErrNoPath, ErrExpired, ErrNotYetValid, ErrConstraint, ErrAlgorithm} {
		if errors.Is(err, reason) {
			return
		}
	}
	t.Errorf("no reason that callers know: %v", err)
}

// checkLinks judges a path with the means of crypto/x509, where it judges.
func checkLinks(t *testing.T, s *Signature, a *Anchors, p PathPolicy, path []*x509.Certificate) {
	last := len(path) - 1
	trusted := false
	for _, anchor := range a.Certificates() {
		trusted = trusted || anchor == path[last]
	}
	if last < 1 || last >= maxPath || !trusted || path[0] != s.Certificate {
		t.Fatalf("a path of %d, trusted: %v", len(path), trusted)
	}
	for i, c := range path[:last] {
		issuer := path[i+1]
		err := issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
		if insecure := x509.InsecureAlgorithmError(0); err != nil && !(errors.As(err, &insecure) && !p.SHA1Issued.IsZero()) {
			t.Errorf("link %d: %v", i, err)
		}
		if !bytes.Equal(c.RawIssuer, issuer.RawSubject) || p.At.Before(c.NotBefore) || p.At.After(c.NotAfter) {
			t.Errorf("link %d is none", i)
		}
	}
}

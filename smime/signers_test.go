package smime

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// infoOver returns a SignerInfo of the signer over a content.
func infoOver(s *Signer, content string) []byte {
	return must(s.signerInfo(must(s.attributes(digestOf(content), signingInstant))))
}

// withBag returns a copy of a signer that encloses other certificates.
func withBag(s *Signer, bag ...[]byte) *Signer {
	changed := *s
	changed.bag = bytes.Join(bag, nil)
	return &changed
}

// colleague is a second signer, whose certificate has another serial number.
func colleague() *Signer {
	a, key := testAuthority(), newP256()
	leaf := a.leaf(key.Public(), func(c *x509.Certificate) { c.SerialNumber = big.NewInt(4712) })
	return must(NewSigner(key, []*x509.Certificate{leaf, a.intermediate}))
}

func digestsOf(content string) func(crypto.Hash) ([]byte, error) {
	return func(h crypto.Hash) ([]byte, error) {
		d := h.New()
		d.Write([]byte(content))
		return d.Sum(nil), nil
	}
}

// attacks.md 12: two signers of whom one is valid, no signer, a crowd.
func TestAttackSigners(t *testing.T) {
	s, other := p256(), colleague()
	both := withBag(s, s.bag, other.certificate.Raw)
	good, bad, second := infoOver(s, testChild), infoOver(s, "other"), infoOver(other, testChild)
	stranger := infoOver(newSigner(newP256()), testChild) // named as the first, another key
	for _, test := range []struct {
		name  string
		infos [][]byte
		parse error
		one   error // of Verify
		all   error // of VerifyAll
	}{
		{"one", [][]byte{good}, nil, nil, nil},
		{"two", [][]byte{good, second}, nil, ErrSigners, nil},
		{"the same twice", [][]byte{good, good}, nil, ErrSigners, nil},
		{"sixteen", slices.Repeat([][]byte{good}, maxSigners), nil, ErrSigners, nil},
		{"good and bad", [][]byte{good, bad}, nil, ErrSigners, ErrDigest},
		{"bad and good", [][]byte{bad, good}, nil, ErrSigners, ErrDigest},
		{"good and unknown", [][]byte{good, stranger}, nil, ErrSigners, ErrAttributes},
		{"none", nil, ErrSigners, nil, nil},
		{"seventeen", slices.Repeat([][]byte{good}, maxSigners+1), ErrSigners, nil, nil},
		{"not a SignerInfo after a good one", [][]byte{good, {0x04, 0}}, ErrMalformed, nil, nil},
	} {
		sd, err := Parse(must(both.signedData(nil, test.infos...)))
		wantError(t, test.name, err, test.parse)
		if err != nil {
			continue
		}
		_, err = sd.Verify(digestOf(testChild))
		wantError(t, test.name+", one asked for", err, test.one)
		signatures, err := sd.VerifyAll(digestsOf(testChild))
		wantError(t, test.name+", all asked for", err, test.all)
		if want := len(test.infos); test.all == nil && len(signatures) != want || test.all != nil && signatures != nil {
			t.Errorf("%s: %d signatures of %d, with %v", test.name, len(signatures), want, err)
		}
	}
}

// The signatures come in the order of the message, each with its certificate.
func TestVerifyAllInOrder(t *testing.T) {
	s, other := p256(), colleague()
	der := must(withBag(s, s.bag, other.certificate.Raw).signedData(nil, infoOver(other, testChild), infoOver(s, testChild)))
	signatures, err := must(Parse(der)).VerifyAll(digestsOf(testChild))
	if err != nil {
		t.Fatal(err)
	}
	if !signatures[0].Certificate.Equal(other.certificate) || !signatures[1].Certificate.Equal(s.certificate) {
		t.Error("the signatures are out of order")
	}
	broken := errors.New("cannot be read")
	if _, err := must(Parse(der)).VerifyAll(func(crypto.Hash) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Each digest is asked for once; what openssl makes with two signers of two
// digests is read.
func TestVerifyAllOfOpenSSL(t *testing.T) {
	s := rsa2048()
	w := newWorkshop(t, s)
	w.write("child", []byte(testChild))
	sign := func(md string) *tree {
		return growTree(must(w.openssl("cms", "-sign", "-binary", "-in", "child", "-signer", "leaf.pem", "-inkey", "key.pem",
			"-certfile", "intermediate.pem", "-md", md, "-outform", "DER")))
	}
	both, other := sign("sha1"), sign("sha512")
	both.digests().children = append(both.digests().children, other.digests().children...)
	both.signerInfos().children = append(both.signerInfos().children, other.signerInfos().children...)
	w.write("both", both.der())
	if _, err := w.openssl(strings.Fields("cms -verify -binary -inform DER -in both -content child -CAfile root.pem")...); err != nil {
		t.Fatal(err)
	}
	sd := must(Parse(both.der()))
	hashes := sd.Hashes()
	if len(hashes) != 2 || !slices.Contains(hashes, crypto.SHA1) || !slices.Contains(hashes, crypto.SHA512) || sd.Hash() != hashes[0] {
		t.Fatalf("hashes %v", hashes)
	}
	asked := map[crypto.Hash]int{}
	signatures, err := sd.VerifyAll(func(h crypto.Hash) ([]byte, error) {
		asked[h]++
		return digestsOf(testChild)(h)
	})
	if err != nil || len(signatures) != 2 || asked[crypto.SHA1] != 1 || asked[crypto.SHA512] != 1 {
		t.Errorf("%d signatures, digests %v, %v", len(signatures), asked, err)
	}
	wrong := sha1.Sum([]byte("other"))
	_, err = sd.VerifyAll(func(h crypto.Hash) ([]byte, error) {
		if h == crypto.SHA1 {
			return wrong[:], nil
		}
		return digestsOf(testChild)(h)
	})
	wantError(t, "one digest is wrong", err, ErrDigest)
}

// attacks.md 12: a signature of several with a content of its own.
func TestAttackSignersAttached(t *testing.T) {
	s := p256()
	info := infoOver(s, testChild)
	sd := must(Parse(must(s.signedData([]byte(testChild), info, info))))
	_, err := sd.VerifyAll(digestsOf(testChild))
	wantError(t, "all", err, ErrMalformed)
	_, err = sd.VerifyAttached()
	wantError(t, "attached", err, ErrSigners)
	// Nobody is asked to read the message again for a signature that is refused.
	message := multipartMessage(testChild, must(s.signedData(nil, info, info)), "sha-256")
	_, err = must(split(message)).Verify()
	wantError(t, "multipart", err, ErrSigners)
}

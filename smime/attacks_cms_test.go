package smime

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// verifyDER verifies a detached signature over testChild.
func verifyDER(der []byte) (*Signature, error) {
	sd, err := Parse(der)
	if err != nil {
		return nil, err
	}
	h := sd.Hash().New()
	h.Write([]byte(testChild))
	return sd.Verify(h.Sum(nil))
}

func wantError(t *testing.T, name string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", name, err, want)
	}
}

// withAttributes signs testChild with attributes that were tampered with
// before: the signature itself is good.
func withAttributes(s *Signer, change func([][]byte) [][]byte) []byte {
	attributes := must(s.attributes(digestOf(testChild), signingInstant))
	return must(s.signedData(nil, must(s.signerInfo(change(attributes)))))
}

func testAttribute(id oid, values ...[]byte) []byte {
	return must(attribute(id, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(values, nil)) }))
}

func without(attributes [][]byte, id oid) [][]byte {
	var kept [][]byte
	for _, a := range attributes {
		if !bytes.Contains(a[:20], []byte(id)) {
			kept = append(kept, a)
		}
	}
	return kept
}

// attacks.md 12: attributes that are missing, repeated or contradictory.
func TestAttackAttributes(t *testing.T) {
	s := p256()
	other := newSigner(newP256())
	replace := func(id oid, values ...[]byte) func([][]byte) [][]byte {
		return func(a [][]byte) [][]byte { return append(without(a, id), testAttribute(id, values...)) }
	}
	add := func(id oid, values ...[]byte) func([][]byte) [][]byte {
		return func(a [][]byte) [][]byte { return append(a, testAttribute(id, values...)) }
	}
	drop := func(id oid) func([][]byte) [][]byte {
		return func(a [][]byte) [][]byte { return without(a, id) }
	}
	digest := plainElement(octetString, digestOf(testChild))
	wrong := plainElement(octetString, digestOf("another content"))
	data, signedData := plainElement(6, []byte(oidData)), plainElement(6, []byte(oidSignedData))
	utc := plainElement(0x17, []byte("260901103000Z"))
	unknown := oid("\x2a\x03\x04")
	for _, test := range []struct {
		name   string
		change func([][]byte) [][]byte
		want   error
	}{
		{"unchanged", func(a [][]byte) [][]byte { return a }, nil},
		{"unknown attribute", add(unknown, digest, wrong), nil},
		{"no signing-time", drop(oidSigningTime), nil},
		{"no signing-certificate", drop(oidSigningCertificateV2), nil},
		{"wrong messageDigest", replace(oidMessageDigest, wrong), ErrDigest},
		{"no messageDigest", drop(oidMessageDigest), ErrAttributes},
		{"messageDigest without value", replace(oidMessageDigest), ErrAttributes},
		{"messageDigest with two values", replace(oidMessageDigest, digest, wrong), ErrAttributes},
		{"duplicated messageDigest", add(oidMessageDigest, wrong), ErrAttributes},
		{"duplicated messageDigest, equal", add(oidMessageDigest, digest), ErrAttributes},
		{"duplicated unknown attribute", func(a [][]byte) [][]byte {
			return append(a, testAttribute(unknown, digest), testAttribute(unknown, wrong))
		}, ErrAttributes},
		{"contentType mismatch", replace(oidContentType, signedData), ErrAttributes},
		{"no contentType", drop(oidContentType), ErrAttributes},
		{"contentType with two values", replace(oidContentType, data, signedData), ErrAttributes},
		{"duplicated contentType", add(oidContentType, data), ErrAttributes},
		{"signing-time twice", add(oidSigningTime, utc), ErrAttributes},
		{"signing-time with two values", replace(oidSigningTime, utc, utc), ErrAttributes},
		{"signing-time is no time", replace(oidSigningTime, digest), ErrAttributes},
		{"signing-certificate of another", func(a [][]byte) [][]byte {
			return append(without(a, oidSigningCertificateV2), other.signingCertificate)
		}, ErrAttributes},
		{"signing-certificate with another serial number", func(a [][]byte) [][]byte {
			value := bytes.Replace(s.signingCertificate, []byte("\x02\x02\x12\x67"), []byte("\x02\x02\x12\x68"), 1)
			return append(without(a, oidSigningCertificateV2), value)
		}, ErrAttributes},
		{"signing-certificate under an unknown hash", replace(oidSigningCertificateV2,
			[]byte("\x30\x0d\x30\x0b\x30\x09\x30\x04\x06\x02\x2a\x03\x04\x01x")), ErrAttributes},
		{"signing-certificate empty", replace(oidSigningCertificateV2, []byte{0x30, 0}), ErrAttributes},
		{"signing-certificate version 1 of another", add(oidSigningCertificate, certIDVersion1(other)), ErrAttributes},
		{"signing-certificate version 1", add(oidSigningCertificate, certIDVersion1(s)), nil},
		{"attribute is no sequence", func(a [][]byte) [][]byte { return append(a, digest) }, ErrMalformed},
	} {
		_, err := verifyDER(withAttributes(s, test.change))
		wantError(t, test.name, err, test.want)
	}
}

func certIDVersion1(s *Signer) []byte {
	hash := crypto.SHA1.New()
	hash.Write(s.certificate.Raw)
	certID := plainElement(0x30, plainElement(octetString, hash.Sum(nil)))
	return plainElement(0x30, plainElement(0x30, certID))
}

// RFC 6211: the algorithms in the attribute are those of the SignerInfo.
func TestAttackAlgorithmProtection(t *testing.T) {
	s := rsa2048()
	protection := func(digest, signature oid, tag asn1.Tag) []byte {
		var b cryptobyte.Builder
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addAlgorithm(b, digest, "")
			b.AddASN1(tag, func(b *cryptobyte.Builder) { addOID(b, signature) })
		})
		return b.BytesOrPanic()
	}
	for _, test := range []struct {
		name  string
		value []byte
		want  error
	}{
		{"equal, NULL or absent", protection(oidSHA256, oidRSA, tag1), nil},
		{"other digest", protection(oidSHA1, oidRSA, tag1), ErrAttributes},
		{"other signature algorithm", protection(oidSHA256, oidRSAPSS, tag1), ErrAttributes},
		{"a MAC algorithm", protection(oidSHA256, oidRSA, tag2), ErrAttributes},
		{"empty", []byte{0x30, 0}, ErrAttributes},
	} {
		_, err := verifyDER(withAttributes(s, func(a [][]byte) [][]byte {
			return append(a, testAttribute(oidAlgorithmProtection, test.value))
		}))
		wantError(t, test.name, err, test.want)
	}
}

// attacks.md 12: a signature in multipart/signed that has a content of its own.
func TestAttackAttachedContent(t *testing.T) {
	s := p256()
	for name, der := range map[string][]byte{
		"the same content": must(s.SignAttached([]byte(testChild), signingInstant)),
		"another content":  must(s.SignAttached([]byte("signed long ago"), signingInstant)),
		"no octets":        must(s.SignAttached(nil, signingInstant)),
	} {
		_, err := verifyMessage(multipartMessage(testChild, der, "sha-256"))
		wantError(t, name, err, ErrMalformed)
	}
	detached := must(Parse(must(s.SignDetached(sha256.Sum256(nil), signingInstant))))
	_, err := detached.VerifyAttached()
	wantError(t, "nothing attached", err, ErrMalformed)
}

// attacks.md 12: the signed attributes shown as the content of a signature
// without attributes.
func TestAttackAttributesAsContent(t *testing.T) {
	s := p256()
	sd := must(Parse(must(s.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant))))
	content := append([]byte{0x31}, sd.signers[0].signedAttributes[1:]...)
	info := signerInfoWith(s, func(b *cryptobyte.Builder) {}, sd.signers[0].signature, oidECDSAWithSHA256, "")
	_, err := Parse(must(s.signedData(content, info)))
	wantError(t, "attributes as content", err, ErrAttributes)
}

// signerInfoWith builds a SignerInfo out of forged parts.
func signerInfoWith(s *Signer, attributes cryptobyte.BuilderContinuation, signature []byte, id oid, params string) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(s.certificate.RawIssuer)
			b.AddASN1BigInt(s.certificate.SerialNumber)
		})
		addAlgorithm(b, oidSHA256, "")
		attributes(b)
		addAlgorithm(b, id, params)
		b.AddASN1OctetString(signature)
	})
	return b.BytesOrPanic()
}

// forge makes a signature over testChild out of what sign returns for the
// digest of the attributes.
func forge(s *Signer, id oid, params string, sign func(digest []byte) []byte) []byte {
	set := bytes.Join(must(s.attributes(digestOf(testChild), signingInstant)), nil)
	digest := sha256.Sum256(plainElement(0x31, set))
	attributes := func(b *cryptobyte.Builder) { b.AddASN1(tag0, func(b *cryptobyte.Builder) { b.AddBytes(set) }) }
	return must(s.signedData(nil, signerInfoWith(s, attributes, sign(digest[:]), id, params)))
}

const pssSHA256 = "\x30\x34" +
	"\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00" +
	"\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00" +
	"\xa2\x03\x02\x01\x20"

// attacks.md 12: PSS against v1.5, and parameters that weaken PSS.
func TestAttackAlgorithmConfusion(t *testing.T) {
	s := rsa2048()
	key := s.key.(*rsa.PrivateKey)
	v15 := func(digest []byte) []byte { return must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest)) }
	pss := func(salt int) func([]byte) []byte {
		return func(digest []byte) []byte {
			return must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: salt}))
		}
	}
	edit := func(old, new string) string { return strings.Replace(pssSHA256, old, new, 1) }
	for _, test := range []struct {
		name   string
		id     oid
		params string
		sign   func([]byte) []byte
		want   error
	}{
		{"v1.5", oidRSA, derNull, v15, nil},
		{"v1.5, no parameters", oidRSA, "", v15, nil},
		{"v1.5, name with hash", oidSHA256WithRSA, derNull, v15, nil},
		{"PSS", oidRSAPSS, pssSHA256, pss(32), nil},
		{"v1.5 called PSS", oidRSAPSS, pssSHA256, v15, ErrSignature},
		{"PSS called v1.5", oidRSA, derNull, pss(32), ErrSignature},
		{"PSS with another salt length", oidRSAPSS, pssSHA256, pss(20), ErrSignature},
		{"PSS with any salt length", oidRSAPSS, edit("\x02\x01\x20", "\x02\x01\x00"), pss(32), ErrAlgorithm},
		{"PSS with negative salt length", oidRSAPSS, edit("\x02\x01\x20", "\x02\x01\xff"), pss(32), ErrAlgorithm},
		{"PSS with another hash", oidRSAPSS, edit("\x04\x02\x01", "\x04\x02\x03"), pss(32), ErrAlgorithm},
		{"PSS with default parameters is SHA-1", oidRSAPSS, "\x30\x00", pss(20), ErrAlgorithm},
		{"PSS without parameters", oidRSAPSS, "", pss(32), ErrAlgorithm},
		{"v1.5 with parameters", oidRSA, "\x02\x01\x00", v15, ErrAlgorithm},
		{"name with another hash", oidSHA512WithRSA, derNull, v15, ErrAlgorithm},
		{"ECDSA with an RSA key", oidECDSAWithSHA256, "", v15, ErrAlgorithm},
		{"a digest as signature algorithm", oidSHA256, "", v15, ErrAlgorithm},
	} {
		_, err := verifyDER(forge(s, test.id, test.params, test.sign))
		wantError(t, test.name, err, test.want)
	}
}

// attacks.md 11: a good signature, by a key that is not the certificate's.
func TestAttackUnknownKey(t *testing.T) {
	stranger := newP256()
	leaf := p256().certificate
	s := &Signer{key: stranger, certificate: leaf, signatureAlgorithm: oidECDSAWithSHA256, bag: leaf.Raw,
		signingCertificate: must(signingCertificateV2(leaf))}
	_, err := verifyDER(must(s.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant)))
	wantError(t, "unknown key", err, ErrSignature)
}

// attacks.md 12: lenient reading of PKCS #1 padding. With exponent 3 a cube
// root makes a block that begins well and ends with anything.
func TestAttackPKCS1Padding(t *testing.T) {
	key := &rsa.PublicKey{N: rsa2048().key.(*rsa.PrivateKey).N, E: 3}
	s := weakSigner(nil, testAuthority().leaf(key, nil))
	_, err := verifyDER(forge(s, oidRSA, derNull, func(digest []byte) []byte {
		prefix := []byte("\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20")
		block := append(append(prefix, digest...), bytes.Repeat([]byte{0xff}, 256-len(prefix)-len(digest))...)
		root := cubeRoot(new(big.Int).SetBytes(block))
		cube := new(big.Int).Exp(root, big.NewInt(3), nil).FillBytes(make([]byte, 256))
		if !bytes.HasPrefix(cube, block[:len(prefix)+len(digest)]) {
			t.Fatal("the forgery is not what it should be")
		}
		return root.FillBytes(make([]byte, 256))
	}))
	wantError(t, "cube root", err, ErrSignature)
}

func cubeRoot(n *big.Int) *big.Int {
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(n.BitLen()/3+1))
	for {
		middle := new(big.Int).Add(low, high)
		middle.Rsh(middle, 1)
		if middle.Cmp(low) == 0 {
			return low
		}
		if new(big.Int).Exp(middle, big.NewInt(3), nil).Cmp(n) <= 0 {
			low = middle
		} else {
			high = middle
		}
	}
}

// attacks.md 12: e=1, tiny keys, huge integers.
func TestAttackRSAKeys(t *testing.T) {
	modulus := func(bits uint) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), bits)
		return n.Sub(n, big.NewInt(159))
	}
	for _, test := range []struct {
		name string
		key  *rsa.PublicKey
		want error
	}{
		{"e=1", &rsa.PublicKey{N: modulus(2048), E: 1}, ErrAlgorithm},
		{"e=2", &rsa.PublicKey{N: modulus(2048), E: 2}, ErrAlgorithm},
		{"512 bits", &rsa.PublicKey{N: modulus(512), E: 65537}, ErrAlgorithm},
		{"1023 bits", &rsa.PublicKey{N: modulus(1023), E: 65537}, ErrAlgorithm},
		{"even modulus", &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2048), E: 65537}, ErrSignature},
		{"8193 bits", &rsa.PublicKey{N: modulus(8193), E: 65537}, ErrAlgorithm},
		{"a million bits", &rsa.PublicKey{N: modulus(1 << 20), E: 65537}, ErrAlgorithm},
	} {
		s := weakSigner(nil, testAuthority().leaf(test.key, nil))
		size := (test.key.N.BitLen() + 7) / 8
		der := forge(s, oidRSA, derNull, func(digest []byte) []byte {
			info := append([]byte("\x00\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), digest...)
			padding := bytes.Repeat([]byte{0xff}, max(0, size-2-len(info)))
			return append(append([]byte{0, 1}, padding...), info...) // its own first power
		})
		began := time.Now()
		_, err := verifyDER(der)
		wantError(t, test.name, err, test.want)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: took %v", test.name, took)
		}
	}
}

// Keys of kinds that nobody in certified mail has.
func TestAttackOtherKeys(t *testing.T) {
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public()
	edwards, _ := must2(ed25519.GenerateKey(rand.Reader))
	for name, key := range map[string]crypto.PublicKey{"P-224": p224, "Ed25519": edwards} {
		s := weakSigner(nil, testAuthority().leaf(key, nil))
		_, err := verifyDER(forge(s, oidECDSAWithSHA256, "", func(digest []byte) []byte { return digest }))
		wantError(t, name, err, ErrAlgorithm)
	}
	s := p256()
	_, err := verifyDER(forge(s, oidECDSAWithSHA512, "", func(digest []byte) []byte {
		return must(s.key.Sign(rand.Reader, digest, crypto.SHA256))
	}))
	wantError(t, "ECDSA with another hash", err, ErrAlgorithm)
}

// norms.md 52: the keys before 2017.
func TestWeakKeyIsFlagged(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 1024))
	s := weakSigner(key, testAuthority().leaf(key.Public(), nil))
	signature, err := verifyDER(must(s.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant)))
	if err != nil || !signature.Weak {
		t.Errorf("signature %v, error %v", signature, err)
	}
}

// attacks.md 11: what stands in the bag of certificates.
func TestAttackCertificates(t *testing.T) {
	a, s := testAuthority(), p256()
	stranger := newSigner(newP256()).certificate
	twin := a.leaf(newP256().Public(), nil) // same issuer and serial number, other key
	sameKey := a.leaf(s.key.Public(), func(c *x509.Certificate) { c.Subject.CommonName = "Beta" })
	huge := a.leaf(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1<<16, 1), E: 3},
		func(c *x509.Certificate) { c.SerialNumber = big.NewInt(99) })
	unrelated := a.leaf(newP256().Public(), func(c *x509.Certificate) { c.SerialNumber = big.NewInt(5) }).Raw
	leaf, intermediate := s.certificate.Raw, a.intermediate.Raw
	for _, test := range []struct {
		name string
		bag  [][]byte
		want error
		path bool
	}{
		{"as it should be", [][]byte{leaf, intermediate}, nil, true},
		{"wrong order", [][]byte{intermediate, leaf}, nil, true},
		{"extra certificates", [][]byte{unrelated, a.root.Raw, leaf, intermediate}, nil, true},
		{"the leaf twice", [][]byte{leaf, leaf, intermediate}, nil, true},
		{"another kind of certificate", [][]byte{{0xa1, 0}, leaf, intermediate}, nil, true},
		{"one that cannot be read", [][]byte{{0x30, 0}, leaf, intermediate}, nil, true},
		{"one with a huge key", [][]byte{huge.Raw, leaf, intermediate}, nil, true},
		{"no certificate at all among them", [][]byte{leaf, intermediate, {0x05, 0}}, ErrMalformed, false},
		{"an intermediate with something behind its signature", [][]byte{leaf, withMore(intermediate)}, nil, false},
		{"a leaf with something behind its signature", [][]byte{withMore(leaf), intermediate}, ErrNoCertificate, false},
		{"no intermediate", [][]byte{leaf}, nil, false},
		{"no leaf", [][]byte{intermediate}, ErrNoCertificate, false},
		{"none", nil, ErrNoCertificate, false},
		{"a leaf that cannot be read", [][]byte{append([]byte{0x30}, leaf[1:]...)[:4], intermediate}, ErrMalformed, false},
		{"a second one of the same name", [][]byte{leaf, twin.Raw, intermediate}, ErrNoCertificate, false},
		{"a second one of the same name first", [][]byte{twin.Raw, leaf, intermediate}, ErrNoCertificate, false},
		{"one of the same name instead", [][]byte{stranger.Raw, intermediate}, ErrAttributes, false},
		{"one of the same name and key instead", [][]byte{sameKey.Raw, intermediate}, ErrAttributes, false},
		{"more than there can be", bytes.Split(bytes.Repeat(append([]byte{0x30, 0}, 'x'), 65), []byte("x"))[:65], ErrMalformed, false},
	} {
		forged := *s
		forged.bag = bytes.Join(test.bag, nil)
		signature, err := verifyDER(must(forged.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant)))
		wantError(t, test.name, err, test.want)
		if err != nil {
			continue
		}
		if _, err := a.path(signature); (err == nil) != test.path {
			t.Errorf("%s: path: %v", test.name, err)
		}
	}
}

// withMore has a field that nobody signed.
func withMore(der []byte) []byte {
	certificate := growTree(der)
	certificate.children = append(certificate.children, &tree{tag: 5})
	return certificate.der()
}

// attacks.md 12: what stands where it proves nothing changes nothing.
func TestAttackUnsignedAttributes(t *testing.T) {
	s := p256()
	info := must(s.signerInfo(must(s.attributes(digestOf(testChild), signingInstant))))
	wrong := plainElement(0xa1, testAttribute(oidMessageDigest, plainElement(octetString, digestOf("other"))))
	fields := cryptobyte.String(info)
	fields.ReadASN1(&fields, asn1.SEQUENCE)
	with := plainElement(0x30, append(bytes.Clone(fields), wrong...))
	signature, err := verifyDER(must(s.signedData(nil, with)))
	if err != nil || !signature.SigningTime.Equal(signingInstant) {
		t.Errorf("signature %v, error %v", signature, err)
	}
	for name, trailing := range map[string]string{"trailing field": "\x05\x00", "no attribute": "\xa1\x02\x30\x00", "two": "\xa1\x00\xa1\x00"} {
		with := plainElement(0x30, append(bytes.Clone(fields), trailing...))
		_, err = verifyDER(must(s.signedData(nil, with)))
		wantError(t, name, err, ErrMalformed)
	}
}

// attacks.md 12: fields of the SignedData that are not what they should be.
func TestAttackFields(t *testing.T) {
	s := p256()
	der := must(s.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant))
	data, sha := string(plainElement(6, []byte(oidData))), string(plainElement(6, []byte(oidSHA256)))
	for _, test := range []struct {
		name, old, new string
		occurrence     int
		want           error
	}{
		{"another content type", data, strings.Replace(data, "\x07\x01", "\x07\x03", 1), 0, ErrMalformed},
		{"another content type in the attribute", data, strings.Replace(data, "\x07\x01", "\x07\x03", 1), 1, ErrAttributes},
		{"digest not announced", sha, strings.Replace(sha, "\x02\x01", "\x02\x03", 1), 0, ErrMalformed},
		{"digest replaced", sha, strings.Replace(sha, "\x02\x01", "\x02\x03", 1), 1, ErrMalformed},
		{"identifier cut off", string(plainElement(6, []byte(oidSigningTime))), "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x85", 0, ErrMalformed},
		{"digest unknown", sha, strings.Replace(sha, "\x02\x01", "\x02\x09", 1), 1, ErrAlgorithm},
		{"version 0", "\x02\x01\x01\x31", "\x02\x01\x00\x31", 0, ErrMalformed},
		{"version 9", "\x02\x01\x01\x31", "\x02\x01\x09\x31", 0, ErrMalformed},
		{"serial number replaced", "\x02\x02\x12\x67", "\x02\x02\x12\x68", 1, ErrNoCertificate},
		{"serial number replaced in the attribute", "\x02\x02\x12\x67", "\x02\x02\x12\x68", 2, ErrAttributes},
	} {
		_, err := verifyDER(replaceNth(t, der, test.old, test.new, test.occurrence))
		wantError(t, test.name, err, test.want)
	}
	_, err := verifyDER(append(bytes.Clone(der), 0))
	wantError(t, "trailing data", err, ErrMalformed)
}

// replaceNth replaces one occurrence of a string by another of the same length.
func replaceNth(t *testing.T, der []byte, old, new string, n int) []byte {
	t.Helper()
	changed := bytes.Clone(der)
	at := 0
	for i := 0; ; i++ {
		next := bytes.Index(changed[at:], []byte(old))
		if next < 0 {
			t.Fatalf("% x does not occur %d times", old, n+1)
		}
		at += next
		if i == n {
			copy(changed[at:], new)
			return changed
		}
		at++
	}
}

// attacks.md 12: integers as long as they can be sent.
func TestAttackHugeIntegers(t *testing.T) {
	integer := plainElement(2, append([]byte{0x7f}, make([]byte, 4<<20)...))
	version := plainElement(0x30, append(plainElement(6, []byte(oidSignedData)), plainElement(0xa0, plainElement(0x30, integer))...))
	_, err := Parse(version)
	wantError(t, "version", err, ErrMalformed)
	forged, certificate := *p256(), *p256().certificate
	certificate.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 32<<20)
	forged.certificate = &certificate
	_, err = verifyDER(must(forged.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant)))
	wantError(t, "serial number", err, ErrNoCertificate)
}

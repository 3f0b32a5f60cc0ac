package smime

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
)

// What `openssl cms -sign` makes, in the variety that providers show
// (field-notes.md 10, quirks.md E).
// norms.md 51, 52
func TestWeVerifyOpenSSL(t *testing.T) {
	for _, test := range []struct {
		name   string
		signer func() *Signer
		args   string
		hash   crypto.Hash
	}{
		{"SHA-256", rsa2048, "-md sha256", crypto.SHA256},
		{"SHA-1", rsa2048, "-md sha1", crypto.SHA1},
		{"SHA-384", rsa2048, "-md sha384", crypto.SHA384},
		{"SHA-512", rsa2048, "-md sha512", crypto.SHA512},
		{"no capabilities", rsa2048, "-md sha256 -nosmimecap", crypto.SHA256},
		{"key identifier", rsa2048, "-md sha256 -keyid", crypto.SHA256},
		{"ESS", rsa2048, "-md sha256 -cades", crypto.SHA256},
		{"ESS version 1", rsa2048, "-md sha1 -cades", crypto.SHA1},
		{"ESS with SHA-512", rsa2048, "-md sha512 -cades", crypto.SHA512},
		{"PSS", rsa2048, "-md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32", crypto.SHA256},
		{"PSS, SHA-512, long salt", rsa2048, "-md sha512 -keyopt rsa_padding_mode:pss", crypto.SHA512},
		{"PSS, SHA-1", rsa2048, "-md sha1 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20", crypto.SHA1},
		{"P-256", p256, "-md sha256", crypto.SHA256},
		{"P-384", p384, "-md sha384", crypto.SHA384},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorkshop(t, test.signer())
			w.write("child", []byte(testChild))
			args := append(strings.Fields("cms -sign -in child -binary -signer leaf.pem -inkey key.pem -certfile intermediate.pem"),
				strings.Fields(test.args)...)
			verifyDetached(t, must(w.openssl(append(args, "-outform", "DER")...)), test.hash)
			verifyAttached(t, must(w.openssl(append(args, "-outform", "DER", "-nodetach")...)), test.hash)
			if strings.Contains(test.args, "pss") { // OpenSSL 3.0 cannot stream it
				return
			}
			streamed := must(w.openssl(append(args, "-outform", "DER", "-nodetach", "-stream")...))
			if !bytes.HasPrefix(streamed, []byte{0x30, 0x80}) {
				t.Fatalf("-stream gave no indefinite length: % x", streamed[:2])
			}
			verifyAttached(t, streamed, test.hash)
			verifyOpenSSLMessage(t, w, args, test.hash)
		})
	}
}

func verifyDetached(t *testing.T, der []byte, want crypto.Hash) {
	t.Helper()
	sd, err := Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	if sd.Hash() != want || sd.Content() != nil {
		t.Errorf("hash %v, content %q", sd.Hash(), sd.Content())
	}
	h := sd.Hash().New()
	h.Write([]byte(testChild))
	signature, err := sd.Verify(h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	if signature.Weak != (want == crypto.SHA1) { // norms.md 52
		t.Errorf("weak: %v", signature.Weak)
	}
	if _, err := testAuthority().path(signature); err != nil {
		t.Error(err)
	}
}

func verifyAttached(t *testing.T, der []byte, want crypto.Hash) {
	t.Helper()
	sd, err := Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := sd.VerifyAttached()
	if err != nil {
		t.Fatal(err)
	}
	if signature.Hash != want || string(sd.Content()) != testChild {
		t.Errorf("hash %v, content %q", signature.Hash, sd.Content())
	}
}

// A whole message: openssl writes LF, the wire has CRLF, and -binary with a
// CRLF file signs the latter.
func verifyOpenSSLMessage(t *testing.T, w workshop, args []string, want crypto.Hash) {
	t.Helper()
	out := must(w.openssl(append(args, "-outform", "SMIME", "-stream")...))
	message := bytes.ReplaceAll(bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	m, err := split(string(message))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(message[m.Start:m.End]); got != testChild {
		t.Errorf("signed octets %q", got)
	}
	_, err = m.Verify()
	var need *NeedDigest
	switch kept := want == crypto.SHA1 || want == crypto.SHA256; {
	case kept && err != nil:
		t.Error(err)
	case !kept && (!errors.As(err, &need) || need.Hash != want || need.Start != m.Start || need.End != m.End):
		t.Errorf("error %v, want one that asks for %v", err, want)
	}
}

func TestWeVerifySmallstep(t *testing.T) {
	s := rsa2048()
	p7 := must(pkcs7.NewSignedData([]byte(testChild)))
	p7.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA1)
	if err := p7.AddSignerChain(s.certificate, s.key, nil, pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	p7.Detach()
	digest := sha1.Sum([]byte(testChild))
	signature, err := must(Parse(must(p7.Finish()))).Verify(digest[:])
	if err != nil || !signature.Weak {
		t.Errorf("signature %v, error %v", signature, err)
	}
}

// RFC 5652 5.3 allows a signature without attributes; we do not (attacks.md 12).
func TestSignatureWithoutAttributes(t *testing.T) {
	w := newWorkshop(t, p256())
	w.write("child", []byte(testChild))
	der := must(w.openssl(strings.Fields("cms -sign -in child -binary -signer leaf.pem -inkey key.pem -noattr -outform DER")...))
	if _, err := Parse(der); !errors.Is(err, ErrAttributes) {
		t.Error(err)
	}
}

// Every octet of an attached signature changed: whatever we still call valid,
// openssl does too. Among the changes are other versions, other tags and other classes of tags.
func TestSignatureMutationsAgainstOpenSSL(t *testing.T) {
	der := must(rsa2048().SignAttached([]byte(testChild), signingInstant))
	w := newWorkshop(t, nil)
	accepted := 0
	for i := range 3 * len(der) {
		position, bit := i/3, []byte{0x01, 0x02, 0x20}[i%3]
		mutated := bytes.Clone(der)
		mutated[position] ^= bit
		if verifiesAttached(mutated) != nil {
			continue
		}
		accepted++
		if _, err := w.opensslVerifies(mutated, "-inform", "DER", "-binary"); err != nil {
			t.Errorf("octet %d, %#x instead of %#x: we accept, but %v", position, mutated[position], der[position], err)
		}
	}
	t.Logf("of %d mutations we accept %d", 3*len(der), accepted)
	if accepted == 0 || accepted > 10 { // the two versions at least
		t.Error("the mutations do not test what they should")
	}
}

func verifiesAttached(der []byte) error {
	sd, err := Parse(der)
	if err != nil {
		return err
	}
	signature, err := sd.VerifyAttached()
	if err != nil {
		return err
	}
	if string(sd.Content()) != testChild {
		return fmt.Errorf("the content is %q", sd.Content())
	}
	_, err = testAuthority().path(signature)
	return err
}

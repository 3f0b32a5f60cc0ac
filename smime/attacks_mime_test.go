package smime

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// attacks.md 13: MIME around the signature.
func TestAttackMIMEWrapping(t *testing.T) {
	good := signedMessage(p256(), testChild)
	delimiter := "\r\n--" + testBoundary
	unsigned := "Content-Type: text/plain\r\n\r\npay to another account"
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q does not occur", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, test := range []struct {
		name, message string
		want          error
	}{
		{"unchanged", good, nil},
		{"other prologue", replace("This is an S/MIME signed message", "pay\r\n\r\nto another"), nil},
		{"no prologue", replace("This is an S/MIME signed message\r\n\r\n", ""), nil},
		{"epilogue", good + unsigned, nil},
		{"a part in the epilogue", good + delimiter + "\r\n" + unsigned + delimiter + "--\r\n", nil},
		{"an unsigned part first", replace(delimiter, delimiter+"\r\n"+unsigned+delimiter), ErrMalformed},
		{"an unsigned part last", strings.TrimSuffix(good, "--\r\n") + "\r\n" + unsigned + delimiter + "--\r\n", ErrMalformed},
		{"an unsigned part instead", replace(testChild, unsigned), ErrDigest},
		{"text before the content", replace(testChild, unsigned+"\r\n"+testChild), ErrDigest},
		{"mixed around signed", "Content-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\n" + good + "\r\n--x--\r\n", ErrNotSigned},
		{"forwarded", "Content-Type: message/rfc822\r\n\r\n" + good, ErrNotSigned},
		{"mixed instead of signed", replace("multipart/signed", "multipart/mixed"), ErrNotSigned},
		{"two Content-Types", "Content-Type: text/html\r\n" + good, ErrMalformed},
		{"two Content-Types, the other way", replace("\r\n\r\n", "\r\ncontent-type : text/html\r\n\r\n"), ErrMalformed},
		{"LF alone in the header", replace("MIME-Version", "X: y\nMIME-Version"), ErrMalformed}, // attacks.md 20
		{"CR alone in the header", replace("MIME-Version", "X: y\rMIME-Version"), ErrMalformed}, // attacks.md 20
		{"NUL in the header", replace("MIME-Version", "\x00MIME-Version"), ErrMalformed},        // attacks.md 20
		{"LF alone in the header of the signature", replace("Content-Disposition", "X: y\nContent-Disposition"), ErrMalformed},
		{"two boundaries", replace("; boundary=", "; boundary=x; boundary="), ErrMalformed},                     // attacks.md 20
		{"a line that begins with the boundary", replace(testChild, testChild+delimiter+"x\r\n"), ErrMalformed}, // attacks.md 20
		{"text after a boundary", replace(delimiter+"\r\n", delimiter+" x\r\n"), ErrMalformed},
		{"no last boundary", strings.TrimSuffix(good, delimiter+"--\r\n"), ErrMalformed}, // attacks.md 20
		{"last boundary cut off", strings.TrimSuffix(good, "-\r\n"), ErrMalformed},
		{"last boundary without end of line", strings.TrimSuffix(good, "\r\n"), nil},
		{"no signature part", good[:strings.LastIndex(good[:strings.LastIndex(good, delimiter)], delimiter)] + delimiter + "--\r\n", ErrNotSigned},
		{"another second part", replace("Content-Type: application/pkcs7-signature", "Content-Type: application/octet-stream"), ErrNotSigned},
		{"signature part of two types", replace("Content-Disposition: attachment", "Content-Type: text/plain"), ErrMalformed},
		{"signature part in another encoding", replace("Encoding: base64", "Encoding: 8bit"), ErrMalformed},
		{"damaged base64", replace("MII", "M!I"), ErrMalformed},
	} {
		_, err := verifyMessage(test.message)
		wantError(t, test.name, err, test.want)
	}
}

// attacks.md 13: a signed message inside a signed one. Only the outer counts,
// whoever signed the inner.
func TestAttackNestedSigned(t *testing.T) {
	inner := strings.ReplaceAll(signedMessage(rsa2048(), "Content-Type: text/plain\r\n\r\ninner"), testBoundary, "inner")
	signature, err := verifyMessage(signedMessage(p256(), inner))
	if err != nil || !signature.Certificate.Equal(p256().certificate) {
		t.Errorf("signature %v, error %v", signature, err)
	}
	_, err = verifyMessage(multipartMessage(inner, must(p256().SignDetached(sha256.Sum256([]byte("other")), signingInstant)), "sha-256"))
	wantError(t, "good inside, bad outside", err, ErrDigest)
}

// Memory stays bounded on what never ends.
func TestAttackSizes(t *testing.T) {
	big := strings.Repeat("x", maxSignature)
	for name, message := range map[string]string{
		"header":         "X: " + strings.Repeat(big, 4),
		"boundary":       "Content-Type: multipart/signed; protocol=application/pkcs7-signature; boundary=" + big[:1000] + "\r\n\r\n",
		"signature part": multipartMessage(testChild, []byte(strings.Repeat(big, 4)), "sha1"),
		"boundary line":  strings.Replace(signedMessage(p256(), testChild), testBoundary+"\r\n", testBoundary+strings.Repeat(" ", 1<<20), 1),
	} {
		s := NewSplitter()
		fmt.Fprint(s, message)
		_, err := s.Finish()
		wantError(t, name, err, ErrMalformed)
		if kept := cap(s.header) + cap(s.signature) + cap(s.line); kept > 2*maxSignature {
			t.Errorf("%s: %d octets kept", name, kept)
		}
	}
}

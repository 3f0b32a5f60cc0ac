package smime

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// quirks.md A, B, E: headers as providers write them.
// norms.md 51
func TestSplitterReadsHeaders(t *testing.T) {
	for _, test := range []struct {
		name, contentType string
		sha1              bool
		want              error
	}{
		{"opec", "multipart/signed; protocol=\"application/x-pkcs7-signature\"; micalg=sha1;\r\n\tboundary=\"B=_1.2\"", true, nil},
		{"jpec", "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; \r\n\tboundary=\"B=_1.2\"", false, nil},
		{"Legalmail", "multipart/signed; boundary=\"B=_1.2\"; protocol=\"application/pkcs7-signature\"; micalg=\"SHA1\"", true, nil},
		{"quoted micalg", "multipart/signed; boundary=\"B=_1.2\"; protocol=\"application/pkcs7-signature\"; micalg=\"sha-256\"", false, nil},
		{"micalg without hyphen", "multipart/signed; boundary=\"B=_1.2\"; protocol=\"application/pkcs7-signature\"; micalg=SHA256", false, nil},
		{"two micalgs", "multipart/signed; boundary=\"B=_1.2\"; protocol=\"application/pkcs7-signature\"; micalg=\"sha-256,sha1\"", true, nil},
		{"no micalg", "multipart/signed; boundary=\"B=_1.2\"; protocol=\"application/pkcs7-signature\"", true, nil},
		{"nothing quoted", "Multipart/Signed;protocol=application/pkcs7-signature;boundary=B=_1.2;micalg=sha-256", false, nil},
		{"value on the next line", "\r\n multipart/signed;\r\n boundary=\"B=_1.2\";\r\n protocol=\"application/pkcs7-signature\"", true, nil},
		{"escapes", "multipart/signed; boundary=\"B\\=_1\\.2\"; protocol=\"application/pkcs7-signature\"", true, nil},
		{"comment", "multipart/signed; boundary=B=_1.2 (mine); protocol=\"application/pkcs7-signature\"", true, nil},
		{"blanks around", "multipart/signed ; boundary = \"B=_1.2\" ; protocol = \"application/pkcs7-signature\" ;", true, nil},
		{"other case", "MULTIPART/SIGNED; BOUNDARY=\"B=_1.2\"; PROTOCOL=\"Application/PKCS7-Signature\"", true, nil},
		{"empty parameter", "multipart/signed; x; boundary=\"B=_1.2\"; protocol=\"application/pkcs7-signature\"", true, nil},

		{"OpenPGP", "multipart/signed; boundary=\"B=_1.2\"; protocol=\"application/pgp-signature\"", false, ErrNotSigned},
		{"no protocol", "multipart/signed; boundary=\"B=_1.2\"", false, ErrNotSigned},
		{"mixed", "multipart/mixed; boundary=\"B=_1.2\"", false, ErrNotSigned},
		{"attached", "application/pkcs7-mime; smime-type=signed-data", false, ErrNotSigned},
		{"another boundary", "multipart/signed; boundary=\"C\"; protocol=\"application/pkcs7-signature\"", false, ErrMalformed},
		{"no boundary", "multipart/signed; protocol=\"application/pkcs7-signature\"", false, ErrMalformed},
		{"empty boundary", "multipart/signed; boundary=\"\"; protocol=\"application/pkcs7-signature\"", false, ErrMalformed},
		{"boundary in pieces", "multipart/signed; boundary*0=B=_; boundary*1=1.2; protocol=\"application/pkcs7-signature\"", false, ErrMalformed},
		{"boundary with blank", "multipart/signed; boundary=B=_1.2 x; protocol=\"application/pkcs7-signature\"", false, ErrMalformed},
		{"boundary ends with blank", "multipart/signed; boundary=\"B=_1.2 \"; protocol=\"application/pkcs7-signature\"", false, ErrMalformed},
		{"boundary with control character", "multipart/signed; boundary=\"B\x00\"; protocol=\"application/pkcs7-signature\"", false, ErrMalformed},
		{"quote not closed", "multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=\"B=_1.2", false, ErrMalformed},
		{"escape not closed", "multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=\"B=_1.2\\", false, ErrMalformed},
		{"text after a quote", "multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=\"B=_1.2\"x", false, ErrMalformed},
	} {
		message := "Subject: x\r\nContent-Type: " + test.contentType + "\r\n\r\n--B=_1.2\r\nA: b\r\n\r\nc\r\n--B=_1.2 \t\r\n" +
			"content-type: application/X-pkcs7-signature\r\nContent-Transfer-Encoding: BASE64\r\n\r\nAAEC \r\n\tAw==\r\n\r\n--B=_1.2--"
		m, err := split(message)
		wantError(t, test.name, err, test.want)
		if err != nil {
			continue
		}
		if got := message[m.Start:m.End]; got != "A: b\r\n\r\nc" || !bytes.Equal(m.Signature, []byte{0, 1, 2, 3}) {
			t.Errorf("%s: signed %q, signature %x", test.name, got, m.Signature)
		}
		if _, ok := m.Digest(crypto.SHA1); ok != test.sha1 {
			t.Errorf("%s: SHA-1 computed: %v", test.name, ok)
		}
	}
}

func TestSplitterOnOtherMessages(t *testing.T) {
	for name, message := range map[string]string{
		"nothing": "", "only a header": "Subject: x\r\n", "no header": "\r\ntext", "no Content-Type": "Subject: x\r\n\r\ntext",
		"ends in the header": "Content-Type: multipart/signed; protocol=application/pkcs7-signature; boundary=x\r\n",
		"LF only":            "Content-Type: multipart/signed; protocol=application/pkcs7-signature; boundary=x\n\n--x\n",
	} {
		_, err := split(message)
		wantError(t, name, err, ErrNotSigned)
	}
	const header = "Content-Type: multipart/signed; protocol=application/pkcs7-signature; boundary=x\r\n\r\n"
	for name, body := range map[string]string{
		"no parts": "text", "only the last boundary": "--x--\r\n", "one part without end": "--x\r\n\r\ntext\r\n", "an empty part": "--x\r\n--x\r\n",
		"boundary cut off": "--x\r\n\r\ntext\r\n--x", "bare CR after the boundary": "--x\r\n\r\n--x\r--x--",
	} {
		_, err := split(header + body)
		wantError(t, name, err, ErrMalformed)
	}
}

func TestNeedDigest(t *testing.T) {
	w := newWorkshop(t, p256())
	w.write("child", []byte(testChild))
	der := must(w.openssl(strings.Fields("cms -sign -in child -binary -signer leaf.pem -inkey key.pem -md sha1 -outform DER")...))
	for micalg, want := range map[string]bool{"sha-256": true, "sha1": false} {
		m, err := split(multipartMessage(testChild, der, micalg))
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Verify()
		var need *NeedDigest
		if errors.As(err, &need) != want {
			t.Errorf("micalg %s: %v", micalg, err)
		}
		if need == nil {
			continue
		}
		if !strings.Contains(need.Error(), "SHA-1") {
			t.Error(need)
		}
		message := multipartMessage(testChild, der, micalg)
		digest := sha1.Sum([]byte(message[need.Start:need.End]))
		if signature, err := must(Parse(m.Signature)).Verify(digest[:]); err != nil || !signature.Weak {
			t.Errorf("second pass: %v, %v", signature, err)
		}
	}
}

// splitSlowly is a second Splitter: the whole message, line by line. It returns
// the signed octets.
func splitSlowly(message, boundary string) (signed string, ok bool) {
	_, body, _ := strings.Cut(message, "\r\n\r\n")
	var parts []string
	begun := false
	for line := range strings.SplitAfterSeq(body, "\r\n") {
		after, delimits := strings.CutPrefix(line, "--"+boundary)
		if !delimits {
			if begun {
				parts[len(parts)-1] += line
			}
			continue
		}
		if begun && parts[len(parts)-1] == "" {
			return "", false
		}
		after, last := strings.CutPrefix(after, "--")
		if strings.TrimLeft(after, " \t") != "\r\n" && !(last && after == "") {
			return "", false
		}
		if last {
			ok = len(parts) == 2 && strings.HasPrefix(parts[1], "Content-Type: application/pkcs7-signature")
			return strings.TrimSuffix(strings.Join(parts[:min(1, len(parts))], ""), "\r\n"), ok
		}
		parts, begun = append(parts, ""), true
	}
	return "", false
}

// The result is that of a parser that sees all at once, and does not depend on
// how the octets are cut.
func TestSplitterProperty(t *testing.T) {
	pieces := rapid.SampledFrom([]string{"\r", "\n", "\r\n", "-", "--", "b", "bb", "a", " ", "\r\n--bb\r\n", "\r\n--bb", "--bb", "\r\n--b", "\r\r\n--bb--"})
	const top = "Content-Type: multipart/signed; protocol=application/pkcs7-signature; boundary=bb\r\n\r\n"
	const end = "\r\n--bb\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--bb--\r\n"
	good := 0
	rapid.Check(t, func(t *rapid.T) {
		child := strings.Join(rapid.SliceOfN(pieces, 0, 12).Draw(t, "child"), "")
		message := top + "--bb\r\n" + child + end
		whole, err := split(message)
		signed, ok := splitSlowly(message, "bb")
		if (err == nil) != ok {
			t.Fatalf("%q: %v, but the other parser: %v", message, err, ok)
		}
		if ok {
			good++
			checkSigned(t, whole, message, signed)
		}
		again, errAgain := splitInPieces(message, func(n int) int { return rapid.IntRange(1, min(n, 40)).Draw(t, "cut") })
		if !reflect.DeepEqual(whole, again) || !reflect.DeepEqual(err, errAgain) {
			t.Fatalf("%q: %v, %v when cut", message, err, errAgain)
		}
	})
	if good == 0 {
		t.Error("no message was good")
	}
}

func checkSigned(t *rapid.T, m *Multipart, message, signed string) {
	sum256, sum1 := sha256.Sum256([]byte(signed)), sha1.Sum([]byte(signed))
	got256, _ := m.Digest(crypto.SHA256)
	got1, _ := m.Digest(crypto.SHA1)
	if message[m.Start:m.End] != signed || !bytes.Equal(got256, sum256[:]) || !bytes.Equal(got1, sum1[:]) {
		t.Fatalf("signed octets %q instead of %q", message[m.Start:m.End], signed)
	}
}

// splitInPieces overwrites each piece after its write: none may be kept.
func splitInPieces(message string, next func(left int) int) (*Multipart, error) {
	s := NewSplitter()
	for len(message) > 0 {
		piece := []byte(message[:next(len(message))])
		message = message[len(piece):]
		if n, err := s.Write(piece); n != len(piece) || err != nil {
			panic("a write failed")
		}
		clear(piece)
	}
	return s.Finish()
}

// Every size of write, on a message as it is sent.
func TestSplitterEverySize(t *testing.T) {
	message := signedMessage(p256(), testChild)
	whole := must(split(message))
	for size := 1; size < 300; size++ {
		m, err := splitInPieces(message, func(left int) int { return min(left, size) })
		if err != nil || !reflect.DeepEqual(m, whole) {
			t.Fatalf("writes of %d octets: %v", size, err)
		}
	}
}

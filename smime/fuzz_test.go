package smime

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"reflect"
	"testing"
	"time"
)

// What is read is read the same way again, and nothing panics on it.
func FuzzParse(f *testing.F) {
	s := p256()
	der := must(s.SignDetached(sha256.Sum256([]byte(testChild)), signingInstant))
	f.Add(der)
	f.Add(must(s.SignAttached([]byte(testChild), signingInstant)))
	f.Add(toBER(der, func(int) int { return 0 }))
	f.Add(forge(rsa2048(), oidRSAPSS, pssSHA256, func([]byte) []byte { return make([]byte, 256) }))
	f.Add([]byte("\x24\x80\x04\x01a\x24\x03\x04\x01b\x00\x00"))
	f.Fuzz(func(t *testing.T, blob []byte) {
		if der, err := toDER(blob); err == nil {
			if again, err := toDER(der); err != nil || !bytes.Equal(again, der) {
				t.Errorf("%x is no DER: %v", der, err)
			}
		}
		sd, err := Parse(bytes.Clone(blob))
		if err != nil {
			return
		}
		h := sd.Hash().New()
		h.Write([]byte(testChild))
		signature, err := sd.Verify(h.Sum(nil))
		if err != nil {
			signature, err = sd.VerifyAttached()
		}
		if err == nil {
			signature.Chain(testAuthority().roots(), time.Now())
			Email(signature.Certificate)
		}
	})
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
		whole.Verify()
	})
}

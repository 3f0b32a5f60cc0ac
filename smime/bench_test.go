package smime

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// BenchmarkSplitter shows what finding the boundaries costs over hashing.
func BenchmarkSplitter(b *testing.B) {
	line := bytes.Repeat([]byte("A"), 76)
	child := bytes.Repeat(append(line, "\r\n"...), 1<<20/78)
	message := []byte(signedMessage(p256(), string(child)))
	b.Run("SHA-256 alone", func(b *testing.B) {
		b.SetBytes(int64(len(message)))
		for b.Loop() {
			sha256.Sum256(message)
		}
	})
	b.Run("Splitter", func(b *testing.B) {
		b.SetBytes(int64(len(message)))
		for b.Loop() {
			s := NewSplitter()
			for rest := message; len(rest) > 0; {
				n := min(len(rest), 32<<10)
				s.Write(rest[:n])
				rest = rest[n:]
			}
			if _, err := s.Finish(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSign and BenchmarkVerify: compare with the key's own operation.
func BenchmarkSign(b *testing.B) {
	for name, signer := range testSigners {
		s := signer()
		digest := sha256.Sum256([]byte(testChild))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				must(s.SignDetached(digest, signingInstant))
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for name, signer := range testSigners {
		digest := sha256.Sum256([]byte(testChild))
		der := must(signer().SignDetached(digest, signingInstant))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				must(must(Parse(der)).Verify(digest[:]))
			}
		})
	}
}

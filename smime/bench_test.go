package smime

import (
	"bytes"
	"crypto/sha256"
	"io"
	"slices"
	"testing"
)

// BenchmarkSplitter shows what finding the boundaries costs over hashing, and
// what a message costs that does not promise SHA-256: for it SHA-1 runs too.
// The goal is half the speed of SHA-256 alone.
func BenchmarkSplitter(b *testing.B) {
	line := append(bytes.Repeat([]byte("A"), 76), "\r\n"...)
	content := bytes.Repeat(line, 100<<20/len(line))
	child := string(content)
	b.Run("SHA-256 alone", func(b *testing.B) {
		b.SetBytes(int64(len(child)))
		for b.Loop() {
			h := sha256.New()
			inWrites(h, content)
			h.Sum(nil)
		}
	})
	signature := must(p256().SignDetached(sha256.Sum256([]byte(child)), signingInstant))
	for _, micalg := range []string{"sha-256", "sha1"} {
		message := []byte(multipartMessage(child, signature, micalg))
		b.Run(micalg, func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			for b.Loop() {
				s := NewSplitter()
				inWrites(s, message)
				must(must(s.Finish()).Verify())
			}
		})
	}
}

// inWrites writes in pieces as io.Copy does.
func inWrites(w io.Writer, octets []byte) {
	for piece := range slices.Chunk(octets, 32<<10) {
		must(w.Write(piece))
	}
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

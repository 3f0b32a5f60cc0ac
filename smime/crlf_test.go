package smime

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// The result does not depend on how the octets are read and asked for.
func TestCRLFReaderProperty(t *testing.T) {
	octets := rapid.SampledFrom([]string{"\r", "\n", "\r\n", "a", "a line", strings.Repeat("x", crlfBuffer)})
	rapid.Check(t, func(t *rapid.T) {
		stored := strings.Join(rapid.SliceOfN(octets, 0, 12).Draw(t, "stored"), "")
		want := strings.ReplaceAll(strings.ReplaceAll(stored, "\r\n", "\n"), "\n", "\r\n")
		var r io.Reader = strings.NewReader(stored)
		if rapid.Bool().Draw(t, "error with the last octets") {
			r = iotest.DataErrReader(r)
		}
		r = NewCRLFReader(iotest.HalfReader(r))
		if rapid.Bool().Draw(t, "octet by octet") && len(stored) < crlfBuffer {
			r = iotest.OneByteReader(r)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Fatalf("%q became %q, %v", stored, got, err)
		}
	})
}

func TestCRLFReaderIsAReader(t *testing.T) {
	if err := iotest.TestReader(NewCRLFReader(strings.NewReader("a\nb\r\n\n\r")), []byte("a\r\nb\r\n\r\n\r")); err != nil {
		t.Error(err)
	}
	broken := errors.New("broken")
	got, err := io.ReadAll(NewCRLFReader(io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken))))
	if string(got) != "a\r\n" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", got, err)
	}
}

// quirks.md E14: the octets as they are stored first, then as on the wire.
func TestStoredWithLF(t *testing.T) {
	wire := signedMessage(p256(), testChild)
	stored := strings.ReplaceAll(wire, "\r\n", "\n")
	_, err := verifyMessage(stored)
	wantError(t, "as it is stored", err, ErrNotSigned)
	s := NewSplitter()
	if _, err := io.Copy(s, NewCRLFReader(strings.NewReader(stored))); err != nil {
		t.Fatal(err)
	}
	if _, err := must(s.Finish()).Verify(); err != nil {
		t.Error(err)
	}
}

func BenchmarkCRLFReader(b *testing.B) {
	stored := bytes.Repeat(append(bytes.Repeat([]byte("A"), 76), '\n'), 1<<20/77)
	b.SetBytes(int64(len(stored)))
	for b.Loop() {
		if _, err := io.Copy(io.Discard, NewCRLFReader(bytes.NewReader(stored))); err != nil {
			b.Fatal(err)
		}
	}
}

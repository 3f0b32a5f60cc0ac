package evidence

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/dialect"
	"github.com/ceralacca/ceralacca/pec"
)

// attachment gives so many octets of lines as base64 has them.
type attachment struct{ left int64 }

const oneLine = "VGhpcyBpcyBhIGxpbmUgb2YgYW4gYXR0YWNobWVudCBpbiBiYXNlNjQsIGFzIGxvbmcgYXMgbW9zdA==\r\n"

// Read repeats the line.
func (l *attachment) Read(p []byte) (n int, err error) {
	for n < len(p) && l.left > 0 {
		offset := int(l.left % int64(len(oneLine)))
		c := copy(p[n:min(len(p), n+int(min(l.left, 1<<20)))], oneLine[(len(oneLine)-offset)%len(oneLine):])
		n, l.left = n+c, l.left-int64(c)
	}
	if n == 0 && l.left == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// large writes a transport envelope around that many octets into a file: as we write it, or as an engine does.
func large(t testing.TB, size int64, engine string) string {
	t.Helper()
	c := plain().message(pec.Transport, "", 0)
	c.SigningAddress = alfa().from
	size -= size % int64(len(oneLine))
	name := filepath.Join(t.TempDir(), "large.eml")
	out := must(os.Create(name))
	defer func() {
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	var before, after []byte
	if engine == "" {
		d := must(pec.Compose(c))
		sum := sha256.New()
		must(io.Copy(sum, io.MultiReader(strings.NewReader(string(d.Before)), &attachment{size}, strings.NewReader(string(d.After)))))
		before, after = d.Assemble(must(alfa().signer.SignDetached([32]byte(sum.Sum(nil)), sentAt)))
	} else {
		e := must(dialect.Named(engine))
		d := must(e.Compose(c))
		sum := d.Hash.New()
		must(io.Copy(sum, io.MultiReader(strings.NewReader(string(d.Before)), &attachment{size}, strings.NewReader(string(d.After)))))
		before, after = d.Assemble(must(e.Sign(alfa().key.(*rsa.PrivateKey), []*x509.Certificate{alfa().signer.Certificate()}, sum.Sum(nil), sentAt)))
	}
	must(out.Write(before))
	must(io.Copy(out, &attachment{size}))
	must(out.Write(after))
	return name
}

// A message of any size is verified in bounded memory (quirks.md F7).
func TestLargeMessage(t *testing.T) {
	name := large(t, 48<<20, "")
	alfa()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := must(Examine(context.Background(), []string{name}, usual()))
	runtime.ReadMemStats(&after)
	if r.Verdict != Valid || r.Messages[0].Size < 48<<20 {
		t.Errorf("%v", summary(r))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d octets were allocated", used)
	}
}

// BenchmarkVerify is to be held against BenchmarkSHA256 over the same file: design.md 8 and the issue ask for half of its speed.
func BenchmarkVerify(b *testing.B) {
	for name, engine := range map[string]string{"SHA-256": "", "SHA-1": "opec"} {
		b.Run(name, func(b *testing.B) {
			file := large(b, 100<<20, engine)
			o := usual()
			b.SetBytes(must(os.Stat(file)).Size())
			b.ReportAllocs()
			for b.Loop() {
				if r := must(Examine(context.Background(), []string{file}, o)); r.Verdict != Valid {
					b.Fatal(summary(r))
				}
			}
		})
	}
}

func BenchmarkSHA256(b *testing.B) {
	file := large(b, 100<<20, "")
	b.SetBytes(must(os.Stat(file)).Size())
	for b.Loop() {
		in := must(os.Open(file))
		must(io.Copy(sha256.New(), in))
		if err := in.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// model is the meaning of DATA on a whole stream: where it ends, the content, and what is wrong with it.
func model(stream string, max int64) (content string, rest string, err error) {
	before, rest, ended := strings.Cut("\r\n"+stream, "\r\n.\r\n")
	content = strings.TrimPrefix(before, "\r\n")
	if before != "" {
		content += "\r\n"
	}
	lines := strings.SplitAfter(content, "\r\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, ".")
	}
	content = strings.Join(lines, "")
	left := strings.ReplaceAll(content, "\r\n", "")
	switch {
	case !ended:
		return "", "", io.ErrUnexpectedEOF
	case strings.ContainsAny(left, "\r\n\x00"):
		return "", rest, ErrBare
	case int64(len(content)) > max:
		return "", rest, ErrTooBig
	}
	return content, rest, nil
}

// chunks gives its strings one a Read.
type chunks []string

func (c *chunks) Read(p []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*c)[0])
	if (*c)[0] = (*c)[0][n:]; (*c)[0] == "" {
		*c = (*c)[1:]
	}
	return n, nil
}

// readData reads a message as the server does: with fault and drain, and gives what follows it.
func readData(in *bufio.Reader, max int64, read func(*dataReader) ([]byte, error)) (content, rest string, err error) {
	d := newDataReader(in, max)
	got, err := read(d)
	d.drain(1 << 30)
	if !d.ended {
		return "", "", io.ErrUnexpectedEOF
	}
	left, _ := io.ReadAll(in)
	if fault := d.fault(); fault != nil {
		return "", string(left), fault
	}
	return string(got), string(left), err
}

func byRead(d *dataReader) ([]byte, error) { return io.ReadAll(iotest.OneByteReader(d)) }

func byWriteTo(d *dataReader) ([]byte, error) {
	var b bytes.Buffer
	_, err := d.WriteTo(&b)
	return b.Bytes(), err
}

func checkData(t interface{ Fatalf(string, ...any) }, stream string, max int64, size int, pieces ...string) {
	content, rest, want := model(stream, max)
	for name, read := range map[string]func(*dataReader) ([]byte, error){"Read": byRead, "WriteTo": byWriteTo} {
		parts := chunks(append([]string(nil), pieces...))
		got, left, err := readData(bufio.NewReaderSize(&parts, size), max, read)
		if got != content || left != rest || !errors.Is(err, want) {
			t.Fatalf("%s of %q in %q: %q, rest %q, %v; want %q, rest %q, %v", name, stream, pieces, got, left, err, content, rest, want)
		}
	}
}

func TestDataTable(t *testing.T) {
	for _, c := range []struct {
		stream, content string
		err             error
	}{
		{".\r\n", "", nil},
		{"a\r\n.\r\n", "a\r\n", nil},
		{"\r\n.\r\n", "\r\n", nil},
		{"..\r\n.\r\n", ".\r\n", nil},
		{".a\r\n..b\r\n.\r\n", "a\r\n.b\r\n", nil},
		{"12345678\r\n.\r\n", "12345678\r\n", nil},
		{".12345678\r\n.\r\n", "12345678\r\n", nil},
		{"123456789\r\n.\r\n", "", ErrTooBig},
		{"a\x00\r\n.\r\n", "", ErrBare},
		{"a\nb\r\n.\r\n", "", ErrBare},
		{"\na\r\n.\r\n", "", ErrBare},
		{"a\rb\r\n.\r\n", "", ErrBare},
		{"\ra\r\n.\r\n", "", ErrBare},
		{"a\r\r\n.\r\n", "", ErrBare},
		{"123456789\rb\r\n.\r\n", "", ErrBare}, // the line end outranks the size
		{"a\r\n.\rb\r\n.\r\n", "", ErrBare},    // attacks.md 7: go-smtp swallows this CR
		{"a\r\n.\r", "", io.ErrUnexpectedEOF},
		{"a\r\n.", "", io.ErrUnexpectedEOF},
		{"a\r\n", "", io.ErrUnexpectedEOF},
		{"a\r", "", io.ErrUnexpectedEOF},
		{"", "", io.ErrUnexpectedEOF},
	} {
		if content, _, err := model(c.stream, 10); content != c.content || !errors.Is(err, c.err) {
			t.Fatalf("the model itself, on %q: %q, %v", c.stream, content, err)
		}
		for i := range len(c.stream) + 1 {
			checkData(t, c.stream+"X", 10, 16, nonEmpty(c.stream[:i], c.stream[i:]+"X")...)
			if c.err != io.ErrUnexpectedEOF {
				continue
			}
			checkData(t, c.stream, 10, 16, nonEmpty(c.stream[:i], c.stream[i:])...)
		}
	}
}

func nonEmpty(pieces ...string) []string {
	var kept []string
	for _, p := range pieces {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return kept
}

// The known fault of the sketch: a CRLF cut by the edge of the buffer is not a bare CR.
func TestDataAcrossTheEdgeOfTheBuffer(t *testing.T) {
	for length := readBuffer - 8; length <= readBuffer+8; length++ {
		stream := strings.Repeat("x", length) + "\r\n..y\r\n.\r\nNOOP\r\n"
		checkData(t, stream, 1<<20, readBuffer, stream)
	}
}

func TestDataDrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"\r\n", "\r\n", ".", "a", "bcd", "\r", "\n", "\x00", "\r\n.\r\n"})).Draw(t, "parts")
		stream := strings.Join(parts, "")
		var pieces []string
		for rest := stream; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		checkData(t, stream, rapid.Int64Range(1, 30).Draw(t, "max"), rapid.IntRange(16, 40).Draw(t, "size"), pieces...)
	})
}

// compose is the client's side: dots doubled, end added.
func TestDataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.StringMatching(`\.{0,3}[ -~]{0,20}`)).Draw(t, "lines")
		var content, wire strings.Builder
		for _, line := range lines {
			content.WriteString(line + "\r\n")
			if strings.HasPrefix(line, ".") {
				wire.WriteByte('.')
			}
			wire.WriteString(line + "\r\n")
		}
		got, _, err := readData(bufio.NewReader(strings.NewReader(wire.String()+".\r\n")), 1<<20, byRead)
		if err != nil || got != content.String() {
			t.Fatalf("got %q, %v; want %q", got, err, content.String())
		}
	})
}

func FuzzData(f *testing.F) {
	for _, marker := range markers {
		f.Add("a"+marker+"MAIL FROM:<x@x.test>\r\n.\r\nQUIT\r\n", uint8(3), uint16(100))
	}
	f.Fuzz(func(t *testing.T, stream string, cut uint8, max uint16) {
		i := min(int(cut), len(stream))
		checkData(t, stream, int64(max), 16, nonEmpty(stream)...)
		checkData(t, stream, int64(max), 16, nonEmpty(stream[:i], stream[i:])...)
		checkData(t, stream, int64(max), 64, strings.Split(stream, "")...)
	})
}

// failing is a writer that breaks: WriteTo gives its error, and the rest of the message is still there to drain.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestDataWriterFails(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("a\r\n.b\r\n.\r\nNOOP\r\n"))
	d := newDataReader(in, 100)
	if _, err := io.Copy(failing{}, d); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
	d.drain(100)
	if line, err := readLine(in); !d.ended || line != "NOOP" || err != nil {
		t.Fatal(d.ended, line, err)
	}
}

// The known fault of the sketch: draining has a bound of octets.
func TestDrainIsBounded(t *testing.T) {
	endless := bufio.NewReaderSize(io.MultiReader(strings.NewReader("\n"), zeros{}), readBuffer)
	d := newDataReader(endless, 100)
	if _, err := io.Copy(io.Discard, d); !errors.Is(err, ErrBare) {
		t.Fatal(err)
	}
	before := d.octets
	if d.drain(1 << 20); d.ended || d.octets-before > 1<<20+readBuffer {
		t.Fatal("drained", d.octets-before)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("0"), len(p))), nil }

func BenchmarkData(b *testing.B) {
	for _, line := range []int{30, 76, 998} {
		b.Run(fmt.Sprintf("line=%d", line), func(b *testing.B) {
			message := []byte(strings.Repeat(strings.Repeat("x", line)+"\r\n", 4<<20/(line+2)) + ".\r\n")
			source := bytes.NewReader(nil)
			in := bufio.NewReaderSize(source, readBuffer)
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				source.Reset(message)
				in.Reset(source)
				d := newDataReader(in, 1<<30)
				if _, err := d.WriteTo(io.Discard); err != nil || !d.ended {
					b.Fatal(err)
				}
			}
		})
	}
}

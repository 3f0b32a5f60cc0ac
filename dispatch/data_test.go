package dispatch

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// stuffed is what dots makes of writes, with the end marker.
func stuffed(writes ...[]byte) (string, error) {
	var out bytes.Buffer
	d := dots{w: bufio.NewWriterSize(&out, 64)}
	for _, w := range writes {
		if _, err := d.Write(w); err != nil {
			break // end gives the same error
		}
	}
	err := d.end()
	if err != nil {
		_ = d.w.Flush() // show all that could ever go out
	}
	return out.String(), err
}

// unstuffed reads data as RFC 5321 4.5.2 tells a server to, line by line.
func unstuffed(data string) (body string, ok bool) {
	for {
		line, rest, found := strings.Cut(data, "\r\n")
		switch {
		case !found:
			return "", false
		case line == ".":
			return body, rest == ""
		}
		body += strings.TrimPrefix(line, ".") + "\r\n"
		data = rest
	}
}

// lines draws a body of CRLF lines in which dots, and CRs and LFs next to them, abound.
func lines() *rapid.Generator[string] {
	line := rapid.StringOfN(rapid.RuneFrom([]rune("..a \x00")), 0, 12, -1)
	return rapid.Map(rapid.SliceOf(line), func(l []string) string {
		if len(l) == 0 {
			return ""
		}
		return strings.Join(l, "\r\n") + "\r\n"
	})
}

// split draws a way to cut body into writes, empty ones too.
func split(t *rapid.T, body string) [][]byte {
	var writes [][]byte
	for body != "" {
		n := rapid.IntRange(0, min(len(body), 20)).Draw(t, "write")
		writes, body = append(writes, []byte(body[:n])), body[n:]
	}
	return writes
}

func TestDotsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := lines().Draw(t, "body")
		data, err := stuffed(split(t, body)...)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := unstuffed(data); !ok || got != body {
			t.Fatalf("%q read back as %q from %q", body, got, data)
		}
	})
}

// attacks.md 7: whatever is written however cut, no bare CR or LF goes out, and no end marker after one was tried.
func TestDotsNeverSmuggle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringOfN(rapid.RuneFrom([]rune("\r\n\r\n.a")), 0, 30, -1).Draw(t, "body")
		strict := strings.NewReplacer("\r\n", "").Replace(body)
		bare := strings.ContainsAny(strict, "\r\n")
		data, err := stuffed(split(t, body)...)
		if errors.Is(err, ErrBareLine) != bare {
			t.Fatalf("%q: %v", body, err)
		}
		if left := strings.ReplaceAll(data, "\r\n", ""); strings.ContainsAny(left, "\r\n") {
			t.Fatalf("%q sent as %q", body, data)
		}
		if ended := strings.Contains("\r\n"+data, "\r\n.\r\n"); ended == bare {
			t.Fatalf("%q sent as %q, end marker %v", body, data, ended)
		}
	})
}

func TestDots(t *testing.T) {
	for _, c := range []struct {
		name   string
		writes []string
		want   string
		bare   bool
	}{
		{"nothing", nil, ".\r\n", false},
		{"last CRLF lacking", []string{"a"}, "a\r\n.\r\n", false},
		{"only a dot", []string{"."}, "..\r\n.\r\n", false},
		{"dot after a cut CRLF", []string{"a\r", "\n", ".b\r\n"}, "a\r\n..b\r\n.\r\n", false},
		{"dots in a row", []string{".\r\n.\r\n..\r\n"}, "..\r\n..\r\n...\r\n.\r\n", false},
		{"dot within a line over a cut", []string{"a", ".b\r\n"}, "a.b\r\n.\r\n", false},
		{"smuggled by LF", []string{"a\n.\n"}, "", true},
		{"smuggled by LF, CRLF", []string{"a\n.\r\n"}, "", true},
		{"smuggled by CR", []string{"a\r.\r"}, "", true},
		{"CRCRLF", []string{"a\r\r\n.\r\n"}, "", true},
		{"NUL after CR", []string{"a\r\x00\n"}, "", true},
		{"CR at the end", []string{"a\r\n", "b\r"}, "a\r\nb", true},
		{"CR before a cut", []string{"a\r", ".\r\n"}, "a", true},
		{"LF after a cut", []string{"a\r\n", "\n"}, "a\r\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var writes [][]byte
			for _, w := range c.writes {
				writes = append(writes, []byte(w))
			}
			got, err := stuffed(writes...)
			if got != c.want || errors.Is(err, ErrBareLine) != c.bare {
				t.Errorf("sent %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// A slice above the buffer's size goes to the connection as it is.
func TestDotsDoNotCopy(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcd\r\n"), blockSize/8)
	var got *byte
	d := dots{w: bufio.NewWriterSize(writerFunc(func(p []byte) (int, error) {
		got = &p[0]
		return len(p), nil
	}), blockSize)}
	if _, err := d.Write(body); err != nil || got != &body[0] {
		t.Errorf("the body was copied, or %v", err)
	}
}

// A peer that takes a block in two minutes is slow, not dead: the time is for each block.
func TestEachBlockHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := bytes.Repeat([]byte("0123456789abcd\r\n"), blockSize/4)
		m := mail(abc...)
		m.Body = func(w io.Writer) error {
			_, err := w.Write(body)
			return err
		}
		o := newPool(t, script(t, func(p *peer) {
			p.welcome("PIPELINING")
			p.envelope("250 ok", "250 ok", "250 ok", "250 ok", "354 go")
			for range len(body) / blockSize {
				_, _ = io.ReadFull(p.r, make([]byte, blockSize))
				<-time.After(2 * time.Minute) // of the bubble's clock
			}
			p.hear(".")
			p.say("250 ok")
			p.bye()
		})).Send(t.Context(), clear, m)
		if codes(o) != "250, 250, 250" {
			t.Error(codes(o), o.Err)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func BenchmarkDots(b *testing.B) {
	for _, c := range []struct{ name, line string }{
		{"base64", strings.Repeat("QUJD", 19) + "\r\n"},
		{"text", strings.Repeat("Un testo qualsiasi, con qualche punto. Le righe sono di settanta colonne\r\n", 9) + ".e una col punto\r\n"},
		{"short", "Righe corte.\r\n.punti\r\n\r\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := bytes.Repeat([]byte(c.line), (1<<20)/len(c.line))
			w := bufio.NewWriterSize(io.Discard, blockSize)
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				d := dots{w: w}
				for p := body; len(p) > 0; {
					n := min(len(p), 32<<10)
					_, _ = d.Write(p[:n])
					p = p[n:]
				}
				if err := d.end(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package pec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// outline shows a tree by its octets: one line a part, with type, header and body.
func outline(message []byte, p *Part, depth int) string {
	s := fmt.Sprintf("%s%s/%s %q %q\n", strings.Repeat(" ", depth), p.Type, p.Subtype,
		message[p.Start:p.Body], message[p.Body:p.End])
	for _, child := range p.Children {
		s += outline(message, child, depth+1)
	}
	return s
}

func TestScanner(t *testing.T) {
	const mixed = "Content-Type: multipart/mixed; boundary=b\n\n"
	cases := map[string]struct {
		message string
		want    string
		lines   []int64 // of the parts, in order
	}{
		"plain":          {"A: b\n\nx\ny", `text/plain "A: b\r\n\r\n" "x\r\ny"`, []int64{1}},
		"empty":          {"", `text/plain "" ""`, []int64{0}},
		"header only":    {"A: b\n", `text/plain "A: b\r\n" ""`, []int64{0}},
		"broken header":  {"A: b", `text/plain "A: b" ""`, []int64{0}},
		"parts":          {mixed + "p\n--b\n\nx\n\n--b\nA: b\n\ny\nz\n--b--\ne\n", `multipart/mixed H "p\r\n--b\r\n\r\nx\r\n\r\n--b\r\nA: b\r\n\r\ny\r\nz\r\n--b--\r\ne\r\n"|text/plain "\r\n" "x\r\n"|text/plain "A: b\r\n\r\n" "y\r\nz"`, []int64{12, 1, 1}},
		"no end":         {mixed + "--b\n\nx", `multipart/mixed H "--b\r\n\r\nx"|text/plain "\r\n" "x"`, []int64{2, 0}},
		"end without LF": {mixed + "--b\n\nx\n--b--", `multipart/mixed H "--b\r\n\r\nx\r\n--b--"|text/plain "\r\n" "x"`, []int64{3, 0}},
		"header ended by boundary": {mixed + "--b\nA: b\n--b\n\n--b\n--b--\n",
			`multipart/mixed H "--b\r\nA: b\r\n--b\r\n\r\n--b\r\n--b--\r\n"|text/plain "A: b" ""|text/plain "" ""|text/plain "" ""`, []int64{6, 0, 0, 0}},
		"padding and near misses": {mixed + "--b \t\n\n--bb\n-b\n --b\n--b--x\n--b--  \n",
			`multipart/mixed H "--b \t\r\n\r\n--bb\r\n-b\r\n --b\r\n--b--x\r\n--b--  \r\n"|text/plain "\r\n" "--bb\r\n-b\r\n --b\r\n--b--x"`, []int64{7, 3}},
		"outer ends inner": {mixed + "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nx\n--b--\n",
			`multipart/mixed H "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--b--\r\n"|` +
				`multipart/alternative "Content-Type: multipart/alternative; boundary=c\r\n\r\n" "--c\r\n\r\nx"|text/plain "\r\n" "x"`, []int64{7, 2, 0}},
		"message within": {"Content-Type: message/rfc822\n\nA: b\n\nx\n",
			`message/rfc822 "Content-Type: message/rfc822\r\n\r\n" "A: b\r\n\r\nx\r\n"|text/plain "A: b\r\n\r\n" "x\r\n"`, []int64{3, 1}},
		"encoded message": {"Content-Type: message/rfc822\nContent-Transfer-Encoding: BASE64 \n\nQTogYg==\n",
			`message/rfc822 "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: BASE64 \r\n\r\n" "QTogYg==\r\n"`, []int64{1}},
		"digest": {"Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b--\n",
			`multipart/digest "Content-Type: multipart/digest; boundary=b\r\n\r\n" "--b\r\n\r\nA: b\r\n\r\nx\r\n--b--\r\n"|message/rfc822 "\r\n" "A: b\r\n\r\nx"|text/plain "A: b\r\n\r\n" "x"`, []int64{6, 2, 0}},
		"empty inner message": {mixed + "--b\nContent-Type: message/rfc822\n\n--b--\n",
			`multipart/mixed H "--b\r\nContent-Type: message/rfc822\r\n\r\n--b--\r\n"|message/rfc822 "Content-Type: message/rfc822\r\n" ""|text/plain "" ""`, []int64{4, 0, 0}},
		"no boundary": {"Content-Type: multipart/mixed\n\n--\n--x\n", `multipart/mixed "Content-Type: multipart/mixed\r\n\r\n" "--\r\n--x\r\n"`, []int64{2}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			message := crlf(test.message)
			s := scan(message, nil)
			want := strings.ReplaceAll(test.want, " H ", fmt.Sprintf(" %q ", crlf(mixed)))
			got := strings.ReplaceAll(strings.TrimSpace(outline(message, s.Root, 0)), "\n ", "\n")
			got = strings.ReplaceAll(strings.ReplaceAll(got, "\n ", "\n"), "\n", "|")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			var lines []int64
			s.Root.Walk(func(p *Part) bool { lines = append(lines, p.Lines); return true })
			if diff := cmp.Diff(test.lines, lines); diff != "" {
				t.Errorf("lines: %s", diff)
			}
		})
	}
}

func TestScannerMeasures(t *testing.T) {
	for message, want := range map[string]Structure{
		"":                            {},
		"abc":                         {Size: 3, LongestLine: 3},
		"abc\r\n":                     {Size: 5, LongestLine: 3},
		"a\nabcd\n":                   {Size: 7, LongestLine: 4},
		"a\r\n\r\n" + "\xe8" + "\r\n": {Size: 8, LongestLine: 1, EightBit: true},
		"a\r\n\r\n" + strings.Repeat("x", 1200) + "\r\n": {Size: 1207, LongestLine: 1200},
	} {
		got := scan([]byte(message), nil)
		got.Root = nil
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%.20q: %s", message, diff)
		}
	}
}

// TestScannerBounds: what no memory should be spent on is noted and passed over (attacks.md 6).
func TestScannerBounds(t *testing.T) {
	nested := strings.Builder{}
	for i := range 2 * maxDepth {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	cases := map[string]string{
		"a million parts":      "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 1e6),
		"depth":                nested.String(),
		"messages in messages": strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 1000),
		"a huge header":        "A: " + strings.Repeat("b", 3<<20) + "\r\n\r\n",
		"a header of lines":    strings.Repeat("A: b\r\n", 1<<19) + "\r\n",
		"many headers":         "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nA: "+strings.Repeat("c", 900)+"\r\n\r\n", 2000),
	}
	for name, message := range cases {
		t.Run(name, func(t *testing.T) {
			s := scan([]byte(message), func(*Part) bool { return true })
			if !s.Truncated || s.Size != int64(len(message)) {
				t.Errorf("truncated %v, size %d of %d", s.Truncated, s.Size, len(message))
			}
			parts, octets := 0, 0
			s.Root.Walk(func(p *Part) bool { parts++; octets += len(p.Header) + len(p.Kept); return true })
			if parts > maxParts || octets > maxHeaderBytes+maxKeptBodies {
				t.Errorf("%d parts hold %d octets", parts, octets)
			}
		})
	}
}

func TestScannerKeeps(t *testing.T) {
	big := strings.Repeat("x", maxKeptBody+1)
	message := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\n" + big + "\r\n--b\r\n\r\n\r\n--b--\r\n"
	s := scan([]byte(message), func(p *Part) bool { return p.Parent != nil })
	got := []*Part{s.Root, s.Root.Children[0], s.Root.Children[1], s.Root.Children[2]}
	if got[0].Kept != nil || string(got[1].Kept) != "one" || got[2].Kept != nil || got[3].Kept == nil || len(got[3].Kept) != 0 {
		t.Errorf("kept %q %q %d %q", got[0].Kept, got[1].Kept, len(got[2].Kept), got[3].Kept)
	}
}

// drawMessage draws octets in which everything that matters to the scanner is frequent.
func drawMessage(t *rapid.T) []byte {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"\r\n", "\n", "\r", "--b", "--c", "--b--", "--c--", "--", "-", "b", "x", "\xe8", " ", "A: b\r\n",
			"\r\n--b\r\n", "\r\n--c\r\n", "\r\n--b--\r\n", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
			"Content-Type: multipart/digest; boundary=c\r\n\r\n", "Content-Type: message/rfc822\r\n\r\n",
			"Content-Type: text/html;\r\n charset=x\r\n\r\n", "Content-Transfer-Encoding: base64\r\n",
			strings.Repeat("y", 600), "--b" + strings.Repeat(" ", 600),
		}),
		rapid.StringN(0, 5, 20),
	)
	return []byte(strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "message"), ""))
}

// TestScannerChunks: however a message is cut, the structure is the same.
func TestScannerChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message := drawMessage(t)
		keep := func(p *Part) bool { return p.Type == "text" || p.Subtype == "digest" }
		s := NewScanner(keep)
		for rest := message; len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 9)).Draw(t, "chunk")
			_, _ = s.Write(rest[:n])
			rest = rest[n:]
		}
		got, want := s.Finish(), scan(message, keep)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Part{}, "Parent")); diff != "" {
			t.Fatal(diff)
		}
		checkStructure(t, message, got, keep)
	})
}

type fataler interface{ Fatalf(string, ...any) }

// checkStructure holds a structure to what must be true of any.
func checkStructure(t fataler, message []byte, s *Structure, keep func(*Part) bool) {
	if s.Size != int64(len(message)) || s.Root.Start != 0 || s.Root.End != s.Size {
		t.Fatalf("size %d of %d, root %d to %d", s.Size, len(message), s.Root.Start, s.Root.End)
	}
	s.Root.Walk(func(p *Part) bool {
		if p.Start > p.Body || p.Body > p.End {
			t.Fatalf("part %d %d %d", p.Start, p.Body, p.End)
		}
		if p.Header != nil && !bytes.Equal(p.Header, message[p.Start:p.Body]) {
			t.Fatalf("header %q is not %q", p.Header, message[p.Start:p.Body])
		}
		if p.Kept != nil && !bytes.Equal(p.Kept, message[p.Body:p.End]) {
			t.Fatalf("kept %q is not %q", p.Kept, message[p.Body:p.End])
		}
		if n := int64(bytes.Count(message[p.Body:p.End], []byte("\n"))); n != p.Lines {
			t.Fatalf("%d lines in %q, counted %d", n, message[p.Body:p.End], p.Lines)
		}
		from := p.Body
		for _, child := range p.Children {
			if child.Start < from || child.End > p.End || child.Parent != p {
				t.Fatalf("child %d to %d of %d to %d", child.Start, child.End, from, p.End)
			}
			from = child.End
		}
		return true
	})
	checkStored(t, s)
}

// checkStored: the binary form gives back all but headers, parameters and kept bodies.
func checkStored(t fataler, s *Structure) {
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatalf("%v", err)
	}
	var got Structure
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(s, &got, cmpopts.IgnoreFields(Part{}, "Parent", "Header", "Params", "Kept"), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s", diff)
	}
	got.Root.Walk(func(p *Part) bool {
		for _, child := range p.Children {
			if child.Parent != p {
				t.Fatalf("child without its parent")
			}
		}
		return true
	})
}

func FuzzScanner(f *testing.F) {
	for _, kind := range allKinds() {
		d, err := Compose(sampleComposition(f, kind))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(assembled(d, sampleBody), uint8(7))
	}
	f.Add([]byte("Content-Type: multipart/digest; boundary=b\n\n--b\n\n\n--b\n--b--"), uint8(1))
	f.Fuzz(func(t *testing.T, message []byte, size uint8) {
		s := NewScanner(KeepForParse)
		for chunk := range slices.Chunk(message, int(size)+1) {
			_, _ = s.Write(chunk)
		}
		got, want := s.Finish(), scan(message, KeepForParse)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Part{}, "Parent")); diff != "" {
			t.Fatal(diff)
		}
		checkStructure(t, message, got, nil)
		m, _ := ParseMessage(got)
		_ = m.LooksLikePEC()
		_ = m.Consistent(alfaSigner)
		_, _ = ReadDSN(got)
		got.Root.Walk(func(p *Part) bool { _ = p.Filename(); return true })
	})
}

func FuzzStructure(f *testing.F) {
	b, _ := scan(crlf(sampleHeader), nil).MarshalBinary()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Structure
		if s.UnmarshalBinary(b) == nil {
			checkStored(t, &s)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	message := []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + strings.Repeat(line, 1<<17) + "--b--\r\n")
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		s := NewScanner(KeepForParse)
		for rest := message; len(rest) > 0; {
			n := min(len(rest), 32<<10)
			_, _ = s.Write(rest[:n])
			rest = rest[n:]
		}
		s.Finish()
	}
}

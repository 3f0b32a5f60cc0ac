package pec

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// FuzzBrief: whatever the original is, it is shortened rightly or not at all (attacks.md 6, 20).
func FuzzBrief(f *testing.F) {
	for i := range 5 {
		f.Add(rapid.Custom(func(t *rapid.T) []byte { m, _ := drawOriginal(t); return m }).Example(i))
	}
	f.Add(crlf("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b\n\n--b\n--b\n--b--\n"))
	f.Add(crlf(mixedHeader + "--b\nContent-Type: multipart/signed; boundary=\"b--\"\n\n--b--\nContent-Type: a/b; name=x\n\nx\n--b----\n--b--\n--b--\n"))
	f.Add([]byte(mixedHeader + "--b\nContent-Type: a/b; name=x\n\nx\n--b--\n"))
	f.Fuzz(func(t *testing.T, message []byte) { checkBriefOf(t, message) })
}

// TestBriefOfAnything does the same with pieces that matter; and what went, other readers find. Line
// ends are CRLF, as in all that is admitted (design.md 5).
func TestBriefOfAnything(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"\r\n", "\r\n\r\n", "--b", "--c", "--", "x", " ", "A: b\r\n", "junk\r\n", "\r\n--b\r\n", "\r\n--c\r\n", "\r\n--bc\r\n",
		"\r\n--b--\r\n", "\r\n--c--\r\n", "Content-Type: a/b; name=x\r\n", "Content-Type: a/b; name=x\r\n\r\nx", "\r\n--b\r\nContent-Type: a/b; name=x\r\n\r\nx\r\n--b\r\n",
		"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
		"Content-Type: multipart/digest; boundary=c\r\n\r\n--c\r\n", "Content-Type: multipart/signed; boundary=\"b--\"\r\n\r\n",
		"Content-Type: message/rfc822\r\n\r\n", "Content-Disposition: inline; filename=y\r\n",
	})
	replaced := 0
	rapid.Check(t, func(t *rapid.T) {
		inside := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "pieces"), "")
		message := string(crlf(mixedHeader)) + "--b\r\n" + inside + "\r\n--b--\r\n"
		contents := checkBriefOf(t, []byte(message))
		replaced += len(contents)
		leaves, err := leavesOf([]byte(message))
		if err != nil {
			return // it found no end
		}
		for _, content := range contents {
			if !slices.ContainsFunc(leaves, func(p drawnPart) bool { return p.body == content }) {
				t.Fatalf("%q is not in %q", content, leaves)
			}
		}
	})
	if replaced == 0 {
		t.Error("nothing was replaced")
	}
}

// checkBriefOf shortens a message and gives the contents that went.
func checkBriefOf(t fataler, message []byte) (contents []string) {
	e := enclose(t, message)
	plan, err := PlanBrief(e.structure, e.part, e.header)
	if errors.Is(err, ErrWhole) {
		return nil
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	r := plan.Shorten(crypto.SHA1, iotest.HalfReader(bytes.NewReader(e.body)))
	out, err := io.ReadAll(r)
	if errors.Is(err, ErrWhole) {
		return nil
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	checkPieces(t, e, out, r.Pieces())
	checkAllMatch(t, message, slices.Concat(e.header, out))
	return checkLiterals(t, e, r.Pieces())
}

// checkAllMatch: a receipt of ours is borne out by the message it is about.
func checkAllMatch(t fataler, sent, short []byte) {
	matches, err := checkBrief(sent, short)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, m := range matches {
		if m.State != BriefMatches {
			t.Fatalf("%+v in\n%s\nof\n%s", m, short, sent)
		}
	}
}

// checkPieces: what was read is the pieces, which are in order, within the body, and as few as
// can be.
func checkPieces(t fataler, e enclosedOriginal, out []byte, pieces []Piece) {
	var joined []byte
	from, copied := int64(0), false
	for _, p := range pieces {
		if p.Literal != nil {
			joined, copied = append(joined, p.Literal...), false
			continue
		}
		if copied || p.Length <= 0 || p.Offset < from || p.Offset+p.Length > int64(len(e.body)) {
			t.Fatalf("piece %d+%d after %d of %d, copied %v", p.Offset, p.Length, from, len(e.body), copied)
		}
		from, copied = p.Offset+p.Length, true
		joined = append(joined, e.body[p.Offset:from]...)
	}
	if !bytes.Equal(joined, out) {
		t.Fatalf("%q\nis not\n%q", joined, out)
	}
}

// checkLiterals: each hash is that of the whole body of the one part that it stands for.
func checkLiterals(t fataler, e enclosedOriginal, pieces []Piece) (contents []string) {
	parts := map[int64]*Part{}
	e.part.Walk(func(p *Part) bool {
		if p.Start < p.End && p != e.part {
			parts[p.Start-e.part.Body] = p
		}
		return true
	})
	from := int64(0)
	for i, piece := range pieces {
		if piece.Literal == nil {
			from = piece.Offset + piece.Length
			continue
		}
		p := parts[from]
		if p == nil || i+1 == len(pieces) || pieces[i+1].Offset != p.End-e.part.Body {
			t.Fatalf("piece %d stands for no part at %d", i, from)
		}
		content := string(e.body[p.Body-e.part.Body : p.End-e.part.Body])
		if !strings.HasSuffix(string(piece.Literal), "\r\n\r\n"+sha1Of(content)) {
			t.Fatalf("%q, want %s", piece.Literal, sha1Of(content))
		}
		contents = append(contents, content)
	}
	return contents
}

// TestBoundaryGuard: a boundary is found however the octets come in pieces, and little is kept.
func TestBoundaryGuard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.StringMatching(`[-bc\n]{0,40}`).Draw(t, "octets")
		g := newBoundaryGuard([]string{"bcb", "c"})
		for rest := []byte(octets); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
			_, _ = g.Write(rest[:n])
			rest = rest[n:]
			if len(g.window) >= len("\n--bcb") {
				t.Fatalf("kept %q", g.window)
			}
		}
		if want := strings.Contains("\n"+octets, "\n--bcb") || strings.Contains("\n"+octets, "\n--c"); g.found != want {
			t.Fatalf("%q: %v", octets, g.found)
		}
	})
}

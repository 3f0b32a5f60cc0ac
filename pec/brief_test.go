package pec

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// enclosedOriginal is an original inside a message, with a structure as the store gives it back.
type enclosedOriginal struct {
	structure    *Structure
	part         *Part
	header, body []byte
}

const (
	beforeOriginal = "Content-Type: multipart/mixed; boundary=enclosing\r\n\r\n--enclosing\r\nContent-Type: message/rfc822\r\n\r\n"
	afterOriginal  = "\r\n--enclosing--\r\n"
)

func enclose(t fataler, message []byte) enclosedOriginal {
	octets := []byte(beforeOriginal + string(message) + afterOriginal)
	stored, err := scan(octets, nil).MarshalBinary()
	if err != nil {
		t.Fatalf("%v", err)
	}
	e := enclosedOriginal{structure: &Structure{}}
	if err := e.structure.UnmarshalBinary(stored); err != nil {
		t.Fatalf("%v", err)
	}
	e.part = e.structure.Root
	if inner := e.part.Children; len(inner) > 0 && len(inner[0].Children) > 0 { // not if truncated
		e.part = inner[0].Children[0]
	}
	e.header, e.body = octets[e.part.Start:e.part.Body], octets[e.part.Body:e.part.End]
	return e
}

// shorten gives the shortened body and its pieces.
func (e enclosedOriginal) shorten(h crypto.Hash) ([]byte, []Piece, error) {
	plan, err := PlanBrief(e.structure, e.part, e.header)
	if err != nil {
		return nil, nil, err
	}
	r := plan.Shorten(h, bytes.NewReader(e.body))
	out, err := io.ReadAll(r)
	return out, r.Pieces(), err
}

func mustShorten(t testing.TB, message []byte) string {
	t.Helper()
	out, _, err := enclose(t, message).shorten(crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func sha1Of(s string) string { return fmt.Sprintf("%x", sha1.Sum([]byte(s))) }

// hashFile is what stands for a part with a short plain name.
func hashFile(name, content string) string {
	return "Content-Type: text/plain; charset=us-ascii;\n name=\"" + name + "\"\nContent-Transfer-Encoding: 7bit\n" +
		"Content-Disposition: attachment;\n filename=\"" + name + "\"\n\n" +
		sha1Of(strings.ReplaceAll(content, "\n", "\r\n")) + "\n"
}

const mixedHeader = "Subject: prova\nContent-Type: multipart/mixed; boundary=b\n\n"

// TestBrief: what becomes of the body of an original, rule by rule (RFC 6109 3.3.2.2; norms.md
// 84-86).
func TestBrief(t *testing.T) {
	const text = "--b\nContent-Type: text/plain\n\nTesto\n\n"
	const pdf = "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0x\nLjQK\n"
	const attached = "From: x@y.test\n\nciao\n"
	for name, c := range map[string]struct{ header, body, want string }{
		"name of Content-Type": {mixedHeader,
			"preamble\n" + text + "--b\n" + pdf + "--b--\nepilogue\n",
			"preamble\n" + text + "--b\n" + hashFile("a.pdf.hash", "JVBERi0x\nLjQK") + "--b--\nepilogue\n"},
		"the hash is of all octets up to the line end of the boundary": {mixedHeader,
			"--b\n" + pdf + "\n\n--b--\n", "--b\n" + hashFile("a.pdf.hash", "JVBERi0x\nLjQK\n\n") + "--b--\n"},
		"filename of Content-Disposition wins": {mixedHeader,
			"--b\nContent-Type: text/plain; name=one\nContent-Disposition: inline; filename=\"two\"\n\nx\n--b--\n",
			"--b\n" + hashFile("two.hash", "x") + "--b--\n"},
		"text with a name": {mixedHeader, "--b\nContent-Type: text/html; name=x.htm\n\n<p>\n--b--\n",
			"--b\n" + hashFile("x.htm.hash", "<p>") + "--b--\n"},
		"empty file": {mixedHeader, "--b\nContent-Type: a/b; name=x\n\n\n--b--\n", "--b\n" + hashFile("x.hash", "") + "--b--\n"},
		"no body":    {mixedHeader, "--b\nContent-Type: a/b; name=x\n\n--b--\n", "--b\n" + hashFile("x.hash", "") + "--b--\n"},
		"no names":   {mixedHeader, text + "--b\nContent-Disposition: attachment\n\nx\n--b--\n", text + "--b\nContent-Disposition: attachment\n\nx\n--b--\n"},
		"empty name": {mixedHeader, "--b\nContent-Type: a/b; name=\"\"\n\nx\n--b--\n", "--b\nContent-Type: a/b; name=\"\"\n\nx\n--b--\n"},
		"attached message, all of it": {mixedHeader,
			"--b\nContent-Type: message/rfc822; name=x.eml\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n" + pdf + "--c--\n--b\n" + pdf + "--b--\n",
			"--b\n" + hashFile("x.eml.hash", "Content-Type: multipart/mixed; boundary=c\n\n--c\n"+pdf+"--c--") + "--b\n" +
				hashFile("a.pdf.hash", "JVBERi0x\nLjQK") + "--b--\n"},
		"attached message that is not closed within": {mixedHeader,
			"--b\nContent-Type: message/rfc822; name=x.eml\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n" + pdf + "--b--\n",
			"--b\n" + hashFile("x.eml.hash", "Content-Type: multipart/mixed; boundary=c\n\n--c\n"+strings.TrimSuffix(pdf, "\n")) + "--b--\n"},
		"attached message without a name": {mixedHeader, "--b\nContent-Type: message/rfc822\n\n" + attached + "\n--b--\n",
			"--b\n" + hashFile("message.eml.hash", attached) + "--b--\n"},
		"digest": {"Content-Type: multipart/digest; boundary=b\n\n", "--b\n\n" + attached + "--b\n\n--b\n--b--\n",
			"--b\n" + hashFile("message.eml.hash", strings.TrimSuffix(attached, "\n")) + "--b\n\n--b\n--b--\n"},
		"multipart with a name": {mixedHeader,
			"--b\nContent-Type: multipart/appledouble; name=x; boundary=c\n\n--c\n" + pdf + "--c--\n--b--\n",
			"--b\nContent-Type: multipart/appledouble; name=x; boundary=c\n\n--c\n" + hashFile("a.pdf.hash", "JVBERi0x\nLjQK") + "--c--\n--b--\n"},
		"multipart/signed": {"Content-Type: multipart/signed; boundary=b\n\n",
			"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n" + pdf + "--c--\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\n\nMIIB\n--b--\n",
			"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n" + hashFile("a.pdf.hash", "JVBERi0x\nLjQK") + "--c--\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\n\nMIIB\n--b--\n"},
		"multipart/signed whose first part is a file": {"Content-Type: multipart/signed; boundary=b\n\n",
			"--b\n" + pdf + "--b\nContent-Type: application/x-pkcs7-signature; name=smime.p7s\n\nMIIB\n--b--\n",
			"--b\n" + hashFile("a.pdf.hash", "JVBERi0x\nLjQK") + "--b\nContent-Type: application/x-pkcs7-signature; name=smime.p7s\n\nMIIB\n--b--\n"},
		"multipart/signed within": {mixedHeader,
			"--b\nContent-Type: multipart/signed; boundary=c\n\n--c\n\nx\n--c\nContent-Type: application/pgp-signature; name=s.asc\n\ny\n--c--\n--b\n" + pdf + "--b--\n",
			"--b\nContent-Type: multipart/signed; boundary=c\n\n--c\n\nx\n--c\nContent-Type: application/pgp-signature; name=s.asc\n\ny\n--c--\n--b\n" + hashFile("a.pdf.hash", "JVBERi0x\nLjQK") + "--b--\n"},
		"attached .p7m": {mixedHeader, "--b\nContent-Type: application/pkcs7-mime; name=f.p7m\n\nMIIB\n--b--\n",
			"--b\n" + hashFile("f.p7m.hash", "MIIB") + "--b--\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustShorten(t, crlf(c.header+c.body))
			if diff := cmp.Diff(string(crlf(c.want)), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestBriefStays: a part stays as it is where other readers may begin or name it otherwise
// (attacks.md 20).
func TestBriefStays(t *testing.T) {
	named := "Content-Type: a/b; name=x"
	for name, part := range map[string]string{
		"a line that is no field":   "junk\n" + named + "\n\nx",
		"blanks before a colon":     "Content-Type : a/b; name=x\n\nx",
		"Content-Type twice":        named + "\nContent-Type: c/d; name=y\n\nx",
		"Content-Disposition twice": named + "\nContent-Disposition: inline\nContent-Disposition: inline; filename=y\n\nx",
		"no empty line":             named,
		"a continuation of nothing": " y\n" + named + "\n\nx",
		"a multipart with a header that is none": "junk\nContent-Type: multipart/mixed; boundary=c\n\n--c\n" + named + "\n\nx\n" +
			"--c\n" + named + "\n\ny\n--c--",
	} {
		t.Run(name, func(t *testing.T) {
			body := crlf("--b\n" + part + "\n--b\nContent-Type: a/b; name=last\n\nx\n--b--\n")
			want := crlf("--b\n" + part + "\n--b\n" + hashFile("last.hash", "x") + "--b--\n")
			if diff := cmp.Diff(string(want), mustShorten(t, append(crlf(mixedHeader), body...))); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("bare line feeds", func(t *testing.T) {
		message := append(crlf(mixedHeader), "--b\nContent-Type: a/b; name=x\n\nx\n--b--\n"...)
		if got := mustShorten(t, message); got != string(message[len(crlf(mixedHeader)):]) {
			t.Errorf("%q", got)
		}
	})
}

// TestBriefWhole: an original in which a hash could be of other octets than a reader finds is not
// shortened at all (attacks.md 6, 20).
func TestBriefWhole(t *testing.T) {
	const part = "--b\nContent-Type: a/b; name=x\n\nx\n"
	inner := func(boundary string) string {
		return "--b\nContent-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n--" + boundary + "\nContent-Type: a/b; name=y\n\ny\n--" + boundary + "--\n"
	}
	for name, message := range map[string]string{
		"one part":                   "Content-Type: text/plain\n\nx\n",
		"one file":                   "Content-Type: application/pdf; name=x.pdf\n\nx\n",
		"opaque S/MIME":              "Content-Type: application/pkcs7-mime; name=smime.p7m\n\nMIIB\n",
		"a message":                  "Content-Type: message/rfc822\n\n" + mixedHeader + part + "--b--\n",
		"no boundary":                "Content-Type: multipart/mixed\n\n" + part + "--b--\n",
		"a header that is none":      "junk\n" + mixedHeader + part + "--b--\n",
		"two types":                  "Content-Type: multipart/mixed; boundary=b\nContent-Type: multipart/mixed; boundary=c\n\n" + part + "--b--\n",
		"not closed":                 mixedHeader + part,
		"not closed, next begun":     mixedHeader + part + "--b\n",
		"not closed within":          mixedHeader + part + "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--b--\n",
		"boundary used twice":        mixedHeader + part + inner("b") + "--b--\n",
		"boundary with dashes":       mixedHeader + part + inner("b--") + "--b--\n--b--\n",
		"more levels than looked at": nested(maxEnclosing + 1),
		"boundary in a message":      mixedHeader + "--b\nContent-Type: message/rfc822\n\n" + mixedHeader + part + "--b--\n\n--b--\n",
		"more parts than looked at":  mixedHeader + strings.Repeat("--b\n\n", maxParts) + part + "--b--\n",
	} {
		t.Run(name, func(t *testing.T) {
			if out, pieces, err := enclose(t, crlf(message)).shorten(crypto.SHA1); !errors.Is(err, ErrWhole) || pieces != nil {
				t.Errorf("%v, %d pieces, %.200q", err, len(pieces), out)
			}
		})
	}
}

// nested is a file within multiparts.
func nested(levels int) string {
	open, closed := "Content-Type: multipart/mixed; boundary=b1\n\n", ""
	for i := 1; i <= levels; i++ {
		kind := fmt.Sprintf("multipart/mixed; boundary=b%d", i+1)
		if i == levels {
			kind = "a/b; name=x"
		}
		open += fmt.Sprintf("--b%d\nContent-Type: %s\n\n", i, kind)
		closed = fmt.Sprintf("\n--b%d--\n", i) + closed
	}
	return open + "x" + closed
}

// A message of as many levels as are looked at is shortened.
func TestBriefLevels(t *testing.T) {
	if got := mustShorten(t, crlf(nested(maxEnclosing))); !strings.Contains(got, "x.hash") {
		t.Errorf("%q", got)
	}
}

// TestBriefMisfit: a structure, a header or a body of something else is never hashed.
func TestBriefMisfit(t *testing.T) {
	message := crlf(mixedHeader + "--b\nContent-Type: a/b; name=x\n\nxyz\n--b--\n")
	child := func(e *enclosedOriginal) *Part { return e.part.Children[0] }
	broken := errors.New("broken disk")
	for name, c := range map[string]struct {
		change func(*enclosedOriginal)
		want   error
	}{
		"as it is":         {func(*enclosedOriginal) {}, nil},
		"truncated":        {func(e *enclosedOriginal) { e.structure.Truncated = true }, ErrWhole},
		"other header":     {func(e *enclosedOriginal) { e.header = append([]byte("X: y\r\n"), e.header...) }, ErrWhole},
		"other body":       {func(e *enclosedOriginal) { e.body = bytes.Replace(e.body, []byte("a/b"), []byte("a/c"), 1) }, ErrWhole},
		"longer body":      {func(e *enclosedOriginal) { e.body = append(e.body[:len(e.body):len(e.body)], 'x') }, ErrWhole},
		"shorter body":     {func(e *enclosedOriginal) { e.body = e.body[:len(e.body)-1] }, io.ErrUnexpectedEOF},
		"ends in a header": {func(e *enclosedOriginal) { e.body = e.body[:9] }, io.ErrUnexpectedEOF},
		"ends in a file":   {func(e *enclosedOriginal) { e.body = e.body[:bytes.Index(e.body, []byte("yz"))] }, io.ErrUnexpectedEOF},
		"ends past parent": {func(e *enclosedOriginal) { child(e).End = e.part.End + 1 }, ErrWhole},
		"begins before":    {func(e *enclosedOriginal) { child(e).Start = 1 }, ErrWhole},
		"ends before":      {func(e *enclosedOriginal) { child(e).End = child(e).Body - 1 }, ErrWhole},
		"huge header": {func(e *enclosedOriginal) {
			child(e).Start, child(e).Body, child(e).End = 1<<30, 1<<40, 1<<41
			e.part.End = 1 << 42
		}, ErrWhole},
		"overlap": {func(e *enclosedOriginal) { e.part.Children = append(e.part.Children, child(e)) }, ErrWhole},
	} {
		t.Run(name, func(t *testing.T) {
			e := enclose(t, message)
			c.change(&e)
			if _, _, err := e.shorten(crypto.SHA1); !errors.Is(err, c.want) {
				t.Error(err)
			}
		})
	}
	e := enclose(t, message)
	plan, err := PlanBrief(e.structure, e.part, e.header)
	if err != nil {
		t.Fatal(err)
	}
	all := mustShorten(t, message)
	for at := range e.body {
		for _, end := range []error{broken, io.EOF} {
			r := plan.Shorten(crypto.SHA1, io.MultiReader(bytes.NewReader(e.body[:at]), iotest.ErrReader(end)))
			out, err := io.ReadAll(r)
			if err == nil || end == broken && !errors.Is(err, broken) || r.Pieces() != nil || !strings.HasPrefix(all, string(out)) {
				t.Fatalf("%v at %d: %v, read %q", end, at, err, out)
			}
		}
	}
	if _, _, err := e.shorten(crypto.MD5); err == nil || errors.Is(err, ErrWhole) {
		t.Errorf("MD5: %v", err)
	}
}

func TestBriefSHA256(t *testing.T) {
	e := enclose(t, crlf(mixedHeader+"--b\nContent-Type: a/b; name=x\n\nxyz\n--b--\n"))
	out, pieces, err := e.shorten(crypto.SHA256)
	sum := sha256.Sum256([]byte("xyz"))
	if err != nil || !bytes.Contains(out, []byte("\r\n\r\n"+hex.EncodeToString(sum[:])+"\r\n--b--\r\n")) {
		t.Errorf("%v %q", err, out)
	}
	want := []Piece{{Offset: 0, Length: 5}, {Literal: out[5:bytes.LastIndex(out, []byte("\r\n--b--"))]}, {Offset: int64(bytes.LastIndex(e.body, []byte("\r\n--b--"))), Length: 9}}
	if diff := cmp.Diff(want, pieces); diff != "" {
		t.Error(diff)
	}
}

// TestBriefEnclosed: the shortened original in a receipt of ours is one that a peer reads, and
// the envelope's own names play no part.
func TestBriefEnclosed(t *testing.T) {
	c := sampleComposition(t, Transport)
	c.Original = bytes.Replace(rewritten(t), []byte("text/plain; charset=utf-8"), []byte("multipart/mixed; boundary=b"), 1)
	body := string(crlf("--b\nContent-Type: a/b; name=x\n\nx\n--b--\n"))
	message := assembled(compose(t, c), body)
	m := parse(t, message)
	plan, err := PlanBrief(m.Structure, m.Original.Children[0], c.Original)
	if err != nil {
		t.Fatal(err)
	}
	short, err := io.ReadAll(plan.Shorten(crypto.SHA1, strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	receipt := sampleComposition(t, Delivered)
	receipt.Original, receipt.Data.ReceiptType = c.Original, Brief
	got := parse(t, assembled(compose(t, receipt), string(short)))
	if p := got.Original.Children[0].Children[0]; !p.Is("text", "plain") || p.Filename() != "x.hash" || p.End-p.Body != 40 {
		t.Errorf("%s/%s %q, %d octets", p.Type, p.Subtype, p.Filename(), p.End-p.Body)
	}
}

// repeated gives the same octets over and over.
type repeated struct {
	octets []byte
	at     int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.octets[r.at:])
	r.at = (r.at + n) % len(r.octets)
	return n, nil
}

// TestBriefMemory: a large original takes a buffer, whether its octets are hashed or passed on
// (attacks.md 6).
func TestBriefMemory(t *testing.T) {
	const size = 30 << 20
	line := []byte(strings.Repeat("QUJD", 19) + "\r\n")
	for name, field := range map[string]string{"hashed": "X: y; name=x", "copied": "X: y"} {
		field = strings.Replace(field, "X: y", "Content-Type: a/b", 1)
		start, end := string(crlf("--b\n"+field+"\n\n")), "\r\n--b--\r\n"
		body := func() io.Reader {
			return io.MultiReader(strings.NewReader(start), io.LimitReader(&repeated{octets: line}, size), strings.NewReader(end))
		}
		scanner := NewScanner(nil)
		_, _ = scanner.Write(crlf(mixedHeader))
		if _, err := io.Copy(scanner, body()); err != nil {
			t.Fatal(err)
		}
		s := scanner.Finish()
		plan, err := PlanBrief(s, s.Root, crlf(mixedHeader))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := io.Copy(io.Discard, plan.Shorten(crypto.SHA1, body()))
		runtime.ReadMemStats(&after)
		if err != nil || (n > size) != (name == "copied") {
			t.Errorf("%s: %d octets, %v", name, n, err)
		}
		if spent := after.TotalAlloc - before.TotalAlloc; spent > 256<<10 {
			t.Errorf("%s: %d octets of memory", name, spent)
		}
	}
}

// TestBriefMemoryOfNames: headers that are all names make literals of some megabytes at most
// (attacks.md 6).
func TestBriefMemoryOfNames(t *testing.T) {
	part := "--b\r\nContent-Type: a/b; name=\"" + strings.Repeat("\xe8", maxBriefName) + "\"\r\n\r\n\r\n"
	out, pieces, err := enclose(t, []byte(string(crlf(mixedHeader))+strings.Repeat(part, 900)+"--b--\r\n")).shorten(crypto.SHA1)
	longest := 0
	for line := range bytes.Lines(out) {
		longest = max(longest, len(line))
	}
	if err != nil || len(pieces) != 1801 || len(out) > 8<<20 || longest > maxColumns+2 {
		t.Errorf("%v, %d pieces, %d octets, lines of %d", err, len(pieces), len(out), longest)
	}
}

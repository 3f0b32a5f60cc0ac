package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/ceralacca/ceralacca/pec"
)

// noise is octets that differ everywhere.
func noise(seed byte, n int) []byte {
	b := make([]byte, 0, n+sha256.Size)
	for block := sha256.Sum256([]byte{seed}); len(b) < n; block = sha256.Sum256(block[:]) {
		b = append(b, block[:]...)
	}
	return b[:n]
}

// octetsComeBack: at the sizes where a content changes its place.
func octetsComeBack(w *world) {
	for i, n := range []int{0, 1, memoryLimit - 1, memoryLimit, memoryLimit + 1, 3*memoryLimit + 7} {
		want := noise(byte(i), n)
		c := w.content(want)
		if c.Size != int64(n) || c.SHA256 != sha256.Sum256(want) || (c.file != nil) != (n > memoryLimit) {
			w.Errorf("%d octets became a content of %d, in a file: %t", n, c.Size, c.file != nil)
		}
		got, err := io.ReadAll(c.Section(0, c.Size))
		if err != nil || !bytes.Equal(got, want) {
			w.Errorf("%d octets before the commit: %v", n, err)
		}
		m := w.kept(Recipe{{Span: Span{Content: c.ID, Length: c.Size}}}, c)
		if !bytes.Equal(w.octets(m, nil), want) {
			w.Errorf("%d octets did not come back", n)
		}
		if !bytes.Equal(w.octets(m, []byte("lead")), append([]byte("lead"), want...)) {
			w.Errorf("%d octets did not come back behind a lead", n)
		}
	}
}

// kept is a message of a recipe over contents that become durable with it.
func (w *world) kept(r Recipe, contents ...*Content) ID {
	w.Helper()
	b := plainBatch()
	b.instant.At = w.now()
	for _, c := range contents {
		b.content(c)
	}
	m := w.message(KindOwn, "", r)
	w.must(b.message(m))
	w.must(w.commit(w.ctx(), b))
	for _, c := range contents {
		c.Release()
	}
	return m.ID
}

// recipesComeBack: random recipes over small and long contents, read at random places. attacks.md 26.
func recipesComeBack(w *world) {
	var contents []*Content
	octets := map[ID][]byte{}
	for i, n := range []int{1, 1000, memoryLimit, 2*memoryLimit + 3} {
		c := w.content(noise(byte(10+i), n))
		contents, octets[c.ID] = append(contents, c), noise(byte(10+i), n)
	}
	w.kept(Recipe{Literal([]byte("first"))}, contents...)
	steps := rapid.Custom(func(t *rapid.T) Step { return drawStep(t, contents) })
	rapid.Check(w.TB.(*testing.T), func(t *rapid.T) {
		r := Recipe(rapid.SliceOfN(steps, 0, 6).Draw(t, "recipe"))
		want := cooked(r, octets)
		if r.Size() != int64(len(want)) {
			t.Fatalf("the size is %d, want %d", r.Size(), len(want))
		}
		o, err := w.Open(w.ctx(), w.kept(r), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		whole, err := io.ReadAll(o.Reader())
		if err != nil || o.Size() != int64(len(want)) || !bytes.Equal(whole, want) {
			t.Fatalf("%d octets of %d came back: %v", len(whole), len(want), err)
		}
		readsAt(t, o, want)
	})
}

func drawStep(t *rapid.T, contents []*Content) Step {
	if rapid.Bool().Draw(t, "literal") {
		return Literal(rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "octets"))
	}
	c := rapid.SampledFrom(contents).Draw(t, "content")
	from := rapid.Int64Range(0, c.Size).Draw(t, "from")
	return Step{Span: Span{c.ID, from, rapid.Int64Range(0, c.Size-from).Draw(t, "length")}}
}

func cooked(r Recipe, octets map[ID][]byte) []byte {
	var b []byte
	for _, s := range r {
		if s.Span.Content.IsZero() {
			b = append(b, s.Literal...)
		} else {
			b = append(b, octets[s.Span.Content][s.Span.Offset:s.Span.Offset+s.Span.Length]...)
		}
	}
	return b
}

// readsAt holds ReadAt to what io.ReaderAt promises.
func readsAt(t *rapid.T, o *Octets, want []byte) {
	off := rapid.Int64Range(0, int64(len(want))+2).Draw(t, "place")
	got := make([]byte, rapid.IntRange(1, len(want)+2).Draw(t, "octets read"))
	expected := make([]byte, len(got))
	n, err := o.ReadAt(got, off)
	wantN, wantErr := bytes.NewReader(want).ReadAt(expected, off)
	if n != wantN || err != wantErr || !bytes.Equal(got, expected) {
		t.Fatalf("ReadAt of %d octets at %d of %d: %d, %v, want %d, %v", len(got), off, len(want), n, err, wantN, wantErr)
	}
}

// contentsAreShared: only what is the same octet for octet is a reference. attacks.md 26.
func contentsAreShared(w *world) {
	for _, n := range []int{5000, memoryLimit + 5000} {
		body := noise(byte(n), n)
		a := w.acceptance(w.instant(), "<"+NewID().String()+"@host>", body)
		w.must(w.Accept(w.ctx(), a))
		changed := bytes.Clone(body)
		changed[n-1] ^= 1
		long := bytes.Repeat([]byte("h"), memoryLimit+1)
		for _, c := range []struct {
			name                string
			before, body, after []byte
			want                Sharing
		}{
			{"the same", []byte("before"), body, []byte("after"), Shared},
			{"the same alone", nil, body, nil, Shared},
			{"the last octet changed", []byte("before"), changed, []byte("after"), Other},
			{"an octet less", []byte("before"), body[1:], []byte("after"), Other},
			{"nothing", []byte("before"), nil, []byte("after"), Other},
			{"much before", long, body, nil, Alone},
			{"much after", nil, body, long, Alone},
		} {
			whole := bytes.Join([][]byte{c.before, c.body, c.after}, nil)
			content := w.content(whole)
			r, got, err := w.Shared(w.ctx(), a.Envelope, content, int64(len(c.before)), int64(len(c.body)))
			w.must(err)
			own := got != Shared
			if got != c.want || r.contents()[0] == content.ID != own {
				w.Errorf("%s: it is %d, want %d", c.name, got, c.want)
			}
			var contents []*Content
			if own {
				contents = append(contents, content)
			}
			if !bytes.Equal(w.octets(w.kept(r, contents...), nil), whole) {
				w.Errorf("%s: the octets did not come back", c.name)
			}
			content.Release()
		}
	}
	outOfRange(w)
}

func outOfRange(w *world) {
	a := w.accepted()
	c := w.content([]byte("short"))
	for _, off := range []int64{-1, 1, 5, 6} {
		if _, got, err := w.Shared(w.ctx(), a.Envelope, c, off, a.Envelope.Body.Length); got != Other || err != nil {
			w.Errorf("a body at %d of a content of 5: it is %d, %v", off, got, err)
		}
	}
}

// appendShares: a copy in Sent costs its header, whatever else the submission was; others' messages are not to be probed.
func appendShares(w *world) {
	const client = "<sent@host>"
	body := noise(7, memoryLimit+100)
	w.must(w.Accept(w.ctx(), w.acceptance(w.instant(), client, body)))
	header := []byte("From: m\r\nX-Mailer: another header\r\nMessage-ID: " + client + "\r\n\r\n")
	for _, c := range []struct {
		name   string
		who    Mailbox
		body   []byte
		header []byte
		shared bool
	}{
		{"the sent message", w.mario, body, header, true},
		{"another holder's", w.luigi, body, header, false},
		{"another body", w.mario, noise(8, len(body)), header, false},
		{"another client id", w.mario, body, []byte("Message-ID: <other@host>\r\n\r\n"), false},
		{"no client id", w.mario, body, []byte("Subject: x\r\n\r\n"), false},
	} {
		sent, err := w.Folder(w.ctx(), c.who.ID, "Inviata")
		w.must(err)
		whole := append(bytes.Clone(c.header), c.body...)
		content, before := w.content(whole), w.count("content")
		uid, err := w.Append(w.ctx(), c.who.ID, sent.ID, content, structure(whole), []string{`\Seen`}, time.Time{})
		w.must(err)
		content.Release()
		if added := w.count("content") - before; (added == 1) != c.shared {
			w.Errorf("%s: %d contents added", c.name, added)
		}
		es := w.entries(sent.ID)
		e := es[len(es)-1]
		if e.UID != uid || e.Size != int64(len(whole)) || !bytes.Equal(w.octets(e.Message, e.Lead), whole) {
			w.Errorf("%s: the octets did not come back", c.name)
		}
	}
	if n := longContents(w); n != 5 {
		w.Errorf("%d content files, want 5: the submission's and those that are not shared", n)
	}
}

// longContents counts them, with those that are arriving.
func longContents(w *world) int {
	w.Helper()
	if _, ok := w.engine.(*sqliteEngine); ok {
		return files(w, contentsDir)
	}
	stored, err := collect(w.ctx(), w.Store, scanID, `SELECT DISTINCT content FROM chunk`)
	w.must(err)
	there := map[string]bool{}
	for _, id := range stored {
		there[id.String()] = true
	}
	for name := range readTree(w, w.Dir(), spoolDir) {
		there[filepath.Base(name)] = true
	}
	return len(there)
}

// files counts the files below a part of the data directory.
func files(w *world, dir string) (n int) {
	w.Helper()
	w.must(filepath.WalkDir(filepath.Join(w.Dir(), dir), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

func spoolLeavesNothing(w *world) {
	long := noise(1, memoryLimit+1)
	sp := w.NewSpool()
	sp.Write(long)
	if sp.Size() != int64(len(long)) || longContents(w) != 1 {
		w.Errorf("%d octets in %d files", sp.Size(), longContents(w))
	}
	sp.Discard()
	if _, err := sp.Write([]byte("x")); err == nil {
		w.Error("a discarded spool takes octets")
	}
	if _, err := sp.Seal(w.ctx()); err == nil {
		w.Error("a discarded spool was sealed")
	}
	w.content(long).Release()
	c := w.content(long)
	w.refused(ErrStale, func() error {
		at := w.late()
		return w.Hold(w.ctx(), at, record(at, pec.EventHeld, ""), Held{}, c, w.message(KindHeld, "", Recipe{{Span: Span{Content: c.ID, Length: c.Size}}}), nil)
	})
	c.Release()
	c.Release()
	if n := longContents(w); n != 0 {
		w.Errorf("%d files of what no fact names", n)
	}

	sp = w.NewSpool()
	sp.Write(long)
	kept, err := sp.Seal(w.ctx())
	w.must(err)
	sp.Discard() // after Seal: nothing
	m := w.kept(Recipe{{Span: Span{Content: kept.ID, Length: kept.Size}}}, kept)
	if !bytes.Equal(w.octets(m, nil), long) {
		w.Error("the octets did not come back")
	}
}

func TestRecipeComesBackFromItsForm(t *testing.T) {
	steps := rapid.Custom(func(t *rapid.T) Step {
		if rapid.Bool().Draw(t, "literal") {
			return Literal(rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "octets"))
		}
		s := Span{Offset: rapid.Int64Range(0, 1<<62-1).Draw(t, "offset"), Length: rapid.Int64Range(0, 1<<62-1).Draw(t, "length")}
		copy(s.Content[:], rapid.SliceOfN(rapid.ByteRange(1, 255), 16, 16).Draw(t, "content"))
		return Step{Span: s}
	})
	rapid.Check(t, func(t *rapid.T) {
		r := Recipe(rapid.SliceOf(steps).Draw(t, "recipe"))
		got, err := decodeRecipe(r.encode())
		if err != nil || len(got) != len(r) || len(r) > 0 && !reflect.DeepEqual(got, r) {
			t.Fatalf("%v became %v, %v", r, got, err)
		}
	})
}

func TestEnclosing(t *testing.T) {
	if r := Enclosing([]byte("a"), Span{}, []byte("bc")); len(r) != 2 || r.Size() != 3 || r.contents() != nil {
		t.Errorf("no body: %v", r)
	}
	body := Span{NewID(), 5, 7}
	if r := Enclosing([]byte("a"), body, []byte("bc")); len(r) != 3 || r.Size() != 10 || len(r.contents()) != 1 {
		t.Errorf("a body: %v", r)
	}
}

func TestMalformedRecipes(t *testing.T) {
	span := func(tail ...byte) []byte {
		return append(append([]byte{recipeVersion, stepSpan}, bytes.Repeat([]byte{7}, 16)...), tail...)
	}
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	for name, b := range map[string][]byte{
		"empty": {}, "another version": {recipeVersion + 1}, "another step": {recipeVersion, 9},
		"an empty literal": {recipeVersion, stepLiteral, 0}, "a short literal": {recipeVersion, stepLiteral, 2, 'x'},
		"a literal without end": append([]byte{recipeVersion, stepLiteral}, huge...), "half a number": {recipeVersion, stepLiteral, 0x80},
		"a short span": {recipeVersion, stepSpan, 1, 2}, "no offset": span(), "no length": span(1),
		"too far": span(append(huge, 1)...), "too long": span(append([]byte{1}, huge...)...),
		"a span of nothing": append([]byte{recipeVersion, stepSpan}, make([]byte, 18)...),
	} {
		if r, err := decodeRecipe(b); !errors.Is(err, errRecipe) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	if r, err := decodeRecipe(span(0x80, 0x80, 1, 0)); err != nil || r.Size() != 0 || len(r) != 1 {
		t.Errorf("%v, %v", r, err)
	}
}

func FuzzRecipe(f *testing.F) {
	id := NewID()
	f.Add(Recipe{Literal([]byte("before")), {Span: Span{id, 3, 1 << 40}}, Literal([]byte("after"))}.encode())
	f.Add([]byte{recipeVersion})
	f.Add([]byte{recipeVersion, stepLiteral, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add(append([]byte{recipeVersion, stepSpan}, make([]byte, 18)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecipe(b)
		if err != nil {
			if !errors.Is(err, errRecipe) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeRecipe(r.encode())
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%v became %v, %v", r, again, err)
		}
	})
}

// A comparison that breaks off says nothing: a connection that is lost is no difference.
func TestBrokenComparison(t *testing.T) {
	lost := errors.New("connection lost")
	broken := func() io.Reader { return io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(lost)) }
	for name, c := range map[string]struct{ a, b io.Reader }{
		"the first": {broken(), strings.NewReader("abcdef")}, "the second": {strings.NewReader("abcdef"), broken()}, "both": {broken(), broken()},
	} {
		if same, err := sameOctets(c.a, c.b, 6); same || !errors.Is(err, lost) {
			t.Errorf("%s: %v, %v", name, same, err)
		}
	}
	for other, want := range map[string]bool{"abcdef": true, "abcdeg": false, "abcde": false, "abcdefg": false} {
		if same, err := sameOctets(strings.NewReader("abcdef"), strings.NewReader(other), 6); same != want || err != nil {
			t.Errorf("%s: %v, %v", other, same, err)
		}
	}
}

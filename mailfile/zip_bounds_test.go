package mailfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// attacks.md 21
func TestArchivesInArchives(t *testing.T) {
	nested := zipped(t, member{"a.eml", mail("a")})
	names := []string{"a.eml", "1.zip/a.eml", "2.zip/1.zip/a.eml"}
	for depth := range 6 {
		dir := tree(t, map[string]string{"x.zip": nested})
		h := walk(t, Options{}, dir, "x.zip")
		if depth <= maxDepth {
			h.wants(t, []string{"x.zip/" + names[depth]}, nil, nil)
		} else {
			h.wants(t, nil, []string{fmt.Sprintf("x.zip/%d.zip/%d.zip/%d.zip: an archive in more than 2 archives: unpack it first", depth, depth-1, depth-2)}, nil)
		}
		nested = zipped(t, member{fmt.Sprintf("%d.zip", depth+1), nested})
	}
}

// attacks.md 21
func TestMembersAreBounded(t *testing.T) {
	small, large := mail("x"), mail("x")+strings.Repeat("ciao\r\n", 1<<13)
	zeros := strings.Repeat("\x00", 1<<20)
	mbox := func(message string) string { return "From a\n" + message + "\n" }
	problem := func(name string, size int) string {
		return fmt.Sprintf("x.zip/%s: it unpacks to %d octets, more than %d: unpack it first", name, size, len(small))
	}
	for _, test := range []struct {
		name          string
		content       string
		found, passed []string
		problems      []string
	}{
		{"just so.eml", small, []string{"x.zip/just so.eml"}, nil, nil},
		{"large.eml", large, nil, nil, []string{problem("large.eml", len(large))}},
		{"inbox", mbox(large), nil, nil, []string{problem("inbox", len(mbox(large)))}},
		{"in.zip", stored(t, "a.eml", large), nil, nil, []string{problem("in.zip", len(stored(t, "a.eml", large)))}},
		{"zeros", zeros, nil, []string{"x.zip/zeros"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"x.zip": zipped(t, member{test.name, test.content})})
			walk(t, Options{MaxMember: int64(len(small))}, dir, "").wants(t, test.found, test.problems, test.passed)
		})
	}
}

// All archives of a walk share a bound, each member counted once and what is passed over as far as it was read.
// attacks.md 21
func TestArchivesAreBoundedTogether(t *testing.T) {
	one := mail("1")
	nested := zipped(t, member{"2.eml", one}, member{"3.eml", one})
	dir := tree(t, map[string]string{
		"a.zip": zipped(t, member{"1.eml", one}, member{"in.zip", nested}, member{"4.eml", one}),
		"b.zip": zipped(t, member{"5.eml", one}, member{"6.eml", one}, member{"7.eml", one}),
		"c.eml": one,
		"d.zip": zipped(t, member{"x.pdf", strings.Repeat(" ", 3*headSize)}),
	})
	total := int64(len(nested) + 5*len(one))
	stop := "unpack to too much, more than %d octets: the rest of it is not read, unpack it first and name the folder"
	all := []string{"a.zip/1.eml", "a.zip/in.zip/2.eml", "a.zip/in.zip/3.eml", "a.zip/4.eml", "b.zip/5.eml"}
	for _, test := range []struct {
		total           int64
		found, problems []string
	}{
		{total, append(all[:5:5], "c.eml"), []string{"b.zip: ", "d.zip: "}},
		{total - 1, append(all[:4:4], "c.eml"), []string{"b.zip: ", "d.zip: "}},
		{total - int64(len(one)) - 1, append(all[:3:3], "c.eml"), []string{"a.zip: ", "b.zip: ", "d.zip: "}},
		{total - 2*int64(len(one)) - 1, append(all[:2:2], "c.eml"), []string{"a.zip/in.zip: ", "a.zip: ", "b.zip: ", "d.zip: "}},
		{int64(len(one)) - 1, []string{"c.eml"}, []string{"a.zip: ", "b.zip: ", "d.zip: "}},
	} {
		t.Run(fmt.Sprint(test.total), func(t *testing.T) {
			for i, problem := range test.problems {
				test.problems[i] = problem + "the archives of this walk " + fmt.Sprintf(stop, test.total)
			}
			h := walk(t, Options{MaxTotal: test.total}, dir, "")
			h.wants(t, test.found, test.problems, []string{"d.zip/x.pdf"})
		})
	}
	h := walk(t, Options{MaxTotal: headSize}, dir, "d.zip")
	h.wants(t, nil, nil, []string{"d.zip/x.pdf"})
}

// A list that lies about sizes does not get more than it says.
// attacks.md 21
func TestLyingLists(t *testing.T) {
	message := mail("x") + strings.Repeat("ciao\r\n", 1<<13)
	archive := zipped(t, member{"a.eml", message})
	size := func(size uint32) string {
		return relist(archive, 1, func(entry []byte) { binary.LittleEndian.PutUint32(entry[24:], size) })
	}
	packed := relist(archive, 1, func(entry []byte) { binary.LittleEndian.PutUint32(entry[20:], 1<<30) })
	damaged, overlap := "the archive is damaged", "its members lie over each other"
	for _, test := range []struct{ name, archive, problem string }{
		{"unpacks to more than it says", size(100), "x.zip/a.eml: " + damaged},
		{"unpacks to nothing, as it says", size(0), "x.zip/a.eml: " + damaged},
		{"says more than a member may have", size(1<<32 - 2), "x.zip/a.eml: it unpacks to 4294967294 octets"},
		{"longer than the archive", packed, "x.zip: " + overlap},
		{"one member many times", relist(archive, 9, func([]byte) {}), "x.zip: " + overlap},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"x.zip": test.archive})
			walk(t, Options{}, dir, "").wants(t, nil, []string{test.problem}, nil)
		})
	}
	dir := tree(t, map[string]string{"x.zip": relist(archive, 1, func([]byte) {})})
	walk(t, Options{}, dir, "").wants(t, []string{"x.zip/a.eml"}, nil, nil)
}

// Sizes whose sum is too much for 64 bits are found one by one.
// attacks.md 21
func TestSizesThatOverflow(t *testing.T) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, packed := range []uint64{10, 1<<64 - 5} {
		if _, err := archive.CreateRaw(&zip.FileHeader{Name: "a.eml", CompressedSize64: packed, UncompressedSize64: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"x.zip": out.String()})
	walk(t, Options{}, dir, "").wants(t, nil, []string{"x.zip: its members lie over each other"}, nil)
}

// The bound is one of the list: members are read as often as needed.
func TestTheListAloneIsBounded(t *testing.T) {
	message := mail("x") + strings.Repeat("ciao\r\n", 1<<20)
	dir := tree(t, map[string]string{"x.zip": stored(t, "a.eml", message)})
	err := Walk(t.Context(), []string{dir}, Options{}, func(m *Message) error {
		for range maxList/len(message) + 1 {
			in, err := m.Open()
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, in); err != nil {
				return err
			}
			if err := in.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// attacks.md 21
func TestLongListsAreRefused(t *testing.T) {
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "x.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	archive := zip.NewWriter(out)
	comment := strings.Repeat("x", 1<<16-1)
	for range maxList >> 16 {
		if _, err := archive.CreateHeader(&zip.FileHeader{Name: "a", Comment: comment}); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	walk(t, Options{}, dir, "").wants(t, nil, []string{"x.zip: its list of members is longer than 32 MiB: unpack it first"}, nil)
}

// Whatever the octets are, an archive gives messages and problems, and no more than it may. Octets that are a message or
// an mbox themselves, not an archive, are not bounded.
func FuzzArchive(f *testing.F) {
	whole := zipped(f, member{"1.eml", mail("1")}, member{"in.zip", zipped(f, member{"2.eml", mail("2")}, member{"inbox", "From a\n" + mail("3")})})
	f.Add([]byte(whole))
	f.Add([]byte(stored(f, "a/../\xff.eml", mail("x"))))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, archive []byte) {
		dir := tree(t, map[string]string{"x.zip": string(archive)})
		const most = 1 << 20
		given := int64(0)
		o := Options{MaxMember: most, MaxTotal: most}
		err := Walk(t.Context(), []string{dir}, o, func(m *Message) error {
			given += m.Size
			in, err := m.Open()
			if err != nil {
				return nil
			}
			defer in.Close()
			if read, err := io.Copy(io.Discard, in); read > m.Size || err == nil && read != m.Size {
				t.Errorf("%s: %d octets are read, the size is %d, the error %v", m.Name, read, m.Size, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if given > most+int64(len(archive)) {
			t.Errorf("%d octets of messages", given)
		}
	})
}

package mailfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestArchive(t *testing.T) {
	mbox := "From a\n" + mail("m1") + "\nFrom b\n>From: x\n" + mail("m2") + "\n"
	dir := tree(t, map[string]string{"archivio.zip": zipped(t,
		member{"2024/", ""},
		member{"2024/z.eml", mail("z")},
		member{"2024/a.eml", mail("a")},
		member{"2024/a.eml", mail("a again")},
		member{"inbox", mbox},
		member{"senza nome", mail("s")},
		member{"danneggiata.eml", "Buongiorno"},
		member{"vuota.eml", ""},
		member{"posta.msg", outlook},
		member{"fattura.pdf", "%PDF"},
		member{"relazione.docx", zipped(t, member{"word/document.eml", mail("no mail")})},
		member{"vecchia.tgz", "\x1f\x8b\x08"},
		member{"in.zip", zipped(t, member{"b.eml", mail("b")}, member{"mbox", mbox})},
	)})
	h := walk(t, Options{}, dir, "")
	h.wants(t,
		[]string{"archivio.zip/2024/z.eml", "archivio.zip/2024/a.eml", "archivio.zip/2024/a.eml", "archivio.zip/inbox#1", "archivio.zip/inbox#2", "archivio.zip/senza nome",
			"archivio.zip/danneggiata.eml", "archivio.zip/in.zip/b.eml", "archivio.zip/in.zip/mbox#1", "archivio.zip/in.zip/mbox#2"},
		[]string{"archivio.zip/vuota.eml: it is empty", "archivio.zip/posta.msg: a file of Outlook", "archivio.zip/vecchia.tgz: a packed file that is not opened here"},
		[]string{"archivio.zip/fattura.pdf", "archivio.zip/relazione.docx"})
	m2 := strings.Replace(">From: x\n"+mail("m2"), ">From ", "From ", 1)
	want := []string{mail("z"), mail("a"), mail("a again"), mail("m1"), m2, mail("s"), "Buongiorno", mail("b"), mail("m1"), m2}
	if !slices.Equal(h.octets, want) {
		t.Errorf("octets %q, want %q", h.octets, want)
	}
}

// A name inside an archive is for display: whatever it says, no file is made of it.
// attacks.md 21
func TestNamesInArchives(t *testing.T) {
	dir := tree(t, map[string]string{"x.zip": zipped(t,
		member{"../../evil.eml", mail("1")},
		member{"/etc/evil.eml", mail("2")},
		member{`C:\posta\evil.eml`, mail("3")},
		member{"./a.eml", mail("4")},
		member{"\x1b[31m\n\xe8.eml", mail("5")},
		member{"../../evil.zip", zipped(t, member{"../../evil.eml", mail("6")})},
		member{"__MACOSX/2024/._a.eml", mail("7")},
		member{".Trash/a.eml", mail("8")},
		member{`posta\.cache\a.eml`, mail("9")},
		member{"Maildir/.Sent/cur/1", mail("10")},
		member{"Maildir/.Sent/cur/.hidden", mail("11")},
		member{"", mail("12")},
		member{".", mail("13")},
	)})
	h := walk(t, Options{}, dir, "")
	h.wants(t,
		[]string{"x.zip/../../evil.eml", "x.zip//etc/evil.eml", `x.zip/C:\posta\evil.eml`, "x.zip/./a.eml", `x.zip/\x1b[31m\n\xe8.eml`, "x.zip/../../evil.zip/../../evil.eml",
			"x.zip/Maildir/.Sent/cur/1", "x.zip/", "x.zip/."},
		nil,
		[]string{"x.zip/__MACOSX/2024/._a.eml", "x.zip/.Trash/a.eml", `x.zip/posta\.cache\a.eml`, "x.zip/Maildir/.Sent/cur/.hidden"})
}

// A symbolic link in an archive holds a path, no message. What zip packed from a pipe is a message like others.
// attacks.md 21
func TestModesInArchives(t *testing.T) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, m := range []struct {
		name, content string
		mode          fs.FileMode
	}{{"a.eml", "/etc/passwd", fs.ModeSymlink | 0o777}, {"-", mail("x"), fs.ModeNamedPipe | 0o600}} {
		header := &zip.FileHeader{Name: m.name}
		header.SetMode(m.mode)
		into, err := archive.CreateHeader(header)
		if err == nil {
			_, err = io.WriteString(into, m.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"x.zip": out.String()})
	walk(t, Options{}, dir, "").wants(t, []string{"x.zip/-"}, nil, []string{"x.zip/a.eml"})
}

// An archive that is named is opened whatever its name; one that is found needs the name.
func TestNamedArchive(t *testing.T) {
	dir := tree(t, map[string]string{"archivio": zipped(t, member{"a.eml", mail("a")}), "leer.zip": zipped(t)})
	walk(t, Options{}, dir, "archivio").wants(t, []string{"archivio/a.eml"}, nil, nil)
	walk(t, Options{}, dir, "").wants(t, nil, nil, []string{"archivio"})
}

// attacks.md 21
func TestProtectedMembers(t *testing.T) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, m := range []struct {
		name, content string
		flags         uint16
	}{{"a.eml", mail("a"), 0}, {"b.eml", "?????", 1}, {"c.eml", "?????", 1 | 1<<6}} {
		into, err := archive.CreateRaw(&zip.FileHeader{Name: m.name, Flags: m.flags, CRC32: crc32.ChecksumIEEE([]byte(m.content)),
			CompressedSize64: uint64(len(m.content)), UncompressedSize64: uint64(len(m.content))})
		if err == nil {
			_, err = io.WriteString(into, m.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"x.zip": out.String()})
	walk(t, Options{}, dir, "").wants(t, []string{"x.zip/a.eml"}, []string{"x.zip: 2 of its 3 members are protected by a password: unpack it first"}, nil)
}

func TestDamagedArchives(t *testing.T) {
	whole := zipped(t, member{"1.eml", mail("1")}, member{"2.eml", mail("2")})
	second := strings.LastIndex(whole[:strings.Index(whole, "PK\x01\x02")], "PK\x03\x04")
	broken := func(at int, octets string) string { return whole[:at] + octets + whole[at+len(octets):] }
	method := strings.LastIndex(whole, "PK\x01\x02") + 10
	for _, test := range []struct {
		name, archive  string
		found, problem []string
	}{
		{"cut off", whole[:len(whole)/2], nil, []string{"x.zip: the archive is damaged: get it again from where it came"}},
		{"no list", whole[:30], nil, []string{"x.zip: the archive is damaged"}},
		{"a member lost", broken(second, "????"), []string{"x.zip/1.eml"}, []string{"x.zip/2.eml: the archive is damaged"}},
		{"a member changed", broken(second+40, "????"), []string{"x.zip/1.eml"}, []string{"x.zip/2.eml: the archive is damaged"}},
		{"packed in another way", broken(method, "\x5d"), []string{"x.zip/1.eml"}, []string{"x.zip/2.eml: packed in a way that is not read here: unpack it first"}},
		{"octets before it", "PK\x03\x04 and more" + whole, []string{"x.zip/1.eml", "x.zip/2.eml"}, nil},
		{"octets behind it", whole + "\r\n", []string{"x.zip/1.eml", "x.zip/2.eml"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"x.zip": test.archive, "y.eml": mail("y")})
			walk(t, Options{}, dir, "").wants(t, append(test.found, "y.eml"), test.problem, nil)
		})
	}
}

// What is damaged far inside a member is told to who reads that far.
func TestDamageIsToldToTheReader(t *testing.T) {
	message := mail("x") + strings.Repeat("ciao\r\n", 1<<13)
	archive := []byte(stored(t, "a.eml", message))
	archive[len(message)-5] ^= 1
	dir := tree(t, map[string]string{"x.zip": string(archive)})
	err := Walk(t.Context(), []string{dir}, Options{}, func(m *Message) error {
		in, err := m.Open()
		if err != nil {
			return err
		}
		if _, err := io.ReadAll(in); err == nil || !strings.Contains(err.Error(), "the archive is damaged: get it again") {
			t.Errorf("%s is read with %v", m.Name, err)
		}
		for range 2 {
			if err := in.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// stored makes an archive of one member that is not compressed.
func stored(t testing.TB, name, content string) string {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	into, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err == nil {
		_, err = io.WriteString(into, content)
	}
	if err == nil {
		err = archive.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// relist replaces the list of an archive of one member by what change makes of its one entry, count times.
func relist(archive string, count int, change func(entry []byte)) string {
	start, end := strings.Index(archive, "PK\x01\x02"), strings.LastIndex(archive, "PK\x05\x06")
	entry, trailer := []byte(archive[start:end]), []byte(archive[end:])
	change(entry)
	binary.LittleEndian.PutUint16(trailer[8:], uint16(count))
	binary.LittleEndian.PutUint16(trailer[10:], uint16(count))
	binary.LittleEndian.PutUint32(trailer[12:], uint32(count*len(entry)))
	return archive[:start] + strings.Repeat(string(entry), count) + string(trailer)
}

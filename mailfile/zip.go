package mailfile

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Bounds of one archive (attacks.md 21).
const (
	maxDepth = 2        // archives around an archive that is opened
	maxList  = 32 << 20 // octets of an archive's list of members
)

var (
	errDepth   = fmt.Errorf("an archive in more than %d archives: unpack it first", maxDepth)
	errList    = fmt.Errorf("its list of members is longer than %d MiB: unpack it first and name the folder", maxList>>20)
	errOverlap = errors.New("its members lie over each other, which no program that packs mail does: it is not read")
)

// archive is a zip archive that is being walked or read.
type archive struct {
	file
	shared  *sharedFile
	members []*zip.File
}

// archive gives the messages of a zip archive, in the order in which they lie in it.
func (w *walker) archive(f file) error {
	a := archive{file: f, shared: &sharedFile{path: f.path}}
	if err := a.shared.hold(); err != nil {
		return err
	}
	defer a.shared.release()
	if err := a.list(); err != nil {
		return err
	}
	encrypted := 0
	for _, member := range a.members {
		if member.Flags&1 != 0 {
			encrypted++
			continue
		}
		name := f.name + "/" + visible(member.Name)
		err := w.member(a, member, name)
		if errors.Is(err, errTotal) {
			return err
		}
		if err := w.told(name, err); err != nil {
			return err
		}
	}
	if encrypted > 0 {
		return barred(Locked, "%d of its %d members are protected by a password: unpack it first", encrypted, len(a.members))
	}
	return nil
}

// list reads the list of members, within bounds.
func (a *archive) list() error {
	info, err := a.shared.open.Stat()
	if err != nil {
		return reason(err)
	}
	source := &bounded{in: a.shared, left: maxList}
	reader, err := zip.NewReader(source, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return unzipping(err)
	}
	source.free = true
	var packed uint64
	for _, member := range reader.File {
		if packed += member.CompressedSize64; member.CompressedSize64 > uint64(info.Size()) || packed > uint64(info.Size()) {
			return errOverlap
		}
	}
	a.members = reader.File
	return nil
}

// bounded reads at most left octets, until it is free.
type bounded struct {
	in   io.ReaderAt
	left int
	free bool
}

// ReadAt reads, or says that a list is too long.
func (b *bounded) ReadAt(p []byte, offset int64) (int, error) {
	if b.free {
		return b.in.ReadAt(p, offset)
	}
	if b.left -= len(p); b.left < 0 {
		return 0, errList
	}
	return b.in.ReadAt(p, offset)
}

// member gives what one member of an archive holds.
func (w *walker) member(a archive, member *zip.File, name string) error {
	base, hidden := baseOf(member.Name)
	if member.Mode().IsDir() {
		return nil
	}
	if hidden || member.Mode()&fs.ModeSymlink != 0 {
		w.o.PassedOver(name)
		return nil
	}
	head, err := a.head(member)
	if err != nil {
		return err
	}
	kind, err := classify(origin{base: base}, head)
	if err != nil {
		return err
	}
	if kind == noMail {
		w.o.PassedOver(name)
		return w.spool.spend(int64(len(head)))
	}
	if kind == anArchive && a.depth == maxDepth {
		return errDepth
	}
	if member.UncompressedSize64 > uint64(w.o.MaxMember) {
		return barred(TooMuch, "it unpacks to %d octets, more than %d: unpack it first", member.UncompressedSize64, w.o.MaxMember)
	}
	if err := w.spool.spend(int64(member.UncompressedSize64)); err != nil {
		return err
	}
	if kind == oneMessage {
		return w.give(a.message(member, name))
	}
	return w.unpacked(a, member, file{name: name, depth: a.depth + 1}, kind)
}

// unpacked gives the messages of a member that holds several: it must lie on the disk for that.
func (w *walker) unpacked(a archive, member *zip.File, f file, kind form) error {
	in, err := a.open(member)
	if err != nil {
		return err
	}
	defer in.Close()
	if f.path, err = w.spool.keep(w.ctx, in); err != nil {
		return err
	}
	return w.holder(f, kind)
}

func (a archive) message(member *zip.File, name string) *Message {
	open := func() (io.ReadCloser, error) { return a.open(member) }
	return &Message{Name: name, Size: int64(member.UncompressedSize64), open: open, openRaw: open}
}

// open reads a member. Package zip holds it to the size and the checksum that the list gives.
func (a archive) open(member *zip.File) (io.ReadCloser, error) {
	if err := a.shared.hold(); err != nil {
		return nil, err
	}
	in, err := member.Open()
	if err != nil {
		return nil, errors.Join(unzipping(err), a.shared.release())
	}
	return &unpacking{in: in, from: a.shared}, nil
}

func (a archive) head(member *zip.File) ([]byte, error) {
	in, err := a.open(member)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, headSize))
}

// unpacking is a member being read.
type unpacking struct {
	in     io.ReadCloser
	from   *sharedFile
	closed bool
}

// Read gives octets of the member, and says of what is damaged that it is.
func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if err != nil && err != io.EOF {
		err = unzipping(err)
	}
	return n, err
}

// Close lets the archive go; more than once is as good as once.
func (u *unpacking) Close() error {
	if u.closed {
		return nil
	}
	u.closed = true
	return errors.Join(u.in.Close(), u.from.release())
}

// unzipping says what an error of package zip means to people.
func unzipping(err error) error {
	switch {
	case errors.Is(err, errList):
		return err
	case errors.Is(err, zip.ErrAlgorithm):
		return barred(Packed, "packed in a way that is not read here: unpack it first: %w", err)
	}
	return barred(Damaged, "the archive is damaged: get it again from where it came: %w", err)
}

// baseOf returns the last element of a member's name and whether it is hidden: by its own name, or by a folder's, but the
// subfolders of a Maildir++ begin with a dot too. Some programs of Windows write backslashes.
func baseOf(name string) (base string, hidden bool) {
	elements := strings.Split(strings.ReplaceAll(name, `\`, "/"), "/")
	folders, base := elements[:len(elements)-1], elements[len(elements)-1]
	inMaildir := len(folders) > 0 && (folders[len(folders)-1] == "cur" || folders[len(folders)-1] == "new")
	return base, isHidden(base) || slices.ContainsFunc(folders, isHidden) && !inMaildir
}

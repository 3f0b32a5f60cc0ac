package mailfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What must lie on the disk for a while and cannot is told; the rest of the archive is read.
func TestUnpackingFails(t *testing.T) {
	mbox := "From a\n" + mail("1") + strings.Repeat("ciao\n", 1<<13)
	damaged := []byte(stored(t, "inbox", mbox))
	damaged[len(mbox)-5] ^= 1
	archive := zipped(t, member{"inbox", mbox}, member{"2.eml", mail("2")}, member{"in.zip", zipped(t)})
	for _, test := range []struct {
		name, temporary, archive string
		found, problems          []string
	}{
		{"no temporary folder", filepath.Join(t.TempDir(), "nowhere"), archive, []string{"x.zip/2.eml"},
			[]string{"x.zip/inbox: making a temporary folder to unpack into: ", "x.zip/in.zip: making a temporary folder to unpack into: "}},
		{"damaged", t.TempDir(), string(damaged), nil, []string{"x.zip/inbox: unpacking into a temporary file: the archive is damaged"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"x.zip": test.archive})
			t.Setenv("TMPDIR", test.temporary)
			walk(t, Options{}, dir, "").wants(t, test.found, test.problems, nil)
		})
	}
}

// What is unpacked bears no name of the archive, is for its owner only, and is gone when Walk returns: also messages that
// somebody still knows.
// attacks.md 21
func TestWhatIsUnpackedIsRemoved(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	inbox := "From a\n" + mail("2")
	dir := tree(t, map[string]string{"x.zip": zipped(t, member{"1.eml", mail("1")}, member{"../inbox", inbox}, member{"in.zip", zipped(t, member{"../../inbox", inbox})})})
	var messages []*Message
	err := Walk(t.Context(), []string{dir}, Options{}, func(m *Message) error {
		messages = append(messages, m)
		return filepath.WalkDir(temporary, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == temporary {
				return err
			}
			info, err := entry.Info()
			if unknown := !strings.HasPrefix(entry.Name(), "unpacked-") && !entry.IsDir(); unknown || err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("unpacked to %s, %v, %v", path, info.Mode(), err)
			}
			return nil
		})
	})
	if err != nil || len(messages) != 3 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	isEmptyFolder(t, temporary)
	for _, m := range messages[1:] {
		if _, err := m.Open(); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "reading message 1 of an mbox: it cannot be read") {
			t.Errorf("%s is opened with %v", m.Name, err)
		}
	}
}

// Between the readings of its members an archive is open only while it is walked.
func TestArchivesThatGoAway(t *testing.T) {
	dir := tree(t, map[string]string{"1.zip": zipped(t, member{"a.eml", mail("a")}), "2.eml": mail("2"), "3.zip": zipped(t)})
	var first *Message
	err := Walk(t.Context(), []string{dir}, Options{}, func(m *Message) error {
		if first == nil {
			first = m
			return nil
		}
		if err := os.Remove(filepath.Join(dir, "1.zip")); err != nil {
			return err
		}
		if _, err := first.Open(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is opened with %v", first.Name, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Who closes more than once takes nothing from other readers.
func TestClosingMoreThanOnce(t *testing.T) {
	message := mail("x") + strings.Repeat("ciao\n", 1<<13)
	dir := tree(t, map[string]string{"x.zip": stored(t, "a.eml", message)})
	err := Walk(t.Context(), []string{dir}, Options{}, func(m *Message) error {
		closed, err := m.Open()
		if err != nil {
			return err
		}
		other, err := m.Open()
		if err != nil {
			return err
		}
		for range 4 {
			if err := closed.Close(); err != nil {
				t.Error(err)
			}
		}
		if got := content(t, func() (io.ReadCloser, error) { return other, nil }); got != message {
			t.Errorf("%d octets are read beside one that is closed", len(got))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAFileThatNobodyHolds(t *testing.T) {
	dir := tree(t, map[string]string{"x": "x"})
	shared := sharedFile{path: filepath.Join(dir, "x")}
	if _, err := shared.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("a file that nobody holds is read")
	}
}

// Long files do not hold up who says stop.
func TestCancellingWithinAFile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := tree(t, map[string]string{"inbox": "Buongiorno\n"})
	w := newWalker(ctx, Options{}, func(*Message) error { return nil })
	if err := w.mbox(file{path: filepath.Join(dir, "inbox")}); !errors.Is(err, context.Canceled) {
		t.Errorf("an mbox is read with %v", err)
	}
	s := spool{dir: t.TempDir()}
	if path, err := s.keep(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("unpacked to %q with %v", path, err)
	}
	isEmptyFolder(t, s.dir)
}

// At the end of the walk every message can still be opened, and who stops it is not asked.
func TestEndOfTheWalk(t *testing.T) {
	dir := holders(t)
	ended, stop := errors.New("ended"), errors.New("stop")
	var messages []*Message
	ends := 0
	o := Options{End: func() error {
		ends++
		for _, m := range messages {
			if err := readTwice(m); err != nil {
				t.Error(err)
			}
		}
		return ended
	}}
	keep := func(m *Message) error { messages = append(messages, m); return nil }
	if err := Walk(t.Context(), []string{dir}, o, keep); err != ended || ends != 1 || len(messages) != heldMessages {
		t.Errorf("%v after %d ends with %d messages", err, ends, len(messages))
	}
	if err := Walk(t.Context(), []string{dir}, o, func(*Message) error { return stop }); err != stop || ends != 1 {
		t.Errorf("%v after %d ends", err, ends)
	}
}

package mailfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// holders are a folder with every form that holds several messages, also in one another.
func holders(t *testing.T) string {
	mbox := "From a\n" + mail("1") + "\nFrom a\n>From: x\n" + mail("2") + "\nFrom a\n" + mail("3") + "\n"
	return tree(t, map[string]string{
		"1.eml":      mail("1"),
		"2 inbox":    mbox,
		"3.zip":      zipped(t, member{"a.eml", mail("a")}, member{"inbox", mbox}, member{"in.zip", zipped(t, member{"b.eml", mail("b")}, member{"mbox", mbox})}),
		"4/last.eml": mail("last"),
	})
}

const heldMessages = 1 + 3 + 1 + 3 + 1 + 3 + 1

func TestPathsThatCannotBeRead(t *testing.T) {
	dir := tree(t, map[string]string{"a.eml": mail("a")})
	for _, test := range []struct{ path, want string }{
		{filepath.Join(dir, "b\n.eml"), `b\n.eml: there is no such file or folder: check the name`},
		{filepath.Join(dir, "a.eml", "b"), "it cannot be read"},
		{"", ": there is no such file or folder"},
		{os.DevNull, "neither a file nor a folder: save what it gives as a file first"},
	} {
		calls := 0
		err := Walk(t.Context(), []string{filepath.Join(dir, "a.eml"), test.path}, Options{}, func(*Message) error { calls++; return nil })
		if err == nil || !strings.Contains(err.Error(), test.want) || calls > 0 {
			t.Errorf("%q: %v after %d messages, want %q before any", test.path, err, calls, test.want)
		}
	}
}

func TestReasonsSayWhatToDo(t *testing.T) {
	err := reason(&fs.PathError{Op: "open", Path: "a\nb", Err: fs.ErrPermission})
	if want := "it may not be read: change its permissions or copy it: permission denied"; err.Error() != want || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want %q", err, want)
	}
}

// Wherever f says stop, the walk ends there with its error, and nothing is left of what was unpacked.
func TestStopping(t *testing.T) {
	dir := holders(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	stop := errors.New("stop")
	for at := 1; at <= heldMessages; at++ {
		calls, problems := 0, 0
		o := Options{Problem: func(string, error) { problems++ }}
		err := Walk(t.Context(), []string{dir}, o, func(*Message) error {
			if calls++; calls == at {
				return stop
			}
			return nil
		})
		if err != stop || calls != at || problems > 0 {
			t.Errorf("stopped at message %d: %v after %d messages and %d problems", at, err, calls, problems)
		}
	}
	isEmptyFolder(t, temporary)
}

func TestCancelling(t *testing.T) {
	dir := holders(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	for at := 0; at <= heldMessages; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		calls, problems := 0, 0
		o := Options{Problem: func(string, error) { problems++ }}
		if at == 0 {
			cancel()
		}
		err := Walk(ctx, []string{dir}, o, func(*Message) error {
			if calls++; calls == at {
				cancel()
			}
			return nil
		})
		cancel()
		if err != context.Canceled || calls != at || problems > 0 {
			t.Errorf("cancelled at message %d: %v after %d messages and %d problems", at, err, calls, problems)
		}
	}
	isEmptyFolder(t, temporary)
}

func isEmptyFolder(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A message may be read by several at a time, while the walk goes on, until Walk returns.
func TestMessagesAreReadAtTheSameTime(t *testing.T) {
	dir := holders(t)
	var readers sync.WaitGroup
	problems := make(chan error, 4*heldMessages)
	found := 0
	err := Walk(t.Context(), []string{dir}, Options{}, func(m *Message) error {
		found++
		for range 4 {
			readers.Go(func() { problems <- readTwice(m) })
		}
		if found == heldMessages {
			readers.Wait()
		}
		return nil
	})
	if err != nil || found != heldMessages {
		t.Fatalf("%d messages, %v; want %d", found, err, heldMessages)
	}
	close(problems)
	for err := range problems {
		if err != nil {
			t.Error(err)
		}
	}
}

// readTwice has a message open twice and compares.
func readTwice(m *Message) error {
	first, err := m.Open()
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := m.Open()
	if err != nil {
		return err
	}
	defer second.Close()
	one, err := io.ReadAll(first)
	two, err2 := io.ReadAll(second)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if string(one) != string(two) || int64(len(one)) != m.Size {
		return fmt.Errorf("%s: read as %q and %q, size %d", m.Name, one, two, m.Size)
	}
	return nil
}

// A file that goes away during the walk is a problem of its own.
func TestFilesThatGoAway(t *testing.T) {
	dir := tree(t, map[string]string{"1.eml": mail("1"), "2.eml": mail("2"), "3": "From a\n" + mail("3"), "4/": "", "5.eml": mail("5")})
	var problems, found []string
	o := Options{Problem: func(name string, err error) { problems = append(problems, filepath.Base(name)+": "+err.Error()) }}
	err := Walk(t.Context(), []string{dir}, o, func(m *Message) error {
		found = append(found, filepath.Base(m.Name))
		for _, name := range []string{"1.eml", "2.eml", "3", "4"} {
			os.Remove(filepath.Join(dir, name))
		}
		_, err := m.Open()
		if gone := filepath.Base(m.Name) == "1.eml"; gone != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is opened with %v", m.Name, err)
		}
		return nil
	})
	h := heard{names: found, problems: problems, err: err}
	h.wants(t, []string{"1.eml", "5.eml"}, []string{"2.eml: it cannot be read", "3: it cannot be read", "4: it cannot be read"}, nil)
}

// Nobody has to listen.
func TestNobodyListens(t *testing.T) {
	dir := tree(t, map[string]string{"1.eml": mail("1"), "2.msg": outlook, "3.pdf": "%PDF"})
	found := 0
	if err := Walk(t.Context(), []string{dir}, Options{}, func(*Message) error { found++; return nil }); err != nil || found != 1 {
		t.Errorf("%d messages, %v", found, err)
	}
}

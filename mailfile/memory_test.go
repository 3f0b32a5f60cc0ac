package mailfile

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// endless repeats a text.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		copied := copy(p[n:], e.text[e.at:])
		n, e.at = n+copied, (e.at+copied)%len(e.text)
	}
	return n, nil
}

// allocated is how many octets f takes from the heap in all, given back or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const (
	muchRead  = 2 << 20
	mostTaken = 1 << 20
)

// What is foreign is read through buffers, however long its messages and lines are.
func TestMemoryOfAnMbox(t *testing.T) {
	for _, test := range []struct {
		name, text string
		messages   int
	}{
		{"one long message", "x\n>From y\n\n", 1},
		{"one long line", "x", 1},
		{"one long line of quotes", ">", 1},
		{"empty lines", "\n", 1},
		{"what nearly separates", "\nFrom x\n", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			mbox := io.MultiReader(strings.NewReader("From a\nS: 1\n\n"), io.LimitReader(&endless{text: strings.Repeat(test.text, 1000)}, muchRead))
			messages, size := 0, int64(0)
			taken := allocated(func() {
				err := splitMbox(mbox, func(s section) error {
					messages++
					size += s.end - s.start
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			if messages != test.messages || size < muchRead || taken > mostTaken {
				t.Errorf("%d messages of %d octets with %d octets of memory", messages, size, taken)
			}
			stored := io.LimitReader(&endless{text: strings.Repeat(test.text, 1000)}, muchRead)
			taken = allocated(func() {
				if _, err := io.Copy(io.Discard, unescape(stored)); err != nil {
					t.Error(err)
				}
			})
			if taken > mostTaken {
				t.Errorf("unescaped with %d octets of memory", taken)
			}
		})
	}
}

// Of an archive neither the members that are messages nor those that must lie on the disk are ever held.
func TestMemoryOfAnArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.zip")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(out)
	for name, start := range map[string]string{"a.eml": mail("a"), "inbox": "From a\n" + mail("b"), "x.pdf": "%PDF"} {
		into, err := archive.Create(name)
		if err == nil {
			_, err = io.Copy(into, io.MultiReader(strings.NewReader(start), io.LimitReader(&endless{text: strings.Repeat("ciao\n", 1000)}, muchRead)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	messages, read := 0, int64(0)
	taken := allocated(func() {
		err = Walk(t.Context(), []string{path}, Options{}, func(m *Message) error {
			messages++
			in, err := m.Open()
			if err != nil {
				return err
			}
			defer in.Close()
			n, err := io.Copy(io.Discard, in)
			read += n
			return err
		})
	})
	if err != nil || messages != 2 || read < 2*muchRead || taken > mostTaken {
		t.Errorf("%d messages of %d octets with %d octets of memory, %v", messages, read, taken, err)
	}
}

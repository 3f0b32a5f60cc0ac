package mailfile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// sections splits a whole mbox.
func sections(t testing.TB, in io.Reader) (found []section) {
	t.Helper()
	err := splitMbox(in, func(s section) error {
		found = append(found, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// texts are the octets of sections, as they are stored.
func texts(mbox string, found []section) (texts []string) {
	for _, s := range found {
		texts = append(texts, mbox[s.start:s.end])
	}
	return texts
}

func TestMboxIsSplit(t *testing.T) {
	for _, test := range []struct {
		name, mbox string
		want       []string
	}{
		{"one", "From a\nS: 1\n\nx\n\n", []string{"S: 1\n\nx\n"}},
		{"two", "From a\nS: 1\n\nx\n\nFrom b\nS: 2\n\ny\n\n", []string{"S: 1\n\nx\n", "S: 2\n\ny\n"}},
		{"CRLF", "From a\r\nS: 1\r\n\r\nx\r\n\r\nFrom b\r\nS: 2\r\n\r\ny\r\n\r\n", []string{"S: 1\r\n\r\nx\r\n", "S: 2\r\n\r\ny\r\n"}},
		{"separators LF, messages CRLF", "From a\nS: 1\r\n\r\nx\r\n\nFrom b\nS: 2\r\n\r\ny\r\n\n", []string{"S: 1\r\n\r\nx\r\n", "S: 2\r\n\r\ny\r\n"}},
		{"no empty line at the end", "From a\nS: 1\n\nx", []string{"S: 1\n\nx"}},
		{"messages that end with empty lines keep theirs", "From a\nS: 1\n\nx\n\n\n\nFrom b\nS: 2\n\n\n", []string{"S: 1\n\nx\n\n\n", "S: 2\n\n"}},
		{"no body", "From a\nS: 1\n\nFrom b\nS: 2\n", []string{"S: 1\n", "S: 2\n"}},
		{"prose that begins with From", "From a\nS: 1\n\nx\nFrom here\nT: on\n\nFrom there\non\n\n", []string{"S: 1\n\nx\nFrom here\nT: on\n\nFrom there\non\n"}},
		{"a separator behind a separator", "From a\nFrom b\nS: 2\n", nil},
		{"a separator, an empty line, a separator", "From a\n\nFrom b\nS: 2\n", []string{"S: 2\n"}},
		{"a separator at the end", "From a\nS: 1\n\nFrom b\n", []string{"S: 1\n\nFrom b\n"}},
		{"a separator without line end", "From a\nS: 1\n\nFrom b", []string{"S: 1\n\nFrom b"}},
		{"fields that begin with From", "From a\nFrom : x\nS: 1\n\nFrom : y\nT: z\n", []string{"From : x\nS: 1\n\nFrom : y\nT: z\n"}},
		{"escaped lines do not separate", "From a\nS: 1\n\n>From b\nS: 2\n", []string{"S: 1\n\n>From b\nS: 2\n"}},
		{"nothing", "", nil},
		{"prose", "Buongiorno\n\nFrom here\non\n", nil},
		{"prose before the first", "Buongiorno\n\nFrom a\nS: 1\n", []string{"S: 1\n"}},
	} {
		for _, in := range []io.Reader{strings.NewReader(test.mbox), iotest.OneByteReader(strings.NewReader(test.mbox))} {
			if got := texts(test.mbox, sections(t, in)); !slices.Equal(got, test.want) {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
	}
}

// Lines longer than the buffer are read like others, also where one decides.
func TestMboxOfLongLines(t *testing.T) {
	long := strings.Repeat("x", 3<<16)
	mbox := "From " + long + "\nS: " + long + "\n\n" + long + "\n>From " + long + "\n\nFrom " + long + "\nS: " + long + "\n\n>>From " + long
	found := sections(t, strings.NewReader(mbox))
	want := []string{"S: " + long + "\n\n" + long + "\n>From " + long + "\n", "S: " + long + "\n\n>>From " + long}
	if got := texts(mbox, found); !slices.Equal(got, want) {
		t.Fatalf("split into %d messages otherwise than it should be", len(got))
	}
	if found[0].escaped != 1 || found[1].escaped != 1 {
		t.Errorf("%d and %d escaped lines, want 1 and 1", found[0].escaped, found[1].escaped)
	}
}

func TestBothReadingsOfAnMbox(t *testing.T) {
	body := "From: a@b\nDate: x\n\n>From here\n>>From there\n> From\n>Fromage\nx >From\n"
	dir := tree(t, map[string]string{"inbox.mbox": "From a\n" + body + "\nFrom b\n" + mail("2") + "\n"})
	h := walk(t, Options{}, dir, "inbox.mbox")
	h.wants(t, []string{"inbox.mbox#1", "inbox.mbox#2"}, nil, nil)
	unescaped := "From: a@b\nDate: x\n\nFrom here\n>From there\n> From\n>Fromage\nx >From\n"
	if want := []string{unescaped, mail("2")}; !slices.Equal(h.octets, want) {
		t.Errorf("Open gives %q, want %q", h.octets, want)
	}
	if want := []string{body, mail("2")}; !slices.Equal(h.raw, want) {
		t.Errorf("OpenRaw gives %q, want %q", h.raw, want)
	}
}

func TestSplittingEndsWithTheFirstError(t *testing.T) {
	mbox := "From a\nS: 1\n\nFrom b\nS: 2\n\nFrom c\nS: 3\n"
	broken, stop := errors.New("broken"), errors.New("stop")
	calls := 0
	count := func(section) error { calls++; return nil }
	in := io.MultiReader(strings.NewReader(mbox), iotest.ErrReader(broken))
	if err := splitMbox(in, count); !errors.Is(err, broken) || calls != 2 {
		t.Errorf("%v after %d messages, want the reader's error after 2", err, calls)
	}
	in = io.MultiReader(strings.NewReader(mbox+strings.Repeat("x", 1<<17)), iotest.ErrReader(broken))
	if err := splitMbox(in, count); !errors.Is(err, broken) {
		t.Errorf("%v within a long line, want the reader's error", err)
	}
	if err := splitMbox(strings.NewReader(mbox), func(section) error { return stop }); err != stop {
		t.Errorf("%v, want the caller's error", err)
	}
}

func TestUnescape(t *testing.T) {
	for _, test := range []struct{ stored, want string }{
		{">From a\n", "From a\n"},
		{">>>From a\r\n>From b", ">>From a\r\nFrom b"},
		{"x\n>From ", "x\nFrom "},
		{">From\n", ">From\n"},
		{">Fro\n>From a", ">Fro\nFrom a"},
		{">", ">"},
		{">>>", ">>>"},
		{">>F", ">>F"},
		{">\n>From a", ">\nFrom a"},
		{"> >From a", "> >From a"},
		{">F>From a", ">F>From a"},
		{"From a", "From a"},
		{" >From a", " >From a"},
		{"x>From a", "x>From a"},
		{"\r>From a", "\r>From a"},
		{"", ""},
	} {
		got, err := io.ReadAll(iotest.OneByteReader(unescape(strings.NewReader(test.stored))))
		if err != nil || string(got) != test.want {
			t.Errorf("%q becomes %q, %v; want %q", test.stored, got, err, test.want)
		}
		if err := iotest.TestReader(unescape(strings.NewReader(test.stored)), []byte(test.want)); err != nil {
			t.Errorf("%q: %v", test.stored, err)
		}
	}
	broken := errors.New("broken")
	got, err := io.ReadAll(unescape(io.MultiReader(strings.NewReader("a\n>Fr"), iotest.ErrReader(broken))))
	if string(got) != "a\n>Fr" || err != broken {
		t.Errorf("before an error %q is read, then %v", got, err)
	}
}

// escape is what a writer of mboxrd does.
func escape(message string) string {
	lines := strings.SplitAfter(message, "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimLeft(line, ">"), "From ") {
			lines[i] = ">" + line
		}
	}
	return strings.Join(lines, "")
}

// messageOf draws a header and a body of lines that are like what separates and escapes.
func messageOf(t *rapid.T) string {
	line := rapid.SampledFrom([]string{"", ">", ">>", ">>>", "From a", "From: a", ">From b", ">>From c", ">Fro", "x", "S: 1", "\r", "\x00", "From "})
	end := rapid.SampledFrom([]string{"\n", "\r\n"})
	var text strings.Builder
	text.WriteString("Subject: x" + end.Draw(t, "end"))
	for range rapid.IntRange(0, 12).Draw(t, "lines") {
		text.WriteString(line.Draw(t, "line") + end.Draw(t, "end"))
	}
	return text.String()
}

// What a writer of mboxrd escaped, splits and unescapes to what it had, of the size that was told.
func TestMboxrdComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(rapid.Custom(messageOf), 1, 4).Draw(t, "messages")
		var mbox strings.Builder
		for _, message := range messages {
			mbox.WriteString("From a@b Mon Jan  5 09:00:00 2026\n" + escape(message) + "\n")
		}
		found := readings(t, mbox.String())
		if !slices.Equal(found, messages) {
			t.Fatalf("%q comes back as %q", messages, found)
		}
	})
}

// readings splits and unescapes, and checks the sizes.
func readings(t rapid.TB, mbox string) (found []string) {
	err := splitMbox(strings.NewReader(mbox), func(s section) error {
		octets, err := io.ReadAll(unescape(iotest.HalfReader(strings.NewReader(mbox[s.start:s.end]))))
		if want := s.end - s.start - s.escaped; int64(len(octets)) != want {
			t.Errorf("%q: %d octets, but %d were told", octets, len(octets), want)
		}
		found = append(found, string(octets))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// asMboxrd is the rule of unescaping, said in another way.
var asMboxrd = regexp.MustCompile("(?m)^>(>*From )")

// Whatever the file, sections lie in it in order and apart; before each is one separator line, behind it one empty line or
// nothing: separators, sections and empty lines in their order are the file, from the first separator on.
func FuzzSplitMbox(f *testing.F) {
	f.Add([]byte("From a\nS: 1\n\n>From x\n\nFrom b\r\nS: 2\r\n\r\n"))
	f.Add([]byte("x\n\nFrom a\nFrom b\n\nFrom c\nS:\n\r\n\r"))
	f.Add([]byte("From a\n:\n\nFrom b\nS: 1\n>>>From \n>F"))
	f.Fuzz(func(t *testing.T, mbox []byte) {
		found := sections(t, bytes.NewReader(mbox))
		if looksLikeMbox(mbox) != (len(found) > 0 && found[0].separator == 0) {
			t.Errorf("looks like an mbox: %t, but is split into %+v", looksLikeMbox(mbox), found)
		}
		for i, s := range found {
			next, gaps := int64(len(mbox)), []string{"", "\n", "\r\n", "\r"}
			if i+1 < len(found) {
				next, gaps = found[i+1].separator, gaps[1:3]
			}
			if s.separator < 0 || s.separator >= s.start || s.start >= s.end || s.end > next {
				t.Fatalf("section %d of %+v in %d octets", i, found, len(mbox))
			}
			separator, stored, gap := mbox[s.separator:s.start], mbox[s.start:s.end], string(mbox[s.end:next])
			if !maySeparate(separator) || bytes.IndexByte(separator, '\n') != len(separator)-1 {
				t.Errorf("section %d has the separator %q", i, separator)
			}
			if !slices.Contains(gaps, gap) {
				t.Errorf("section %d is followed by %q", i, gap)
			}
			octets, err := io.ReadAll(unescape(bytes.NewReader(stored)))
			if want := asMboxrd.ReplaceAll(stored, []byte("$1")); err != nil || !bytes.Equal(octets, want) {
				t.Errorf("section %d: %q is read as %q, %v; want %q", i, stored, octets, err, want)
			}
			if int64(len(octets)) != s.end-s.start-s.escaped {
				t.Errorf("section %d: %d octets are read, %d escaped lines of %d octets were told", i, len(octets), s.escaped, len(stored))
			}
		}
	})
}

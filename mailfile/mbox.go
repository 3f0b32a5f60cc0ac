package mailfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// section is one message of an mbox: offsets in the file. The separator line lies between separator and start; the empty
// line that ends the message, if there is one, between end and the next separator.
type section struct {
	separator, start, end int64
	escaped               int64 // lines between start and end that unescape shortens by one octet
}

// splitMbox calls found for every message of an mbox as it passes by, and ends with the first error.
//
// A line that begins with "From " separates if it is the file's first or an empty line stands before it, and a header
// field stands behind it: writers that escape nothing leave "From here on" in a text, seldom with a field below.
func splitMbox(r io.Reader, found func(section) error) error {
	var (
		lines   = lineReader{in: bufio.NewReaderSize(r, 64<<10)}
		current section // none yet if it starts at 0
		next    section // begins if the next line is a field
		mayBe   bool    // the line just read may separate, and next stands behind it
		blank   int64   // octets of the empty line just read
	)
	finish := func(end, escaped int64) error {
		if current.start == 0 {
			return nil
		}
		current.end, current.escaped = end, escaped-current.escaped
		return found(current)
	}
	for {
		start, escaped := lines.offset, lines.escaped
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return finish(start-blank, escaped)
		}
		if err != nil {
			return err
		}
		if mayBe && fieldName(line) != "" {
			if err := finish(next.end, next.escaped); err != nil {
				return err
			}
			current, current.start = next, start
		}
		mayBe = (start == 0 || blank > 0) && maySeparate(line)
		if mayBe {
			next = section{separator: start, end: start - blank, escaped: escaped}
		}
		blank = 0
		if isEmpty(bytes.TrimSuffix(line, []byte("\n"))) {
			blank = lines.offset - start
		}
	}
}

// lineReader reads lines of any length and remembers where it is.
type lineReader struct {
	in      *bufio.Reader
	offset  int64 // of the next line
	escaped int64 // lines so far that unescape shortens
	quotes  quotes
}

// next returns a line with its end, or the beginning of a line that is longer than the buffer. It is valid until the next
// call. The last line of a file may have no end; behind it comes io.EOF.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.in.ReadSlice('\n')
	l.passed(line)
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return line, nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	line = bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		var more []byte
		more, err = l.in.ReadSlice('\n')
		l.passed(more)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return line, nil
}

func (l *lineReader) passed(octets []byte) {
	l.offset += int64(len(octets))
	for len(octets) > 0 {
		if judged := l.quotes.skips(octets); judged > 0 {
			octets = octets[judged:]
			continue
		}
		if l.quotes.escapes(octets[0]) {
			l.escaped++
		}
		octets = octets[1:]
	}
}

// mbox gives the messages of an mbox.
func (w *walker) mbox(f file) error {
	in, err := openFile(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	number := 0
	err = splitMbox(untilDone{w.ctx, in}, func(s section) error {
		number++
		return w.give(mboxMessage(f, number, s))
	})
	if err != nil {
		return reason(err)
	}
	return nil
}

func mboxMessage(f file, number int, s section) *Message {
	raw := func() (io.ReadCloser, error) {
		in, err := openFile(f.path)
		if err != nil {
			return nil, fmt.Errorf("reading message %d of an mbox: %w", number, err)
		}
		return part{io.NewSectionReader(in, s.start, s.end-s.start), in}, nil
	}
	m := &Message{Name: fmt.Sprintf("%s#%d", f.name, number), Size: s.end - s.start - s.escaped, Escaped: s.escaped > 0, open: raw, openRaw: raw}
	if m.Escaped {
		m.open = func() (io.ReadCloser, error) {
			in, err := raw()
			if err != nil {
				return nil, err
			}
			return part{unescape(in), in}, nil
		}
	}
	return m
}

// part is what is read of something that is then closed.
type part struct {
	io.Reader
	io.Closer
}

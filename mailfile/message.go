package mailfile

import (
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message is one message that Walk found. It may be opened until Walk returns, as often as needed and by several
// goroutines at a time.
type Message struct {
	// Name tells people where it is: "inbox.mbox#12" is the twelfth of an mbox, "archivio.zip/2024/ricevuta.eml" is in an
	// archive. It is printable, need not be unique, and is never a path to open.
	Name string
	// Size is how many octets Open gives.
	Size int64
	// Escaped tells that lines of an mbox were unescaped, so that OpenRaw gives other octets than Open.
	Escaped bool

	open, openRaw func() (io.ReadCloser, error)
}

// Open reads the message from its first octet. Of a message in an mbox, one ">" is taken off each line of several ">" and
// "From ", as the mboxrd form demands: the writer put it there after the message was signed.
func (m *Message) Open() (io.ReadCloser, error) { return m.open() }

// OpenRaw reads the octets as they are stored. It is the second try for a message that is Escaped: a writer of the older
// mboxo form escapes "From " but not ">From ", and some writers escape nothing, so the first reading may take off a ">"
// that was signed.
func (m *Message) OpenRaw() (io.ReadCloser, error) { return m.openRaw() }

// visible makes a name printable: what does not print, like line ends, escapes of terminals and marks that turn the
// direction of text, becomes an escape of Go, and invalid UTF-8 becomes \x and two digits.
func visible(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); {
		r, width := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			out.WriteString(`\x` + strconv.FormatUint(uint64(name[i])|0x100, 16)[1:])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		}
		i += width
	}
	return out.String()
}

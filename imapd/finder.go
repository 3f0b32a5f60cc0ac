package imapd

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ceralacca/ceralacca/pec"
)

// finder looks for several texts in what flows past, without regard to case. It keeps nothing but how far each has matched
// (Knuth, Morris, Pratt), so memory is bounded by what is looked for.
type finder struct {
	needles []needle
	missing int // not yet found
}

type needle struct {
	text    []rune // lower case
	back    []int  // how much still matches when the rune after a prefix does not
	matched int
	found   bool
}

func newFinder(texts []string) *finder {
	f := &finder{}
	for _, t := range texts {
		if t == "" {
			continue // it is everywhere
		}
		f.needles = append(f.needles, newNeedle(t))
	}
	f.missing = len(f.needles)
	return f
}

func newNeedle(text string) needle {
	n := needle{}
	for _, r := range text {
		n.text = append(n.text, unicode.ToLower(r))
	}
	n.back = make([]int, len(n.text))
	for i, k := 1, 0; i < len(n.text); i++ {
		for k > 0 && n.text[i] != n.text[k] {
			k = n.back[k-1]
		}
		if n.text[i] == n.text[k] {
			k++
		}
		n.back[i] = k
	}
	return n
}

// rune takes the next character.
func (f *finder) rune(r rune) {
	r = unicode.ToLower(r)
	for i := range f.needles {
		n := &f.needles[i]
		if n.found {
			continue
		}
		for n.matched > 0 && n.text[n.matched] != r {
			n.matched = n.back[n.matched-1]
		}
		if n.text[n.matched] == r {
			n.matched++
		}
		if n.matched == len(n.text) {
			n.found = true
			f.missing--
		}
	}
}

// end says that what follows does not continue what came: nothing is found across it.
func (f *finder) end() {
	for i := range f.needles {
		f.needles[i].matched = 0
	}
}

// feedField takes a header field as people read it: unfolded, with its encoded words decoded, without its name.
func (f *finder) feedField(raw []byte) {
	_, body, _ := bytes.Cut(raw, []byte(":"))
	unfolded := strings.NewReplacer("\r\n", "", "\n", "").Replace(string(body))
	for _, r := range pec.DecodeWords(strings.TrimSpace(unfolded)) {
		f.rune(r)
	}
	f.end()
}

// feedBody shows finders the text of a message: its text parts without their transfer encoding, and the headers of its parts
// and of the messages in it. Other kinds of parts hold no text (RFC 9051 6.4.4, BODY). It stops when nothing is missing.
func (m *message) feedBody(finders ...*finder) (err error) {
	m.root.Walk(func(p *pec.Part) bool {
		if p != m.root {
			err = m.feedHeader(p, finders)
		}
		if err == nil && p.Type == "text" {
			err = m.feedText(p, finders)
		}
		return err == nil && missing(finders)
	})
	return err
}

func missing(finders []*finder) bool {
	n := 0
	for _, f := range finders {
		n += f.missing
	}
	return n > 0
}

func (m *message) feedHeader(p *pec.Part, finders []*finder) error {
	header, err := m.headerBytes(p)
	eachField(header, func(_ string, raw []byte) {
		for _, f := range finders {
			f.feedField(raw)
		}
	})
	return err
}

// feedText shows a text part. What cannot be decoded ends it; the rest of the message is still looked at.
func (m *message) feedText(p *pec.Part, finders []*finder) error {
	encoding, err := m.encoding(p)
	if err != nil {
		return err
	}
	source := &sourceReader{Reader: m.body(p)}
	decoded := decode(encoding, source)
	if decoded == nil {
		decoded = source
	}
	eachRune(decoded, func(r rune) bool {
		for _, f := range finders {
			f.rune(r)
		}
		return missing(finders)
	})
	for _, f := range finders {
		f.end()
	}
	return source.err
}

// eachRune reads text whose charset is not looked at: what is UTF-8 is UTF-8, any other octet is Latin-1. It stops when f
// says false, or with the text.
func eachRune(r io.Reader, f func(rune) bool) {
	buffered := bufio.NewReader(r)
	for {
		c, size, err := buffered.ReadRune()
		if err != nil {
			return
		}
		if c == utf8.RuneError && size == 1 {
			c = latin1(buffered)
		}
		if !f(c) {
			return
		}
	}
}

// latin1 gives the octet that was just read as no rune.
func latin1(r *bufio.Reader) rune {
	if r.UnreadRune() != nil {
		return utf8.RuneError
	}
	b, err := r.ReadByte()
	if err != nil {
		return utf8.RuneError
	}
	return rune(b)
}

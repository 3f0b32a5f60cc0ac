package dialect

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"

	"github.com/ceralacca/ceralacca/pec"
)

// skeletons are the MIME trees of field-notes.md 4, in the order in which the parts stand. A line "== name" begins a
// section, and may name the kinds that have it. A ~ at the end of a line stands for a blank, {words} are filled in.
//
//go:embed skeletons/*.txt
var skeletons embed.FS

// The sections whose place decides something.
const (
	sectionTop       = "top"       // value of the message's Content-Type
	sectionMixed     = "mixed"     // what is signed begins here
	sectionData      = "daticert"  // not in an anomaly envelope
	sectionOriginal  = "original"  // only where one is enclosed
	sectionSignature = "signature" // what is signed has ended
)

// treeStyle is a skeleton with what is put into it.
type treeStyle struct {
	skeleton         string
	protocol, micalg string
	boundaries       func(draw, time.Time) boundaries
	data             func([]byte) (encoding, octets string) // transfer encoding of daticert.xml
	signature        int                                    // columns of its base64
}

type section struct{ name, text string }

// sections are those that a message has.
func (e *Engine) sections(kind pec.Kind, enclosed bool) ([]section, error) {
	file, err := skeletons.ReadFile("skeletons/" + e.tree.skeleton + ".txt")
	if err != nil {
		return nil, fmt.Errorf("skeleton of %s: %w", e.Name, err)
	}
	var found []section
	for _, block := range strings.Split("\n"+strings.TrimSuffix(string(file), "\n"), "\n== ")[1:] {
		line, text, _ := strings.Cut(block, "\n")
		words := strings.Fields(line)
		name, kinds := words[0], words[1:]
		switch {
		case name == sectionData && kind == pec.Anomaly, name == sectionOriginal && !enclosed:
		case len(kinds) == 0 || slices.Contains(kinds, string(kind)):
			text = strings.ReplaceAll(text+"\n", "~\n", " \n")
			found = append(found, section{name, strings.ReplaceAll(text, "\n", "\r\n")})
		}
	}
	return found, nil
}

// lay puts the message's sections into the draft. The line end before the signature's boundary belongs to the boundary.
func (d *Draft) lay(sections []section, header func(contentType string) []byte, word func(string) string, original []byte) {
	var preamble, signed bytes.Buffer
	contentType, out := "", &preamble
	for _, s := range sections {
		switch s.name {
		case sectionTop:
			contentType = strings.TrimSuffix(fill(s.text, word), "\r\n")
			continue
		case sectionMixed:
			out = &signed
		case sectionSignature:
			d.tail = "\r\n" + fill(s.text, func(w string) string {
				if w == sectionSignature {
					return "{" + w + "}" // Assemble's
				}
				return word(w)
			})
			continue
		case sectionOriginal:
			before, after, _ := strings.Cut(s.text, "{"+sectionOriginal+"}")
			out.WriteString(fill(before, word))
			out.Write(original)
			d.Before = bytes.Clone(out.Bytes())
			out.Reset()
			out.WriteString(fill(after, word))
			continue
		}
		out.WriteString(fill(s.text, word))
	}
	rest := bytes.TrimSuffix(signed.Bytes(), []byte("\r\n"))
	if d.HasOriginal {
		d.After = rest
	} else {
		d.Before = rest
	}
	d.Header = append(append(header(contentType), preamble.Bytes()...), "--"+word("outer")+"\r\n"...)
}

// base64Lines encodes in lines of so many columns; the last has no end.
func base64Lines(columns int) func([]byte) (encoding, octets string) {
	return func(octets []byte) (string, string) {
		text := base64.StdEncoding.EncodeToString(octets)
		var out strings.Builder
		for len(text) > columns {
			out.WriteString(text[:columns] + "\r\n")
			text = text[columns:]
		}
		return "base64", out.String() + text
	}
}

// quotedPrintable encodes text, whatever its line ends; they come out as CRLF.
func quotedPrintable(octets []byte) (encoding, text string) {
	var out strings.Builder
	w := quotedprintable.NewWriter(&out) // a strings.Builder does not fail
	_, _ = w.Write(octets)
	_ = w.Close()
	return "quoted-printable", out.String()
}

// sevenBit leaves short lines of ASCII as they are; the rest is base64.
func sevenBit(octets []byte) (encoding, text string) {
	for line := range bytes.Lines(octets) {
		if len(line) > maxLine || !isASCII(string(line)) {
			return base64Lines(76)(octets)
		}
	}
	return "7bit", string(octets)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
}

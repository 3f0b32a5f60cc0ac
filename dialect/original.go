package dialect

import (
	"bytes"
	"slices"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// originalStyle says where an engine puts the fields that it adds to postacert.eml (field-notes.md 11). What is not named
// stays where pec.Rewrite put it.
type originalStyle struct {
	returnPath    string // name of the Return-Path that the header begins with
	first         string // names of the fields on top
	afterReceived string // names of the fields after the Received block
	last          string
}

// place moves fields of a header block that ends with the empty line. Their octets and all others stay as they are.
func (s originalStyle) place(block []byte, sender pec.Address) []byte {
	h, err := pec.ParseHeader(block)
	if err != nil || s == (originalStyle{}) {
		return block
	}
	moved := func(names string) (raw []byte) {
		for name := range strings.FieldsSeq(names) {
			for _, f := range h.Fields() {
				if f.Is(name) {
					raw = append(raw, f.Raw...)
				}
			}
		}
		return raw
	}
	stay := slices.DeleteFunc(slices.Clone(h.Fields()), func(f pec.Field) bool {
		return slices.ContainsFunc(strings.Fields(s.first+" "+s.afterReceived+" "+s.last), f.Is)
	})
	received := 0
	for received < len(stay) && stay[received].Is("Received") {
		received++
	}
	var out bytes.Buffer
	if s.returnPath != "" {
		out.WriteString(s.returnPath + ": <" + string(sender) + ">\r\n")
	}
	out.Write(moved(s.first))
	for i, f := range stay {
		if i == received {
			out.Write(moved(s.afterReceived))
		}
		out.Write(f.Raw)
	}
	if received == len(stay) {
		out.Write(moved(s.afterReceived))
	}
	out.Write(moved(s.last))
	out.WriteString("\r\n")
	return out.Bytes()
}

package pec

import "bytes"

// Rewrite makes the header of postacert.eml out of an original's header, as design.md 5 lists
// exhaustively: our Received on top (received is the whole field with its CRLF; nil if none);
// Message-ID replaced in place by the id, or added last; X-Riferimento-Message-ID with the
// client's identifier added last, if there was one; the client's own X-Riferimento-Message-ID and
// Return-Path removed. All other fields keep their octets and their order (norms.md 19). The
// result ends with the empty line, so that it and the body are postacert.eml.
//
// The header is one that Check had nothing against; should it have several Message-IDs, the
// first gives its place and the others go.
func Rewrite(h Header, received []byte, id ID) []byte {
	out := bytes.NewBuffer(make([]byte, 0, len(h.raw)+len(received)+2*maxID))
	out.Write(received)
	identified := false
	for _, f := range h.fields {
		switch {
		case f.Is(HeaderReference), f.Is("Return-Path"):
		case f.Is("Message-ID") && identified:
		case f.Is("Message-ID"):
			writeField(out, "Message-ID", id.Bracketed())
			identified = true
		default:
			out.Write(f.Raw)
		}
	}
	if !identified {
		writeField(out, "Message-ID", id.Bracketed())
	}
	if client := ClientID(h.Get("Message-ID")); client.valid() {
		writeField(out, HeaderReference, string(client))
	}
	out.WriteString("\r\n")
	return out.Bytes()
}

// writeField writes a field whose value is already clean and folded.
func writeField(out *bytes.Buffer, name, value string) {
	out.WriteString(name)
	out.WriteString(": ")
	out.WriteString(value)
	out.WriteString("\r\n")
}

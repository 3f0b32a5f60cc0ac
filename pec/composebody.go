package pec

import (
	"bytes"
	"encoding/base64"
	"mime/quotedprintable"
)

// The boundaries begin differently, so that none is the beginning of another.
func (c Composition) signedBoundary() string      { return "----" + c.Boundary }
func (c Composition) mixedBoundary() string       { return "----------=_" + c.Boundary + "-1" }
func (c Composition) alternativeBoundary() string { return "----------=_" + c.Boundary + "-2" }

// eightBit reports whether the enclosed message has octets above 127. Header and body are
// carried as they are; only the labels differ (design.md 5).
func (c Composition) eightBit() bool { return c.EightBit || hasHighBit(c.Original) }

// before writes the signed octets up to the body of the original, or up to the closing boundary
// line.
func (c Composition) before(text humanText) []byte {
	w := &fieldWriter{}
	w.add("Content-Type", `multipart/mixed; boundary="`+c.mixedBoundary()+`"`)
	w.addEncoding(c.eightBit())
	w.WriteString("\r\n")
	c.writeTexts(w, text)
	if c.Data.Kind != Anomaly {
		c.writeCertData(w)
	}
	if c.Original != nil {
		c.writeOriginal(w)
	}
	return w.Bytes()
}

func (c Composition) writeTexts(w *fieldWriter, text humanText) {
	boundary := c.alternativeBoundary()
	w.WriteString("--" + c.mixedBoundary() + "\r\n")
	w.add("Content-Type", `multipart/alternative; boundary="`+boundary+`"`)
	for _, part := range []struct{ subtype, body string }{{"plain", text.body}, {"html", text.html()}} {
		w.WriteString("\r\n--" + boundary + "\r\n")
		w.add("Content-Type", `text/`+part.subtype+`; charset="iso-8859-1"`)
		w.add("Content-Disposition", "inline")
		w.add("Content-Transfer-Encoding", "quoted-printable")
		w.WriteString("\r\n")
		writeQuotedPrintable(&w.Buffer, toLatin1(part.body))
	}
	w.WriteString("\r\n--" + boundary + "--\r\n\r\n")
}

func (c Composition) writeCertData(w *fieldWriter) {
	w.WriteString("--" + c.mixedBoundary() + "\r\n")
	w.add("Content-Type", `application/xml; name="`+CertDataName+`"`)
	w.add("Content-Disposition", `inline; filename="`+CertDataName+`"`)
	w.add("Content-Transfer-Encoding", "base64")
	w.WriteString("\r\n")
	writeBase64(&w.Buffer, c.Data.XML())
	w.WriteString("\r\n")
}

func (c Composition) writeOriginal(w *fieldWriter) {
	w.WriteString("--" + c.mixedBoundary() + "\r\n")
	w.add("Content-Type", `message/rfc822; name="`+OriginalName+`"`)
	w.add("Content-Disposition", `inline; filename="`+OriginalName+`"`)
	if c.eightBit() {
		w.addEncoding(true)
	} else {
		w.add("Content-Transfer-Encoding", "7bit")
	}
	w.WriteString("\r\n")
	w.Write(c.Original)
}

// Assemble puts the signature (DER) to the draft: the whole message is before, the octets of the
// original's body, after. Without an original, all is in before.
func (d *Draft) Assemble(p7s []byte) (before, after []byte) {
	w := &fieldWriter{}
	w.Write(d.After)
	w.WriteString("\r\n------" + d.boundary + "\r\n")
	w.add("Content-Type", `application/pkcs7-signature; name="`+SignatureName+`"`)
	w.add("Content-Transfer-Encoding", "base64")
	w.add("Content-Disposition", `attachment; filename="`+SignatureName+`"`)
	w.WriteString("\r\n")
	writeBase64(&w.Buffer, p7s)
	w.WriteString("\r\n------" + d.boundary + "--\r\n")

	before = append(append(make([]byte, 0, len(d.Header)+len(d.Before)), d.Header...), d.Before...)
	if !d.HasOriginal {
		return append(before, w.Bytes()...), nil
	}
	return before, w.Bytes()
}

// writeBase64 writes lines of 64 columns.
func writeBase64(out *bytes.Buffer, octets []byte) {
	const columns = 64
	text := base64.StdEncoding.AppendEncode(nil, octets)
	out.Grow(len(text) + 2*(len(text)/columns+1))
	for len(text) > 0 {
		n := min(columns, len(text))
		out.Write(text[:n])
		out.WriteString("\r\n")
		text = text[n:]
	}
}

// writeQuotedPrintable writes text with LF line ends as lines of at most 76 columns with CRLF.
func writeQuotedPrintable(out *bytes.Buffer, text []byte) {
	w := quotedprintable.NewWriter(out) // a bytes.Buffer does not fail
	_, _ = w.Write(text)
	_ = w.Close()
}

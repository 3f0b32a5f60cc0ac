package pec

import (
	"bytes"
	"strings"
)

// XML is daticert.xml: the Clean data in the order of the DTD (RFC 6109 4.4), with LF and four
// blanks as in norms.md 1.4. An Anomaly has none: nil.
func (c CertData) XML() []byte {
	if c.Kind == Anomaly {
		return nil
	}
	c = c.Clean()
	w := xmlWriter{}
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.open(elemRoot, attrKind, string(c.Kind), attrReason, string(c.Reason))
	c.writeHeading(&w)
	c.writeData(&w)
	w.shut(elemRoot)
	return w.Bytes()
}

func (c CertData) writeHeading(w *xmlWriter) {
	w.open(elemHeading)
	w.leaf(elemSender, string(c.Sender))
	for _, r := range c.Recipients {
		w.leaf(elemRecipient, string(r.Address), attrKind, string(r.Type))
	}
	w.leaf(elemReplyTo, c.ReplyTo)
	w.leaf(elemSubject, c.Subject)
	w.shut(elemHeading)
}

func (c CertData) writeData(w *xmlWriter) {
	w.open(elemData)
	w.leaf(elemIssuer, c.Issuer)
	w.open(elemInstant, attrZone, c.At.Format(formatZone))
	w.leaf(elemDay, c.At.Format(formatDay))
	w.leaf(elemTime, c.At.Format(formatTime))
	w.shut(elemInstant)
	w.leaf(elemID, string(c.ID))
	w.optional(elemClientID, string(c.ClientID))
	if c.ReceiptType != "" {
		w.empty(elemReceipt, attrKind, string(c.ReceiptType))
	}
	w.optional(elemDelivered, string(c.DeliveredTo))
	for _, a := range c.TakenFor {
		w.leaf(elemTakenFor, string(a))
	}
	w.optional(elemDetail, c.Detail)
	w.shut(elemData)
}

// xmlWriter writes indented elements. encoding/xml is not used to write: it puts character
// references for quotes and blanks where every provider writes them plain.
type xmlWriter struct {
	bytes.Buffer
	depth int
}

func (w *xmlWriter) open(name string, attrs ...string) {
	w.begin(name, attrs)
	w.WriteString(">\n")
	w.depth++
}

func (w *xmlWriter) shut(name string) {
	w.depth--
	w.indent()
	w.WriteString("</" + name + ">\n")
}

func (w *xmlWriter) leaf(name, text string, attrs ...string) {
	w.begin(name, attrs)
	w.WriteString(">" + escapeXML(text) + "</" + name + ">\n")
}

func (w *xmlWriter) optional(name, text string) {
	if text != "" {
		w.leaf(name, text)
	}
}

func (w *xmlWriter) empty(name string, attrs ...string) {
	w.begin(name, attrs)
	w.WriteString(" />\n")
}

func (w *xmlWriter) begin(name string, attrs []string) {
	w.indent()
	w.WriteString("<" + name)
	for i := 0; i < len(attrs); i += 2 {
		w.WriteString(" " + attrs[i] + `="` + escapeXML(attrs[i+1]) + `"`)
	}
}

func (w *xmlWriter) indent() {
	for range w.depth {
		w.WriteString("    ")
	}
}

// escapeXML serves texts and attributes. Attribute values are words of the DTD, but a quote in
// one must not open another.
func escapeXML(s string) string {
	if !strings.ContainsAny(s, "&<>") {
		return s
	}
	s = strings.ReplaceAll(s, "&", "&amp;") // first, and not by a Replacer, which costs ten kilobytes
	return strings.ReplaceAll(strings.ReplaceAll(s, "<", "&lt;"), ">", "&gt;")
}

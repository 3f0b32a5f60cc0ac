package pec

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The bounds of what we read: a daticert.xml of a message to a thousand recipients has 100 KB.
const (
	maxCertData       = 1 << 20
	maxCertDepth      = 8
	maxCertElements   = 25_000
	maxCertRecipients = 10_000
)

// ParseCertData reads daticert.xml as providers write it (quirks.md C): a byte order mark,
// blanks before the declaration, processing instructions and a DOCTYPE are borne, nothing is
// fetched, and no entity is known but the five of XML (attacks.md 23). What is not XML is read
// again with illegal characters dropped, and then Repaired is set. Unknown kinds and reasons
// are kept as written. The error says what is missing or wrong.
func ParseCertData(doc []byte) (CertData, error) {
	if len(doc) > maxCertData {
		return CertData{}, fmt.Errorf("certification data: more than %d octets", maxCertData)
	}
	doc = bytes.TrimLeft(doc, "\uFEFF \t\r\n")
	c, err := readCertData(doc)
	if err == nil {
		return c, nil
	}
	repaired := repairXML(doc)
	if bytes.Equal(repaired, doc) {
		return CertData{}, fmt.Errorf("certification data: %w", err)
	}
	c, again := readCertData(repaired)
	if again != nil {
		return CertData{}, fmt.Errorf("certification data: %w", err)
	}
	c.Repaired = true
	return c, nil
}

func readCertData(doc []byte) (CertData, error) {
	r := certReader{decoder: xml.NewDecoder(bytes.NewReader(doc)), seen: map[string]bool{}}
	r.decoder.CharsetReader = latin1Reader
	if err := r.read(); err != nil {
		return CertData{}, err
	}
	return r.finish()
}

// latin1Reader admits the one other encoding that an Italian provider may declare.
func latin1Reader(label string, in io.Reader) (io.Reader, error) {
	octets, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(label) {
	case "iso-8859-1", "windows-1252", "us-ascii":
		return strings.NewReader(decodeCharset(label, octets)), nil
	}
	return nil, fmt.Errorf("encoding %s is not read", quote(label))
}

// certReader walks the document once. Values are known by their whole path, so that an element
// in the wrong place is passed over.
type certReader struct {
	decoder  *xml.Decoder
	path     []string
	elements int
	rooted   bool
	seen     map[string]bool // single elements that have come
	text     strings.Builder // of the innermost element
	attrs    []xml.Attr      // of the innermost element

	data            CertData
	day, time, zone string
}

func (r *certReader) read() error {
	for {
		token, err := r.decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			err = r.start(t)
		case xml.CharData:
			if len(r.path) == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("text outside the root element")
			}
			r.text.Write(t)
		case xml.EndElement:
			err = r.end()
		}
		if err != nil {
			return err
		}
	}
}

func (r *certReader) start(t xml.StartElement) error {
	r.elements++
	if r.elements > maxCertElements || len(r.path) >= maxCertDepth {
		return errors.New("too many elements")
	}
	r.path = append(r.path, t.Name.Local)
	r.attrs = append(r.attrs[:0], t.Attr...)
	r.text.Reset()
	if len(r.path) > 1 {
		if r.where() == elemData+"/"+elemInstant {
			r.zone = r.attr(attrZone)
		}
		return nil
	}
	if r.rooted || t.Name.Local != elemRoot {
		return fmt.Errorf("the root element is not one <%s>", elemRoot)
	}
	r.rooted = true
	r.data.Kind = Kind(r.attr(attrKind))
	if r.data.Reason = Reason(r.attr(attrReason)); r.data.Reason == "" {
		r.data.Reason = ReasonNone
	}
	return nil
}

// end takes the value of the element that ends.
func (r *certReader) end() error {
	where, text := r.where(), r.text.String()
	r.path = r.path[:len(r.path)-1]
	r.text.Reset()
	switch where {
	case elemHeading + "/" + elemRecipient:
		return r.addRecipient(text)
	case elemData + "/" + elemTakenFor:
		return r.addTakenFor(text)
	}
	target := r.single(where)
	if target == nil {
		return nil
	}
	if r.seen[where] {
		return fmt.Errorf("<%s> comes twice", where)
	}
	r.seen[where] = true
	return target(text)
}

// where is the path below the root.
func (r *certReader) where() string { return strings.Join(r.path[1:], "/") }

func (r *certReader) attr(name string) string {
	for _, a := range r.attrs {
		if a.Name.Local == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// single says what takes the value of an element that comes once at most.
func (r *certReader) single(where string) func(string) error {
	c := &r.data
	switch where {
	case elemHeading + "/" + elemSender:
		return address(&c.Sender)
	case elemHeading + "/" + elemReplyTo:
		return trimmed(&c.ReplyTo)
	case elemHeading + "/" + elemSubject:
		return func(s string) error { c.Subject = s; return nil } // blanks kept: quirks.md C3
	case elemData + "/" + elemIssuer:
		return trimmed(&c.Issuer)
	case elemData + "/" + elemInstant + "/" + elemDay:
		return trimmed(&r.day)
	case elemData + "/" + elemInstant + "/" + elemTime:
		return trimmed(&r.time)
	case elemData + "/" + elemID:
		return r.setID
	case elemData + "/" + elemClientID:
		return func(s string) error { c.ClientID = normalizeClientID(s); return nil }
	case elemData + "/" + elemReceipt:
		return func(string) error { c.ReceiptType = ParseReceiptType(r.attr(attrKind)); return nil }
	case elemData + "/" + elemDelivered:
		return address(&c.DeliveredTo)
	case elemData + "/" + elemDetail:
		return trimmed(&c.Detail)
	}
	return nil
}

func (r *certReader) setID(s string) error {
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "<"), ">")
	id, err := ParseID(s)
	r.data.ID = id
	return err
}

func (r *certReader) addRecipient(text string) error {
	if len(r.data.Recipients) >= maxCertRecipients {
		return fmt.Errorf("more than %d recipients", maxCertRecipients)
	}
	a, err := readAddress(strings.TrimSpace(text))
	if err != nil {
		return err
	}
	kind := Certified // the default of the DTD
	if strings.EqualFold(r.attr(attrKind), string(External)) {
		kind = External
	}
	r.data.Recipients = append(r.data.Recipients, Recipient{a, kind})
	return nil
}

func (r *certReader) addTakenFor(text string) error {
	if len(r.data.TakenFor) >= maxCertRecipients {
		return fmt.Errorf("more than %d recipients", maxCertRecipients)
	}
	a, err := ParseAddress(strings.TrimSpace(text))
	r.data.TakenFor = append(r.data.TakenFor, a)
	return err
}

func (r *certReader) finish() (CertData, error) {
	switch {
	case !r.rooted:
		return CertData{}, fmt.Errorf("there is no <%s>", elemRoot)
	case r.data.Kind == "":
		return CertData{}, errors.New("the kind is missing")
	case r.data.Sender == "":
		return CertData{}, errors.New("the sender is missing")
	case len(r.data.Recipients) == 0:
		return CertData{}, errors.New("the recipients are missing")
	case r.data.ID == "":
		return CertData{}, errors.New("the identifier is missing")
	}
	at, err := parseInstant(r.day, r.time, r.zone)
	r.data.At = at
	return r.data, err
}

// parseInstant reads giorno, ora and zona; the zone may have a colon (quirks.md C19).
func parseInstant(day, clock, zone string) (time.Time, error) {
	if len(zone) == len("+hh:mm") && zone[3] == ':' {
		zone = zone[:3] + zone[4:]
	}
	if strings.HasSuffix(clock, ":60") { // a leap second
		clock = strings.TrimSuffix(clock, "60") + "59"
	}
	at, err := time.Parse(formatDay+" "+formatTime+" "+formatZone, day+" "+clock+" "+zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("date %s %s %s is none", quote(day), quote(clock), quote(zone))
	}
	return at.In(Rome()), nil
}

func trimmed(target *string) func(string) error {
	return func(s string) error { *target = strings.TrimSpace(s); return nil }
}

func address(target *Address) func(string) error {
	return func(s string) (err error) {
		*target, err = ParseAddress(strings.TrimSpace(s))
		return err
	}
}

// readAddress is how a recipient in a peer's data is read: one odd external address among
// many must not make the whole message an anomaly. It still cannot break a line or a tag.
func readAddress(s string) (Address, error) {
	if a, err := ParseAddress(s); err == nil {
		return a, nil
	}
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f && r < 0xa0 || r == '<' || r == '>' }
	if len(s) > 2*maxAddress || !strings.Contains(s, "@") || strings.ContainsFunc(s, odd) {
		return "", fmt.Errorf("address %s is none", quote(s))
	}
	return Address(s), nil
}

// repairXML drops what XML cannot hold, escapes ampersands that begin nothing, and the brackets
// of a bare msgid (quirks.md C1, C8). Octets that are not UTF-8 are read as Windows-1252.
func repairXML(doc []byte) []byte {
	text := strings.Map(legalXML, decodeCharset("", doc))
	var out strings.Builder
	for text != "" {
		before, after, found := strings.Cut(text, "&")
		out.WriteString(before)
		if !found {
			break
		}
		reference, length := repairReference(after)
		out.WriteString(reference)
		text = after[length:]
	}
	return []byte(repairClientID(out.String()))
}

func legalXML(r rune) rune {
	if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
		return -1
	}
	return r
}

// repairReference says what stands for "&"+s, and how much of s it replaces.
func repairReference(s string) (string, int) {
	const longest = 10
	end := strings.IndexByte(s[:min(len(s), longest)], ';')
	if end < 0 {
		return "&amp;", 0
	}
	name := s[:end]
	switch name {
	case "amp", "lt", "gt", "quot", "apos":
		return "&" + name + ";", end + 1
	}
	number, numeric := strings.CutPrefix(name, "#")
	if !numeric {
		return "&amp;", 0
	}
	base := 10
	if hex, ok := strings.CutPrefix(number, "x"); ok {
		number, base = hex, 16
	}
	code, err := strconv.ParseUint(number, base, 32)
	if err != nil || !utf8.ValidRune(rune(code)) || legalXML(rune(code)) < 0 {
		return "", end + 1
	}
	return "&" + name + ";", end + 1
}

func repairClientID(doc string) string {
	before, rest, found := strings.Cut(doc, "<"+elemClientID+">")
	if !found {
		return doc
	}
	inner, after, found := strings.Cut(rest, "</"+elemClientID+">")
	if !found {
		return doc
	}
	inner = strings.ReplaceAll(strings.ReplaceAll(inner, "<", "&lt;"), ">", "&gt;")
	return before + "<" + elemClientID + ">" + inner + "</" + elemClientID + ">" + after
}

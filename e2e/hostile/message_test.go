package hostile

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// message is what was read from a mailbox. Only PEC messages have data; only envelopes and complete receipts have an
// original.
type message struct {
	octets   []byte
	header   mail.Header
	data     *daticert
	xml      []byte // daticert.xml
	original []byte // postacert.eml
}

// daticert is the certification data after the DTD of RFC 6109 4.4.
type daticert struct {
	Kind   string `xml:"tipo,attr"`
	Header struct {
		Sender     string   `xml:"mittente"`
		Recipients []string `xml:"destinatari"`
		ReplyTo    string   `xml:"risposte"`
		Subject    string   `xml:"oggetto"`
	} `xml:"intestazione"`
	Data struct {
		ID          string `xml:"identificativo"`
		ClientID    string `xml:"msgid"`
		DeliveredTo string `xml:"consegna"`
	} `xml:"dati"`
}

// kind is what X-Ricevuta or X-Trasporto says; ordinary mail has none.
func (m message) kind() string { return m.header.Get("X-Ricevuta") + m.header.Get("X-Trasporto") }

// subject is the decoded Subject.
func (m message) subject(t testing.TB) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
	if err != nil {
		t.Fatalf("Subject %q: %v", m.header.Get("Subject"), err)
	}
	return s
}

// fields are the names of the header's fields, in order, as a reader sees them who knows nothing of PEC.
func (m message) fields() (names []string) {
	header, _, _ := bytes.Cut(m.octets, []byte("\r\n\r\n"))
	for line := range strings.SplitSeq(string(header), "\r\n") {
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(line, ":")
			names = append(names, name)
		}
	}
	return names
}

// readMessage takes a message apart. A PEC message must have the tree of norms.md 1.2.
func readMessage(t testing.TB, octets []byte) message {
	t.Helper()
	parsed, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		t.Fatalf("reading a message: %v\n%s", err, clip(string(octets)))
	}
	m := message{octets: octets, header: parsed.Header}
	if m.kind() == "" {
		return m
	}
	signed := partsOf(t, "multipart/signed", parsed.Header.Get("Content-Type"), parsed.Body)
	if len(signed) != 2 || signed[1].file != "smime.p7s" {
		t.Fatalf("the signed multipart is not a content and smime.p7s: %d parts", len(signed))
	}
	for _, p := range partsOf(t, "multipart/mixed", signed[0].contentType, bytes.NewReader(signed[0].body)) {
		m.take(t, p)
	}
	if m.data == nil || m.data.Kind != m.kind() {
		t.Fatalf("a %s has the certification data %+v", m.kind(), m.data)
	}
	return m
}

func (m *message) take(t testing.TB, p part) {
	t.Helper()
	switch p.file {
	case "daticert.xml":
		octets, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(p.body), "\r\n", ""))
		m.xml, m.data = octets, &daticert{}
		if err == nil {
			err = xml.Unmarshal(m.xml, m.data)
		}
		if err != nil {
			t.Fatalf("daticert.xml: %v\n%s", err, m.xml)
		}
	case "postacert.eml":
		m.original = p.body
	case "":
	default:
		t.Errorf("a part nobody expects: %s", p.file)
	}
}

// part is a body part; its body are the octets as they stand there.
type part struct {
	contentType, file string
	body              []byte
}

func partsOf(t testing.TB, want, contentType string, body io.Reader) (all []part) {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != want {
		t.Fatalf("Content-Type %q is not %s: %v", contentType, want, err)
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		octets, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, part{p.Header.Get("Content-Type"), p.FileName(), octets})
	}
}

// about returns the messages of a kind about a PEC id.
func about(box []message, kind, id string) (found []message) {
	for _, m := range box {
		if m.data != nil && m.data.Kind == kind && m.data.Data.ID == id {
			found = append(found, m)
		}
	}
	return found
}

// only returns the one message of a kind about a PEC id.
func only(t testing.TB, box []message, kind, id string) message {
	t.Helper()
	found := about(box, kind, id)
	if len(found) != 1 {
		t.Fatalf("%d messages of kind %s about %s, not 1", len(found), kind, id)
	}
	return found[0]
}

// outcome is all that came of a message with one recipient.
type outcome struct{ acceptance, envelope, taken, delivered message }

func (o outcome) all() []message { return []message{o.acceptance, o.envelope, o.taken, o.delivered} }

// outcomes reads the boxes of sender, recipient and Alfa's service once, and finds what came of each id.
func (s *sandbox) outcomes(t testing.TB, from, to account, ids []string) (all []outcome) {
	t.Helper()
	s.settle(t)
	sender, recipient, service := s.inbox(t, from), s.inbox(t, to), s.inbox(t, s.alfa().ServiceMailbox)
	for _, id := range ids {
		all = append(all, outcome{
			only(t, sender, "accettazione", id), only(t, recipient, "posta-certificata", id),
			only(t, service, "presa-in-carico", id), only(t, sender, "avvenuta-consegna", id),
		})
	}
	return all
}

// rewritten is a submission with the changes that design.md 5 lists, all but the Received on top.
func rewritten(submission []byte, id string) []byte {
	var out bytes.Buffer
	var client string
	identified := false
	for rest := submission; ; {
		if bytes.HasPrefix(rest, []byte("\r\n")) {
			if !identified {
				fmt.Fprintf(&out, "Message-ID: <%s>\r\n", id)
			}
			if client != "" {
				fmt.Fprintf(&out, "X-Riferimento-Message-ID: %s\r\n", client)
			}
			out.Write(rest)
			return out.Bytes()
		}
		var field []byte
		field, rest = cutField(rest)
		switch name, value, _ := strings.Cut(string(field), ":"); strings.ToLower(strings.TrimSpace(name)) {
		case "return-path", "x-riferimento-message-id":
		case "message-id":
			client, identified = strings.TrimSpace(value), true
			fmt.Fprintf(&out, "Message-ID: <%s>\r\n", id)
		default:
			out.Write(field)
		}
	}
}

// cutField cuts the first field of a header off, with its continuation lines.
func cutField(octets []byte) (field, rest []byte) {
	end := 0
	for {
		end += bytes.Index(octets[end:], []byte("\r\n")) + 2
		if end == len(octets) || octets[end] != ' ' && octets[end] != '\t' {
			return octets[:end], octets[end:]
		}
	}
}

// wantOriginal holds a postacert.eml against the submission: our Received, and then what rewritten says.
func wantOriginal(t testing.TB, what string, got, submission []byte, id string) {
	t.Helper()
	received, rest := cutField(got)
	if !bytes.HasPrefix(received, []byte("Received: from ")) {
		t.Errorf("%s: on top is %q", what, received)
	}
	want := rewritten(submission, id)
	if bytes.Equal(rest, want) {
		return
	}
	n := 0
	for n < min(len(rest), len(want)) && rest[n] == want[n] {
		n++
	}
	around := func(b []byte) []byte { return b[max(0, n-40):min(len(b), n+60)] }
	t.Errorf("%s: other octets than the submission, from %d on:\n%q\nnot\n%q", what, n, around(rest), around(want))
}

// validateXML holds many daticert.xml against the DTD at once.
func validateXML(t testing.TB, messages []message) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--dtdvalid", "../../docs/rules/postacert.dtd"}
	for i, m := range messages {
		args = append(args, filepath.Join(dir, itoa(i)+".xml"))
		writeFile(t, args[len(args)-1], m.xml)
	}
	tool(t, "xmllint", args...)
}

// noBareLineEnds: every CR is followed by LF, every LF preceded by CR, and there is no NUL.
func noBareLineEnds(octets []byte) bool {
	pairs := bytes.Count(octets, []byte("\r\n"))
	return bytes.Count(octets, []byte("\r")) == pairs && bytes.Count(octets, []byte("\n")) == pairs && !slices.Contains(octets, 0)
}

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// message is what was read from a mailbox. Only PEC messages have data; only envelopes and complete receipts have an
// original.
type message struct {
	uid      string
	octets   []byte
	header   mail.Header
	data     *daticert
	xml      []byte // daticert.xml
	original []byte // postacert.eml
	text     string // the part for people
}

// daticert is the certification data after the DTD of RFC 6109 4.4.
type daticert struct {
	Kind   string `xml:"tipo,attr"`
	Error  string `xml:"errore,attr"`
	Header struct {
		Sender     string `xml:"mittente"`
		Recipients []struct {
			Type    string `xml:"tipo,attr"`
			Address string `xml:",chardata"`
		} `xml:"destinatari"`
		ReplyTo string `xml:"risposte"`
		Subject string `xml:"oggetto"`
	} `xml:"intestazione"`
	Data struct {
		Issuer string `xml:"gestore-emittente"`
		Date   struct {
			Zone string `xml:"zona,attr"`
			Day  string `xml:"giorno"`
			Hour string `xml:"ora"`
		} `xml:"data"`
		ID       string `xml:"identificativo"`
		ClientID string `xml:"msgid"`
		Receipt  struct {
			Type string `xml:"tipo,attr"`
		} `xml:"ricevuta"`
		DeliveredTo string   `xml:"consegna"`
		TakenFor    []string `xml:"ricezione"`
		Detail      string   `xml:"errore-esteso"`
	} `xml:"dati"`
}

// kind is what X-Ricevuta or X-Trasporto says; ordinary mail has none.
func (m message) kind() string {
	return m.header.Get("X-Ricevuta") + m.header.Get("X-Trasporto")
}

// subject is the decoded Subject.
func (m message) subject(t testing.TB) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
	if err != nil {
		t.Fatalf("Subject %q: %v", m.header.Get("Subject"), err)
	}
	return s
}

// at is the instant in the certification data.
func (d *daticert) at(t testing.TB) time.Time {
	t.Helper()
	at, err := time.Parse("02/01/2006 15:04:05 -0700", d.Data.Date.Day+" "+d.Data.Date.Hour+" "+d.Data.Date.Zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// readMessage takes a message apart. A PEC message must have the tree of norms.md 1.2.
func readMessage(t testing.TB, octets []byte, uid string) message {
	t.Helper()
	parsed, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		t.Fatalf("reading a message: %v\n%s", err, clip(string(octets)))
	}
	m := message{uid: uid, octets: octets, header: parsed.Header}
	if m.kind() == "" {
		return m
	}
	signed := partsOf(t, "multipart/signed", parsed.Header.Get("Content-Type"), parsed.Body)
	if len(signed) != 2 || signed[1].file != "smime.p7s" {
		t.Fatalf("the signed multipart is not a content and smime.p7s: %v", signed)
	}
	for _, p := range partsOf(t, "multipart/mixed", signed[0].contentType, bytes.NewReader(signed[0].body)) {
		m.take(t, p)
	}
	if m.kind() == "errore" { // an anomaly envelope certifies nothing
		return m
	}
	if m.data == nil {
		t.Fatalf("a %s has no daticert.xml", m.kind())
	}
	if m.data.Kind != m.kind() {
		t.Errorf("the header says %s, daticert.xml says %s", m.kind(), m.data.Kind)
	}
	return m
}

func (m *message) take(t testing.TB, p part) {
	t.Helper()
	switch p.file {
	case "daticert.xml":
		m.xml = unbase64(t, p.body)
		m.data = &daticert{}
		if err := xml.Unmarshal(m.xml, m.data); err != nil {
			t.Fatalf("daticert.xml: %v\n%s", err, m.xml)
		}
	case "postacert.eml":
		m.original = p.body
	case "":
		m.text = string(p.body)
	default:
		t.Errorf("a part nobody expects: %s", p.file)
	}
}

func unbase64(t testing.TB, body []byte) []byte {
	t.Helper()
	octets, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(body), "\r\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// part is a body part; its body are the octets as they stand there.
type part struct {
	contentType, file string
	body              []byte
}

func partsOf(t testing.TB, want, contentType string, body io.Reader) []part {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != want {
		t.Fatalf("Content-Type %q is not %s: %v", contentType, want, err)
	}
	var all []part
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

// only returns the one message of a kind about a PEC id.
func only(t testing.TB, box []message, kind, id string) message {
	t.Helper()
	found := about(box, kind, id)
	if len(found) != 1 {
		t.Fatalf("%d messages of kind %s about %s, not 1", len(found), kind, id)
	}
	return found[0]
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

// verifySignature lets openssl verify octets as they are: the chain up to the sandbox's CA, the purpose, and that the
// provider's signing certificate signed them. What was signed is returned.
func (s *sandbox) verifySignature(t testing.TB, p provider, octets []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	file, signer, content := filepath.Join(dir, "message.eml"), filepath.Join(dir, "signer.pem"), filepath.Join(dir, "content")
	writeFile(t, file, octets)
	tool(t, "openssl", "cms", "-verify", "-in", file, "-CAfile", s.path(s.CAFile), "-purpose", "smimesign", "-signer", signer, "-out", content)
	if got, want := readPEM(t, signer), readPEM(t, s.path(p.SigningCertificateFiles[0])); !bytes.Equal(got, want) {
		t.Errorf("the signer is not %s", p.SigningCertificateFiles[0])
	}
	return readFile(t, content)
}

// validateXML holds daticert.xml against the DTD.
func validateXML(t testing.TB, octets []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "daticert.xml")
	writeFile(t, file, octets)
	tool(t, "xmllint", "--noout", "--nonet", "--dtdvalid", "../docs/rules/postacert.dtd", file)
}

// readPEM returns the first certificate of a file.
func readPEM(t testing.TB, file string) []byte {
	t.Helper()
	block, _ := pem.Decode(readFile(t, file))
	if block == nil {
		t.Fatalf("%s holds no PEM", file)
	}
	return block.Bytes
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	octets, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func writeFile(t testing.TB, name string, octets []byte) {
	t.Helper()
	if err := os.WriteFile(name, octets, 0o600); err != nil {
		t.Fatal(err)
	}
}

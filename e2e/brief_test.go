package e2e

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// TestBriefReceipt: the files of a message come back as their hashes, which who sent it can make again (RFC 6109 3.3.2.2).
// norms.md 30, 83 to 85
func TestBriefReceipt(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 2)
	from, to, cc := s.alfa().Mailboxes[0], s.beta().Mailboxes[0].Address, s.beta().Mailboxes[1].Address
	file := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("fattura ", 9))) + "\r\n" + base64.StdEncoding.EncodeToString([]byte("fine"))
	id := s.submit(t, s.alfa(), from, letter{
		from: from.Address, to: []string{to}, cc: []string{cc}, subject: "Fattura", id: "<breve@client.test>",
		more: []string{"X-TipoRicevuta: breve", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=confine"},
		body: "--confine\r\nContent-Type: text/plain\r\n\r\nCiao.\r\n--confine\r\nContent-Type: application/octet-stream; name=\"fattura.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + file + "\r\n--confine--\r\n",
	})
	s.settle(t)
	receipts := about(s.inbox(t, from), "avvenuta-consegna", id)
	if len(receipts) != 2 {
		t.Fatalf("%d delivery receipts", len(receipts))
	}
	sum := sha1.Sum([]byte(file))
	for _, m := range receipts {
		s.verifySignature(t, s.beta(), m.octets)
		validateXML(t, m.xml)
		if m.data.Data.Receipt.Type != "breve" {
			t.Errorf("ricevuta %q", m.data.Data.Receipt.Type)
		}
		if m.data.Data.DeliveredTo == cc {
			if m.original != nil {
				t.Error("a carbon copy's receipt has the original")
			}
			continue
		}
		original := string(m.original)
		if !strings.Contains(original, hex.EncodeToString(sum[:])) || !strings.Contains(original, "fattura.bin.hash") || strings.Contains(original, file) || !strings.Contains(original, "\r\n\r\nCiao.\r\n--confine\r\n") ||
			!strings.Contains(m.text, "Ricevuta breve di avvenuta consegna") {
			t.Errorf("%s\n%s", m.text, original)
		}
	}
}

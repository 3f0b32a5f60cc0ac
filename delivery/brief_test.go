package delivery

import (
	"crypto"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

const (
	attached = "JVBERi0xLjQK\r\nJeLjz9MK"
	mixed    = "--b\r\nContent-Type: text/plain\r\n\r\nCiao!\r\n" +
		"--b\r\nContent-Type: application/pdf; name=\"fattura.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + attached + "\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=inoltrata.eml\r\n\r\nSubject: x\r\n\r\ny\r\n" +
		"--b--\r\n"
	opaque = "MIIBdwYJKoZIhvcNAQcC\r\n"
)

// brief delivers a message that asks for a brief receipt, and returns what the receipt encloses.
func (w *world) brief(contentType, body string) string {
	w.t.Helper()
	e := fromBeta([]pec.Address{anna}, "To: anna@comune.alfa.test", "MIME-Version: 1.0", "Content-Type: "+contentType)
	e.kind, e.body = pec.Brief, body
	w.ok(nil, w.Deliver(w.t.Context(), w.arrive(e)[0]))
	receipt := w.tasks(store.TaskRelay)[0].Message
	m := w.read(receipt)
	if m.Data.ReceiptType != pec.Brief || m.Data.Kind != pec.Delivered {
		w.t.Errorf("the receipt says %+v", m.Data)
	}
	whole, found := strings.CutPrefix(string(w.originalIn(receipt)), string(e.header))
	if !found {
		w.t.Error("the header of the original is another")
	}
	return whole
}

func hashOf(h crypto.Hash, content string) string {
	sum := h.New()
	sum.Write([]byte(content))
	return hex.EncodeToString(sum.Sum(nil))
}

// RFC 6109 3.3.2.2; norms.md 83 to 85: named parts are replaced by the hashes of what was transferred, the rest stays; the
// octets that stay are not stored again.
func TestBriefReceipt(t *testing.T) {
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		w := newWorld(t)
		w.BriefHash = h
		got := w.brief("multipart/mixed; boundary=b", mixed)
		for _, want := range []string{
			"--b\r\nContent-Type: text/plain\r\n\r\nCiao!\r\n--b\r\n", "fattura.pdf.hash", hashOf(h, attached), "inoltrata.eml.hash", hashOf(h, "Subject: x\r\n\r\ny"), "\r\n--b--\r\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the original has no %q:\n%s", h, want, got)
			}
		}
		if strings.Contains(got, attached) || strings.Contains(got, "Subject: x") {
			t.Errorf("%s: an attachment is there:\n%s", h, got)
		}
	}
}

// norms.md 86: a signed original keeps its structure and its signature, an opaque one is left whole.
func TestBriefReceiptOfSigned(t *testing.T) {
	signed := "--s\r\n" + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + mixed +
		"\r\n--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n" + opaque + "--s--\r\n"
	got := newWorld(t).brief(`multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=s`, signed)
	if !strings.Contains(got, hashOf(crypto.SHA1, attached)) || !strings.Contains(got, "name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n"+opaque) {
		t.Errorf("the original is\n%s", got)
	}
	if got := newWorld(t).brief("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", opaque); got != opaque {
		t.Errorf("the opaque original is\n%s", got)
	}
}

// attacks.md 6, 39: more levels of long boundaries around a large file than are looked at: it is enclosed whole.
func TestBriefReceiptOfManyLevels(t *testing.T) {
	boundary := func(i int) string { return strings.Repeat("-", 60) + strconv.Itoa(10+i) }
	const depth = 20
	var b strings.Builder
	for i := 1; i < depth; i++ {
		b.WriteString("--" + boundary(i-1) + "\r\nContent-Type: multipart/mixed; boundary=\"" + boundary(i) + "\"\r\n\r\n")
	}
	b.WriteString("--" + boundary(depth-1) + "\r\nContent-Type: application/pdf; name=x.pdf\r\n\r\n" + strings.Repeat(strings.Repeat("-", 996)+"\r\n", 20_000))
	for i := depth - 1; i >= 0; i-- {
		b.WriteString("\r\n--" + boundary(i) + "--\r\n")
	}
	if got := newWorld(t).brief("multipart/mixed; boundary=\""+boundary(0)+"\"", b.String()); got != b.String() {
		t.Errorf("%d octets are enclosed, want all %d", len(got), b.Len())
	}
}

package examples

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
)

var (
	certificationData = regexp.MustCompile(`filename="daticert.xml"\r\n(?:\S.*\r\n)*\r\n([A-Za-z0-9+/=\r\n]+)`)
	identifiers       = regexp.MustCompile(`<identificativo>(.+)</identificativo>\s*<msgid>(.+)</msgid>`)
)

// laterReceipts are what comes after an acceptance: the receipts that the example hears, and what it must not believe.
// Their signatures are none: the examples leave that to the provider and to whoever needs the evidence.
func laterReceipts(t *testing.T, acceptance string) []string {
	t.Helper()
	octets, err := os.ReadFile(acceptance)
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	if part := certificationData.FindSubmatch(octets); part != nil {
		data, err = base64.StdEncoding.DecodeString(string(bytes.ReplaceAll(part[1], []byte("\r\n"), nil)))
	}
	found := identifiers.FindSubmatch(data)
	if err != nil || found == nil {
		t.Fatalf("no ids in %q (%v)", data, err)
	}
	id, msgid := "<identificativo>"+string(found[1])+"</identificativo>", "<msgid>"+string(found[2])+"</msgid>"
	reference := "X-Riferimento-Message-ID:\r\n " + strings.NewReplacer("&lt;", "<", "&gt;", ">").Replace(string(found[2])) + "\r\n"
	bare := strings.NewReplacer("&lt;", "", "&gt;", "").Replace(msgid)
	const foreign = "<identificativo>1@altrove.test</identificativo><msgid>2@altrove.test</msgid>"

	delivered := xmlOf("avvenuta-consegna", "nessuno", id+msgid+"<consegna>inesistente@pec.beta.test</consegna>")
	return []string{
		receipt("", part(xmlOf("preavviso-errore-consegna", "altro", id+msgid+overdue("luigi.verdi@pec.beta.test", "dodici ore")))),
		receipt("", part(xmlOf("avvenuta-consegna", "nessuno", id+"<consegna>LUIGI.VERDI@pec.beta.test</consegna>"))),
		receipt("", part(xmlOf("preavviso-errore-consegna", "altro", id+msgid+overdue("luigi.verdi@pec.beta.test", "ventiquattro\r\n ore")))),
		receipt(reference, part("\r\n"+xmlOf("errore-consegna", "altro", overdue("segreteria@studio.beta.test", "5.2.2 - casella piena")))),
		receipt("", part(xmlOf("preavviso-errore-consegna", "altro", bare+overdue("giulia.russo@pec.beta.test", "dodici ore")))),
		receipt("", part(xmlOf("novita", "nessuno", id+"<consegna>inesistente@pec.beta.test</consegna>"))),

		// of another message; in another message; with a DTD; cut off; not signed
		receipt(reference, part(strings.Replace(delivered, id+msgid, foreign, 1))),
		receipt(reference, "Content-Type: message/rfc822; name=daticert.xml\r\n\r\n"+
			strings.NewReplacer("--m", "--inner-m", "--s", "--inner-s", "boundary=", "boundary=inner-").Replace(receipt(reference, part(delivered)))),
		receipt(reference, part(`<!DOCTYPE postacert [<!ENTITY x "inesistente">]>`+strings.Replace(delivered, "inesistente", "&x;", 1))),
		receipt(reference, part(delivered[:len(delivered)/2])),
		"X-Ricevuta: avvenuta-consegna\r\n" + reference + "\r\n" + delivered,
	}
}

func xmlOf(kind, reason, data string) string {
	return fmt.Sprintf(`<postacert tipo="%s" errore="%s"><intestazione><mittente>m@pec.alfa.test</mittente></intestazione><dati>%s</dati></postacert>`,
		kind, reason, data)
}

func overdue(recipient, detail string) string {
	return "<consegna>" + recipient + "</consegna><errore-esteso>" + detail + "</errore-esteso>"
}

func part(xml string) string {
	return "Content-Type: text/xml; name=\"DatiCert.xml\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.ReplaceAll(xml, "=", "=3D")
}

// receipt is a message with the structure of a receipt.
func receipt(header, data string) string {
	return "From: posta-certificata@pec.beta.test\r\nX-Ricevuta: avvenuta-consegna\r\n" + header +
		"Content-Type: multipart/signed; boundary=s; protocol=\"application/pkcs7-signature\"; micalg=sha-256\r\n\r\n" +
		"--s\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nRicevuta.\r\n--m\r\n" + data + "\r\n--m--\r\n" +
		"--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nnone\r\n--s--\r\n"
}

// put appends messages to the mailbox of a sandbox.json.
func put(t *testing.T, contractFile string, messages []string) {
	t.Helper()
	octets, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	var c contract
	if err := json.Unmarshal(octets, &c); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(filepath.Dir(contractFile), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	client, err := imapclient.DialTLS(c.alfa()["imaps"].(string), &imapclient.Options{TLSConfig: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	account := c.alfa()["mailboxes"].([]any)[0].(map[string]any)
	if err := client.Login(account["address"].(string), account["password"].(string)).Wait(); err != nil {
		t.Fatal(err)
	}
	for _, message := range messages {
		command := client.Append("INBOX", int64(len(message)), nil)
		_, err := command.Write([]byte(message))
		if err == nil {
			err = command.Close()
		}
		if err == nil {
			_, err = command.Wait()
		}
		if err != nil {
			t.Fatalf("APPEND: %v", err)
		}
	}
}

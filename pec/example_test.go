package pec_test

import (
	"fmt"
	"io"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

// Read what a message says, while it passes by. Whether it is true is for package verify to tell.
func ExampleParseMessage() {
	const message = "X-Ricevuta: accettazione\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=s\r\n\r\n" +
		"--s\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n" +
		"--m\r\nContent-Type: application/xml; name=daticert.xml\r\n\r\n" +
		`<postacert tipo="accettazione" errore="nessuno"><intestazione><mittente>mario@pec.alfa.test</mittente>` +
		`<destinatari tipo="certificato">luigi@pec.beta.test</destinatari><risposte>mario@pec.alfa.test</risposte><oggetto>Diffida</oggetto></intestazione>` +
		`<dati><gestore-emittente>Alfa</gestore-emittente><data zona="+0100"><giorno>05/03/2024</giorno><ora>11:00:00</ora></data>` +
		`<identificativo>m1@pec.alfa.test</identificativo></dati></postacert>` +
		"\r\n--m--\r\n--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nMIIB\r\n--s--\r\n"

	scanner := pec.NewScanner(pec.KeepForParse)
	if _, err := io.Copy(scanner, strings.NewReader(message)); err != nil {
		fmt.Println(err)
		return
	}
	m, err := pec.ParseMessage(scanner.Finish())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Data.Kind, m.Data.ID, m.Data.Sender, m.Data.Recipients[0].Address, m.Data.At.UTC())
	// Output: accettazione m1@pec.alfa.test mario@pec.alfa.test luigi@pec.beta.test 2024-03-05 10:00:00 +0000 UTC
}

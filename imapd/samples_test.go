package imapd

import (
	"encoding/base64"
	"strings"
)

// crlf gives a message's text its line ends.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

// inner is an original as a holder wrote it.
var inner = crlf(`Message-ID: <cliente-1@pec.alfa.test>
Date: Tue, 10 Nov 2026 09:15:00 +0100
From: =?UTF-8?Q?Anna_Citt=C3=A0?= <anna@pec.alfa.test>
Sender: segreteria@pec.alfa.test
To: "Rossi, Bruno" <bruno@pec.beta.test>, carla@pec.beta.test (Carla Bianchi),
 Uffici: ufficio1@pec.beta.test, ufficio2@pec.beta.test;
Subject: Una =?UTF-8?B?Y2l0dMOg?= lontana
In-Reply-To: <uno@x> <due@y>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="dentro"

--dentro
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Transfer-Encoding: quoted-printable
Content-Language: it, en-GB

Perch=C3=A9 no, disse la volpe al=
l'uva.
--dentro
Content-Type: application/pdf; name="fattura \"1\".pdf"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="fattura.pdf"; size=9
Content-Description: la fattura
Content-ID: <parte2@x>
Content-Location: http://x/y

` + base64.StdEncoding.EncodeToString([]byte("%PDF-\x00\xff\r\n")) + `
--dentro--
coda
`)

// transport is a transport envelope, as it comes from another provider.
var transport = crlf(`Received: from mx.test by mx.alfa.test; Tue, 10 Nov 2026 09:16:00 +0100
Date: Tue, 10 Nov 2026 09:15:30 +0100
From: "Per conto di: anna@pec.alfa.test" <posta-certificata@pec.alfa.test>
Reply-To: anna@pec.alfa.test
To: bruno@pec.beta.test
Subject: POSTA CERTIFICATA: Una =?UTF-8?B?Y2l0dMOg?= lontana
Message-ID: <opec1.20261110091530.1@pec.alfa.test>
X-Trasporto: posta-certificata
MIME-Version: 1.0
Content-Type: multipart/signed; protocol="application/x-pkcs7-signature"; micalg="sha-256"; boundary="firma"

Questo e' un messaggio firmato
--firma
Content-Type: multipart/mixed; boundary="busta"

--busta
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Messaggio di posta certificata
--busta
Content-Type: application/xml; name="daticert.xml"
Content-Disposition: inline; filename="daticert.xml"
Content-Transfer-Encoding: base64

PHBvc3RhY2VydC8+
--busta
Content-Type: message/rfc822; name="postacert.eml"
Content-Disposition: inline; filename="postacert.eml"

`) + inner + crlf(`
--busta--
--firma
Content-Type: application/x-pkcs7-signature; name="smime.p7s"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="smime.p7s"

MIIB
--firma--
`)

// samples are messages of all shapes; their names say what is odd about them.
func samples() map[string]string {
	return map[string]string{
		"transport":             transport,
		"inner":                 inner,
		"plain":                 crlf("Subject: semplice\nFrom: x@y\n\nuna riga\ndue righe\n"),
		"header only":           crlf("Subject: solo intestazione\n\n"),
		"no empty line":         crlf("Subject: niente corpo\n"),
		"no header":             crlf("\ncorpo\n"),
		"line feeds":            "Subject: solo LF\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nuno\n--b\n\ndue\n--b--\n",
		"eight bit":             "Subject: citt\xe0\r\nFrom: citt\xc3\xa0 <x@y>\r\n\r\nperch\xe9 \x00\r\n",
		"forwarded":             crlf("Subject: inoltro\nContent-Type: message/rfc822\n\n") + inner,
		"digest":                crlf("Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: primo\n\ncorpo\n--d\n\nSubject: secondo\n\ncorpo 2\n--d--\n"),
		"multipart without one": crlf("Content-Type: multipart/mixed; boundary=mai\n\nniente di niente\n"),
		"no boundary":           crlf("Content-Type: multipart/mixed\n\n--x\n\ny\n--x--\n"),
		"hidden message": crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" +
			base64.StdEncoding.EncodeToString([]byte("Subject: nascosto\r\n\r\nx")) + "\n--b--\n"),
		"never closed": crlf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfino in fondo"),
		"long":         crlf("Subject: lungo\n\n") + strings.Repeat("0123456789abcdef0123456789ABCDEF\r\n", 8_500),
	}
}

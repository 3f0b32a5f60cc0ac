package dialect

import "crypto"

// legalmail is InfoCert's engine, 2018-19: the original stands before the certification data.
func legalmail() *Engine {
	const receipt = "Date From To Subject MIME-Version Content-Type X-Riferimento-Message-ID X-Ricevuta Message-ID"
	return &Engine{
		Name:       "legalmail",
		envelopeID: "{HEX8}.{HEX8}.{HEX8}.{HEX8}.posta-certificata@{domain}",
		receiptID:  "{HEX8}.{HEX8}.{HEX8}.{HEX8}.posta-certificata@{domain}",
		header: headerStyle{
			envelope: "Received Date From Reply-To To Cc Subject MIME-Version Content-Type X-Priority X-Trasporto X-TipoRicevuta " +
				"X-Riferimento-Message-ID Message-ID",
			acceptance: receipt, receipt: receipt,
			fixed: map[string]string{"X-Priority": "3", "X-CrmlId": "{12}"},
			date:  commentedReceiptDate,
		},
		tree: treeStyle{
			skeleton: "legalmail", protocol: pkcs7, micalg: "sha-1",
			boundaries: javaMailBoundaries, data: quotedPrintable, signature: 76,
		},
		text: textStyle{
			own: "legalmail", charset: toLatin1,
			annex: []string{"Identificativo messaggio:", "L'allegato daticert.xml contiene informazioni di servizio sulla trasmissione.\nIdentificativo messaggio:"},
		},
		data:     dataStyle{eol: "\r\n", indent: "    ", encoding: "UTF-8", empty: " />", end: "\r\n\r\n"},
		original: originalStyle{afterReceived: "Message-ID", last: "X-Riferimento-Message-ID"},
		cms: cmsStyle{
			hash: crypto.SHA1, null: true, indefinite: true, extra: []attributeMaker{capabilities, encryptionKeyPreference},
		},
	}
}

// legalmail2015 writes seven bits, with e' for è.
func legalmail2015() *Engine {
	const receipt = "Date From To Subject MIME-Version Content-Type X-Riferimento-Message-ID X-CrmlId X-Ricevuta Message-ID"
	e := legalmail()
	e.Name, e.tree.skeleton, e.tree.protocol, e.tree.micalg = "legalmail-2015", "legalmail-2015", oldPKCS7, "SHA1"
	e.envelopeID, e.receiptID = "{6}.{9}.{milliseconds}mail{node}@{domain}", "{6}.{9}.{milliseconds}mail{node}@{domain}"
	e.header.acceptance, e.header.receipt, e.header.displayName = receipt, receipt, "Posta Certificata Legalmail"
	e.tree.data = sevenBit
	e.text.own, e.text.charset = "legalmail-2015", toASCII
	e.data.indent, e.data.empty, e.data.end = " ", "></ricevuta>", "\r\n"
	e.cms.extra = []attributeMaker{capabilities, microsoftKeyPreference}
	return e
}

package dialect

import "crypto"

// The words that the engines share.
const (
	pkcs7    = "application/pkcs7-signature"
	oldPKCS7 = "application/x-pkcs7-signature"
)

// opec is OpenPEC, Perl's MIME::Entity and `openssl smime`: Aruba 2018-24, Namirial.
func opec() *Engine {
	return &Engine{
		Name:       "opec",
		envelopeID: "opec{node}.{moment}.{5}.{3}.1.{4}@{domain}",
		receiptID:  "opec{node}.{moment}.{5}.{3}.1.{3}.{4}@{domain}",
		header: headerStyle{
			envelope: "Received Subject X-Riferimento-Message-ID Date Reply-To To Cc X-Trasporto From X-Tiporicevuta " +
				"MIME-Version Content-Type Message-ID",
			acceptance: "Subject X-Riferimento-Message-ID Date To X-Ricevuta From MIME-Version Content-Type Message-ID",
			receipt:    "Subject X-Riferimento-Message-ID Date Message-ID To X-Ricevuta From MIME-Version Content-Type",
			words:      wordStyle{charset: "UTF-8", longest: 75},
		},
		tree: treeStyle{
			skeleton: "opec", protocol: oldPKCS7, micalg: "sha1",
			boundaries: opensslBoundaries, data: base64Lines(60), signature: 64,
		},
		text: textStyle{own: "opec", charset: toLatin1, annexHTML: true},
		data: dataStyle{
			eol: "\n", indent: "    ", encoding: "UTF-8", empty: " />", end: "\n", sorted: true,
		},
		original: originalStyle{last: "Message-ID X-Riferimento-Message-ID"},
		cms:      cmsStyle{hash: crypto.SHA1, null: true, extra: []attributeMaker{capabilities}},
	}
}

// opec2014 is opec without HTML, with a preamble inside what is signed.
func opec2014() *Engine {
	e := opec()
	e.Name, e.tree.skeleton = "opec-2014", "opec-2014"
	e.header.envelope = "Received Subject X-Riferimento-Message-ID Date Message-ID Reply-To X-Trasporto To Cc From X-Tiporicevuta " +
		"MIME-Version Content-Type"
	e.header.acceptance = "Subject X-Riferimento-Message-ID Date Message-ID To From X-Ricevuta MIME-Version Content-Type"
	return e
}

// sogei is opec as Sogei ran it in 2019: SHA-256, and a header in the order of a hash table.
func sogei() *Engine {
	e := opec()
	e.Name, e.tree.protocol, e.tree.micalg = "sogei", pkcs7, "sha-256"
	e.header.shuffled = true
	e.cms.hash, e.cms.null = crypto.SHA256, false
	return e
}

// register is Register.it's fork of opec, 2018: the Date is some seconds early.
func register() *Engine {
	e := opec2014()
	e.Name, e.tree.skeleton, e.tree.protocol, e.tree.micalg = "register", "register", pkcs7, "sha256"
	e.tree.boundaries = entityBoundaries
	e.header.envelope = "Received Subject X-Riferimento-Message-ID X-Priority Date Reply-To To Cc X-Trasporto From X-Tiporicevuta " +
		"MIME-Version Content-Type Message-ID"
	e.header.fixed = map[string]string{"X-Priority": "3"}
	e.header.date = earlyDate
	e.text.own = ""
	e.text.annex = []string{"Identificativo messaggio:", "Identificativo del messaggio:"}
	e.data.sorted = false
	e.original = originalStyle{returnPath: "Return-path", last: "Message-ID X-Riferimento-Message-ID"}
	e.cms = cmsStyle{hash: crypto.SHA256, null: true, extra: []attributeMaker{signingCertificate}}
	return e
}

package dialect

import (
	"crypto"

	"github.com/ceralacca/ceralacca/pec"
)

// jpec is JavaMail and BouncyCastle: Aruba, 2026.
func jpec() *Engine {
	return &Engine{
		Name:       "jpec",
		envelopeID: "jpec{node}.{moment}.{5}.{4}.1.1@{domain}",
		receiptID:  "jpec{node}.{moment}.{5}.{4}.1.2@{domain}",
		header: headerStyle{
			envelope: "Received Date From Reply-To To Cc Message-ID Subject MIME-Version Content-Type X-Trasporto X-TipoRicevuta " +
				"X-Riferimento-Message-ID X-Attachment",
			acceptance: "Date From To Message-ID Subject MIME-Version Content-Type X-Ricevuta X-Riferimento-Message-ID X-REM-Subject",
			receipt:    "Date From To Message-ID Subject MIME-Version Content-Type X-Ricevuta X-Riferimento-Message-ID X-REM-Subject",
			fixed:      map[string]string{"X-Attachment": "yes"},
			typed:      true,
			date:       commentedDate,
			rem:        map[pec.Kind]string{pec.Acceptance: "REM SubmissionAcceptance: ", pec.Delivered: "REM ContentConsignment: "},
		},
		tree: treeStyle{
			skeleton: "jpec", protocol: pkcs7, micalg: "sha-256",
			boundaries: javaMailBoundaries, data: base64Lines(76), signature: 76,
		},
		text: textStyle{own: "jpec", charset: toLatin1},
		data: dataStyle{
			eol: "\n", indent: "    ", encoding: "UTF-8", empty: "/>", end: "\n\r\n", detailIndent: "                ",
			unknownIsOther: true, noReplies: true,
		},
		cms: cmsStyle{hash: crypto.SHA256, named: true, indefinite: true, extra: []attributeMaker{algorithmProtection}},
	}
}

// jpec2023 wrote Italian only, in UTF-8 under the label of Latin-1, and had the parts of a registered e-mail (quirks.md
// A7, D1).
func jpec2023() *Engine {
	e := jpec()
	e.Name, e.tree.skeleton = "jpec-2023", "jpec-2023"
	e.text = textStyle{own: "jpec", charset: toUTF8, italianOnly: true}
	e.header.rem = nil
	return e
}

package dialect

// telecompost is that of TI Trust Technologies on Apache James, 2018-19.
func telecompost() *Engine {
	const receipt = "Date From To Subject MIME-Version Content-Type X-Protocollo X-TransactionId X-Ricevuta X-Riferimento-Message-ID Message-ID"
	e := legalmail()
	e.Name, e.envelopeID, e.receiptID = "telecompost", "{GUID}@{domain}", "{GUID}@{domain}"
	e.header = headerStyle{
		envelope: "Received Date From Reply-To To Cc Subject MIME-Version Content-Type X-Protocollo X-TransactionId X-Trasporto X-Priority " +
			"Importance X-Riferimento-Message-ID X-TipoRicevuta Message-ID",
		acceptance: receipt, receipt: receipt,
		fixed: map[string]string{"X-Protocollo": "{9}", "X-TransactionId": "{GUID}", "X-Priority": "3", "Importance": "Normal"},
		date:  commentedDate,
		words: wordStyle{charset: "ISO-8859-1", longest: 56, safe: ":"},
	}
	e.tree.skeleton, e.tree.data = "telecompost", sevenBit
	e.text = textStyle{charset: toLatin1}
	e.data.indent = "  "
	e.original = originalStyle{first: "Message-ID MIME-Version X-Riferimento-Message-ID"}
	e.cms.extra = nil
	return e
}

// cedacri is Inrete Icontrol, 2018: identifiers in the holder's domain.
func cedacri() *Engine {
	const receipt = "Date From Subject To X-Riferimento-Message-ID X-Ricevuta MIME-Version Content-Type Message-ID"
	e := legalmail()
	e.Name, e.envelopeID, e.receiptID = "cedacri", "{moment}-{9}@{holder}", "{moment}-{9}@{holder}"
	e.header = headerStyle{
		envelope: "X-Icontrol Received Date From Subject Reply-To To Cc X-Riferimento-Message-ID X-Trasporto X-TipoRicevuta " +
			"MIME-Version Content-Type Message-ID",
		acceptance: receipt, receipt: receipt,
		fixed: map[string]string{"X-Icontrol": "{8}"},
		words: wordStyle{clients: true},
	}
	e.tree.skeleton, e.tree.micalg, e.tree.boundaries = "cedacri", "sha1", cedacriBoundaries
	e.text = textStyle{charset: toLatin1}
	e.data.indent, e.data.empty, e.data.end, e.data.sorted = "", "></ricevuta>", "\r\n", true
	e.original = originalStyle{returnPath: "Return-Path", afterReceived: "Message-ID X-Riferimento-Message-ID"}
	e.cms.extra = nil
	return e
}

// irideos is ncmsg on qmail, 2019.
func irideos() *Engine {
	const receipt = "To X-Ricevuta X-Mailer Subject From Date X-Riferimento-Message-ID MIME-Version Content-Type Message-ID"
	e := legalmail()
	e.Name, e.envelopeID, e.receiptID = "irideos", "{hex40}.{5}.{letters6}.ncmsg@{domain}", "{hex40}.{5}.{letters6}.ncmsg@{domain}"
	e.header = headerStyle{
		envelope: "Received To Cc Reply-To X-Trasporto X-TipoRicevuta X-Mailer Subject From Date X-Riferimento-Message-ID " +
			"MIME-Version Content-Type Message-ID",
		acceptance: receipt, receipt: receipt,
		fixed: map[string]string{"X-Mailer": "ncmsg"},
		date:  utcDate, foldsFrom: true, foldsReference: true,
	}
	e.tree.skeleton, e.tree.micalg, e.tree.boundaries = "irideos", "sha1", ncmsgBoundaries
	e.text = textStyle{charset: toUTF8, annex: []string{"incluso in allegato.", "incluso in allegato"}}
	e.data = dataStyle{eol: "\r\n", indent: "\t", encoding: "utf-8", empty: "></ricevuta>", blankLine: true}
	e.original = originalStyle{}
	e.cms.extra = nil
	return e
}

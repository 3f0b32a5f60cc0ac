package pec

import "strings"

// This file holds every Italian word that goes on the wire. The prose that people read stands
// in texts/. Values are those of norms.md 1.1, corrected by norms.md 1.7 where the
// translation in RFC 6109 differs from what providers write.

// The kinds: `tipo` of the certification data, X-Ricevuta, X-Trasporto.
const (
	Transport     Kind = "posta-certificata"
	Acceptance    Kind = "accettazione"
	NonAcceptance Kind = "non-accettazione"
	TakenInCharge Kind = "presa-in-carico"
	VirusDetected Kind = "rilevazione-virus"
	Delivered     Kind = "avvenuta-consegna"
	NonDelivery   Kind = "errore-consegna"
	Overdue       Kind = "preavviso-errore-consegna"
	// Anomaly is a value of X-Trasporto only: an anomaly envelope has no certification data.
	Anomaly Kind = "errore"
)

// The classes of error: `errore` of the certification data.
const (
	ReasonNone        Reason = "nessuno"
	ReasonNoRecipient Reason = "no-dest"
	ReasonNoDomain    Reason = "no-dominio"
	ReasonVirus       Reason = "virus"
	ReasonOther       Reason = "altro"
)

// The forms of delivery receipt.
const (
	Complete ReceiptType = "completa"
	Brief    ReceiptType = "breve"
	Concise  ReceiptType = "sintetica"
)

// The types of recipient.
const (
	Certified RecipientType = "certificato"
	External  RecipientType = "esterno"
)

// The header fields of RFC 6109 8.1. Names are compared without regard to case
// (quirks.md B2).
const (
	HeaderTransport   = "X-Trasporto"
	HeaderReceipt     = "X-Ricevuta"
	HeaderReference   = "X-Riferimento-Message-ID"
	HeaderReceiptType = "X-TipoRicevuta"
	HeaderSecurity    = "X-VerificaSicurezza"
	HeaderSender      = "X-Mittente"
)

// securityFailed is the one value of X-VerificaSicurezza.
const securityFailed = "errore"

// onBehalfOf is the start of an envelope's display name (norms.md 1.7).
const onBehalfOf = "Per conto di: "

// The names of the parts (RFC 6109 4.3). CertDataNameRFC is the name in the English
// translation: never written, accepted when read.
const (
	CertDataName    = "daticert.xml"
	CertDataNameRFC = "certdata.xml"
	OriginalName    = "postacert.eml"
	SignatureName   = "smime.p7s"
)

// The labels of a recipient in the text of an acceptance (norms.md 21).
const (
	labelCertified = "posta certificata"
	labelExternal  = "posta ordinaria"
)

// noRecipients stands where an anomaly envelope has nobody to name.
const noRecipients = "(destinatari non indicati)"

// The names of the elements and attributes of RFC 6109 4.4.
const (
	elemRoot       = "postacert"
	elemHeading    = "intestazione"
	elemSender     = "mittente"
	elemRecipient  = "destinatari"
	elemReplyTo    = "risposte"
	elemSubject    = "oggetto"
	elemData       = "dati"
	elemIssuer     = "gestore-emittente"
	elemInstant    = "data"
	elemDay        = "giorno"
	elemTime       = "ora"
	elemID         = "identificativo"
	elemClientID   = "msgid"
	elemReceipt    = "ricevuta"
	elemDelivered  = "consegna"
	elemTakenFor   = "ricezione"
	elemDetail     = "errore-esteso"
	attrKind       = "tipo"
	attrReason     = "errore"
	attrZone       = "zona"
	formatDay      = "02/01/2006"
	formatTime     = "15:04:05"
	formatZone     = "-0700"
	formatIDMoment = "20060102150405"
)

// The words of an overdue notice's description, which tell the first from the final one
// (quirks.md C11).
const (
	overdueFirst = "il messaggio non è stato consegnato nelle prime dodici ore dal suo invio"
	overdueFinal = "il messaggio non è stato consegnato nelle ventiquattro ore successive al suo invio"
	markFinal    = "ventiquattro ore"
)

// prefixPair is what a kind puts before the original subject, ordinarily and for a virus.
type prefixPair struct{ usual, virus string }

// prefixes gives the subject prefixes of norms.md 1.1, and whether the kind is known.
func prefixes(k Kind) (prefixPair, bool) {
	switch k {
	case Transport:
		return prefixPair{usual: "POSTA CERTIFICATA: "}, true
	case Anomaly:
		return prefixPair{usual: "ANOMALIA MESSAGGIO: "}, true
	case Acceptance:
		return prefixPair{usual: "ACCETTAZIONE: "}, true
	case NonAcceptance:
		return prefixPair{"AVVISO DI NON ACCETTAZIONE: ", "AVVISO DI NON ACCETTAZIONE PER VIRUS: "}, true
	case TakenInCharge:
		return prefixPair{usual: "PRESA IN CARICO: "}, true
	case VirusDetected:
		return prefixPair{usual: "PROBLEMA DI SICUREZZA: "}, true
	case Delivered:
		return prefixPair{usual: "CONSEGNA: "}, true
	case NonDelivery:
		return prefixPair{"AVVISO DI MANCATA CONSEGNA: ", "AVVISO DI MANCATA CONSEGNA PER VIRUS: "}, true
	case Overdue:
		return prefixPair{usual: "AVVISO DI MANCATA CONSEGNA PER SUP. TEMPO MASSIMO: "}, true
	}
	return prefixPair{}, false
}

// SubjectPrefix is what stands before the original's subject in a message of this kind, with
// its trailing blank; "" for an unknown kind.
func SubjectPrefix(k Kind, r Reason) string {
	p, _ := prefixes(k)
	if r == ReasonVirus && p.virus != "" {
		return p.virus
	}
	return p.usual
}

// CutSubjectPrefix cuts the prefix of a message of the system, of whatever kind, off the start of a decoded subject, in whatever
// case, and tells whether there was one. It is a hint: users and lists write such prefixes too (quirks.md B13).
func CutSubjectPrefix(subject string) (rest string, found bool) {
	for _, k := range []Kind{Transport, Acceptance, NonAcceptance, TakenInCharge, VirusDetected, Delivered, NonDelivery, Overdue, Anomaly} {
		for _, r := range []Reason{ReasonNone, ReasonVirus} {
			prefix := strings.TrimSpace(SubjectPrefix(k, r))
			if len(subject) >= len(prefix) && strings.EqualFold(subject[:len(prefix)], prefix) {
				return subject[len(prefix):], true
			}
		}
	}
	return subject, false
}

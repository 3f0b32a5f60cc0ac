package pec

import "strings"

// Kind is what a message of the system is: the word `tipo` of the certification data, which
// is also the value of X-Ricevuta or X-Trasporto. Its constants stand in wire.go.
type Kind string

// Receipt reports whether a message of this kind bears X-Ricevuta. "Receipt" covers what the
// law calls ricevuta and avviso, because that header does; envelopes bear X-Trasporto.
func (k Kind) Receipt() bool {
	return k.Known() && k != Transport && k != Anomaly
}

// Known reports whether k is a kind of norms.md 1.1. What peers write beyond it is kept as
// they wrote it (quirks.md C12), and is never acted upon.
func (k Kind) Known() bool {
	_, known := prefixes(k)
	return known
}

// ForUser reports whether the kind reaches users' mailboxes. Taking in charge and virus
// detection are between providers only (RFC 6109 2.1.1.1.1, 2.2.5).
func (k Kind) ForUser() bool {
	return k.Known() && k != TakenInCharge && k != VirusDetected
}

// mayEnclose reports whether the norms let a message of this kind carry the original. They
// forbid it in non-acceptance, virus detection and overdue notices (RFC 6109 3.1.2, 3.1.3,
// 3.1.6, 3.2.3), and no provider puts it into the others.
func (k Kind) mayEnclose() bool {
	return k == Transport || k == Anomaly || k == Delivered
}

// aboutOne reports whether the kind speaks of one recipient, which `consegna` then names.
func (k Kind) aboutOne() bool {
	switch k {
	case Delivered, NonDelivery, Overdue, VirusDetected:
		return true
	}
	return false
}

// Reason is the class of an error: the attribute `errore` of the certification data. Which
// value a provider chooses says little (quirks.md C9); the code in Detail says more.
type Reason string

// ReceiptType is the form of delivery receipt that the sender asks for: X-TipoRicevuta and
// the element `ricevuta`. The empty value means that nothing is said.
type ReceiptType string

// ParseReceiptType reads X-TipoRicevuta without regard to case. What is unknown or absent
// means Complete (RFC 6109 3.3.2.1, norms.md 30).
func ParseReceiptType(s string) ReceiptType {
	switch t := ReceiptType(strings.ToLower(strings.TrimSpace(s))); t {
	case Brief, Concise:
		return t
	}
	return Complete
}

// RecipientType says whether a recipient's domain is in the directory of providers.
type RecipientType string

// Recipient is an address of the SMTP forward path with what the directory said of its domain
// when the message was accepted (RFC 6109 2.2.1).
type Recipient struct {
	Address Address
	Type    RecipientType
}

package issuance

import (
	"github.com/ceralacca/ceralacca/pec"
	"github.com/ceralacca/ceralacca/store"
)

// Message is what the store keeps of an issued message about the certified message id of a provider; body is the span
// of the enclosed original's body, the zero span if none is enclosed.
func (i *Issued) Message(provider string, id pec.ID, body store.Span) store.NewMessage {
	return store.NewMessage{
		ID: store.NewID(), Kind: string(i.Kind), Provider: provider, PEC: id, MessageID: string(i.MessageID),
		Unit: i.Unit, Certificate: i.Certificate[:], Signed: i.Signed[:],
		Recipe: store.Enclosing(i.Before, body, i.After), Structure: i.Structure,
	}
}

// Generated names an issued message in a record.
func (i *Issued) Generated() pec.Generated {
	return pec.Generated{Kind: i.Kind, MessageID: i.MessageID, SHA256: i.Signed}
}

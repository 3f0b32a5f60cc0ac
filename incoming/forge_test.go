package incoming

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/ceralacca/ceralacca/pec"
)

const letterBody = "Ciao!\r\n.\r\n"

// originalOf is the header of postacert.eml for a message of the given identifier.
func originalOf(id pec.ID, from pec.Address, to ...pec.Address) []byte {
	names := make([]string, len(to))
	for i, a := range to {
		names[i] = string(a)
	}
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: Prova\r\nMessage-ID: <%s>\r\nX-Riferimento-Message-ID: <1@client.test>\r\n\r\n", from, strings.Join(names, ",\r\n "), id)
}

func recipients(as ...pec.Address) []pec.Recipient {
	var rs []pec.Recipient
	for _, a := range as {
		r := pec.Recipient{Address: a, Type: pec.Certified}
		if a == carla {
			r.Type = pec.External
		}
		rs = append(rs, r)
	}
	return rs
}

// envelope is a right envelope from a holder of h's.
func (h *house) envelope(id pec.ID, from pec.Address, to ...pec.Address) pec.Composition {
	return pec.Composition{
		MessageID: id, Original: originalOf(id, from, to...),
		Data: pec.CertData{
			Kind: pec.Transport, Sender: from, Recipients: recipients(to...), Subject: "Prova", At: epoch, ID: id, ClientID: "<1@client.test>", ReceiptType: pec.Complete,
		},
	}
}

// receipt is a right receipt of h's about a message from mario.
func (h *house) receipt(kind pec.Kind, id pec.ID, about pec.Address, all ...pec.Address) pec.Composition {
	c := pec.Composition{
		MessageID: h.unit.NewID(epoch), To: mario,
		Data: pec.CertData{Kind: kind, Sender: mario, Recipients: recipients(all...), Subject: "Prova", At: epoch, ID: id, ClientID: "<1@client.test>"},
	}
	d := &c.Data
	switch kind {
	case pec.TakenInCharge:
		c.To, d.TakenFor = ricevute, []pec.Address{about}
	case pec.Delivered:
		d.DeliveredTo, d.ReceiptType, c.Original = about, pec.Complete, originalOf(id, mario, all...)
	case pec.NonDelivery:
		d.DeliveredTo, d.Reason, d.Detail = about, pec.ReasonNoRecipient, "5.1.1 - Beta - no"
	}
	return c
}

// issue signs a composition as its house does.
func (h *house) issue(c pec.Composition) []byte { return h.issueWith(c, letterBody) }

func (h *house) issueWith(c pec.Composition, body string) []byte {
	if c.Original == nil {
		issued := must(h.unit.Issue(c, nil))
		return append(issued.Before, issued.After...)
	}
	issued := must(h.unit.Issue(c, strings.NewReader(body)))
	return bytes.Join([][]byte{issued.Before, []byte(body), issued.After}, nil)
}

// forge signs what change makes of the signed octets; From is the house's unless c says otherwise.
func (h *house) forge(c pec.Composition, change func(signed string) string) []byte {
	if c.SigningAddress == "" {
		c.SigningAddress = h.unit.Address
	}
	c.Data.Issuer, c.Boundary = h.unit.Name, strings.Repeat("0f", 16)
	d := must(pec.Compose(c))
	body := ""
	if d.HasOriginal {
		body = letterBody
	}
	signed := change(string(d.Before) + body + string(d.After))
	d.Before, d.After, d.HasOriginal = []byte(signed), nil, false
	before, _ := d.Assemble(must(h.signer.SignDetached(sha256.Sum256([]byte(signed)), epoch)))
	return before
}

func unchanged(s string) string { return s }

// withData puts other certification data into signed octets.
func withData(change func(xml string) string) func(string) string {
	return func(signed string) string {
		lead, rest, _ := strings.Cut(signed, `filename="daticert.xml"`)
		fields, rest, _ := strings.Cut(rest, "\r\n\r\n")
		encoded, rest, _ := strings.Cut(rest, "\r\n--")
		xml := must(base64.StdEncoding.DecodeString(strings.ReplaceAll(encoded, "\r\n", "")))
		return lead + `filename="daticert.xml"` + fields + "\r\n\r\n" + wrapped(change(string(xml))) + "\r\n--" + rest
	}
}

func wrapped(s string) string {
	encoded, out := base64.StdEncoding.EncodeToString([]byte(s)), ""
	for len(encoded) > 64 {
		out, encoded = out+encoded[:64]+"\r\n", encoded[64:]
	}
	return out + encoded + "\r\n"
}

// edit replaces a text once, which must be there.
func edit(octets []byte, old, new string) []byte {
	if !bytes.Contains(octets, []byte(old)) {
		panic(old + " is not there")
	}
	return bytes.Replace(octets, []byte(old), []byte(new), 1)
}

package pec

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// The fixed values of all examples. Names end in .test.
const (
	alfaSigner = Address("posta-certificata@pec.alfa.test")
	betaSigner = Address("posta-certificata@pec.beta.test")
	mario      = Address("Mario.Rossi@pec.alfa.test")
	comune     = Address("protocollo@comune.beta.test")
	studio     = Address("studio@pec.beta.test")
	outsider   = Address("anna@posta.test")

	messageID = ID("cl1.20260919154119.00112233445566778899@pec.alfa.test")
	clientID  = ClientID("<client-id@host.alfa.test>")
	boundary  = "0123456789ABCDEF0123456789ABCDEF"
)

func instant() time.Time { return time.Date(2026, 9, 19, 13, 41, 19, 250e6, time.UTC) }

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

const sampleHeader = `Received: from client (localhost [127.0.0.1])
	by mx.pec.alfa.test; Sat, 19 Sep 2026 15:41:18 +0200
From: Mario Rossi <Mario.Rossi@pec.alfa.test>
To: "Comune, protocollo" <protocollo@comune.beta.test>,
 studio@pec.beta.test
Cc: anna@posta.test
Subject: =?UTF-8?Q?Perch=C3=A9_no=3F?=
Message-ID: <client-id@host.alfa.test>
X-TipoRicevuta: Completa
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

`

const sampleBody = "Buongiorno,\r\nin allegato nulla.\r\n"

func mustHeader(t testing.TB, block []byte) Header {
	t.Helper()
	h, err := ParseHeader(block)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// rewritten is the header of postacert.eml of the sample.
func rewritten(t testing.TB) []byte {
	return Rewrite(mustHeader(t, crlf(sampleHeader)), nil, messageID)
}

// sampleData are valid data of each kind.
func sampleData(kind Kind) CertData {
	c := CertData{
		Kind: kind, Reason: ReasonNone, Sender: mario, ReplyTo: string(mario),
		Recipients: []Recipient{{comune, Certified}, {studio, Certified}, {outsider, External}},
		Subject:    "Perché no?", Issuer: "Alfa PEC S.p.A.", At: instant(), ID: messageID, ClientID: clientID,
	}
	if kind.failed() || kind == Anomaly {
		c.Reason = ReasonOther
		c.Detail = DetailOf("5.1.1", c.Issuer, "indirizzo non valido")
	}
	switch kind {
	case Transport, Delivered:
		c.ReceiptType = Complete
	case TakenInCharge:
		c.TakenFor = []Address{comune, studio}
	case Overdue:
		c.Detail = OverdueDetail(c.Issuer, false)
	case VirusDetected:
		c.Reason, c.Detail = ReasonVirus, "Eicar-Test-Signature"
	case Anomaly:
		c.Reason, c.Detail = ReasonNone, "il messaggio non e' firmato digitalmente"
	}
	if kind.aboutOne() {
		c.DeliveredTo = comune
	}
	return c.Clean()
}

// sampleComposition encloses the sample where the kind encloses one.
func sampleComposition(t testing.TB, kind Kind) Composition {
	c := Composition{
		Data: sampleData(kind), SigningAddress: alfaSigner, Boundary: boundary, To: mario,
		MessageID: "cl1.20260919154119.ffeeddccbbaa99887766@pec.alfa.test",
	}
	switch kind {
	case Transport:
		c.MessageID = messageID
		c.Original = rewritten(t)
	case Delivered:
		c.Original = rewritten(t)
	case Anomaly:
		c.Original = crlf(sampleHeader)
	}
	return c
}

func compose(t testing.TB, c Composition) *Draft {
	t.Helper()
	d, err := Compose(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	return d
}

// assembled is a whole message with a signature that is none.
func assembled(d *Draft, body string) []byte {
	before, after := d.Assemble([]byte("not a signature"))
	if !d.HasOriginal {
		body = ""
	}
	return bytes.Join([][]byte{before, []byte(body), after}, nil)
}

func scan(message []byte, keep func(*Part) bool) *Structure {
	s := NewScanner(keep)
	_, _ = s.Write(message)
	return s.Finish()
}

func parse(t testing.TB, message []byte) *Message {
	t.Helper()
	m, err := ParseMessage(scan(message, KeepForParse))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// allKinds are those that are issued.
func allKinds() []Kind {
	return []Kind{Transport, Anomaly, Acceptance, NonAcceptance, TakenInCharge, VirusDetected, Delivered, NonDelivery, Overdue}
}

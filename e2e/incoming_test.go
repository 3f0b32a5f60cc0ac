package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestIncoming is what strangers and other providers say to port 25 (RFC 6109 2.2.2; design.md 3).
// norms.md 45, 47 to 49, 59, 60, 63, 74, 77, 89
func TestIncoming(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 2)
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	id := s.submit(t, s.alfa(), from, plainLetter(from.Address, to.Address))
	s.settle(t)
	envelope := only(t, s.inbox(t, to), "posta-certificata", id)
	x := &arrivals{s, from, to, id, asSent(envelope.octets), map[string]int{}}
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"ordinary mail", x.ordinary}, {"relaying", x.relaying}, {"it looks like PEC", x.imitation}, {"the envelope again", x.again},
		{"an altered envelope", x.altered}, {"signed by a stranger", x.stranger}, {"an altered Subject", x.alteredSubject}, {"to somebody whom it does not name", x.unnamed},
		{"the reverse path of another", x.otherPath}, {"delivery reports", x.reports},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := s.counts(t)
			test.run(t)
			s.settle(t)
			for address, n := range x.anomalies {
				before[address] += n
			}
			clear(x.anomalies)
			if after := s.counts(t); !maps.Equal(before, after) {
				t.Errorf("something else was delivered:\n%v\n%v", before, after)
			}
		})
	}
}

// arrivals is what the tests of port 25 need: a sandbox, and a genuine envelope that Beta knows.
type arrivals struct {
	*sandbox
	from, to account
	id       string
	envelope []byte // as Alfa sent it

	anomalies map[string]int // by mailbox: those that the running test leaves there
}

// asSent removes what the recipient's provider put on top of an envelope.
func asSent(octets []byte) []byte {
	for {
		field, rest := cutField(octets)
		switch name, _, _ := strings.Cut(string(field), ":"); name {
		case "Return-Path", "Delivered-To", "Received":
			octets = rest
		default:
			return octets
		}
	}
}

// peer connects to port 25 and asks for TLS, as a provider does.
func (x *arrivals) peer(t *testing.T, p provider) *smtpConn {
	t.Helper()
	c, err := dialSMTP(p.SMTP, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if r := c.startTLS(x.tls(t)); r.code != 250 {
		t.Fatalf("STARTTLS: %v", r)
	}
	return c
}

func (x *arrivals) ordinary(t *testing.T) {
	octets := letter{from: "carla.neri@posta.test", to: []string{x.to.Address}, subject: "Ciao", id: "<ciao@posta.test>", body: "Ciao.\r\n"}.octets()
	for _, c := range []struct {
		name, from, to, enhanced string
	}{
		{"from outside", "carla.neri@posta.test", x.to.Address, "5.7.1"},
		{"from outside, to nobody", "carla.neri@posta.test", "nessuno@" + x.beta().Domain, "5.1.1"},
		{"from a holder's address", x.from.Address, x.to.Address, "5.7.1"},
		{"from a signing address", x.alfa().signingAddress(), x.to.Address, "5.7.1"},
		{"from nobody", "", x.to.Address, "5.7.1"},
	} {
		clear, err := dialSMTP(x.beta().SMTP, nil) // norms.md 45: TLS is offered, not demanded
		if err != nil {
			t.Fatal(err)
		}
		if r := clear.send(c.from, []string{c.to}, octets); !r.is(550, c.enhanced) {
			t.Errorf("%s: %v", c.name, r)
		}
		clear.Close()
	}
}

func (x *arrivals) relaying(t *testing.T) {
	c := x.peer(t, x.beta())
	for _, from := range []string{"carla.neri@posta.test", x.from.Address, x.to.Address, ""} {
		for _, to := range []string{"qualcuno@altrove.test", x.Outside.Mailbox.Address, x.from.Address} {
			if r := c.send(from, []string{to}, nil); !r.is(550, "5.7.1") {
				t.Errorf("from <%s> to <%s>: %v", from, to, r)
			}
			c.say("RSET")
		}
	}
}

// imitation: headers and certification data of PEC, no signature (attacks.md 16).
func (x *arrivals) imitation(t *testing.T) {
	l := letter{
		from: `"Per conto di: ` + x.from.Address + `" <` + x.alfa().signingAddress() + ">", to: []string{x.to.Address}, subject: "POSTA CERTIFICATA: Prova", id: "<finta@pec.alfa.test>",
		more: []string{"X-Trasporto: posta-certificata", "X-Riferimento-Message-ID: <x@client.test>"}, body: "Messaggio di posta certificata\r\n..\r\n.\r\nfine\r\n",
	}
	x.refused(t, l.octets(), "signature exists")
}

// refused sends what looks like certified mail and fails a check that it comes from a provider.
func (x *arrivals) refused(t *testing.T, octets []byte, reason string) {
	t.Helper()
	if r := x.peer(t, x.beta()).send(x.from.Address, []string{x.to.Address}, octets); !r.is(550, "5.7.1") || !strings.Contains(r.text, reason) {
		t.Errorf("the reply is %v, not 550 5.7.1 with %q", r, reason)
	}
}

// enclosed sends what must be taken with 250: its exact octets come to the mailbox in an anomaly envelope.
func (x *arrivals) enclosed(t *testing.T, p provider, from string, to account, octets []byte) {
	t.Helper()
	before := x.recorded(t, p, "anomaly")
	if r := x.peer(t, p).send(from, []string{to.Address}, octets); r.code != 250 {
		t.Fatalf("the reply is %v, not 250", r)
	}
	if after := x.recorded(t, p, "anomaly"); after != before+1 {
		t.Errorf("%d anomalies were counted before, %d are now", before, after)
	}
	x.anomalies[to.Address]++
	box := x.inbox(t, to)
	m := box[len(box)-1]
	if m.header.Get("X-Trasporto") != "errore" || m.data != nil || !bytes.Contains(m.octets, octets) {
		t.Errorf("the mailbox has %v", m.header)
	}
	x.verifySignature(t, p, m.octets)
}

// recorded is how often an event was, by `ceralacca events`.
func (x *arrivals) recorded(t *testing.T, p provider, event string) int {
	t.Helper()
	for line := range strings.Lines(x.admin(t, p, "", "events")) {
		if words := strings.Fields(line); words[0] == event {
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// heldIDs are the lines of `held list` by the id that each begins with.
func (x *arrivals) heldIDs(t *testing.T, p provider) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for line := range strings.Lines(x.admin(t, p, "", "held", "list")) {
		if id := strings.Fields(line)[0]; id != "ID" {
			ids[id] = line
		}
	}
	return ids
}

// taken sends what must be taken with 250, and neither held nor delivered.
func (x *arrivals) taken(t *testing.T, octets []byte) {
	t.Helper()
	before := x.heldIDs(t, x.beta())
	if r := x.peer(t, x.beta()).send(x.from.Address, []string{x.to.Address}, octets); r.code != 250 {
		t.Fatalf("the reply is %v, not 250", r)
	}
	if after := x.heldIDs(t, x.beta()); !maps.Equal(before, after) {
		t.Errorf("it is held: %v", after)
	}
}

func (x *arrivals) again(t *testing.T) { x.taken(t, x.envelope) }

// altered: one octet of the signed part, in the original.
func (x *arrivals) altered(t *testing.T) {
	changed := bytes.Replace(x.envelope, []byte("\r\nCiao.\r\n"), []byte("\r\nCiao!\r\n"), 1)
	if bytes.Equal(changed, x.envelope) {
		t.Fatal("the original is not in the envelope as it was written")
	}
	x.refused(t, changed, "signature validity")
}

// stranger: a genuine content, signed anew with a key that is in no directory (attacks.md 11).
func (x *arrivals) stranger(t *testing.T) {
	dir := t.TempDir()
	key, cert, content := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "content")
	tool(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "1",
		"-subj", "/O="+x.alfa().Name+"/CN=Posta Certificata", "-addext", "subjectAltName=email:"+x.alfa().signingAddress())
	writeFile(t, content, x.verifySignature(t, x.alfa(), x.envelope))
	signed := tool(t, "openssl", "cms", "-sign", "-binary", "-md", "sha256", "-in", content, "-signer", cert, "-inkey", key)
	wire := bytes.ReplaceAll(unix([]byte(signed)), []byte("\n"), []byte("\r\n")) // openssl ends its own lines with LF
	header, _, _ := bytes.Cut(x.envelope, []byte("MIME-Version: "))
	x.refused(t, slices.Concat(header, wire), "signature origin")
}

// alteredSubject: the header is outside the signature, so the message is the one that is known (field-notes.md 2.2).
func (x *arrivals) alteredSubject(t *testing.T) {
	_, afterSubject, found := bytes.Cut(x.envelope, []byte("Subject: POSTA CERTIFICATA: Prova\r\n"))
	if !found {
		t.Fatal("the envelope has no such Subject")
	}
	before := x.envelope[:bytes.Index(x.envelope, []byte("Subject: "))]
	x.taken(t, slices.Concat(before, []byte("Subject: altro\r\n"), afterSubject))
}

func (x *arrivals) unnamed(t *testing.T) {
	x.enclosed(t, x.beta(), x.from.Address, x.beta().Mailboxes[1], x.envelope)
}

func (x *arrivals) otherPath(t *testing.T) {
	x.enclosed(t, x.beta(), x.alfa().Mailboxes[1].Address, x.to, x.envelope)
}

// reports: a DSN about a message of ours comes in an anomaly envelope, any other is ordinary mail (design.md 3).
func (x *arrivals) reports(t *testing.T) {
	x.enclosed(t, x.alfa(), "", x.from, deliveryReport(x.from.Address, x.to.Address, x.id))
	for name, report := range map[string][]byte{
		"about nothing of ours":         deliveryReport(x.from.Address, x.to.Address, "clalfa.20260101000000.0@"+x.alfa().Domain),
		"about nothing that has an id":  deliveryReport(x.from.Address, x.to.Address, ""),
		"about the client's Message-ID": deliveryReport(x.from.Address, x.to.Address, "prova@client.test"),
	} {
		if r := x.peer(t, x.alfa()).send("", []string{x.from.Address}, report); !r.is(550, "5.7.1") {
			t.Errorf("%s: %v", name, r)
		}
	}
	// The sender of the message is another mailbox than the one that the report is for.
	report := deliveryReport(x.alfa().Mailboxes[1].Address, x.to.Address, x.id)
	if r := x.peer(t, x.alfa()).send("", []string{x.alfa().Mailboxes[1].Address}, report); !r.is(550, "5.7.1") {
		t.Errorf("to another mailbox: %v", r)
	}
}

// deliveryReport is what an ordinary mail server sends when it cannot deliver (RFC 3464).
func deliveryReport(to, failed, id string) []byte {
	return letter{
		from: "MAILER-DAEMON@mx.altrove.test", to: []string{to}, subject: "Undelivered Mail", id: "<dsn-" + fmt.Sprint(len(id)) + "@mx.altrove.test>",
		more: []string{"MIME-Version: 1.0", "Content-Type: multipart/report; report-type=delivery-status; boundary=confine"},
		body: "--confine\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n\r\n--confine\r\nContent-Type: message/delivery-status\r\n\r\n" +
			"Reporting-MTA: dns; mx.altrove.test\r\n\r\nFinal-Recipient: rfc822; " + failed + "\r\nAction: failed\r\nStatus: 5.0.0\r\n\r\n" +
			"--confine\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: " + to + "\r\nTo: " + failed + "\r\nSubject: Prova\r\nMessage-ID: <" + id + ">\r\n\r\n--confine--\r\n",
	}.octets()
}

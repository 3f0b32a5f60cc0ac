package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/mail"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // Italian legal time, wherever the test runs
)

// The subject and the file name as people read them.
const (
	accentedSubject = `Perizia dell'unità n° 5: «perché così è già più su»`
	accentedFile    = `UTF-8''Perizia%20dell%27unit%C3%A0%20%E2%80%94%20n%C2%B0%205.pdf` // RFC 2231
)

// TestExchange sends 5 MB with accented names from Alfa to Beta, by three ways in, and follows what comes of it.
// norms.md 18, 19, 22, 26 to 29, 31, 54, 56, 76, 80, 87, 94, 95, 99 to 102, 104, 106, 110, 111, 128, 138
func TestExchange(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, 3)
	for i, way := range []struct {
		name string
		send func(t *testing.T, from account, to string, octets []byte)
	}{
		{"curl to 465", func(t *testing.T, from account, to string, octets []byte) {
			s.curlSend(t, s.alfa(), from, []string{to}, octets)
		}},
		{"swaks to 587", func(t *testing.T, from account, to string, octets []byte) {
			s.swaksSend(t, s.alfa().Submission, from, to, octets, "--tls", "--auth", "LOGIN")
		}},
		{"swaks to 465", func(t *testing.T, from account, to string, octets []byte) {
			s.swaksSend(t, s.alfa().Submissions, from, to, octets, "--tls-on-connect", "--auth", "PLAIN")
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			from, to := s.alfa().Mailboxes[i], s.beta().Mailboxes[i]
			submission := bigLetter(from.Address, to.Address, fmt.Sprintf("<perizia-%d@client.test>", i)).octets()
			way.send(t, from, to.Address, submission)
			s.settle(t)
			x := s.exchange(t, from, to)
			x.checkHeaders(t)
			x.checkOriginals(t, submission)
			x.checkData(t)
			x.checkSignatures(t)
		})
	}
}

// bigLetter has an attachment of 5 MB, and header fields that have to be removed on the way.
func bigLetter(from, to, id string) letter {
	octets := make([]byte, 5_000_000)
	rand.NewChaCha8([32]byte{1}).Read(octets)
	var body strings.Builder
	body.WriteString("--confine\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	body.WriteString("Citt=C3=A0.\r\n.\r\n..due punti\r\nFrom qui\r\n\r\n--confine\r\nContent-Type: application/pdf\r\n")
	body.WriteString("Content-Disposition: attachment;\r\n filename*=" + accentedFile + "\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for text := base64.StdEncoding.EncodeToString(octets); text != ""; {
		n := min(76, len(text))
		body.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	body.WriteString("--confine--\r\n")
	return letter{
		from: "=?UTF-8?Q?Niccol=C3=B2_D=27Al=C3=B9?= <" + from + ">", to: []string{"=?ISO-8859-1?Q?Universit=E0?= <" + to + ">"},
		subject: "=?UTF-8?Q?Perizia_dell'unit=C3=A0_n=C2=B0_5=3A_?=\r\n =?UTF-8?Q?=C2=ABperch=C3=A9_cos=C3=AC_=C3=A8_gi=C3=A0_pi=C3=B9_su=C2=BB?=",
		id:      id,
		more: []string{
			"X-Riferimento-Message-ID: <finto@client.test>", "X-Mailer:\tclient  \r\n\tdi prova ", "Return-Path: <altri@client.test>",
			"MIME-Version: 1.0", "Content-Type: multipart/mixed;\r\n boundary=confine",
		},
		body: body.String(),
	}
}

// exchange is one message and what came of it.
type exchange struct {
	*sandbox
	from, to                               account
	acceptance, envelope, taken, delivered message
}

func (s *sandbox) exchange(t *testing.T, from, to account) *exchange {
	t.Helper()
	sender, recipient := s.inbox(t, from), s.inbox(t, to)
	if len(sender) != 2 || len(recipient) != 1 {
		t.Fatalf("%d messages at the sender and %d at the recipient, not 2 and 1", len(sender), len(recipient))
	}
	id := recipient[0].data.Data.ID
	return &exchange{
		sandbox: s, from: from, to: to,
		acceptance: only(t, sender, "accettazione", id), delivered: only(t, sender, "avvenuta-consegna", id),
		envelope: only(t, recipient, "posta-certificata", id),
		taken:    only(t, s.inbox(t, s.alfa().ServiceMailbox), "presa-in-carico", id),
	}
}

func (x *exchange) all() []message {
	return []message{x.acceptance, x.envelope, x.taken, x.delivered}
}

// checkHeaders: norms.md 1.1 and 18, 22-28, 55, 56, 80, field-notes.md 2.4-2.6.
func (x *exchange) checkHeaders(t *testing.T) {
	t.Helper()
	id, client := "<"+x.envelope.data.Data.ID+">", x.acceptance.data.Data.ClientID
	alfa, beta := x.alfa().signingAddress(), x.beta().signingAddress()
	for _, want := range []struct {
		message
		prefix, from, to, returnPath string
	}{
		{x.acceptance, "ACCETTAZIONE: ", alfa, x.from.Address, alfa},
		{x.envelope, "POSTA CERTIFICATA: ", fmt.Sprintf(`"Per conto di: %s" <%s>`, x.from.Address, alfa), "=?ISO-8859-1?Q?Universit=E0?= <" + x.to.Address + ">", x.from.Address},
		{x.taken, "PRESA IN CARICO: ", beta, x.alfa().ServiceMailbox.Address, beta},
		{x.delivered, "CONSEGNA: ", beta, x.from.Address, beta},
	} {
		for name, value := range map[string]string{
			"From": want.from, "To": want.to, "Return-Path": "<" + want.returnPath + ">", "X-Riferimento-Message-ID": client, "Sender": "",
		} {
			if got := want.header.Get(name); got != value {
				t.Errorf("%s: %s is %q, not %q", want.kind(), name, got, value)
			}
		}
		if got := want.subject(t); got != want.prefix+accentedSubject {
			t.Errorf("%s: Subject is %q", want.kind(), got)
		}
		if at, err := want.header.Date(); err != nil || !at.Equal(want.data.at(t)) {
			t.Errorf("%s: Date is %v (%v), daticert.xml says %v", want.kind(), at, err, want.data.at(t))
		}
		if isID := want.header.Get("Message-ID") == id; isID != (want.kind() == "posta-certificata") {
			t.Errorf("%s: Message-ID is %s, the PEC id is %s", want.kind(), want.header.Get("Message-ID"), id)
		}
	}
	if got := x.envelope.header.Get("Reply-To"); got != x.from.Address {
		t.Errorf("Reply-To of the envelope is %q", got)
	}
	if got := x.envelope.header.Get("X-TipoRicevuta"); got != "completa" {
		t.Errorf("X-TipoRicevuta of the envelope is %q", got)
	}
}

// checkOriginals: postacert.eml is what was submitted, apart from the changes that design.md 5 lists.
func (x *exchange) checkOriginals(t *testing.T, submission []byte) {
	t.Helper()
	if !bytes.Equal(x.envelope.original, x.delivered.original) {
		t.Error("postacert.eml differs between envelope and receipt")
	}
	if x.acceptance.original != nil || x.taken.original != nil {
		t.Error("an acceptance or a taking in charge holds the original")
	}
	received, rest := cutField(x.envelope.original)
	checkReceived(t, string(received), x.alfa().Domain, x.acceptance.data.at(t))
	if want := rewritten(submission, x.envelope.data.Data.ID); !bytes.Equal(rest, want) {
		t.Errorf("postacert.eml has other octets than the submission, from %d on:\n%q\nnot\n%q", differsAt(rest, want), around(rest, want), around(want, rest))
	}
}

// rewritten is a submission with the changes that design.md 5 lists, all but the Received on top.
func rewritten(submission []byte, id string) []byte {
	var out bytes.Buffer
	var client string
	for rest := submission; ; {
		if bytes.HasPrefix(rest, []byte("\r\n")) {
			fmt.Fprintf(&out, "X-Riferimento-Message-ID: %s\r\n%s", client, rest)
			return out.Bytes()
		}
		var field []byte
		field, rest = cutField(rest)
		switch name, value, _ := strings.Cut(string(field), ":"); strings.ToLower(name) {
		case "return-path", "x-riferimento-message-id":
		case "message-id":
			client = strings.TrimSpace(value)
			fmt.Fprintf(&out, "Message-ID: <%s>\r\n", id)
		default:
			out.Write(field)
		}
	}
}

// cutField cuts the first field of a header off, with its continuation lines.
func cutField(octets []byte) (field, rest []byte) {
	end := 0
	for {
		end += bytes.Index(octets[end:], []byte("\r\n")) + 2
		if end == len(octets) || octets[end] != ' ' && octets[end] != '\t' {
			return octets[:end], octets[end:]
		}
	}
}

// checkReceived: one Received of ours, with the acceptance's instant and without a recipient (design.md 5).
func checkReceived(t *testing.T, field, domain string, at time.Time) {
	t.Helper()
	if !strings.HasPrefix(field, "Received: from ") || !strings.Contains(field, "by mx."+domain+" ") || strings.Contains(field, "for ") {
		t.Errorf("the field on top is %q", field)
	}
	date, err := mail.ParseDate(strings.TrimSpace(field[strings.LastIndexByte(field, ';')+1:]))
	if err != nil || !date.Equal(at) {
		t.Errorf("Received is of %v (%v), the acceptance of %v", date, err, at)
	}
}

func differsAt(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// around is the neighbourhood of the first difference.
func around(a, b []byte) []byte {
	n := differsAt(a, b)
	return a[max(0, n-40):min(len(a), n+80)]
}

// checkData: the four daticert.xml are valid and tell the same (norms.md 31, 55, 87, 100-106).
func (x *exchange) checkData(t *testing.T) {
	t.Helper()
	first := x.acceptance.data
	for _, m := range x.all() {
		validateXML(t, m.xml)
		d := m.data
		if d.Error != "nessuno" || !reflect.DeepEqual(d.Header, first.Header) || d.Data.ID != first.Data.ID || d.Data.ClientID != first.Data.ClientID {
			t.Errorf("%s does not agree with the acceptance:\n%+v\n%+v", d.Kind, d, first)
		}
		italian, err := time.LoadLocation("Europe/Rome")
		if err != nil {
			t.Fatal(err)
		}
		if zone := d.at(t).In(italian).Format("-0700"); d.Data.Date.Zone != zone {
			t.Errorf("%s: zona is %s, legal time is %s", d.Kind, d.Data.Date.Zone, zone)
		}
	}
	h := first.Header
	if h.Sender != x.from.Address || h.ReplyTo != x.from.Address || h.Subject != accentedSubject ||
		len(h.Recipients) != 1 || h.Recipients[0].Address != x.to.Address || h.Recipients[0].Type != "certificato" {
		t.Errorf("the certification data are not those of the submission: %+v", h)
	}
	if got := x.taken.data.Data.TakenFor; !reflect.DeepEqual(got, []string{x.to.Address}) {
		t.Errorf("taken in charge for %q", got)
	}
	if d := x.delivered.data.Data; d.DeliveredTo != x.to.Address || d.Receipt.Type != "completa" || x.envelope.data.Data.Receipt.Type != "completa" {
		t.Errorf("consegna %q, ricevuta %q", d.DeliveredTo, d.Receipt.Type)
	}
	x.checkInstants(t)
}

func (x *exchange) checkInstants(t *testing.T) {
	t.Helper()
	accepted, taken, delivered := x.acceptance.data.at(t), x.taken.data.at(t), x.delivered.data.at(t)
	if !accepted.Equal(x.envelope.data.at(t)) {
		t.Errorf("acceptance and envelope have different instants: %v, %v", accepted, x.envelope.data.at(t))
	}
	if taken.Before(accepted) || delivered.Before(taken) {
		t.Errorf("accepted %v, taken in charge %v, delivered %v", accepted, taken, delivered)
	}
	for _, m := range x.all() {
		issuer := x.alfa().Name
		if m.kind() == "presa-in-carico" || m.kind() == "avvenuta-consegna" {
			issuer = x.beta().Name
		}
		if m.data.Data.Issuer != issuer {
			t.Errorf("%s: issued by %q", m.kind(), m.data.Data.Issuer)
		}
	}
}

// checkSignatures: what curl and mbsync read is what is stored, and openssl verifies it.
func (x *exchange) checkSignatures(t *testing.T) {
	t.Helper()
	for _, a := range []struct {
		account
		provider
		messages []message
	}{
		{x.from, x.alfa(), []message{x.acceptance}},
		{x.from, x.beta(), []message{x.delivered}},
		{x.to, x.alfa(), []message{x.envelope}},
		{x.alfa().ServiceMailbox, x.beta(), []message{x.taken}},
	} {
		maildir := x.mbsync(t, a.account)
		for _, m := range a.messages {
			if !bytes.Equal(x.curlFetch(t, a.account, m.uid), m.octets) {
				t.Errorf("%s: curl reads other octets", m.kind())
			}
			signed := x.verifySignature(t, a.provider, m.octets)
			if !bytes.Contains(m.octets, signed) || !bytes.Contains(signed, m.original) {
				t.Errorf("%s: what openssl verified is not what was read", m.kind())
			}
			x.checkMaildir(t, a.provider, maildir, m)
		}
	}
}

func (x *exchange) checkMaildir(t *testing.T, p provider, maildir [][]byte, m message) {
	t.Helper()
	want := unix(m.octets)
	for _, file := range maildir {
		if bytes.Equal(file, want) {
			x.verifySignature(t, p, file)
			return
		}
	}
	t.Errorf("%s: none of the %d files of mbsync has its octets", m.kind(), len(maildir))
}

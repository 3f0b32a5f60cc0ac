package hostile

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// TestClientSuppliedPECHeaders: what only a provider may write, in a holder's submission, is text of the original and
// nothing more: the envelope has the fields of a plain one, each once, and our values (attacks.md 4).
// norms.md 34, 75
func TestClientSuppliedPECHeaders(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "2")
	from, to := s.alfa().Mailboxes[0], s.beta().Mailboxes[0]
	earlier := s.plainLetter(from, to)
	earlierID := s.submit(t, from, earlier)
	old := s.outcomes(t, from, to, []string{earlierID})[0]
	forged := func(extra ...string) func(*letter) {
		return more(append([]string{
			"X-Trasporto: errore", "X-Ricevuta: avvenuta-consegna", "X-VerificaSicurezza: errore", "X-Mittente: x@y.test",
			"X-Riferimento-Message-ID: " + earlier.id, "Return-Path: <x@y.test>", "Delivered-To: x@y.test", "Received: from x by y; Mon, 02 Nov 2026 09:00:00 +0100",
		}, extra...)...)
	}
	accepted, letters, ids := s.attempts(t, from, to, []attempt{
		{name: "plain", change: sameLetter},
		{name: "fields of an envelope", change: forged()},
		{name: "with an odd kind of receipt", change: forged("X-TipoRicevuta: sintetica; x", "X-TipoRicevuta: breve\r\n (x)", "X-TipoRicevuta:")},
		{name: "with a forged certification", change: func(l *letter) {
			l.more, l.body = []string{"X-Trasporto: posta-certificata", "Content-Type: multipart/mixed; boundary=b"}, forgedParts(old.envelope.xml)
		}},
		{name: "a whole envelope again", change: again(old.envelope)},
		{name: "an acceptance again", change: again(old.acceptance)},
		{name: "a receipt again", change: again(old.delivered)},
		{name: "an envelope forwarded", change: func(l *letter) {
			l.more, l.body = []string{"Content-Type: message/rfc822"}, string(old.envelope.octets)
		}},
	})
	if len(ids) != 8 {
		t.Fatalf("%d of 8 were accepted", len(ids))
	}
	all := s.outcomes(t, from, to, ids)
	for i, o := range all {
		for j, m := range o.all() {
			if got, plain := ours(m.fields()), ours(all[0].all()[j].fields()); !slices.Equal(got, plain) {
				t.Errorf("%s: %s has the fields %q, a plain one %q", accepted[i].name, m.kind(), got, plain)
			}
			if m.data.Header.Sender != from.Address || m.data.Header.Subject != "Prova" && m.data.Header.Subject != letters[i].subject {
				t.Errorf("%s: %s has the data %+v", accepted[i].name, m.kind(), m.data)
			}
		}
		if got := o.envelope.header["X-Trasporto"]; !slices.Equal(got, []string{"posta-certificata"}) {
			t.Errorf("%s: X-Trasporto is %q", accepted[i].name, got)
		}
		if got := o.envelope.header["X-Tiporicevuta"]; !slices.Equal(got, []string{"completa"}) {
			t.Errorf("%s: X-TipoRicevuta is %q", accepted[i].name, got)
		}
		wantOriginal(t, accepted[i].name, o.envelope.original, letters[i].octets(), ids[i])
		wantOriginal(t, accepted[i].name, o.delivered.original, letters[i].octets(), ids[i])
	}
	after := s.outcomes(t, from, to, []string{earlierID})[0] // still one of each
	if !bytes.Equal(after.delivered.octets, old.delivered.octets) {
		t.Error("the receipt of the message that was named is another one")
	}
	s.wantRefusedCopy(t, to, old.envelope)
}

// ours leaves out the Received of the original, which an envelope inherits, and the label of 8-bit octets.
func ours(fields []string) []string {
	return slices.DeleteFunc(fields, func(name string) bool { return name == "Received" || name == "Content-Transfer-Encoding" })
}

// again submits a message of the system as the holder's own: its PEC fields, its Message-ID, its signed body.
func again(m message) func(*letter) {
	return func(l *letter) {
		header, body, _ := bytes.Cut(m.octets, []byte("\r\n\r\n"))
		l.id, l.body = "", string(body)
		for rest := append(header, "\r\n"...); len(rest) > 0; {
			var field []byte
			field, rest = cutField(rest)
			switch name, _, _ := strings.Cut(string(field), ":"); name {
			case "From", "To", "Cc", "Subject", "Date":
			case "Message-ID":
				l.id = strings.TrimSpace(strings.TrimPrefix(string(field), "Message-ID:"))
			default:
				l.more = append(l.more, strings.TrimSuffix(string(field), "\r\n"))
			}
		}
	}
}

// forgedParts is a body with a daticert.xml that names another sender, a postacert.eml and a signature of nothing.
func forgedParts(xml []byte) string {
	forged := bytes.ReplaceAll(xml, []byte("<mittente>"), []byte("<mittente>x"))
	return "--b\r\nContent-Type: application/xml; name=\"daticert.xml\"\r\nContent-Disposition: inline; filename=\"daticert.xml\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(forged[:57]) + "\r\n" + base64.StdEncoding.EncodeToString(forged[57:114]) + "\r\n" +
		"--b\r\nContent-Type: message/rfc822; name=\"postacert.eml\"\r\n\r\nFrom: x@y.test\r\n\r\nx\r\n" +
		"--b\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n--b--\r\n"
}

// wantRefusedCopy submits an envelope as it came, in its recipient's name: it is from somebody else.
func (s *sandbox) wantRefusedCopy(t *testing.T, holder account, envelope message) {
	t.Helper()
	r := s.submission(t, holder).transaction("<"+holder.Address+">", []string{holder.Address}, envelope.octets)
	if r.code != 550 || !strings.Contains(r.text, "5.7.1") {
		t.Errorf("an envelope as it came: %v", r)
	}
}

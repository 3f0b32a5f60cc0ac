package mailfile

import (
	"strings"
	"testing"
)

func TestLooksLikeMessage(t *testing.T) {
	received := strings.Repeat("Received: from a by b;\r\n\tMon, 5 Jan 2026 10:00:00 +0100\r\n", 400)
	for _, test := range []struct {
		name, head string
		want       bool
	}{
		{"a message", mail("x"), true},
		{"LF", "Date: x\nFrom: a@b\n\nciao\n", true},
		{"header only", "Return-Path: <a@b>\r\nDelivered-To: c@d\r\n", true},
		{"other case", "FROM: a@b\nto: c@d\n\n", true},
		{"folded", "Received: from a\r\n by b\r\n\t; x\r\nSubject:\r\n x\r\n\r\n", true},
		{"obsolete blanks before the colon", "From : a@b\r\nDate \t: x\r\n\r\n", true},
		{"UTF-8 mark", "\xef\xbb\xbfFrom: a@b\nDate: x\n\n", true},
		{"empty lines before", "\r\n\nFrom: a@b\nDate: x\n\n", true},
		{"8-bit in a field", "From: \xe8 <a@b>\nSubject: \xff\n\n", true},
		{"the octets behind the header say nothing", "From: a@b\nDate: x\n\n\x00\x01\x02", true},
		{"head ends in a name", "From: a@b\nDate: x\nMess", true},
		{"head ends in a folded line", "From: a@b\nDate: x\n mo", true},
		{"head ends behind a long trace", received[:16<<10], false},
		{"head ends behind a long trace with Return-Path", "Return-Path: <a@b>\n" + received[:16<<10], true},

		{"nothing", "", false},
		{"empty lines only", "\r\n\r\n", false},
		{"one field twice", "From: a@b\nFrom: c@d\n\n", false},
		{"nothing telling", "Subject: x\nTo: a@b\nMIME-Version: 1.0\n\n", false},
		{"telling, and nothing of mail", "Date: x\nServer: y\nContent-Type: text/html\n\n", false},
		{"HTTP", "HTTP/1.1 200 OK\r\nDate: x\r\nFrom: a@b\r\nTo: c\r\n\r\n", false},
		{"LDIF", "dn: o=postacert\nobjectClass: top\nmail: a@b\n\n", false},
		{"fields behind the first empty line", "X: y\n\nFrom: a@b\nDate: x\n\n", false},
		{"prose first", "Buongiorno,\nFrom: a@b\nDate: x\n\n", false},
		{"continuation first", " x\nFrom: a@b\nDate: x\n\n", false},
		{"prose between", "From: a@b\nBuongiorno\nDate: x\n\n", false},
		{"no name", "From: a@b\n: y\nDate: x\n\n", false},
		{"name with blanks", "From: a@b\nmy own: y\nDate: x\n\n", false},
		{"name not ASCII", "From: a@b\nperch\xc3\xa9: y\nDate: x\n\n", false},
		{"NUL in a field", "From: a@b\nDate: x\x00\n\n", false},
		{"NUL in a folded line", "From: a@b\n \x00\nDate: x\n\n", false},
		{"UTF-16", "\xff\xfeF\x00r\x00o\x00m\x00:\x00", false},
		{"mbox", "From a Mon Jan\nFrom: a@b\nDate: x\n\n", false},
		{"binary", "\x00\x01\x02\n\x00", false},
		{"mark alone", "\xef\xbb\xbf", false},
		{"carriage returns alone", "From: a@b\rDate: x\r\r", false},
	} {
		if got := LooksLikeMessage([]byte(test.head)); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

// What Italian providers send begins with their own fields, signed or not.
// field-notes.md 3
func TestReceiptsLookLikeMessages(t *testing.T) {
	for _, head := range []string{
		"X-Ricevuta: accettazione\r\nX-Riferimento-Message-ID: <a@b>\r\nDate: x\r\nFrom: posta-certificata@pec.test\r\n\r\n",
		"Return-Path: <posta-certificata@pec.test>\r\nX-TipoRicevuta: completa\r\nSubject: CONSEGNA: x\r\n\r\n",
		"X-Mozilla-Status: 0001\r\nX-Mozilla-Status2: 00000000\r\nX-Mozilla-Keys:        \r\nReceived: x\r\nTo: a@b\r\n\r\n",
	} {
		if !LooksLikeMessage([]byte(head)) {
			t.Errorf("%q does not look like a message", head)
		}
	}
}

func TestLooksLikeMbox(t *testing.T) {
	for _, test := range []struct {
		name, head string
		want       bool
	}{
		{"Thunderbird", "From - Mon Jan  5 10:00:00 2026\r\nX-Mozilla-Status: 0001\r\n", true},
		{"with an address", "From a@b Mon Jan  5 09:00:00 2026\nReturn-Path: <a@b>\n", true},
		{"head ends in the field", "From a\nFrom: b", true},
		{"no field", "From a\n\nFrom: b\n", false},
		{"prose", "From here on\nthe road goes down\n", false},
		{"one line", "From a@b Mon Jan", false},
		{"a field in the obsolete form", "From : a@b\nDate: x\n", false},
		{"other case", "FROM a\nFrom: b\n", false},
		{"empty lines before", "\nFrom a\nFrom: b\n", false},
		{"nothing", "", false},
	} {
		if got := looksLikeMbox([]byte(test.head)); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}

// Foreign octets of any kind are taken for something or nothing.
func FuzzClassify(f *testing.F) {
	for _, seed := range []string{mail("x"), "From a\nFrom: b\n", "PK\x03\x04", outlook, "\xef\xbb\xbf\r\n\r\n: \n \n\t", "From :", "a:\n \r\n\r", ""} {
		f.Add([]byte(seed), "ricevuta.eml", true, false)
		f.Add([]byte(seed), "senza nome", false, true)
	}
	f.Fuzz(func(t *testing.T, head []byte, base string, named, maildir bool) {
		kind, err := classify(origin{base, named, maildir}, head)
		if err != nil && kind != noMail {
			t.Errorf("form %d with the error %v", kind, err)
		}
		if err == nil && kind == noMail && named {
			t.Error("a named file is passed over without a word")
		}
		if LooksLikeMessage(head) && looksLikeMbox(head) {
			t.Error("a message and an mbox at once")
		}
		if LooksLikeMessage(head) && kind != oneMessage && err == nil {
			t.Errorf("a message is taken for form %d", kind)
		}
	})
}

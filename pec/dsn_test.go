package pec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleDSN(t testing.TB) DSN {
	return DSN{
		From: "postmaster@pec.alfa.test", To: mario, At: instant(), MessageID: "dsn1@pec.alfa.test", Boundary: boundary,
		ReportingMTA: "mx.pec.alfa.test", Subject: "Perché no?", Returned: rewritten(t),
		Failures: []Failure{{outsider, "5.1.1", "mx.posta.test", "550 5.1.1 no such\r\n user è"}, {"x@posta.test", "4.4.7", "", ""}},
	}
}

func TestComposeDSN(t *testing.T) {
	message, err := ComposeDSN(sampleDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "dsn.eml", message)
	ids, ok := ReadDSN(scan(message, KeepForDSN))
	if want := []ID{messageID, "client-id@host.alfa.test"}; !ok || !cmp.Equal(ids, want) {
		t.Errorf("identifiers %q, want %q", ids, want)
	}
}

func TestComposeDSNRefuses(t *testing.T) {
	cases := map[string]func(*DSN){
		"From":      func(d *DSN) { d.From = "" },
		"To":        func(d *DSN) { d.To = "a@b\r\nX: y" },
		"nobody":    func(d *DSN) { d.Failures = nil },
		"recipient": func(d *DSN) { d.Failures[0].Recipient = "x" },
		"status":    func(d *DSN) { d.Failures[0].Status = "5.1.1\r\nX: y" },
		"success":   func(d *DSN) { d.Failures[0].Status = "2.0.0" },
		"boundary":  func(d *DSN) { d.Boundary = "b" },
		"id":        func(d *DSN) { d.MessageID = "" },
	}
	for name, change := range cases {
		d := sampleDSN(t)
		change(&d)
		if message, err := ComposeDSN(d); err == nil {
			t.Errorf("%s: composed\n%s", name, message)
		}
	}
}

func TestReadDSN(t *testing.T) {
	const report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nsorry\n--b\nContent-Type: message/delivery-status\n\nx\n--b\n"
	cases := map[string]struct {
		message string
		ids     []ID
		ok      bool
	}{
		"whole message":    {report + "Content-Type: message/rfc822\n\nMessage-ID: <a@b>\n\nx\n--b--\n", []ID{"a@b"}, true},
		"headers":          {report + "Content-Type: text/rfc822-headers\n\nReceived: x\nX-Riferimento-Message-ID:\n <c@d>\nMessage-ID: <a@b>\n--b--\n", []ID{"a@b", "c@d"}, true},
		"encoded headers":  {report + "Content-Type: text/rfc822-headers\nContent-Transfer-Encoding: base64\n\nTWVzc2FnZS1JRDogPGFAYj4K\n--b--\n", []ID{"a@b"}, true},
		"nothing useful":   {report + "Content-Type: text/rfc822-headers\n\nMessage-ID: <a b>\n--b--\n", nil, true},
		"nothing returned": {report + "Content-Type: text/plain\n\nMessage-ID: <a@b>\n--b--\n", nil, false},
		"no report":        {strings.Replace(report, "multipart/report", "multipart/mixed", 1) + "Content-Type: text/rfc822-headers\n\nMessage-ID: <a@b>\n--b--\n", nil, false},
	}
	for name, test := range cases {
		ids, ok := ReadDSN(scan(crlf(test.message), KeepForDSN))
		if ok != test.ok || !cmp.Equal(ids, test.ids) {
			t.Errorf("%s: %q %v", name, ids, ok)
		}
	}
}

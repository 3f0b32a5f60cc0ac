package mailfile

import (
	"errors"
	"testing"
)

func TestWhatAFileIs(t *testing.T) {
	const zip, binary, prose = "PK\x03\x04", "\x00\x01\x02", "Buongiorno\n"
	tar := string(make([]byte, 257)) + "ustar\x0000"
	inMaildir := origin{base: "1700000000.M1P2.host:2,S", maildir: true}
	found := func(base string) origin { return origin{base: base} }
	named := func(base string) origin { return origin{base: base, named: true} }
	for _, test := range []struct {
		origin origin
		head   string
		want   form
		err    error
	}{
		// What it holds counts first.
		{found("x"), mail("x"), oneMessage, nil},
		{found("x.txt"), mail("x"), oneMessage, nil},
		{found("x.zip"), mail("x"), oneMessage, nil},
		{found("x.eml"), "From a\nFrom: b\n", anMbox, nil},
		{inMaildir, "From a\nFrom: b\n", anMbox, nil},

		// A damaged message is spoken of, not overlooked.
		{found("x.eml"), prose, oneMessage, nil},
		{found("X.EML"), prose, oneMessage, nil},
		{inMaildir, prose, oneMessage, nil},
		{found("x.eml"), binary, noMail, errBinary},
		{found("x.eml"), "\xff\xfeF\x00r\x00", noMail, errBinary},
		{found("x.eml"), "", noMail, errEmpty},
		{inMaildir, "", noMail, errEmpty},
		{found("x.eml"), outlook, noMail, errOutlook},
		{found("x.eml"), zip + binary, noMail, errBinary},

		// Archives.
		{found("x.zip"), zip, anArchive, nil},
		{found("X.ZIP"), "PK\x05\x06", anArchive, nil},
		{found("x.docx"), zip, noMail, nil},
		{named("x.docx"), zip, anArchive, nil},
		{named("x.eml"), zip, anArchive, nil},
		{found("x.zip"), prose, noMail, errNotZip},
		{found("x.zip"), "", noMail, errNotZip},
		{named("x.zip"), "", noMail, errEmpty},

		// Forms that hold mail and are not read.
		{found("x.msg"), outlook, noMail, errOutlook},
		{found("x.doc"), outlook, noMail, nil},
		{named("x.doc"), outlook, noMail, errOutlook},
		{found("x.msg"), prose, noMail, nil},
		{found("x.pst"), "!BDN...", noMail, errStore},
		{found("1.emlx"), "2048      \n" + mail("x"), noMail, errApple},
		{found("x.eml.gz"), "\x1f\x8b\x08", noMail, errPacked},
		{found("x"), "BZh9", noMail, errPacked},
		{found("x.xz"), "\xfd7zXZ\x00", noMail, errPacked},
		{found("x.7z"), "7z\xbc\xaf\x27\x1c", noMail, errPacked},
		{found("x.rar"), "Rar!\x1a\x07\x01\x00", noMail, errPacked},
		{found("x.tar"), tar, noMail, errPacked},
		{found("x.mbox"), prose, noMail, errNotMbox},
		{found("x.mbox"), "", noMail, nil},

		// All else.
		{found("x.pdf"), "%PDF-1.7", noMail, nil},
		{found("daticert.xml"), "<?xml version=\"1.0\"?>\n", noMail, nil},
		{found("x.pem"), "-----BEGIN CERTIFICATE-----\n", noMail, nil},
		{found(""), "", noMail, nil},
		{named("x.pdf"), "%PDF-1.7", noMail, errNoMail},
		{named("x"), "", noMail, errEmpty},
	} {
		kind, err := classify(test.origin, []byte(test.head))
		if kind != test.want || !errors.Is(err, test.err) {
			t.Errorf("%+v, %.20q: form %d, %v; want %d, %v", test.origin, test.head, kind, err, test.want, test.err)
		}
	}
}
